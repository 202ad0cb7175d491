//! What a client says: its messages, prompts, answers and servers, in our words.

use std::collections::BTreeMap;

use schema::control::{Answer, Choice};
use serde_json::{Map, Value, json};

use crate::said::{ACCEPT, ACCEPT_FOR_SESSION, CUSTOM, LABEL, error};

/// A message of a client: a request has `id` and `method`, a notification no `id`, an answer no `method`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Message {
    /// As the client wrote it.
    pub id: Option<Value>,
    /// What is wanted.
    pub method: Option<String>,
    /// With what.
    pub params: Value,
    /// What the client answers; nothing where it could not.
    pub result: Option<Value>,
}

/// Reads a message.
///
/// # Errors
/// The answer that says what is wrong with it.
pub fn read(text: &[u8]) -> Result<Message, Value> {
    let value: Value = serde_json::from_slice(text)
        .map_err(|why| error(&Value::Null, -32700, &format!("failed to read it: {why}")))?;
    let Value::Object(mut fields) = value else {
        return Err(error(&Value::Null, -32600, "a message is one object; batches are no part of the protocol"));
    };
    let id = fields.remove("id").filter(|id| !id.is_null());
    let method = match fields.remove("method") {
        Some(Value::String(method)) => Some(method),
        None if id.is_some() && (fields.contains_key("result") || fields.contains_key("error")) => None,
        Some(_) | None => {
            return Err(error(&id.unwrap_or_default(), -32600, "a message has a method, or an id and a result"));
        }
    };
    let params = fields.remove("params").unwrap_or_default();
    Ok(Message { id, method, params, result: fields.remove("result") })
}

/// Whether a client can show forms, by its `initialize`.
pub fn offers_forms(params: &Value) -> bool {
    params["clientCapabilities"]["elicitation"]["form"].is_object()
}

/// A prompt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompt {
    /// Its texts, and its links and resources as texts.
    pub text: String,
    /// What is to be attached.
    pub files: Vec<File>,
}

/// What comes with a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum File {
    /// A picture on this machine.
    Path(String),
    /// Something that the client sends.
    Sent {
        /// What it is called.
        name: String,
        /// Its content.
        base64: String,
    },
}

/// The blocks of a `session/prompt`.
///
/// # Errors
/// What is wrong with one.
pub fn prompt(params: &Value) -> Result<Prompt, String> {
    let blocks = params["prompt"].as_array().ok_or("a prompt is a list of content blocks")?;
    let mut prompt = Prompt::default();
    let mut texts: Vec<String> = Vec::new();
    for block in blocks {
        let word = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let uri = word(block, "uri");
        match block["type"].as_str() {
            Some("text") => texts.push(word(block, "text")),
            Some("image") => match (local(&uri), block["data"].as_str()) {
                (_, Some(data)) if !data.is_empty() => {
                    let end = word(block, "mimeType").rsplit('/').next().unwrap_or_default().to_owned();
                    prompt.files.push(File::Sent { name: format!("image.{end}"), base64: data.to_owned() });
                }
                (Some(path), _) => prompt.files.push(File::Path(path)),
                (None, _) => return Err("an image has neither data nor the address of a file".to_owned()),
            },
            Some("resource_link") => {
                let path = local(&uri);
                let name = block["name"].as_str().filter(|name| !name.is_empty()).unwrap_or(&uri);
                let is_image = block["mimeType"].as_str().is_some_and(|mime| mime.starts_with("image/"));
                match path {
                    Some(path) if is_image => prompt.files.push(File::Path(path)),
                    path => texts.push(format!("[@{name}]({})", path.unwrap_or_else(|| uri.clone()))),
                }
            }
            Some("resource") => {
                let resource = &block["resource"];
                let uri = word(resource, "uri");
                match (resource["text"].as_str(), resource["blob"].as_str()) {
                    (Some(text), _) => texts.push(format!("<context ref=\"{uri}\">\n{text}\n</context>")),
                    (None, Some(blob)) => {
                        let name = uri.rsplit('/').next().unwrap_or_default().to_owned();
                        prompt.files.push(File::Sent { name, base64: blob.to_owned() });
                    }
                    (None, None) => return Err("a resource has neither text nor blob".to_owned()),
                }
            }
            Some("audio") => return Err("no agent here takes audio".to_owned()),
            Some(other) => return Err(format!("there is no content of type `{}`", other.escape_debug())),
            None => return Err("a content block has a type".to_owned()),
        }
    }
    prompt.text = texts.join("\n\n");
    Ok(prompt)
}

/// The path of a `file://` address of this machine.
fn local(uri: &str) -> Option<String> {
    let rest = uri.strip_prefix("file://")?;
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    let mut bytes = Vec::new();
    let mut left = path.as_bytes();
    while let [first, more @ ..] = left {
        left = more;
        let digits = more.get(..2).filter(|_| *first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                left = &more[2..];
            }
            None => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).ok().filter(|path| path.starts_with('/'))
}

/// What a client answers to a request of ours; without a result it could not. A form's fields are its questions' ids.
pub fn answer(request_id: &str, result: Option<&Value>) -> Answer {
    let reject = Answer { request_id: request_id.to_owned(), decision: Some(Choice::Reject), ..Answer::default() };
    let Some(result) = result else { return reject };
    let decided = |choice| Answer { decision: Some(choice), ..reject.clone() };
    match (result["outcome"]["optionId"].as_str(), result["action"].as_str()) {
        (Some(ACCEPT), _) => decided(Choice::Accept),
        (Some(ACCEPT_FOR_SESSION), _) => decided(Choice::AcceptForSession),
        (Some(option), _) => match option.strip_prefix(LABEL) {
            Some(label) => Answer { decision: None, options: vec![label.to_owned()], ..reject },
            None => reject,
        },
        (None, Some("accept")) => Answer { decision: None, answers: Some(fields(&result["content"])), ..reject },
        (None, _) => reject,
    }
}

