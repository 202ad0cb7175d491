//! Asking the person at the terminal: the words of a request, and what was typed. Pure.

use std::fmt::Write;

use agents::dialect::Decision;
use schema::event::Body;
use schema::item::ContentPart;
use schema::request::{PermissionRequested, QuestionEvent};

/// What was typed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    Decide(Decision),
    Answer(Vec<Vec<String>>),
    Refuse,
}

/// A request as it stands on the terminal.
pub(crate) fn words(body: &Body) -> String {
    match body {
        Body::PermissionRequested(request) => permission(request),
        Body::QuestionRequested(question) => questions(question),
        Body::SessionStarted(_)
        | Body::SessionEnded(_)
        | Body::TurnStarted(_)
        | Body::TurnEnded(_)
        | Body::ItemStarted(_)
        | Body::ItemDelta(_)
        | Body::ItemCompleted(_)
        | Body::PermissionResolved(_)
        | Body::QuestionResolved(_)
        | Body::Error(_)
        | Body::AgentUnparsed(_) => String::new(),
    }
}

pub(crate) fn is_question(body: &Body) -> bool {
    matches!(body, Body::QuestionRequested(_))
}

/// What was typed, if it means something here.
pub(crate) fn understand(body: &Body, line: &str) -> Option<Reply> {
    let line = line.trim();
    let Body::QuestionRequested(question) = body else {
        return Some(Reply::Decide(match line.to_ascii_lowercase().as_str() {
            "y" | "yes" => Decision::Accept { input: None },
            "a" | "always" => Decision::AcceptForSession,
            "n" | "no" => Decision::Reject { message: None, stop: false },
            _ => return None,
        }));
    };
    if line.is_empty() {
        return Some(Reply::Refuse);
    }
    // Several questions are answered in one line, divided by semicolons.
    let given: Vec<&str> =
        if question.questions.len() > 1 { line.split(';').map(str::trim).collect() } else { vec![line] };
    if given.len() != question.questions.len() {
        return None;
    }
    let mut answers = Vec::new();
    for (asked, text) in question.questions.iter().zip(given) {
        let choices: Vec<&str> = if asked.multi_select { text.split(',').map(str::trim).collect() } else { vec![text] };
        let mut labels = Vec::new();
        for choice in choices {
            let option = match choice.parse::<usize>() {
                Ok(number) => number.checked_sub(1).and_then(|number| asked.options.get(number)),
                Err(_) => asked.options.iter().find(|option| option.label.eq_ignore_ascii_case(choice)),
            };
            match option {
                Some(option) => labels.push(option.label.clone()),
                None if asked.custom && !choice.is_empty() => labels.push(choice.to_owned()),
                None => return None,
            }
        }
        answers.push(labels);
    }
    Some(Reply::Answer(answers))
}

fn permission(request: &PermissionRequested) -> String {
    let mut text = format!("\nThe agent asks: {}", request.action.as_str());
    if let Some(title) = &request.title {
        push(&mut text, format_args!(" — {}", plain(title)));
    }
    text.push('\n');
    if let Some(command) = &request.command {
        push(&mut text, format_args!("  $ {}\n", plain(command)));
    }
    if let Some(cwd) = &request.cwd {
        push(&mut text, format_args!("  in {}\n", plain(cwd)));
    }
    for path in request.paths.iter().flatten() {
        push(&mut text, format_args!("  {}\n", plain(path)));
    }
    if let Some(url) = &request.url {
        push(&mut text, format_args!("  {}\n", plain(url)));
    }
    if let Some(server) = &request.server {
        push(&mut text, format_args!("  {}/{}\n", plain(server), plain(&request.tool)));
    }
    for file in request.files.iter().flatten() {
        if let ContentPart::FileRef { diff: Some(diff), .. } = file {
            for line in diff.lines().take(60) {
                push(&mut text, format_args!("  {}\n", plain(line)));
            }
            if diff.lines().count() > 60 {
                text.push_str("  …\n");
            }
        }
    }
    text.push_str("Allow? [y]es, [a]lways in this run, [n]o: ");
    text
}

fn questions(question: &QuestionEvent) -> String {
    let mut text = String::from("\n");
    for asked in &question.questions {
        push(&mut text, format_args!("{}\n", plain(&asked.prompt)));
        for (number, option) in asked.options.iter().enumerate() {
            push(&mut text, format_args!("  {}. {}", number + 1, plain(&option.label)));
            if let Some(description) = &option.description {
                push(&mut text, format_args!(" — {}", plain(description)));
            }
            text.push('\n');
        }
    }
    let several = question.questions.len() > 1;
    let multi = question.questions.iter().any(|asked| asked.multi_select);
    text.push_str("Answer by number or text");
    if multi {
        text.push_str(", several divided by commas");
    }
    if several {
        text.push_str(", one for each question divided by semicolons");
    }
    text.push_str("; empty to decline: ");
    text
}

/// What an agent wrote must not move the cursor or hide a part of itself.
fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            if c.is_control() && c != '\n' && c != '\t' { c.escape_default().collect::<Vec<_>>() } else { vec![c] }
        })
        .collect()
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("writing into memory cannot fail");
}
