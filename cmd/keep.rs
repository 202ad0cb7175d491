//! Hidden `__keep process`: this binary again, as the background owner of one process.

use std::ffi::OsString;
use std::path::PathBuf;

use engine::process::{Keep, Kept, keep};
use host::detach::Ready;

/// Runs as a process's keeper; `args` are those after `__keep process`: `ID STORE [JSON -- COMMAND…]`.
pub(crate) fn process(mut args: impl Iterator<Item = OsString>, ready: Ready) -> Option<i32> {
    host::private::private_umask();
    let process_id = args.next()?.into_string().ok()?;
    let store = PathBuf::from(args.next()?);
    let new = match args.next() {
        None => None,
        Some(spec) => {
            let kept: Kept = serde_json::from_str(spec.to_str()?).ok()?;
            let command = args.skip(1).map(|word| word.into_string().ok()).collect::<Option<_>>()?;
            Some(Kept { command, ..kept })
        }
    };
    // No directory is to be kept busy by us.
    let _ = std::env::set_current_dir("/");
    match keep(&Keep { process_id, store, new }, ready) {
        Ok(()) => Some(0),
        Err(_) => Some(1),
    }
}
