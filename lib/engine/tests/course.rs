//! Whatever a dialect says, in whatever order: turns, items, requests and deltas keep their promises (I4, I5, I6).

use std::collections::{HashMap, HashSet};

use agents::dialect::{Asked, Decision, Effect, Fault, Finish, Key, Permit, RequestKey, Start, Status, Stop, Verdict};
use engine::turn::{By, Course, Cut, Note, PromptItem};
use proptest::prelude::*;
use schema::event::{Body, Cause};
use schema::item::{ContentPart, ItemKind, ItemStatus, Role, StatusLabel, ToolKind};
use schema::outcome::ErrorCode;
use schema::request::{Action, Question, ResolvedBy};

/// What a test does to a course.
#[derive(Debug, Clone)]
enum Move {
    Prompt,
    Steer,
    Effect(Effect),
    Decide(u32, bool),
    Answer(u32, bool),
    Cut(u8),
    End { stop: u8, staying: bool },
}

fn text(text: &str) -> Vec<ContentPart> {
    vec![ContentPart::Text { text: text.to_owned() }]
}

fn call(key: u32) -> Vec<ContentPart> {
    vec![ContentPart::ToolCall {
        name: "shell".to_owned(),
        title: None,
        kind: ToolKind::Command,
        server: None,
        arguments: "{}".to_owned(),
        call_id: format!("call_{key}"),
    }]
}

fn result(key: u32, output: &str) -> Vec<ContentPart> {
    vec![ContentPart::ToolResult {
        call_id: format!("call_{key}"),
        output: output.to_owned(),
        exit_code: None,
        duration_ms: None,
    }]
}

/// Keys say what an item is: 0–9 texts, 10–19 calls, 20–29 their results, 30–39 texts of sub-agents below call key-20.
fn start(key: u32) -> Effect {
    let (kind, role, parent, content) = match key / 10 {
        0 => (ItemKind::Message, Role::Assistant, None, text("")),
        1 => (ItemKind::ToolCall, Role::Assistant, None, call(key)),
        2 => (ItemKind::ToolResult, Role::Tool, Some(Key(key - 10)), result(key - 10, "")),
        _ => (ItemKind::Message, Role::Assistant, Some(Key(key - 20)), text("")),
    };
    Effect::Start(Start { key: Key(key), native: None, parent, group: None, kind, role: Some(role), content })
}

fn finish(key: u32, words: Option<String>) -> Effect {
    let content = words.map(|words| match key / 10 {
        0 => text(&words),
        1 => call(key),
        2 => result(key - 10, &words),
        _ => text(&words),
    });
    Effect::Finish(Finish { key: Key(key), status: ItemStatus::Completed, content })
}

fn permit(key: u32, of: u32) -> Effect {
    Effect::Permit(Box::new(Permit {
        key: RequestKey(key),
        call: Some(Key(of)),
        action: Action::Command,
        tool: "shell".to_owned(),
        title: None,
        command: Some("true".to_owned()),
        reads_only: false,
        cwd: None,
        paths: Vec::new(),
        url: None,
        server: None,
        files: Vec::new(),
        input: None,
        options: Vec::new(),
        metadata: None,
    }))
}

fn question(key: u32) -> Effect {
    let question = Question {
        id: "q".to_owned(),
        header: None,
        prompt: "Which?".to_owned(),
        options: Vec::new(),
        multi_select: false,
        custom: true,
        secret: false,
    };
    Effect::Question(Asked { key: RequestKey(key), call: None, questions: vec![question] })
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let words =
        prop::collection::vec(prop::sample::select(vec!["a", "b", "ab", "é", ""]), 0..4).prop_map(|w| w.concat());
    let one = prop_oneof![
        2 => Just(Move::Prompt),
        1 => Just(Move::Steer),
        1 => Just(Move::Effect(Effect::TurnBegan(Cause::Background))),
        8 => (0..40u32).prop_map(|key| Move::Effect(start(key))),
        8 => (0..40u32, words.clone()).prop_map(|(key, words)| Move::Effect(Effect::Grow(Key(key), words))),
        8 => (0..40u32, prop::option::of(words)).prop_map(|(key, words)| Move::Effect(finish(key, words))),
        2 => (0..5u32, 10..20u32).prop_map(|(key, of)| Move::Effect(permit(key, of))),
        1 => (5..9u32).prop_map(|key| Move::Effect(question(key))),
        2 => (0..9u32, any::<bool>()).prop_map(|(key, yes)| Move::Decide(key, yes)),
        1 => (0..9u32, any::<bool>()).prop_map(|(key, yes)| Move::Answer(key, yes)),
        1 => (0..9u32).prop_map(|key| Move::Effect(Effect::Withdrawn(RequestKey(key)))),
        1 => (0..40u32).prop_map(|key| Move::Effect(Effect::Detach(Key(key)))),
        1 => (10..20u32).prop_map(|key| Move::Effect(Effect::AgentBegan(Key(key)))),
        1 => (10..20u32).prop_map(|key| Move::Effect(Effect::AgentEnded(Key(key)))),
        1 => (0..10u32).prop_map(|key| Move::Effect(Effect::Retracted(vec![Key(key)]))),
        1 => (0..2u8).prop_map(|n| Move::Effect(Effect::Status(Status {
            label: StatusLabel::Todo, detail: None, json: serde_json::json!(n), parent: None,
        }))),
        1 => (0..4u8).prop_map(Move::Cut),
        2 => (0..3u8, any::<bool>()).prop_map(|(stop, staying)| Move::End { stop, staying }),
    ];
    prop::collection::vec(one, 0..60)
}