fn fields(content: &Value) -> BTreeMap<String, Vec<String>> {
    let mut answers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in content.as_object().into_iter().flatten() {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if value.is_null() {
            continue;
        }
        let texts = value.as_array().map_or_else(|| vec![text(value)], |values| values.iter().map(text).collect());
        match name.strip_suffix(CUSTOM) {
            // What was typed is meant, whatever was chosen beside it.
            Some(id) if texts.iter().any(|text| !text.is_empty()) => drop(answers.insert(id.to_owned(), texts)),
            Some(_) => {}
            None => drop(answers.entry(name.clone()).or_insert(texts)),
        }
    }
    answers
}

/// The servers of `session/new` as a file of `--mcp` has them; nothing where there are none.
pub fn servers(params: &Value) -> Option<Value> {
    let given = params["mcpServers"].as_array().filter(|given| !given.is_empty())?;
    let mut servers = Map::new();
    for server in given {
        let pairs = |list: &Value| -> Value {
            let pairs = list.as_array().into_iter().flatten();
            let pairs = pairs.map(|pair| (pair["name"].as_str().unwrap_or_default().to_owned(), pair["value"].clone()));
            Value::Object(pairs.collect())
        };
        let said = if server["url"].is_string() {
            json!({ "type": server["type"], "url": server["url"], "headers": pairs(&server["headers"]) })
        } else {
            let args = server["args"].as_array().cloned().unwrap_or_default();
            json!({ "command": server["command"], "args": args, "env": pairs(&server["env"]) })
        };
        servers.insert(server["name"].as_str().unwrap_or_default().to_owned(), said);
    }
    Some(json!({ "mcpServers": servers }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_requests_notifications_or_answers() {
        let request = read(br#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"a":1}}"#).unwrap();
        assert_eq!((request.id, request.params["a"].as_i64()), (Some(json!(0)), Some(1)));
        assert_eq!(read(br#"{"method":"session/cancel"}"#).unwrap().id, None);
        let answer = read(br#"{"id":"s/p","error":{"code":1}}"#).unwrap();
        assert_eq!((answer.method, answer.result), (None, None));
        for (bad, code) in [("", -32700), ("[]", -32600), ("{}", -32600), (r#"{"id":1}"#, -32600), ("{", -32700)] {
            assert_eq!(read(bad.as_bytes()).unwrap_err()["error"]["code"], code, "{bad}");
        }
    }

    #[test]
    fn blocks_become_a_text_and_files() {
        let said = prompt(&json!({ "prompt": [
            { "type": "text", "text": "look" },
            { "type": "resource_link", "name": "a b.rs", "uri": "file:///w/a%20b.rs" },
            { "type": "resource", "resource": { "uri": "zed:///x", "text": "inside" } },
            { "type": "image", "mimeType": "image/png", "data": "AAAA" },
            { "type": "resource_link", "name": "p", "uri": "file:///w/p.png", "mimeType": "image/png" },
            { "type": "resource", "resource": { "uri": "file:///w/c.pdf", "blob": "BBBB" } },
        ] }));
        let said = said.unwrap();
        assert_eq!(said.text, "look\n\n[@a b.rs](/w/a b.rs)\n\n<context ref=\"zed:///x\">\ninside\n</context>");
        let sent = |name: &str, base64: &str| File::Sent { name: name.to_owned(), base64: base64.to_owned() };
        let files = [sent("image.png", "AAAA"), File::Path("/w/p.png".to_owned()), sent("c.pdf", "BBBB")];
        assert_eq!(said.files, files);
        for bad in [json!({}), json!({ "prompt": [{ "type": "audio" }] }), json!({ "prompt": [{}] })] {
            assert!(prompt(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn answers_decide_choose_and_fill_in() {
        let of = |result: Value| answer("r", Some(&result));
        let chosen = |id: &str| of(json!({ "outcome": { "outcome": "selected", "optionId": id } }));
        assert_eq!(chosen("accept").decision, Some(Choice::Accept));
        assert_eq!(chosen("accept_for_session").decision, Some(Choice::AcceptForSession));
        assert_eq!(chosen("answer:Red").options, ["Red"]);
        for no in [json!({ "outcome": { "outcome": "cancelled" } }), json!({ "action": "decline" }), json!({})] {
            assert_eq!(of(no).decision, Some(Choice::Reject));
        }
        assert_eq!(answer("r", None).decision, Some(Choice::Reject));
        let content = json!({ "q1": "Red", "q2": ["a", "b"], "q3": "x", "q3_custom": "mine", "q1_custom": "" });
        let filled = of(json!({ "action": "accept", "content": content })).answers.unwrap();
        assert_eq!(json!(filled), json!({ "q1": ["Red"], "q2": ["a", "b"], "q3": ["mine"] }));
    }

    #[test]
    fn servers_are_said_as_a_file_has_them() {
        assert_eq!(servers(&json!({ "mcpServers": [] })), None);
        let given = json!({ "mcpServers": [
            { "name": "a", "command": "c", "args": ["x"], "env": [{ "name": "K", "value": "V" }] },
            { "type": "http", "name": "b", "url": "http://h", "headers": [] },
        ] });
        let said = servers(&given).unwrap();
        assert_eq!(said["mcpServers"]["a"], json!({ "command": "c", "args": ["x"], "env": { "K": "V" } }));
        assert_eq!(said["mcpServers"]["b"]["url"], "http://h");
    }
}
