//! An agent of the Agent Client Protocol that costs next to nothing: this program itself, the same behind either server.

use serde_json::{Value, json};
use std::io::{BufRead, BufWriter, Write};

/// The argument that makes this program one.
pub(crate) const ROLE: &str = "__agent";

/// Speaks on stdin and stdout until its input ends. `burst N BYTES` is N pieces of text as fast as it can, each with its
/// number; all else is one piece.
pub(crate) fn play() {
    let mut out = BufWriter::with_capacity(64 << 10, std::io::stdout().lock());
    let mut sessions = 0;
    for line in std::io::stdin().lock().lines() {
        let message: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let Some(id) = message.get("id") else { continue };
        let result = match message["method"].as_str().unwrap_or_default() {
            "initialize" => json!({ "protocolVersion": 1, "agentCapabilities": {}, "authMethods": [] }),
            "session/new" => {
                sessions += 1;
                json!({ "sessionId": format!("actor-{}-{sessions}", std::process::id()) })
            }
            "session/prompt" => {
                say(&mut out, &message["params"]);
                json!({ "stopReason": "end_turn" })
            }
            _ => json!({}),
        };
        writeln!(out, "{}", json!({ "jsonrpc": "2.0", "id": id, "result": result })).unwrap();
        out.flush().unwrap();
    }
}

fn say(out: &mut impl Write, params: &Value) {
    let text = params["prompt"][0]["text"].as_str().unwrap_or_default();
    let mut words = text.split(' ');
    let burst = words.next() == Some("burst");
    let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(1);
    let (count, bytes) = if burst { (number(), number()) } else { (1, 1) };
    let session = &params["sessionId"];
    for at in 0..count {
        let text = format!("#{at:x<bytes$}");
        let update = r#"{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":""#;
        let method = r#"{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"#;
        writeln!(out, "{method}{session},\"update\":{update}{text}\"}}}}}}}}").unwrap();
    }
}
