//! Named steps of an event's walk, at which a test can have this process killed.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::env::{self, Name};

/// Where to die: a step's name and how often it is still reached before.
struct Fate {
    step: String,
    panics: bool,
    left: AtomicU32,
}

/// Says that a step is reached. With `SANDBOX_AGENT_TEST_KILL=STEP:N` the process is killed (SIGKILL, as by the kernel)
/// at the N-th time; with `!STEP:N` it panics instead, as by a defect.
pub fn reached(step: &str) {
    static FATE: OnceLock<Option<Fate>> = OnceLock::new();
    let fate = FATE.get_or_init(|| {
        let text = env::var(Name::TestKill)?.into_string().ok()?;
        let (step, count) = text.split_once(':')?;
        let panics = step.starts_with('!');
        Some(Fate { step: step.trim_start_matches('!').to_owned(), panics, left: AtomicU32::new(count.parse().ok()?) })
    });
    if let Some(fate) = fate
        && fate.step == step
        && fate.left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        assert!(!fate.panics, "a test asked for it");
        // A process can always kill itself.
        let _ = kill(Pid::this(), Signal::SIGKILL);
    }
}
