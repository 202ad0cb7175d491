//! The README's lines about processes, each run as it stands there; only the port is a free one.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::keep::{logs, show, wait_for_text};
use crate::env::{Output, TestEnv, program, readme, wait_until};

#[test]
fn the_lines_in_the_readme_work() {
    let mut env = TestEnv::new();
    env.add_to_path(Path::new(program()).parent().unwrap());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    // Two streams in turn make a record a line; the server comes when the log is longer than the offset.
    let npm = format!(
        "#!/bin/bash\nfor i in $(seq 100); do echo o$i; echo e$i >&2; done\nexec python3 -m http.server {port} --bind 127.0.0.1\n"
    );
    for (name, script) in
        [("npm", npm.as_str()), ("cargo", "#!/bin/sh\necho \"$@\" passed\n"), ("make", "#!/bin/sh\necho made\n")]
    {
        let path = env.write(name, script);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    env.add_to_path(&env.work());
    let lines = readme("sandbox-agent proc run --timeout 30s").lines();
    let lines: Vec<String> = lines.map(|line| line.replace("3000", &port)).collect();
    let [run, started, ready, followed, terminal, typed, stopped, pruned] = lines.as_slice() else {
        panic!("a line without a test here: {lines:?}")
    };
    let shell = |line: &str| env.program(Path::new("/bin/bash")).args(&["-e", "-c", line]);
    let done = |line: &str| -> Output { shell(line).run().expect(0) };

    let result = done(run).object();
    assert_eq!((&result["exit_code"], &result["stdout"]), (&0.into(), &"test passed\n".into()), "{result}");
    let id = done(&format!("{started}\necho $id")).text().trim().to_owned();
    assert_eq!(done(ready).object()["process_id"], id.as_str());
    let mut follower = shell(followed).spawn();
    follower.wait_for("a line after the offset", |line| line["sequence"] == 121);
    done(terminal);
    let typed = done(typed).lines();
    assert_eq!((&typed[0]["bytes_written"], &typed[1]["cols"]), (&5.into(), &120.into()), "{typed:?}");
    wait_for_text(&env, "sh", "made");
    let records = done(stopped).lines();
    assert_eq!((&records[0]["status"], &records[1]["removed"]), (&"exited".into(), &true.into()), "{records:?}");
    let output = follower.wait();
    assert_eq!(output.lines()[0]["sequence"], 121);
    assert!(output.code() == 0 || output.code() == 3, "{}", output.stderr);
    assert!(done(pruned).lines().is_empty(), "nothing is so old");
    env.run(&["proc", "show", "web"]).expect(3);
    assert_eq!(show(&env, "sh")["status"], "running");
    env.run(&["proc", "kill", "sh"]).expect(0);
    assert!(logs(&env, "sh").len() > 2);
    wait_until("everything to end", || env.alive().is_empty().then_some(()));
}
