//! Requests: in order, settled with the events they led to or not at all, never between two owners.

use crate::support::{place, row, store};
use store::{Batch, Error, RequestState, Settled, Store, Sync};

fn settle(store: &mut Store, no: i64, id: i64, sequence: i64) -> Result<(), Error> {
    let events = [row(sequence, "turn.started", "{}")];
    let settled = [Settled { id, state: RequestState::Done, result: r#"{"sequence":1}"# }];
    store.append(
        no,
        &Batch { events: &events, cache: None, native: None, now: 1, settled: &settled, owner: None },
        Sync::Full,
    )
}

#[test]
fn requests_wait_in_order_and_are_settled_with_their_events() {
    let (_directory, path) = place();
    let (mut store, session) = store(&path);
    let first = store.post(session.no, "prompt", r#"{"text":"a"}"#, 1, Sync::Full).unwrap();
    let second = store.post(session.no, "cancel", "{}", 2, Sync::Full).unwrap();
    let ids: Vec<i64> = store.posted(session.no, 0).unwrap().iter().map(|posted| posted.id).collect();
    assert_eq!(ids, [first, second]);
    assert_eq!(store.posted(session.no, first).unwrap().len(), 1);
    assert_eq!(store.prompts_posted(session.no).unwrap(), 1, "only prompts keep a session busy");

    // What fails as a whole settles nothing.
    assert!(matches!(settle(&mut store, session.no, first, 5), Err(Error::OutOfOrder { .. })));
    assert_eq!(store.settlement(first).unwrap().unwrap().state, RequestState::Open);
    settle(&mut store, session.no, first, 1).unwrap();
    let done = store.settlement(first).unwrap().unwrap();
    assert_eq!((done.state, done.result.as_deref()), (RequestState::Done, Some(r#"{"sequence":1}"#)));
    assert_eq!(store.prompts_posted(session.no).unwrap(), 0);

    store.delete(session.no).unwrap();
    assert!(store.settlement(second).unwrap().is_none());
    assert!(matches!(store.post(session.no, "prompt", "{}", 3, Sync::Full), Err(Error::Gone)));
}

#[test]
fn nothing_is_posted_between_the_last_look_and_the_end() {
    let (_directory, path) = place();
    let (mut store, session) = store(&path);
    store.set_owner(session.no, Some("1")).unwrap();
    let id = store.post(session.no, "prompt", "{}", 1, Sync::Full).unwrap();
    assert_eq!(store.leave(session.no, None, true, 2).unwrap(), 1);
    let owner = |store: &Store| store.session_by_no(session.no).unwrap().unwrap().owner;
    assert_eq!(owner(&store).as_deref(), Some("1"), "an owner whose prompts wait stays");
    assert!(!store.withdraw(id).unwrap(), "an owner may be giving it to its agent just now");
    assert_eq!(store.leave(session.no, None, false, 2).unwrap(), 1);
    assert_eq!(owner(&store), None);
    assert!(store.withdraw(id).unwrap());
    assert!(!store.withdraw(id).unwrap());
    assert_eq!(store.settlement(id).unwrap().unwrap().state, RequestState::Withdrawn);
    store.set_owner(session.no, Some("2")).unwrap();
    // An hour later nobody asks any more what became of it.
    assert_eq!(store.leave(session.no, None, true, 4_000_000).unwrap(), 0);
    assert!(store.settlement(id).unwrap().is_none());
}
