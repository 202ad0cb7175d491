//! The terminal in the README: `docs/session.svg` is written from commands that are really run; `UPDATE=1` rewrites it.

use std::fmt::Write;
use std::path::Path;

use super::{ROOT, repository, shell};
use crate::generated::compare;

/// What is typed, one after another, in one place.
const TYPED: [&str; 5] = [
    "sandbox-agent run -a mock -s fix --detach \"slow 5 200\"      # any agent; this one is built in",
    "sandbox-agent stream fix --follow | head -n 7 | jq -c '[.sequence, .type, .data.delta]'",
    "sandbox-agent stream fix --follow --offset 7 | jq -c '[.sequence, .type, .data.delta]'",
    "sandbox-agent run -s fix -o last \"permission rm -rf build\" || echo \"exit code $?\"",
    "sqlite3 \"$(sandbox-agent sessions path)\" 'select turn_id, outcome, exit_code from turns'",
];

const LINE: f64 = 19.0;
const WIDTH: f64 = 900.0;
const MARGIN: f64 = 16.0;

#[test]
fn the_recorded_terminal_is_what_the_program_prints() {
    let env = repository();
    let mut shown = Vec::new();
    let mut seconds = 0.5;
    for typed in TYPED {
        shown.push(Shown { class: "typed", text: format!("$ {typed}"), seconds });
        seconds += 1.2;
        let output = shell(&env, &format!("{typed}\n")).run().expect(0);
        for line in output.text().lines() {
            shown.push(Shown { class: "said", text: line.to_owned(), seconds });
            seconds += 0.15;
        }
        seconds += 0.8;
    }
    let picture = picture(&shown);
    assert!(picture.len() < 30_000 && picture.contains("exit code 5"), "{picture}");
    compare(&Path::new(ROOT).join("docs/session.svg"), &picture);
}

struct Shown {
    class: &'static str,
    text: String,
    /// When it appears.
    seconds: f64,
}

fn picture(shown: &[Shown]) -> String {
    let height = LINE * shown.len() as f64 + 2.0 * MARGIN;
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\">
<!-- Written by UPDATE=1 cargo test docs::session, from commands that were run: do not edit. -->
<title>A session of sandbox-agent in a terminal</title>
<style>
rect {{ fill: #16181d }}
text {{ font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; white-space: pre; opacity: 0; animation: show 0.01s linear forwards }}
.typed {{ fill: #e8eaed; font-weight: 600 }}
.said {{ fill: #9fd8a4 }}
@keyframes show {{ to {{ opacity: 1 }} }}
@media (prefers-reduced-motion: reduce) {{ text {{ animation: none; opacity: 1 }} }}
</style>
<rect width=\"100%\" height=\"100%\" rx=\"8\"/>
"
    );
    for (number, Shown { class, text, seconds }) in (1..).zip(shown) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let y = MARGIN + LINE * f64::from(number) - 5.0;
        writeln!(
            picture,
            "<text class=\"{class}\" x=\"{MARGIN}\" y=\"{y}\" style=\"animation-delay:{seconds:.2}s\">{text}</text>"
        )
        .unwrap();
    }
    picture + "</svg>\n"
}
