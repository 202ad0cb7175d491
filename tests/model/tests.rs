//! The model by itself, asked over a plain connection.

use super::{Gate, Model, Reply, Usage};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Asks and reads everything: the status line and headers, then the body as it came.
fn ask(model: &Model, method: &str, path: &str, headers: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(model.url().strip_prefix("http://").unwrap()).unwrap();
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: here\r\n{headers}content-length: {length}\r\n\r\n{body}")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn respond(model: &Model, body: &str) -> (String, String) {
    ask(model, "POST", "/v1/responses", "", body)
}

/// The events of a streamed answer.
fn events(body: &str) -> Vec<Value> {
    body.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn replies_come_in_order_and_stream() {
    let usage = Usage { input: 7, cached: 3, output: 5, reasoning: 2 };
    let model = Model::start([
        Reply::new().text("Hello, 你好.").delta(4).usage(usage),
        Reply::new().call("tool", json!({"a": 1})).plain_call("patch", "text"),
    ]);
    let (head, body) = respond(&model, r#"{"input": "hi"}"#);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(body.ends_with("0\r\n\r\n"), "a good stream says that it ends");
    let first = events(&body);
    let deltas: Vec<_> = first.iter().filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(deltas, ["Hell", "o, 你", "好."]);
    let last = first.last().unwrap();
    assert_eq!(last["type"], "response.completed");
    assert_eq!(last["response"]["usage"]["input_tokens_details"]["cached_tokens"], 3);
    assert_eq!(last["response"]["usage"]["total_tokens"], 12);
    let second = events(&respond(&model, "{}").1);
    let items: Vec<_> = second
        .iter()
        .filter(|event| event["type"] == "response.output_item.done")
        .map(|event| &event["item"])
        .collect();
    assert_eq!((&items[0]["call_id"], &items[0]["arguments"]), (&json!("call_2_1"), &json!("{\"a\":1}")));
    assert_eq!((&items[1]["type"], &items[1]["input"]), (&json!("custom_tool_call"), &json!("text")));
    assert!(model.requests()[0].says("hi"));
}

#[test]
fn chat_completions_stream_too() {
    let usage = Usage { input: 7, cached: 3, output: 5, reasoning: 2 };
    let model = Model::start([
        Reply::new().thoughts("Hm.").text("Hello, 你好.").delta(4).usage(usage),
        Reply::new().call("one", json!({"a": 1})).call("two", json!({})),
        Reply::new().text("Cut").incomplete("max_output_tokens"),
        Reply::new().failed("server_error", "broken"),
    ]);
    let sent = json!({"messages": [{"role": "tool", "tool_call_id": "call_1_1", "content": "done"}],
        "tools": [{"type": "function", "function": {"name": "one"}}]});
    let chat = || ask(&model, "POST", "/v1/chat/completions", "", &sent.to_string()).1;
    let events = |body: &str| {
        let data = body.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
        data.map(|data| serde_json::from_str::<Value>(data).unwrap()).collect::<Vec<_>>()
    };
    let body = chat();
    assert!(body.contains("data: [DONE]") && body.ends_with("0\r\n\r\n"), "{body}");
    let first = events(&body);
    let delta = |name: &str| -> Vec<&str> {
        first.iter().filter_map(|event| event["choices"][0]["delta"][name].as_str()).collect()
    };
    assert_eq!((delta("reasoning_content"), delta("content")), (vec!["Hm."], vec!["", "Hell", "o, 你", "好."]));
    assert_eq!(first[first.len() - 2]["choices"][0]["finish_reason"], "stop");
    assert_eq!(first.last().unwrap()["usage"]["completion_tokens_details"]["reasoning_tokens"], 2);
    let second = events(&chat());
    let calls: Vec<_> = second.iter().map(|event| &event["choices"][0]["delta"]["tool_calls"][0]).collect();
    let ids: Vec<_> = calls.iter().filter_map(|call| call["id"].as_str()).collect();
    assert_eq!(ids, ["call_2_1", "call_2_2"]);
    let arguments = |index: u64| -> String {
        let own = calls.iter().filter(|call| call["index"] == index);
        own.filter_map(|call| call["function"]["arguments"].as_str()).collect()
    };
    assert_eq!((arguments(0).as_str(), arguments(1).as_str()), ("{\"a\":1}", "{}"));
    assert!(chat().contains("\"finish_reason\":\"length\""));
    assert_eq!(events(&chat()).last().unwrap()["error"]["message"], "broken");
    let request = &model.requests()[0];
    assert_eq!((request.tool_output("call_1_1").unwrap().as_str(), request.tools()), ("done", vec!["one".to_owned()]));
}

#[test]
fn a_reply_can_wait_for_its_request_and_serve_many() {
    let model = Model::start([
        Reply::new().text("for the child").when("CHILD").when_not("MAIN"),
        Reply::status(429, json!({"error": "slow"})).header("retry-after", "7").repeated(),
    ]);
    for _ in 0..2 {
        let (head, body) = respond(&model, "{\"input\": \"MAIN\"}");
        assert!(head.starts_with("HTTP/1.1 429") && head.contains("retry-after: 7"), "{head}");
        assert_eq!(body, r#"{"error":"slow"}"#);
    }
    assert!(respond(&model, "{\"input\": \"CHILD\"}").1.contains("for the child"));
}

#[test]
fn a_gate_holds_and_a_cut_breaks() {
    let gate = Gate::new();
    let model = Model::start([Reply::new()
        .open_text("before")
        .pause(Duration::from_millis(20))
        .hold(&gate)
        .text("after")
        .cut()]);
    std::thread::scope(|scope| {
        let answer = scope.spawn(|| respond(&model, "{}"));
        gate.wait_until_reached();
        assert!(!answer.is_finished());
        gate.open();
        let (_, body) = answer.join().unwrap();
        assert!(body.contains("before") && body.contains("after"));
        assert!(!body.ends_with("0\r\n\r\n"), "a broken stream does not say that it ends");
    });
}

#[test]
fn what_is_asked_on_the_side_is_answered() {
    let model = Model::start([]);
    assert!(ask(&model, "GET", "/v1/models?x=1", "", "").0.starts_with("HTTP/1.1 200"));
    assert!(ask(&model, "GET", "/v1/responses", "upgrade: websocket\r\n", "").0.starts_with("HTTP/1.1 426"));
    assert_eq!(model.requests().len(), 0);
}

#[test]
#[should_panic(expected = "the script is exhausted: request 2 has no reply")]
fn one_request_too_many_fails() {
    let model = Model::start([Reply::new().text("only one")]);
    respond(&model, "{}");
    let (head, body) = respond(&model, "{}");
    assert!(head.starts_with("HTTP/1.1 400") && body.contains("exhausted"), "{head} {body}");
}

#[test]
#[should_panic(expected = "never asked for these replies of the script: [2]")]
fn one_request_too_few_fails() {
    let model = Model::start([Reply::new().text("one"), Reply::new().text("two")]);
    respond(&model, "{}");
}

#[test]
#[should_panic(expected = "GET /v2/else is not a path")]
fn another_path_fails() {
    let model = Model::start([]);
    assert!(ask(&model, "GET", "/v2/else", "", "").0.starts_with("HTTP/1.1 404"));
}
