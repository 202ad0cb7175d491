//! Stores that a process keeps open for its next [`Store::open`](crate::Store::open): opening one takes longer than a commit.

use crate::{migrate::Schema, store::Access, store::Open};
use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How many are kept.
const MOST: usize = 8;

/// The last few, the latest at the end; nothing where nobody wants it.
static KEPT: Mutex<Option<Vec<Open>>> = Mutex::new(None);

/// While it lives, stores that are dropped stay open for the next who opens the same.
#[derive(Debug)]
pub struct Keeping(());

/// For a process that opens the same stores again and again, as a server does.
pub fn keep_open() -> Keeping {
    lock().get_or_insert_default();
    Keeping(())
}

impl Drop for Keeping {
    fn drop(&mut self) {
        let kept = lock().take();
        drop(kept);
    }
}

/// One that is open already.
pub(crate) fn take(schema: &'static Schema, asked: &Path, access: Access) -> Option<Open> {
    let open = {
        let mut kept = lock();
        let kept = kept.as_mut()?;
        let at = kept.iter().rposition(|open| open.is_what(schema, asked, access))?;
        kept.remove(at)
    };
    open.is_current().then_some(open)
}

/// Keeps one, or closes it.
pub(crate) fn put(open: Open) {
    if !open.can_be_kept() || std::thread::panicking() {
        return;
    }
    let mut kept = lock();
    let Some(all) = kept.as_mut() else {
        drop(kept);
        return drop(open);
    };
    all.push(open);
    let first = (all.len() > MOST).then(|| all.remove(0));
    // Closing takes its time, and nobody has to wait for it.
    drop(kept);
    drop(first);
}

/// Nothing that is locked here can be left half done.
fn lock() -> MutexGuard<'static, Option<Vec<Open>>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}
