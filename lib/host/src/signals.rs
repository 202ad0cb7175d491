//! Our own signals.

use nix::libc;
use nix::sys::signal::{self, SaFlags, SigAction, SigHandler, SigSet, SigmaskHow};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal as listen};

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

/// Catches INT, TERM, HUP and TSTP from now on; but those that were inherited as ignored stay ignored (`nohup`, jobs
/// in the background of a script).
pub struct Signals {
    interrupt: Option<Stream>,
    terminate: Option<Stream>,
    hang_up: Option<Stream>,
    suspend: Option<Stream>,
}

impl Signals {
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn new() -> Result<Self, Error> {
        Ok(Self {
            interrupt: catch(Caught::Interrupt)?,
            terminate: catch(Caught::Terminate)?,
            hang_up: catch(Caught::HangUp)?,
            suspend: catch(Caught::Suspend)?,
        })
    }

    /// The next one. Cancel-safe.
    pub async fn next(&mut self) -> Caught {
        tokio::select! {
            () = arrives(&mut self.interrupt) => Caught::Interrupt,
            () = arrives(&mut self.terminate) => Caught::Terminate,
            () = arrives(&mut self.hang_up) => Caught::HangUp,
            () = arrives(&mut self.suspend) => Caught::Suspend,
        }
    }
}

/// Ends us by `signal`, so that whoever waits for us sees it. Returns only where the kernel does not let a signal end
/// us, as process 1: then exit with 128 + its number.
pub fn die_by(signal: Signal) {
    set_default(signal);
    let mut set = SigSet::empty();
    set.add(signal);
    // None of the three can fail for a signal that can be caught; should one, we return and the caller exits.
    let _ = signal::sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&set), None);
    let _ = signal::raise(signal);
}

/// Stops us as SIGTSTP would have done, and returns when we are continued (at once where the kernel ignores the
/// signal, because nobody could continue us).
pub fn stop_self() {
    // SIGTSTP and not SIGSTOP: the kernel drops it where no shell is there to continue us (`ssh -t host …`).
    let Some(former) = set_default(Signal::SIGTSTP) else { return };
    let _ = signal::raise(Signal::SIGTSTP);
    #[expect(unsafe_code)]
    // SAFETY: `former` is what the kernel said was installed before.
    let _ = unsafe { signal::sigaction(Signal::SIGTSTP, &former) };
}

/// Whether a signal is ignored, as it may have been when we were started.
pub(crate) fn ignored(signal: Signal) -> bool {
    #[expect(unsafe_code)]
    // SAFETY: with a null action the kernel only writes the present one, into a value of its type; zero is valid for it.
    let (result, present) = unsafe {
        let mut present: libc::sigaction = std::mem::zeroed();
        (libc::sigaction(signal as i32, std::ptr::null(), &raw mut present), present)
    };
    result == 0 && present.sa_sigaction == libc::SIG_IGN
}

/// Restores the default action and returns the former one.
pub(crate) fn set_default(signal: Signal) -> Option<SigAction> {
    set(signal, SigHandler::SigDfl)
}

/// Ignores a signal. Safe between fork and exec.
pub fn set_ignored(signal: Signal) {
    // It fails only for SIGKILL and SIGSTOP.
    let _ = set(signal, SigHandler::SigIgn);
}

fn set(signal: Signal, handler: SigHandler) -> Option<SigAction> {
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    #[expect(unsafe_code)]
    // SAFETY: neither the default action nor ignoring runs code of ours.
    unsafe {
        signal::sigaction(signal, &action).ok()
    }
}

fn catch(caught: Caught) -> Result<Option<Stream>, Error> {
    let signal = Signal::from(caught);
    if ignored(signal) {
        return Ok(None);
    }
    let stream = listen(SignalKind::from_raw(signal as i32));
    stream.map(Some).map_err(|source| Error::System { action: "catch signals", source })
}

async fn arrives(stream: &mut Option<Stream>) {
    match stream {
        // A stream that ended (it does not while the runtime lives) says nothing more.
        Some(stream) => match stream.recv().await {
            Some(()) => {}
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}
