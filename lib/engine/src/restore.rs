//! A course from stored events: what a dead owner left open is closed in its name, once.

use std::collections::HashMap;

use host::clock;
use schema::control::{Ask, Control, Reply};
use schema::event::Body;
use schema::item::{Item, ItemKind};
use schema::outcome::ErrorCode;
use schema::request::{PermissionRequested, PermissionStatus, QuestionEvent, QuestionStatus};
use store::{Posted, RequestState, Select, Session, Store};

use crate::answer::refusal;
use crate::error::Error;
use crate::journal::Journal;
use crate::owner::last_of;
use crate::session::not_delivered;
use crate::turn::{Course, Cut, Left};

/// Everything but deltas: those are read once it is known whose.
const SHAPES: [&str; 8] = [
    "turn.started",
    "turn.ended",
    "item.started",
    "item.completed",
    "permission.requested",
    "permission.resolved",
    "question.requested",
    "question.resolved",
];

const PAGE: usize = 1024;

/// Ends the open turn of a session whose owner is dead, with everything that is open in it.
pub(crate) fn end_what_is_open(journal: &mut Journal) -> Result<(), Error> {
    let session = journal.session().clone();
    let left = what_is_open(journal.store(), &session)?;
    let waiting = journal.store().posted(session.no, 0)?;
    if left.is_empty() && waiting.is_empty() {
        return journal.write_columns();
    }
    let mut course = Course::restored(journal.next(), left);
    give_up(journal, &mut course, waiting);
    course.cut_turn(Cut::Killed);
    if course.end_turn(None, false, clock::now_ms()).is_none() {
        course.close();
    }
    for said in course.said() {
        journal.push(&said.body, said.synthetic, None);
    }
    journal.commit()?;
    Ok(())
}

/// What was posted to the dead owner is given to nobody: its sender may not want it any more, now that the rest is known.
fn give_up(journal: &mut Journal, course: &mut Course, waiting: Vec<Posted>) {
    let mut ids = Vec::new();
    for Posted { id, kind, body } in waiting {
        if kind == "prompt" {
            let ask = serde_json::from_str::<Control>(&body);
            ids.push(match ask {
                Ok(Control::Prompt(Ask { id: Some(id), .. })) => id,
                Ok(_) | Err(_) => format!("request {id}"),
            });
            journal.settle(id, RequestState::Lost, &Reply::default());
        } else {
            let error = refusal(ErrorCode::NotDelivered, "the session's owner died before it took the request");
            journal.settle(id, RequestState::Refused, &Reply { error: Some(error), ..Reply::default() });
        }
    }
    if !ids.is_empty() {
        course.error(not_delivered(&ids), true, true);
    }
}

fn what_is_open(store: &Store, session: &Session) -> Result<Left, Error> {
    let mut left = Left::default();
    let Some((start, _)) = last_of(store, session, &["session.started"])? else { return Ok(left) };
    let mut items: Vec<(i64, Item)> = Vec::new();
    let mut calls: Vec<Item> = Vec::new();
    let mut permissions: Vec<PermissionRequested> = Vec::new();
    let mut questions: Vec<QuestionEvent> = Vec::new();
    each(store, session, start - 1, &SHAPES, &mut |sequence, time, body| match body {
        Body::TurnStarted(turn) => {
            left.turn = Some((turn.turn_id, turn.prompt_ids, time));
            left.denied.clear();
        }
        Body::TurnEnded(_) => left.turn = None,
        Body::ItemStarted(event) => {
            if event.item.kind == ItemKind::ToolCall {
                calls.push(event.item.clone());
            }
            items.push((sequence, event.item));
        }
        Body::ItemCompleted(event) => {
            items.retain(|(_, item)| item.item_id != event.item.item_id);
            if event.item.kind == ItemKind::ToolResult {
                calls.retain(|call| Some(&call.item_id) != event.item.parent_id.as_ref());
            }
            if let (Some(turn), Some(prompt)) = (&mut left.turn, &event.item.prompt_id)
                && !turn.1.contains(prompt)
            {
                turn.1.push(prompt.clone());
            }
        }
        Body::PermissionRequested(request) => permissions.push(*request),
        Body::PermissionResolved(done) => {
            let rejected = done.status == PermissionStatus::Reject;
            for open in permissions.extract_if(.., |open| open.permission_id == done.permission_id) {
                left.declined.extend(open.tool_call_item_id.filter(|_| rejected));
            }
            if rejected {
                left.denied.push(done.permission_id);
            }
        }
        Body::QuestionRequested(request) => questions.push(*request),
        Body::QuestionResolved(done) => {
            questions.retain(|open| open.question_id != done.question_id);
            if done.status == QuestionStatus::Rejected {
                left.denied.push(done.question_id);
            }
        }
        Body::SessionStarted(_)
        | Body::SessionEnded(_)
        | Body::ItemDelta(_)
        | Body::Error(_)
        | Body::AgentUnparsed(_) => {}
    })?;
    let mut texts: HashMap<String, Vec<(String, bool)>> = HashMap::new();
    if let Some((first, _)) = items.first() {
        each(store, session, *first, &["item.delta"], &mut |_, _, body| {
            if let Body::ItemDelta(delta) = body
                && items.iter().any(|(_, item)| *item.item_id == *delta.item_id)
            {
                texts.entry(delta.item_id.to_string()).or_default().push((delta.delta, delta.reset));
            }
        })?;
    }
    left.items = items
        .into_iter()
        .map(|(_, item)| {
            let deltas = texts.remove(&item.item_id).unwrap_or_default();
            (item, deltas)
        })
        .collect();
    left.calls = calls;
    left.permissions = permissions;
    left.questions = questions;
    Ok(left)
}

/// Reads events of these types after a sequence, page by page, back into words.
fn each(
    store: &Store,
    session: &Session,
    after: i64,
    types: &[&str],
    visit: &mut dyn FnMut(i64, i64, Body),
) -> Result<(), Error> {
    let mut after = after;
    loop {
        let mut failed = None;
        let select =
            Select { after, up_to: None, types, since: None, until: None, reverse: false, limit: PAGE, raw: false };
        let read = store.read(session, &select, &mut |event| {
            after = event.sequence;
            match Body::read(event.kind, event.data) {
                Ok(body) => visit(event.sequence, event.time, body),
                Err(source) => {
                    failed.get_or_insert(Error::Event {
                        session: session.session_id.clone(),
                        sequence: event.sequence,
                        source,
                    });
                }
            }
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        if read < PAGE {
            return Ok(());
        }
    }
}
