//! The README's lines about desktops, each run as it stands there; only what would install is said instead.

use std::path::Path;

use crate::env::{TestEnv, program, readme};

#[test]
fn the_lines_in_the_readme_work() {
    let mut env = TestEnv::new();
    env.add_to_path(Path::new(program()).parent().unwrap());
    let block = readme("sandbox-agent install desktop");
    // Other machines are slower than a README should say.
    let script = block
        .replace("desktop --yes", "desktop --print-only --package-manager apt")
        .replace("--wait xterm", "--wait=60s xterm");
    assert_ne!(script, block);
    let words = ["-e", "-o", "pipefail", "-c", script.as_str()];
    let output = env.program(Path::new("/bin/bash")).args(&words).run().expect(0);
    let text = output.text();
    assert!(text.contains("xvfb openbox ffmpeg xdg-utils dbus-daemon fonts-dejavu-core\n"), "{text}");
    assert!(text.contains("{\"characters\":14}"), "{text}");
    assert!(text.lines().last().unwrap().contains("\"state\":\"inactive\""), "{text}");
    let picture = std::fs::read(env.work().join("shot.png")).unwrap();
    assert_eq!((&picture[1..4], &picture[16..24]), (&b"PNG"[..], &[0, 0, 2, 128, 0, 0, 1, 144][..]), "640x400");
    env.wait_until_none_is_alive();
}
