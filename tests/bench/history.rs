//! Sessions with a past: made once, when the first part needs one.

use crate::Effort;
use crate::env::TestEnv;
use crate::program::{ours, read_by, tally};
use std::cell::OnceCell;
use std::fs::File;
use std::path::PathBuf;

/// Two sessions in one store, `short` and `long`.
pub(crate) struct History {
    /// How many deltas the long one has.
    pub(crate) deltas: u64,
    past: OnceCell<Past>,
}

/// The sessions as they are stored.
pub(crate) struct Past {
    pub(crate) env: TestEnv,
    /// How many events the short one has.
    pub(crate) short: i64,
    /// How many events the long one has.
    pub(crate) long: i64,
}

/// How many deltas the short one has.
const SHORT: u64 = 10_000;

impl History {
    pub(crate) fn new(effort: &Effort) -> History {
        History { deltas: effort.pick(1_000_000, 100_000), past: OnceCell::new() }
    }

    /// The sessions, after a while the first time.
    pub(crate) fn past(&self) -> &Past {
        self.past.get_or_init(|| {
            eprintln!("  writing {} events to read them back", self.deltas);
            let env = TestEnv::new();
            let session = |name: &str, deltas: u64| {
                let prompt = format!("burst {deltas} 300");
                let (tally, _) =
                    read_by(&mut ours(&env, &["run", "-a", "mock", "-s", name, &prompt]), |stdout, _| tally(stdout));
                assert_eq!(tally.deltas, deltas, "deltas of session {name}");
                tally.events
            };
            let (short, long) = (session("short", SHORT), session("long", self.deltas));
            Past { env, short, long }
        })
    }
}

impl Past {
    /// The long session as `stream` prints it, in a file; complete, as its numbers say.
    pub(crate) fn file(&self) -> PathBuf {
        let path = self.env.root().join("long.ndjson");
        if !path.exists() {
            assert_eq!(lines(&self.env, "long").1, self.long, "events that stream printed");
        }
        path
    }
}

/// A session as `stream` prints it, in a file; and how many events it has.
pub(crate) fn lines(env: &TestEnv, session: &str) -> (PathBuf, i64) {
    let file = env.root().join(session).with_extension("ndjson");
    let status = ours(env, &["stream", session]).stdout(File::create(&file).unwrap()).status().unwrap();
    assert!(status.success(), "stream: {status}");
    let events = tally(File::open(&file).unwrap()).events;
    (file, events)
}