fn play(moves: &[Move]) -> Vec<Body> {
    let mut course = Course::new(1);
    let mut said = Vec::new();
    let mut used = std::collections::HashSet::new();
    for step in moves {
        match step.clone() {
            // The engine hands over one prompt at a time.
            Move::Prompt if !course.in_turn() => {
                course.prompt(PromptItem { content: text("p"), ..PromptItem::default() }, Cause::Prompt, 1);
            }
            Move::Steer if course.in_turn() => {
                course.steered(PromptItem { content: text("s"), ..PromptItem::default() });
            }
            Move::Prompt | Move::Steer => {}
            Move::Effect(effect) => {
                // A dialect counts its keys: each begins once.
                let key = if let Effect::Start(start) = &effect {
                    Some((0, start.key.0))
                } else if let Effect::Permit(permit) = &effect {
                    Some((1, permit.key.0))
                } else if let Effect::Question(asked) = &effect {
                    Some((1, asked.key.0))
                } else {
                    None
                };
                let fresh = key.is_none_or(|key| used.insert(key));
                if fresh {
                    let note = course.apply(effect, 2);
                    assert!(!matches!(note, Some(Note::TurnOver(_))));
                }
            }
            Move::Decide(key, yes) => {
                let decision = if yes {
                    Decision::Accept { input: None }
                } else {
                    Decision::Reject { message: None, stop: false }
                };
                course.decide(RequestKey(key), &decision, ResolvedBy::User, By::default());
            }
            Move::Answer(key, true) => {
                course.answer(RequestKey(key), &[vec!["x".to_owned()]], ResolvedBy::User, None);
            }
            Move::Answer(key, false) => {
                course.refuse(RequestKey(key), ResolvedBy::User, None);
            }
            Move::Cut(0) => course.cut_turn(Cut::Cancelled(130)),
            Move::Cut(1) => course.cut_turn(Cut::InputNeeded),
            Move::Cut(2) => course.cut_turn(Cut::Timeout("timeout", "late".to_owned())),
            Move::Cut(_) => course.cut_turn(Cut::Fault(Fault::new(ErrorCode::Crash, "died"))),
            Move::End { stop, staying } => {
                let stop = match stop {
                    0 => Stop::Done,
                    1 => Stop::Interrupted,
                    _ => Stop::Failed(Fault::new(ErrorCode::Server, "no")),
                };
                course.end_turn(Some(Verdict::new(stop)), staying, 3);
            }
        }
        said.extend(course.said().map(|said| said.body));
    }
    if course.end_turn(None, false, 4).is_none() {
        course.close();
    }
    said.extend(course.said().map(|said| said.body));
    said
}

#[derive(Default)]
struct Judge {
    turn: Option<String>,
    turns: Vec<String>,
    items: HashMap<String, (ItemKind, String, bool)>,
    calls: HashMap<String, usize>,
    /// Calls whose result has begun.
    answered: HashSet<String>,
    requests: HashMap<String, bool>,
}

