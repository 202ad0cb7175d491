//! The agent as the loop meets it: a unit that speaks in lines, or one that serves and is called.

use std::time::Duration;

use agents::agent::Wire;
use agents::dialect::Ask;
use host::http::{Answer, Served, Server, Service};
use host::{Exit, Happening, Line, Unit};
use tokio::time::Instant;

/// How long what an agent that has ended still said on its event stream is waited for.
const REST: Duration = Duration::from_millis(500);

/// A running agent.
pub(crate) struct Peer {
    pub(crate) unit: Unit,
    server: Option<Server>,
    /// It has ended: until when its event stream is read.
    until: Option<Instant>,
}

/// What the agent did.
pub(crate) enum Word {
    /// Lines are there: take them from [`Peer::line`].
    Lines,
    /// It answered a call.
    Answer(Answer),
    /// Its event stream broke.
    Lost,
    /// It said something that is no part of the conversation: lines of stderr, or of the stdout of one that serves.
    Aside(String),
    /// It ended.
    Exited(Exit),
}

impl Peer {
    pub(crate) fn new(unit: Unit, wire: Wire) -> Peer {
        let server = match wire {
            Wire::Lines => None,
            Wire::Http { ready, events, user, password } => {
                Some(Server::new(Service { ready, events, user, password }))
            }
        };
        Peer { unit, server, until: None }
    }

    /// Whether its lines come over HTTP, in smaller pieces than a pipe holds.
    pub(crate) fn serves(&self) -> bool {
        self.server.is_some()
    }

    /// The next thing. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Word {
        let Some(server) = &mut self.server else {
            return match self.unit.next().await {
                Happening::Lines => Word::Lines,
                Happening::Stderr(text) => Word::Aside(text),
                Happening::Exited(exit) => Word::Exited(exit),
            };
        };
        let happening = tokio::select! {
            happening = self.unit.next() => happening,
            served = server.next() => return word(served),
        };
        match happening {
            Happening::Lines => {
                let mut text = String::new();
                while let Some(line) = self.unit.line() {
                    match line {
                        Line::Whole(line) => {
                            server.heard(line);
                            text.push_str(line);
                        }
                        Line::Lossy(line) => text.push_str(&line),
                        Line::Cut { head, .. } => text.push_str(&head),
                    }
                    text.push('\n');
                }
                Word::Aside(text)
            }
            Happening::Stderr(text) => Word::Aside(text),
            Happening::Exited(exit) => {
                let until = *self.until.get_or_insert_with(|| Instant::now() + REST);
                if server.is_open()
                    && let Ok(served) = tokio::time::timeout_at(until, server.next()).await
                {
                    return word(served);
                }
                Word::Exited(exit)
            }
        }
    }

    /// The next line that is already there.
    pub(crate) fn line(&mut self) -> Option<Line<'_>> {
        match &mut self.server {
            Some(server) => server.lines().line(),
            None => self.unit.line(),
        }
    }

    /// Calls an agent that serves.
    pub(crate) fn ask(&mut self, ask: &Ask) {
        if let Some(server) = &mut self.server {
            server.ask(ask.tag.0, ask.method.as_str(), &ask.path, &ask.body);
        }
    }
}

fn word(served: Served) -> Word {
    match served {
        Served::Lines => Word::Lines,
        Served::Answer(answer) => Word::Answer(answer),
        Served::Lost => Word::Lost,
    }
}
