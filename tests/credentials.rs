//! What agents can log in with: found, shown without its secret, given to a shell that takes it as one word.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::env::{Output, TestEnv, program};
use crate::events::{end, judged, judged_whole};

/// A secret that nothing else looks like.
fn secret(name: &str) -> String {
    format!("sk-ant-{name}-Qm9vIGZhciBiYXogcXV4LVVOSVFVRQ")
}

fn home(env: &TestEnv, path: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = env.home().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

fn hides(output: &Output, secret: &str) {
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(!stdout.contains(secret), "{stdout}");
    assert!(!output.stderr.contains(secret), "{}", output.stderr);
}

fn extract(env: &TestEnv, arguments: &[&str]) -> Vec<Value> {
    let output = env.run(&[&["credentials", "extract"], arguments].concat()).expect(0);
    output.lines()
}

/// Each source with the value it gave, with `--reveal`.
fn revealed(env: &TestEnv, arguments: &[&str]) -> Vec<(String, String)> {
    extract(env, &[&["--reveal"], arguments].concat())
        .iter()
        .map(|line| (line["source"].as_str().unwrap().to_owned(), line["value"].as_str().unwrap().to_owned()))
        .collect()
}

const FUTURE: i64 = 4_000_000_000_000;

/// Every place of every agent, written, found, and nothing shown of it that was not asked for.
#[test]
fn each_place_is_found_and_its_secret_is_shown_only_when_asked_for() {
    let claude = |value: &str| json!({"claudeAiOauth": {"accessToken": value, "expiresAt": FUTURE}}).to_string();
    let provider = |value: &str| json!({"openrouter": {"type": "api", "key": value}}).to_string();
    let pi = |value: &str| json!({"xai": {"type": "api_key", "key": value}}).to_string();
    type Text<'a> = &'a dyn Fn(&str) -> String;
    let files: &[(&str, &str, Text<'_>)] = &[
        ("claude", ".claude/.credentials.json", &claude),
        ("claude", ".claude.json", &|value| json!({"primaryApiKey": value, "projects": {}}).to_string()),
        ("claude", ".claude/settings.json", &|value| json!({"env": {"ANTHROPIC_API_KEY": value}}).to_string()),
        ("codex", ".codex/auth.json", &|value| json!({"OPENAI_API_KEY": value, "tokens": null}).to_string()),
        ("codex", ".codex/auth.json", &|value| json!({"tokens": {"access_token": value}}).to_string()),
        ("opencode", ".local/share/opencode/auth.json", &provider),
        ("pi", ".pi/agent/auth.json", &pi),
        ("amp", ".local/share/amp/secrets.json", &|value| json!({"apiKey@https://ampcode.com/": value}).to_string()),
        ("cursor", ".config/cursor/auth.json", &|value| json!({"accessToken": value}).to_string()),
        ("gemini", ".gemini/oauth_creds.json", &|value| {
            json!({"access_token": value, "expiry_date": FUTURE as f64 + 0.5}).to_string()
        }),
    ];
    for (agent, path, text) in files {
        let env = TestEnv::new();
        let value = secret(agent);
        let path = home(&env, path, text(&value));
        let source = format!("file:{}", path.display());
        assert_eq!(revealed(&env, &["--agent", agent]), [(source.clone(), value.clone())], "{source}");
        assert_eq!(revealed(&env, &[]), [(source.clone(), value.clone())], "{source}");
        for format in ["ndjson", "text"] {
            let shown = env.run(&["credentials", "extract", "-a", agent, "-o", format]).expect(0);
            hides(&shown, &value);
            assert!(shown.text().contains(&path.display().to_string()), "{}", shown.text());
            let checked = env.run(&["credentials", "check", "-a", agent, "-o", format]).expect(0);
            hides(&checked, &value);
        }
        let line = &extract(&env, &["--agent", agent])[0];
        assert_eq!(
            (&line["redacted"], &line["value"]),
            (&json!(true), &json!(format!("sk-a…{}", &value[value.len() - 4..])))
        );
        let check = env.run(&["credentials", "check", "-a", agent]).object();
        assert_eq!(
            (&check["ok"], &check["own_login"], &check["sources"]),
            (&json!(true), &json!(true), &json!([source]))
        );
    }
}

#[test]
fn folders_can_be_moved_and_empty_variables_are_none() {
    let moved = [
        ("CLAUDE_CONFIG_DIR", "c", ".credentials.json", json!({"claudeAiOauth": {"accessToken": secret("a")}})),
        ("CLAUDE_CONFIG_DIR", "c", ".claude.json", json!({"primaryApiKey": secret("a")})),
        ("CODEX_HOME", "x", "auth.json", json!({"OPENAI_API_KEY": secret("a")})),
        ("XDG_DATA_HOME", "d", "opencode/auth.json", json!({"groq": {"type": "api", "key": secret("a")}})),
        ("XDG_DATA_HOME", "d", "amp/secrets.json", json!({"apiKey@https://ampcode.com/": secret("a")})),
        ("XDG_CONFIG_HOME", "g", "cursor/auth.json", json!({"apiKey": secret("a")})),
        ("PI_CODING_AGENT_DIR", "p", "auth.json", json!({"anthropic": {"type": "api_key", "key": secret("a")}})),
    ];
    for (variable, folder, name, text) in moved {
        let mut env = TestEnv::new();
        let path = home(&env, &format!("{folder}/{name}"), text.to_string());
        assert_eq!(revealed(&env, &[]), [], "{variable} is not set yet");
        env.set(variable, env.home().join(folder));
        assert_eq!(revealed(&env, &[]), [(format!("file:{}", path.display()), secret("a"))], "{variable}");
        env.set(variable, "");
        assert_eq!(revealed(&env, &[]), [], "{variable} is empty");
        env.run(&["credentials", "check", "-a", "claude"]).expect(4);
    }
    let mut env = TestEnv::new();
    for name in ["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"] {
        env.set(name, "");
    }
    env.set("AMP_API_KEY", " ");
    assert_eq!(revealed(&env, &[]), []);
    for agent in ["claude", "codex", "amp"] {
        let check = env.run(&["credentials", "check", "--agent", agent]).expect(4).object();
        assert_eq!((&check["agent"], &check["ok"], &check["sources"]), (&json!(agent), &json!(false), &json!([])));
    }
    // The mock needs none, and one that has none is enough for 4.
    env.run(&["credentials", "check", "--agent", "mock"]).expect(0);
    env.run(&["credentials", "check"]).expect(4);
    env.run(&["credentials", "check", "-a", "mock", "-a", "claude"]).expect(4);
    env.run(&["credentials", "check", "-a", "nobody"]).expect(2);
    env.run(&["credentials", "extract", "-a", "claude"]).expect(4);
    env.run(&["credentials", "extract"]).expect(0);
}

#[test]
fn an_end_is_understood_as_a_number_and_as_a_string() {
    let ends: &[(Value, bool)] = &[
        (json!(1_600_000_000_000_i64), false),
        (json!(1_600_000_000), false),
        (json!("1600000000000"), false),
        (json!("2020-09-13T12:26:40Z"), false),
        (json!("2020-09-13T12:26:40.000+00:00"), false),
        (json!(FUTURE), true),
        (json!("2099-01-01T00:00:00Z"), true),
        (json!(0), true),
        (json!(null), true),
    ];
    for (end, good) in ends {
        let env = TestEnv::new();
        let token = secret("oauth");
        let claude = |refresh: bool| {
            let mut login = json!({"accessToken": token, "expiresAt": end});
            if refresh {
                login["refreshToken"] = json!("r-1");
            }
            json!({ "claudeAiOauth": login }).to_string()
        };
        home(&env, ".claude/.credentials.json", claude(false));
        assert_eq!(revealed(&env, &[]).len(), usize::from(*good), "{end}");
        env.run(&["credentials", "check", "-a", "claude"]).expect(if *good { 0 } else { 4 });
        // An agent renews what it can; to others an ended token is of no use.
        home(&env, ".claude/.credentials.json", claude(true));
        assert_eq!(revealed(&env, &[]).len(), usize::from(*good), "{end}");
        env.run(&["credentials", "check", "-a", "claude"]).expect(0);
        let given = env.run(&["credentials", "extract-env"]).expect(0);
        assert_eq!(given.text().contains(&token), *good, "{end}");
        if !good {
            assert!(given.stderr.contains("ended at 2020-09-13T12:26:40"), "{}", given.stderr);
        }
    }
    // A GitHub token with `expires: 0` never ends (upstream dropped it).
    let env = TestEnv::new();
    let entry = json!({"github-copilot": {"type": "oauth", "access": secret("gh"), "refresh": "r", "expires": 0}});
    home(&env, ".local/share/opencode/auth.json", entry.to_string());
    assert_eq!(revealed(&env, &["--provider", "github-copilot"])[0].1, secret("gh"));
}

#[test]
fn tokens_and_keys_get_the_variable_that_works() {
    let mut env = TestEnv::new();
    home(&env, ".claude/.credentials.json", json!({"claudeAiOauth": {"accessToken": secret("oauth")}}).to_string());
    home(&env, ".codex/auth.json", json!({"tokens": {"access_token": secret("chatgpt")}}).to_string());
    let given = env.run(&["credentials", "extract-env"]).expect(0);
    assert_eq!(given.text(), format!("CLAUDE_CODE_OAUTH_TOKEN={}\n", secret("oauth")));
    assert!(given.stderr.contains("openai token"), "{}", given.stderr);
    assert_eq!(env.run(&["credentials", "extract-env", "--no-oauth"]).expect(0).text(), "");

    // The environment comes before files, and the order is the same each time.
    home(&env, ".codex/auth.json", json!({"OPENAI_API_KEY": secret("file")}).to_string());
    env.set("OPENAI_API_KEY", secret("variable"));
    env.set("ANTHROPIC_AUTH_TOKEN", secret("bearer"));
    let expected = [
        ("ANTHROPIC_AUTH_TOKEN", secret("bearer")),
        ("CLAUDE_CODE_OAUTH_TOKEN", secret("oauth")),
        ("OPENAI_API_KEY", secret("variable")),
        ("CODEX_API_KEY", secret("variable")),
    ];
    let expected: String = expected.iter().map(|(name, value)| format!("export {name}={value}\n")).collect();
    for _ in 0..3 {
        assert_eq!(env.run(&["credentials", "extract-env", "--export"]).expect(0).text(), expected);
    }
    assert_eq!(env.run(&["credentials", "extract-env", "-p", "openai"]).expect(0).text().lines().count(), 2);

    // Another home is another home, wherever the variables point to.
    let other = env.root().join("other");
    fs::create_dir_all(other.join(".codex")).unwrap();
    fs::write(other.join(".codex/auth.json"), json!({"OPENAI_API_KEY": secret("other")}).to_string()).unwrap();
    env.set("CODEX_HOME", env.home().join(".codex"));
    let found = revealed(&env, &["--agent", "codex", "--home-dir", other.to_str().unwrap()]);
    assert_eq!(
        found.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>(),
        [secret("variable"), secret("other")]
    );
}

/// What a shell makes of `eval "$(… extract-env --export)"`: the variable, and nothing else happened.
#[test]
fn what_is_evaluated_is_a_value_and_never_a_command() {
    let nasty = [
        "sk-ant-abc; touch PWNED",
        "$(touch PWNED)",
        "`touch PWNED`",
        "'; touch PWNED; '",
        "''$(touch PWNED)''",
        "\"; touch PWNED; \"",
        "a\ntouch PWNED\n",
        "a\\' ; touch PWNED ; \\'",
        "a && touch PWNED || b | c & d > PWNED",
        "${IFS}$HOME ~ * ? [a-z] {a,b} !! #x",
        "-n",
        "é ü 日本 \u{1b}[31m \r\t",
    ];
    let shells: Vec<&str> = ["/bin/sh", "/bin/bash"].into_iter().filter(|shell| Path::new(shell).exists()).collect();
    assert!(shells.contains(&"/bin/sh"));
    for value in nasty {
        let mut env = TestEnv::new();
        // From a file and from a variable; the provider's name, too, comes from a file.
        home(&env, ".codex/auth.json", json!({"OPENAI_API_KEY": value}).to_string());
        home(
            &env,
            ".local/share/opencode/auth.json",
            json!({"x;touch PWNED;$(touch PWNED)": {"type": "api", "key": value}, "2$(touch PWNED)": {"type": "api", "key": "k"}})
                .to_string(),
        );
        env.set("ANTHROPIC_API_KEY", value);
        let program = program();
        for shell in &shells {
            for form in ["--export", ""] {
                let script = format!(
                    "eval \"$('{program}' credentials extract-env {form})\" || exit 9
                     for v in \"$OPENAI_API_KEY\" \"$CODEX_API_KEY\" \"$ANTHROPIC_API_KEY\" \"$X_TOUCH_PWNED___TOUCH_PWNED__API_KEY\"; do
                         printf '%s\\0' \"$v\"
                     done"
                );
                let output = env.program(Path::new(shell)).args(&["-c", &script]).run().expect(0);
                let values: Vec<&str> = output.text().split_terminator('\0').collect();
                assert_eq!(values, [value; 4], "{shell} {form}");
                assert!(!env.work().join("PWNED").exists(), "{value:?} was executed by {shell}");
            }
        }
    }
}

/// Where something fails the shell gets nothing to evaluate but what was found; the failure is on stderr.
#[test]
fn failures_are_not_evaluated() {
    let mut env = TestEnv::new();
    for arguments in [&["--bogus"][..], &["--agent", "$(touch PWNED)"], &["--agent", "amp"]] {
        let output = env.run(&[&["credentials", "extract-env"], arguments].concat());
        assert_ne!(output.code(), 0);
        assert_eq!(output.text(), "", "{arguments:?}");
        assert!(output.stderr.starts_with("error: "), "{}", output.stderr);
    }
    // Our own configuration is broken, in a folder whose name is a command.
    let folder = env.home().join("$(touch PWNED)");
    fs::create_dir_all(folder.join("sandbox-agent")).unwrap();
    fs::write(folder.join("sandbox-agent/config.toml"), "[[[").unwrap();
    env.set("XDG_CONFIG_HOME", &folder);
    let output = env.run(&["credentials", "extract-env"]);
    assert_ne!(output.code(), 0, "{}", output.stderr);
    assert_eq!(output.text(), "");
}

#[test]
fn a_bad_file_is_named_and_nothing_of_it_is_said() {
    let token = secret("bad");
    let deep = format!("{}\"{token}\"{}", "[".repeat(100_000), "]".repeat(100_000));
    let bad: &[(&str, Vec<u8>)] = &[
        ("no JSON", format!("{{\"OPENAI_API_KEY\": \"{token}\"").into_bytes()),
        ("no JSON", format!("{token}: {token}").into_bytes()),
        ("no JSON", Vec::new()),
        ("no JSON", deep.into_bytes()),
        ("no JSON", format!("{{\"OPENAI_API_KEY\": \"{token}\\ud800\"}}").into_bytes()),
        ("no text", [&[0xff, 0xfe, 0][..], token.as_bytes()].concat()),
        ("longer than", [vec![b' '; 17 << 20], format!("\"{token}\"").into_bytes()].concat()),
    ];
    for (why, bytes) in bad {
        let mut env = TestEnv::new();
        let path = home(&env, ".codex/auth.json", bytes);
        env.set("XAI_API_KEY", secret("good"));
        // The others are told all the same.
        for verb in ["extract", "extract-env"] {
            let output = env.run(&["credentials", verb]).expect(1);
            hides(&output, &token);
            assert_eq!(output.text().lines().count(), 1, "{}", output.text());
            assert!(output.text().contains("XAI_API_KEY"), "{}", output.text());
            assert!(output.stderr.contains(why), "{}", output.stderr);
            assert!(output.stderr.contains(path.to_str().unwrap()), "{}", output.stderr);
        }
        let check = env.run(&["credentials", "check", "-a", "codex"]).expect(4);
        hides(&check, &token);
        let errors = check.object()["errors"].to_string();
        assert!(errors.contains(path.to_str().unwrap()) && errors.contains(why), "{errors}");
    }
    // A pipe nobody writes to must not hold us up, and a folder is no file.
    let env = TestEnv::new();
    fs::create_dir_all(env.home().join(".codex/auth.json")).unwrap();
    fs::create_dir_all(env.home().join(".pi/agent")).unwrap();
    nix::unistd::mkfifo(&env.home().join(".pi/agent/auth.json"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let output = env.run(&["credentials", "extract"]).expect(1);
    assert_eq!(output.stderr.matches("no plain file").count(), 2, "{}", output.stderr);
}

/// Everything that the store holds, as bytes: the database, what is not yet in it, and what lies beside it.
fn stored(env: &TestEnv) -> Vec<u8> {
    let mut all = Vec::new();
    let mut open = vec![env.store().parent().unwrap().to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                all.extend(fs::read(path).unwrap());
            }
        }
    }
    all
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// What a run printed and stored, judged; the secret stands nowhere.
fn keeps(env: &TestEnv, output: &Output, secret: &str) -> Vec<Value> {
    hides(output, secret);
    let events = checked(env, output);
    assert!(!holds(&stored(env), secret), "the store holds the secret");
    // And not in pieces either.
    let mut texts: BTreeMap<&str, String> = BTreeMap::new();
    for event in of_type_whole(&events, "item.delta") {
        let text = texts.entry(event["data"]["item_id"].as_str().unwrap()).or_default();
        text.push_str(event["data"]["delta"].as_str().unwrap());
        assert!(!text.contains(secret), "the deltas say {text}");
    }
    events
}

/// Judged; with payloads, which `stream` prints only when asked for, by its events alone.
fn checked(env: &TestEnv, output: &Output) -> Vec<Value> {
    let events = output.lines();
    if !events.iter().any(|event| event.get("raw").is_some()) {
        return judged(env, output);
    }
    let session = events[0]["session_id"].as_str().unwrap();
    judged_whole(env, session);
    let later = env.run(&["stream", session, "--raw"]).expect(0);
    assert_eq!(later.text(), output.text());
    events
}

fn of_type_whole<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == kind).collect()
}

fn said(events: &[Value]) -> &str {
    end(events)["final_text"].as_str().unwrap()
}

#[test]
fn what_a_run_hands_over_is_used_named_and_never_stored() {
    let mut env = TestEnv::new();
    let path = home(&env, ".codex/auth.json", json!({"OPENAI_API_KEY": secret("codex")}).to_string());
    let run = |env: &TestEnv, arguments: &[&str], prompt: &str| {
        env.command(&["run", "-a", "mock"]).args(arguments).args(&["--", prompt]).run()
    };
    // Nothing is handed over unasked.
    let output = run(&env, &["-s", "none"], "env OPENAI_API_KEY").expect(0);
    let events = keeps(&env, &output, &secret("codex"));
    assert!(!said(&events).contains("***"), "{}", said(&events));
    assert_eq!(events[0]["data"]["metadata"], json!(null));

    let from = ["--credentials-from", "codex"];
    for (name, more) in [("plain", &[][..]), ("raw", &["--raw"]), ("clean", &["--clean-env"])] {
        let output = run(&env, &[&["-s", name][..], &from, more].concat(), "env OPENAI_API_KEY").expect(0);
        let events = keeps(&env, &output, &secret("codex"));
        assert!(said(&events).contains("OPENAI_API_KEY=***"), "{}", said(&events));
        let told = json!([{"provider": "openai", "kind": "api_key", "source": format!("file:{}", path.display()),
            "agent": "codex", "variable": "OPENAI_API_KEY"}]);
        assert_eq!(events[0]["data"]["metadata"]["credentials"], told);
    }
    // In errors, in a prompt that says it itself, in a title, in what stands over deltas.
    let words = secret("codex");
    for (name, prompt, code) in [
        ("error", format!("error other it is {words}."), 1),
        ("echo", format!("echo one {words} two {words}{words} three"), 0),
        ("permission", format!("permission command echo {words}"), 5),
        ("file", format!("file {words}.txt"), 0),
        ("half", format!("echo {}", &words[..words.len() - 1]), 0),
    ] {
        let arguments = [&["-s", name, "--raw", "--trace", "trace"][..], &from].concat();
        let output = run(&env, &arguments, &prompt).expect(code);
        let events = keeps(&env, &output, &words);
        assert_eq!(output.text().contains("***"), name != "half", "{}", output.text());
        assert!(!env.read("trace").contains(&words));
        if name == "half" {
            assert_eq!(said(&events), format!("mock: {}", &words[..words.len() - 1]));
        }
    }
    // Its own login is enough: it gets nothing from us, and is told so.
    home(&env, ".mock/auth.json", json!({"mock": {"type": "api", "key": secret("own")}}).to_string());
    let output = run(&env, &[&["-s", "own"][..], &from].concat(), "env OPENAI_API_KEY").expect(0);
    assert!(output.stderr.contains("has its own login"), "{}", output.stderr);
    let events = keeps(&env, &output, &words);
    assert_eq!((said(&events).contains("***"), &events[0]["data"]["metadata"]), (false, &json!(null)));
    fs::remove_file(env.home().join(".mock/auth.json")).unwrap();

    // What is not there is said before anything is started.
    for (from, code) in [("claude", 4), ("nobody", 2), ("amp", 4)] {
        let output = run(&env, &["-s", "never", "--credentials-from", from], "hello").expect(code);
        assert_eq!(output.object()["type"], "error");
    }
    fs::write(&path, format!("{{ \"{words}\"")).unwrap();
    let output = run(&env, &["-s", "never", "--credentials-from", "codex"], "hello").expect(4);
    hides(&output, &words);
    assert!(output.stderr.contains(path.to_str().unwrap()), "{}", output.stderr);
    env.run(&["sessions", "show", "never"]).expect(3);

    // A key of the environment: named, and masked; under a name that the agent does not know it gets the right one.
    env.set("CODEX_API_KEY", secret("variable"));
    let output = run(&env, &["-s", "variable"], "env OPENAI_API_KEY CODEX_API_KEY").expect(0);
    let events = keeps(&env, &output, &secret("variable"));
    assert_eq!(said(&events).matches("***").count(), 2, "{}", said(&events));
    let told =
        json!([{"provider": "openai", "kind": "api_key", "source": "env:CODEX_API_KEY", "variable": "OPENAI_API_KEY"}]);
    assert_eq!(events[0]["data"]["metadata"]["credentials"], told);
    assert!(run(&env, &["--dry-run"], "x").expect(0).object()["env"].to_string().contains("OPENAI_API_KEY"));
}

#[test]
fn what_is_asked_for_takes_the_place_of_what_the_environment_holds() {
    let mut env = TestEnv::new();
    home(&env, ".claude/.credentials.json", json!({"claudeAiOauth": {"accessToken": secret("oauth")}}).to_string());
    env.set("ANTHROPIC_API_KEY", secret("variable"));
    let output = env
        .run(&[
            "run",
            "-a",
            "mock",
            "--env-file",
            "/dev/null",
            "--credentials-from",
            "claude",
            "env ANTHROPIC_API_KEY CLAUDE_CODE_OAUTH_TOKEN",
        ])
        .expect(0);
    let events = keeps(&env, &output, &secret("variable"));
    // The key of the environment is the first of Claude's, and a key is what is given first.
    assert_eq!(events[0]["data"]["metadata"]["credentials"][0]["variable"], "ANTHROPIC_API_KEY");
    let output = env
        .command(&[
            "run",
            "-a",
            "mock",
            "--credentials-from",
            "claude",
            "env ANTHROPIC_API_KEY CLAUDE_CODE_OAUTH_TOKEN",
        ])
        .without("ANTHROPIC_API_KEY")
        .run()
        .expect(0);
    let events = keeps(&env, &output, &secret("oauth"));
    assert!(said(&events).contains("CLAUDE_CODE_OAUTH_TOKEN=***"), "{}", said(&events));
}

#[test]
fn secrets_that_are_copied_or_read_from_a_file_are_masked_and_plain_settings_are_not() {
    let mut env = TestEnv::new();
    let words = "correct horse battery staple";
    env.set("DB_PASSWORD", words);
    env.set("APP_NAME", "my little application");
    env.write("vars", format!("# a file\nAPI_TOKEN={words}\nREGION=north of the wall\n"));
    for arguments in [&["--env", "DB_PASSWORD", "--env", "APP_NAME", "--clean-env"][..], &["--env-file", "vars"]] {
        // `echo` cuts its text at spaces, so that the words come in pieces.
        for prompt in [
            format!("echo a {words} b"),
            format!("echo {words} and {words}"),
            "env DB_PASSWORD API_TOKEN APP_NAME REGION".into(),
        ] {
            let output =
                env.command(&["run", "-a", "mock", "--raw"]).args(arguments).args(&["--", &prompt]).run().expect(0);
            hides(&output, words);
            let events = checked(&env, &output);
            assert!(said(&events).contains("***"), "{}", said(&events));
            let payloads: String = of_type_whole(&events, "item.delta")
                .iter()
                .map(|event| event["raw"]["t"].as_str().unwrap_or_default())
                .collect();
            assert!(payloads.contains("***") && !payloads.contains(words), "the payloads say {payloads}");
        }
        let output =
            env.command(&["run", "-a", "mock"]).args(arguments).args(&["--", "env APP_NAME REGION"]).run().expect(0);
        assert!(!output.text().contains("***"), "{}", output.text());
    }
    assert!(!holds(&stored(&env), words));
    // `K=V` is for what is no secret, and short values are words.
    let plain = env.run(&["run", "-a", "mock", "--env", "X_TOKEN=abcdefgh", "env X_TOKEN"]).expect(0);
    assert!(plain.text().contains("X_TOKEN=abcdefgh"), "{}", plain.text());
    env.set("Y_TOKEN", "abcdefg");
    let short = env.run(&["run", "-a", "mock", "--env", "Y_TOKEN", "env Y_TOKEN"]).expect(0);
    assert!(short.text().contains("Y_TOKEN=abcdefg"), "{}", short.text());
}

/// An agent that says its key on stderr and dies: the tail of stderr stands in the error.
#[test]
fn stderr_of_an_agent_holds_no_secret_either() {
    let mut env = TestEnv::new();
    let folder = env.root().join("fake");
    fs::create_dir(&folder).unwrap();
    let program = folder.join("codex");
    fs::write(&program, "#!/bin/sh\necho \"bad key $OPENAI_API_KEY\" >&2\nexit 3\n").unwrap();
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    env.add_to_path(&folder);
    env.set("OPENAI_API_KEY", secret("stderr"));
    let output = env.run(&["run", "-a", "codex", "-vv", "hello"]).expect(1);
    let events = keeps(&env, &output, &secret("stderr"));
    assert!(end(&events)["error"]["message"].as_str().unwrap().contains("bad key ***"), "{}", end(&events));
    assert!(output.stderr.contains("bad key ***"), "{}", output.stderr);
}

/// What looks like a key is masked on the way out, whoever said it, in one piece or several.
#[test]
fn a_redacted_export_holds_no_shapes_of_keys() {
    let env = TestEnv::new();
    let key = ["sk-", "abcdefghijklmnopqrstuvwxyz0123"].concat();
    let token = ["ghp_", "ABCDEFGHIJKLMNOPqrstuvwxyz01"].concat();
    let prompts =
        [format!("echo the key is {key} and\n{token}"), format!("slowly {key}"), format!("error other {token}")];
    for (prompt, code) in prompts.iter().zip([0, 0, 1]) {
        env.run(&["run", "-a", "mock", "-s", "s", "--raw", "--", prompt]).expect(code);
    }
    env.run(&["sessions", "rename", "s", &format!("about {key}")]).expect(0);
    let whole = env.run(&["sessions", "export", "s"]).expect(0);
    assert!(whole.text().contains(&key), "otherwise nothing is tested");
    for format in ["ndjson", "markdown"] {
        let output = env.run(&["sessions", "export", "s", "--redact", "--format", format]).expect(0);
        for secret in [&key, &token] {
            hides(&output, secret);
        }
        assert!(output.text().contains("sk-***") && output.text().contains("ghp_***"), "{}", output.text());
    }
    // Still the same session: every line, every number, and deltas that add up.
    let redacted = env.run(&["sessions", "export", "s", "--redact"]).expect(0);
    let events = redacted.lines().split_off(1);
    assert_eq!(events.len(), whole.lines().len() - 1);
    if let Err(violations) = crate::checker::check(&events) {
        panic!("{violations:#?}");
    }
    let other = TestEnv::new();
    other.command(&["sessions", "import"]).stdin(redacted.text()).run().expect(0);
    assert_eq!(other.run(&["stream", "s"]).expect(0).lines().len(), events.len());
}

/// A key whose pieces come as deltas of their own is masked too.
#[test]
fn a_redacted_export_holds_no_pieces_of_keys() {
    let env = TestEnv::new();
    env.run(&["run", "-a", "mock", "-s", "s", "--raw", "echo one two three"]).expect(0);
    let whole = env.run(&["sessions", "export", "s"]).expect(0);
    // The mock cuts its text at spaces; a key has none, so it is put in afterwards.
    let key = ["sk-", "abcdefghijkl", "mnopqrst"];
    let mut text = whole.text().replace("mock: one two three", &key.concat());
    for (from, to) in [("mock: ", key[0]), ("one two", key[1]), (" three", key[2])] {
        for field in ["delta", "t"] {
            text = text.replace(&format!("\"{field}\":\"{from}\""), &format!("\"{field}\":\"{to}\""));
        }
    }
    let other = TestEnv::new();
    other.command(&["sessions", "import"]).stdin(text).run().expect(0);
    let deltas = |output: &Output| -> String {
        output
            .lines()
            .iter()
            .filter(|line| line["type"] == "item.delta")
            .map(|line| line["data"]["delta"].as_str().unwrap().to_owned())
            .collect()
    };
    let plain = other.run(&["sessions", "export", "s"]).expect(0);
    assert_eq!(deltas(&plain), key.concat(), "{}", plain.text());
    let redacted = other.run(&["sessions", "export", "s", "--redact"]).expect(0);
    assert_eq!(deltas(&redacted), "sk-***");
    assert!(!redacted.text().contains("mnopqrst"), "{}", redacted.text());
}