fn judge(said: &[Body]) -> Result<(), TestCaseError> {
    let mut judge = Judge::default();
    for body in said {
        match body {
            Body::TurnStarted(turn) => {
                prop_assert!(judge.turn.is_none(), "a turn in a turn");
                prop_assert!(!judge.turns.contains(&turn.turn_id), "the turn's id is used twice");
                judge.turns.push(turn.turn_id.clone());
                judge.turn = Some(turn.turn_id.clone());
            }
            Body::TurnEnded(turn) => {
                prop_assert_eq!(judge.turn.take(), Some(turn.turn_id.clone()));
                prop_assert!(judge.requests.values().all(|resolved| *resolved), "an open request at the turn's end");
                prop_assert_eq!(turn.exit_code == 0, turn.outcome.as_str() == "ok");
                let unanswered = judge.calls.keys().find(|call| !judge.answered.contains(*call));
                prop_assert!(unanswered.is_none(), "{unanswered:?} has no result at the turn's end");
                if !matches!(turn.outcome.as_str(), "ok" | "denied") {
                    prop_assert!(judge.items.values().all(|(_, _, open)| !open), "open items at a bad end");
                }
            }
            Body::ItemStarted(event) => {
                let item = &event.item;
                let known = judge.items.insert(item.item_id.clone(), (item.kind, String::new(), true));
                prop_assert!(known.is_none(), "{} started twice", item.item_id);
                if item.kind == ItemKind::ToolCall {
                    judge.calls.insert(item.item_id.clone(), 0);
                }
                if item.kind == ItemKind::ToolResult {
                    judge.answered.extend(item.parent_id.clone());
                }
            }
            Body::ItemDelta(delta) => {
                let (_, grown, open) = judge.items.get_mut(&*delta.item_id).expect("a delta of a known item");
                prop_assert!(*open);
                if delta.reset {
                    grown.clear();
                }
                grown.push_str(&delta.delta);
            }
            Body::ItemCompleted(event) => {
                let item = &event.item;
                let (kind, grown, open) = judge.items.get_mut(&item.item_id).expect("a completion of a known item");
                prop_assert!(*open, "{} completed twice", item.item_id);
                *open = false;
                let stream = item.content.iter().find_map(ContentPart::stream).unwrap_or_default();
                prop_assert!(grown.is_empty() || grown == stream || *kind == ItemKind::ToolCall, "{grown} ≠ {stream}");
                if item.kind == ItemKind::ToolResult
                    && let Some(results) = item.parent_id.as_ref().and_then(|parent| judge.calls.get_mut(parent))
                {
                    *results += 1;
                }
            }
            Body::PermissionRequested(request) => {
                prop_assert!(judge.requests.insert(request.permission_id.clone(), false).is_none());
            }
            Body::QuestionRequested(request) => {
                prop_assert!(judge.requests.insert(request.question_id.clone(), false).is_none());
            }
            Body::PermissionResolved(done) => {
                prop_assert_eq!(judge.requests.insert(done.permission_id.clone(), true), Some(false));
            }
            Body::QuestionResolved(done) => {
                prop_assert_eq!(judge.requests.insert(done.question_id.clone(), true), Some(false));
            }
            Body::SessionStarted(_) | Body::SessionEnded(_) | Body::Error(_) | Body::AgentUnparsed(_) => {}
        }
    }
    prop_assert!(judge.turn.is_none());
    prop_assert!(judge.items.values().all(|(_, _, open)| !open));
    prop_assert!(judge.requests.values().all(|resolved| *resolved));
    for (call, results) in &judge.calls {
        prop_assert_eq!(*results, 1, "{} has {} results", call, results);
    }
    Ok(())
}

#[test]
fn what_failed_has_no_code_of_success() {
    let code = |status: ItemStatus, said: i64| {
        let ended = vec![ContentPart::ToolResult {
            call_id: "call_10".to_owned(),
            output: "x".to_owned(),
            exit_code: Some(said),
            duration_ms: None,
        }];
        let finished = Effect::Finish(Finish { key: Key(20), status, content: Some(ended) });
        let moves = [
            Move::Prompt,
            Move::Effect(start(10)),
            Move::Effect(finish(10, None)),
            Move::Effect(start(20)),
            Move::Effect(finished),
        ];
        let mut codes = Vec::new();
        for body in play(&moves) {
            if let Body::ItemCompleted(event) = body
                && let [ContentPart::ToolResult { exit_code, .. }] = event.item.content[..]
            {
                codes.push(exit_code);
            }
        }
        codes
    };
    assert_eq!(code(ItemStatus::Failed, 0), [None]);
    assert_eq!(code(ItemStatus::Declined, 0), [None]);
    assert_eq!(code(ItemStatus::Failed, 3), [Some(3)]);
    assert_eq!(code(ItemStatus::Completed, 0), [Some(0)]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn promises_are_kept(moves in moves()) {
        judge(&play(&moves))?;
    }
}
