//! JSON-RPC over lines: our calls and what they were for, apart from the other side's requests.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Calls of ours that wait for an answer, each with what it was for. Ids count from 1; the other side's ids live elsewhere.
#[derive(Debug)]
pub(crate) struct Calls<P> {
    last: u64,
    open: BTreeMap<u64, P>,
}

impl<P> Calls<P> {
    /// No calls yet.
    pub(crate) fn new() -> Calls<P> {
        Calls { last: 0, open: BTreeMap::new() }
    }

    /// A line that calls a method; the answer will be found by [`Calls::answered`].
    pub(crate) fn call(&mut self, method: &str, params: &Value, purpose: P) -> String {
        self.last += 1;
        self.open.insert(self.last, purpose);
        json!({ "id": self.last, "method": method, "params": params }).to_string()
    }

    /// Whether a call of this sort waits for its answer.
    pub(crate) fn any(&self, wanted: impl Fn(&P) -> bool) -> bool {
        self.open.values().any(wanted)
    }

    /// What the call with this id was for; `None` where there is none.
    pub(crate) fn answered(&mut self, id: &Value) -> Option<P> {
        self.open.remove(&id.as_u64()?)
    }
}

/// A line that notifies.
pub(crate) fn notify(method: &str) -> String {
    json!({ "method": method }).to_string()
}

/// A line that answers a request of the other side; id 0 is as good as any.
pub(crate) fn answer(id: &Value, result: &Value) -> String {
    json!({ "id": id, "result": result }).to_string()
}

/// A line that refuses a request of the other side.
pub(crate) fn refuse(id: &Value, code: i64, message: &str) -> String {
    json!({ "id": id, "error": { "code": code, "message": message } }).to_string()
}
