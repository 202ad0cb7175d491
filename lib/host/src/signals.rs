//! Our own signals.

use crate::{Error, Signal};

/// What somebody wants of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caught {
    /// SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP.
    HangUp,
    /// SIGTSTP: call [`stop_self`] when no transaction is open.
    Suspend,
}

impl From<Caught> for Signal {
    fn from(caught: Caught) -> Self {
        match caught {
            Caught::Interrupt => Self::SIGINT,
            Caught::Terminate => Self::SIGTERM,
            Caught::HangUp => Self::SIGHUP,
            Caught::Suspend => Self::SIGTSTP,
        }
    }
}

/// Catches INT, TERM, HUP and TSTP from now on; those that were inherited as ignored stay ignored, TERM apart.
pub struct Signals {}

impl Signals {
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn new() -> Result<Self, Error> {
        unimplemented!()
    }

    /// The next one. Cancel-safe.
    pub async fn next(&mut self) -> Caught {
        unimplemented!()
    }
}

/// Ends us by `signal`, so that whoever waits for us sees it. Returns only where the kernel does not let a signal end
/// us, as process 1: then exit with 128 + its number.
pub fn die_by(signal: Signal) {
    let _ = signal;
    unimplemented!()
}

/// Stops us as SIGTSTP would have done, and returns when we are continued (at once where the kernel ignores the
/// signal, because nobody could continue us).
pub fn stop_self() {
    unimplemented!()
}
