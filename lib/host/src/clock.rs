//! The time.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::env::{self, Name};

/// Milliseconds since 1970; fixed by `SANDBOX_AGENT_TEST_CLOCK`.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
pub fn now_ms() -> i64 {
    static FIXED: OnceLock<Option<i64>> = OnceLock::new();
    let fixed = FIXED.get_or_init(|| env::var(Name::TestClock)?.to_str()?.parse().ok());
    fixed.unwrap_or_else(|| {
        // A clock before 1970 is broken; zero is as good as any other wrong time.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as i64)
    })
}

/// For durations and deadlines; never fixed.
pub fn monotonic() -> Instant {
    Instant::now()
}

/// Names this boot of the machine; `None` where the kernel does not say.
pub fn boot_id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}
