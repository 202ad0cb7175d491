//! The protocol on stdin and stdout: a message a line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use engine::keeper::{Create, New};
use host::input::InputLine;
use host::signals::{Caught, Signals};
use hyper::body::Bytes;
use tokio::sync::mpsc;

use super::calls::Reply;
use super::link::{Link, Manner};
use super::place::Place;
use super::warm::{WARM, Warm};
use crate::error::Error;
use crate::hub::{Hub, THREADS};

/// What an agent on stdio is to do.
pub struct Stdio {
    /// The store.
    pub store: PathBuf,
    /// How its sessions are made; the agent is named.
    pub new: New,
    /// Makes them.
    pub create: Create,
    /// The environment of the owners that it starts.
    pub env: Vec<(OsString, OsString)>,
    /// Of this program.
    pub version: &'static str,
    /// What the client says, until it leaves.
    pub lines: mpsc::Receiver<InputLine>,
    /// Takes what the client is to hear; `false`: it has left.
    pub say: Say,
}

/// Takes bytes; `false`: their reader has left.
pub type Say = Box<dyn FnMut(&[u8]) -> bool + Send>;

/// Serves until the client leaves or a signal ends it. Turns that the client began are cancelled then.
///
/// # Errors
/// What keeps it from beginning.
pub fn serve(stdio: Stdio) -> Result<Option<Caught>, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(THREADS)
        .build()
        .map_err(Error::Runtime)?;
    let result = runtime.block_on(run(stdio));
    runtime.shutdown_background();
    result
}

async fn run(stdio: Stdio) -> Result<Option<Caught>, Error> {
    let Stdio { store, new, create, env, version, mut lines, mut say } = stdio;
    let mut signals = Signals::new()?;
    let _keeping = store::keep_open();
    drop(store::Store::open(&store, store::Access::Write).map_err(engine::Error::from)?);
    engine::Places::beside(&store).make()?;
    let hub = Arc::new(Hub::new(store, create));
    tokio::spawn(Arc::clone(&hub).listen());
    let link = Link::new(&hub, &env, version, &schema::ids::unique(), new, &Arc::new(Warm::new(WARM)), None);
    let manner = Manner { write: |_: Option<Place>, message| format!("{message}\n"), beat: None };
    let mut told = link.listen(Place::default(), manner);
    // Answers that are told with no event.
    let (answer, mut answers) = mpsc::channel::<Bytes>(16);
    let mut printing = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Handle::current();
        loop {
            let next = runtime.block_on(async {
                tokio::select! {
                    Some(bytes) = told.recv() => Some(bytes),
                    Some(bytes) = answers.recv() => Some(bytes),
                    else => None,
                }
            });
            match next {
                Some(bytes) if say(&bytes) => {}
                Some(_) | None => return,
            }
        }
    });
    let caught = loop {
        tokio::select! {
            line = lines.recv() => match line {
                None => break None,
                Some(InputLine::Text(line)) if line.trim().is_empty() => {}
                Some(InputLine::Text(line)) => hear(&link, &answer, acp::read(line.as_bytes())).await,
                Some(InputLine::Bad(why)) => {
                    let refusal = acp::error(&serde_json::Value::Null, -32700, &format!("failed to read it: {why}"));
                    hear(&link, &answer, Err(refusal)).await;
                }
            },
            caught = signals.next() => match caught {
                Caught::Suspend => host::signals::stop_self(),
                Caught::Interrupt | Caught::Terminate | Caught::HangUp => break Some(caught),
            },
            _ = &mut printing => break None,
        }
    };
    link.leave().await;
    drop(answer);
    if !printing.is_finished() {
        // What was told last is to reach a client that still reads.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), printing).await;
    }
    Ok(caught)
}

/// A message is taken before the next one is looked at where their order matters; its answer is waited for aside.
async fn hear(link: &Arc<Link>, answer: &mpsc::Sender<Bytes>, message: Result<acp::Message, serde_json::Value>) {
    let line = |value: serde_json::Value| Bytes::from(format!("{value}\n"));
    let message = match message {
        Ok(message) => message,
        Err(refusal) => return drop(answer.send(line(refusal)).await),
    };
    let (link, answer) = (Arc::clone(link), answer.clone());
    let in_order = matches!(message.method.as_deref(), Some("session/prompt" | "session/cancel"));
    let taken = {
        let link = Arc::clone(&link);
        async move { link.receive(message).await }
    };
    let finish = move |reply: Reply| async move {
        let said = match reply {
            Reply::Nothing => None,
            Reply::Now(value) => Some(value),
            Reply::Turn(sent) => {
                let ended = link.ended(&sent).await;
                // The rest is told with its events.
                ended.cursor.is_none().then_some(ended.answer)
            }
        };
        if let Some(value) = said {
            let _ = answer.send(line(value)).await;
        }
    };
    if in_order {
        let reply = taken.await;
        tokio::spawn(finish(reply));
    } else {
        tokio::spawn(async move { finish(taken.await).await });
    }
}
