//! Which agents wait for their sessions' next prompt: those of the sessions that were prompted last.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// How many, where nothing else is said.
pub const WARM: usize = 8;

/// The sessions whose agents may wait.
pub(crate) struct Warm {
    most: usize,
    /// Their ids; the one that was prompted last stands last.
    sessions: Mutex<VecDeque<String>>,
}

impl Warm {
    pub(crate) fn new(most: usize) -> Warm {
        Warm { most, sessions: Mutex::default() }
    }

    /// Notes that a session is prompted, and says which one's agent is to end after its turn, where there is one too many.
    pub(crate) fn prompted(&self, session_id: &str) -> Option<String> {
        // Whoever panicked with it has left it whole.
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|known| known != session_id);
        sessions.push_back(session_id.to_owned());
        if sessions.len() > self.most { sessions.pop_front() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_prompted_last_stays() {
        let warm = Warm::new(2);
        let cooled: Vec<_> = ["a", "b", "a", "c", "b"].map(|id| warm.prompted(id)).into_iter().collect();
        assert_eq!(cooled, [None, None, None, Some("b".to_owned()), Some("a".to_owned())]);
        assert_eq!(Warm::new(0).prompted("a").as_deref(), Some("a"), "none stays");
    }
}
