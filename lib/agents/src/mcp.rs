//! Servers of the Model Context Protocol that one session has, as people write them for other programs too.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name: letters, digits, `_` and `-`, as every agent takes them.
    pub name: String,
    /// How it is reached.
    pub reach: Reach,
    /// How long it may take for a call, in milliseconds; else the agent decides.
    pub timeout: Option<NonZeroU64>,
}

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// A program on stdio.
    Program {
        /// The program.
        command: String,
        /// Its arguments.
        args: Vec<String>,
        /// Variables for it.
        env: BTreeMap<String, String>,
    },
    /// An address.
    Address {
        /// `http://…` or `https://…`.
        url: String,
        /// Headers of each request.
        headers: BTreeMap<String, String>,
        /// The older way, with an event stream of its own.
        sse: bool,
    },
}

/// One server as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    r#type: Option<String>,
    command: Option<String>,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    url: Option<String>,
    headers: BTreeMap<String, String>,
    timeout: Option<NonZeroU64>,
}

/// Reads `{"mcpServers": {NAME: {command, args, env} | {type: http|sse, url, headers}}}`, each with `timeout` or without. In every text of
/// a server, `${NAME}` is what `variable` gives for it.
///
/// # Errors
/// A fragment for people, which names the server.
pub fn read(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Server>, String> {
    let file: Value = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
    let Some(servers) = file["mcpServers"].as_object() else {
        return Err("it has no object `mcpServers`".to_owned());
    };
    servers.iter().map(|(name, written)| server(name, written, variable)).collect()
}

fn server(name: &str, written: &Value, variable: &dyn Fn(&str) -> Option<String>) -> Result<Server, String> {
    let of = |error: String| format!("server `{name}`: {error}");
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
        return Err(of("its name may have letters, digits, `_` and `-` only".to_owned()));
    }
    let mut written = written.clone();
    expand(&mut written, variable).map_err(of)?;
    let written: Written = serde_json::from_value(written).map_err(|error| of(error.to_string()))?;
    let sse = match written.r#type.as_deref() {
        None | Some("stdio" | "http" | "streamable-http") => false,
        Some("sse") => true,
        Some(other) => return Err(of(format!("its type `{other}` is none of stdio, http, sse"))),
    };
    let is_program = matches!(written.r#type.as_deref(), None | Some("stdio"));
    let reach = match (written.command, written.url) {
        (Some(command), None) if is_program && written.headers.is_empty() => {
            Reach::Program { command, args: written.args, env: written.env }
        }
        (None, Some(url)) if written.r#type.as_deref() != Some("stdio") && written.env.is_empty() => {
            Reach::Address { url, headers: written.headers, sse }
        }
        _ => return Err(of("it has either command, args and env, or url and headers".to_owned())),
    };
    Ok(Server { name: name.to_owned(), reach, timeout: written.timeout })
}

/// Puts variables into every text.
fn expand(value: &mut Value, variable: &dyn Fn(&str) -> Option<String>) -> Result<(), String> {
    match value {
        Value::String(text) => {
            let mut rest = std::mem::take(text);
            while let Some((before, (name, after))) =
                rest.split_once("${").and_then(|(before, after)| Some((before, after.split_once('}')?)))
            {
                let value = variable(name).ok_or_else(|| format!("the variable {name} is not set"))?;
                text.push_str(before);
                text.push_str(&value);
                rest = after.to_owned();
            }
            text.push_str(&rest);
        }
        Value::Array(values) => {
            for value in values {
                expand(value, variable)?;
            }
        }
        Value::Object(fields) => {
            for value in fields.values_mut() {
                expand(value, variable)?;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

/// The servers as `mcpServers` of such a file, with nothing left to put in.
pub(crate) fn file(servers: &[Server]) -> Value {
    let servers: Map<String, Value> = servers
        .iter()
        .map(|server| {
            let mut written = match &server.reach {
                Reach::Program { command, args, env } => {
                    json!({ "type": "stdio", "command": command, "args": args, "env": env })
                }
                Reach::Address { url, headers, sse } => {
                    json!({ "type": if *sse { "sse" } else { "http" }, "url": url, "headers": headers })
                }
            };
            if let Some(timeout) = server.timeout {
                written["timeout"] = json!(timeout);
            }
            (server.name.clone(), written)
        })
        .collect();
    json!({ "mcpServers": servers })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(text: &str) -> Result<Vec<Server>, String> {
        read(text, &|name| (name == "KEY").then(|| "k".to_owned()))
    }

    #[test]
    fn a_file_is_read_as_people_write_it() {
        let text = r#"{"mcpServers": {
            "local": {"command": "node", "args": ["a.js", "--key=${KEY}"], "env": {"A": "${KEY}-${KEY}"},
                      "timeout": 1500},
            "far": {"type": "http", "url": "https://x/mcp", "headers": {"Authorization": "Bearer ${KEY}"}},
            "old": {"type": "sse", "url": "https://x/sse"}}}"#;
        let read = servers(text).unwrap();
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let args = vec!["a.js".to_owned(), "--key=k".to_owned()];
        let local = Reach::Program { command: "node".to_owned(), args, env: map(&[("A", "k-k")]) };
        let headers = map(&[("Authorization", "Bearer k")]);
        assert_eq!(read[0], Server { name: "local".to_owned(), reach: local, timeout: NonZeroU64::new(1500) });
        assert_eq!(read[1].reach, Reach::Address { url: "https://x/mcp".to_owned(), headers, sse: false });
        assert!(matches!(read[2].reach, Reach::Address { sse: true, .. }));
        assert_eq!(servers(&file(&read).to_string()).unwrap(), read, "what we write for an agent is the same again");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, word) in [
            ("{", "no JSON"),
            ("{}", "mcpServers"),
            (r#"{"mcpServers": {"a b": {"command": "x"}}}"#, "a b"),
            (r#"{"mcpServers": {"a": {"command": "${OTHER}"}}}"#, "OTHER is not set"),
            (r#"{"mcpServers": {"a": {"command": "x", "disabled": true}}}"#, "disabled"),
            (r#"{"mcpServers": {"a": {"command": "x", "url": "http://x"}}}"#, "either"),
            (r#"{"mcpServers": {"a": {"type": "ws", "url": "ws://x"}}}"#, "ws"),
            (r#"{"mcpServers": {"a": {"type": "http", "command": "x"}}}"#, "either"),
            (r#"{"mcpServers": {"a": {}}}"#, "either"),
            (r#"{"mcpServers": {"a": {"command": "x", "timeout": 0}}}"#, "nonzero"),
        ] {
            let error = servers(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
