//! Listening: a socket, connections within bounds, a log line a request, and an end that cuts nobody off in the middle.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use host::signals::{Caught, Signals};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::Config;
use crate::acp::http::{self as acp, Links};
use crate::body::Body;
use crate::error::Error;
use crate::fs::Shelf;
use crate::gate::Gate;
use crate::hub::{Hub, THREADS};
use crate::numbers::Numbers;
use crate::processes::Held;
use crate::routes;
use crate::wire::{Stream, Wire};

/// Where to listen.
#[derive(Debug)]
pub enum Address {
    /// A name or address, and a port; 0 is any that is free.
    Tcp(String, u16),
    /// A socket in the file system, for this user only.
    Unix(PathBuf),
    /// A socket of either kind that listens already: systemd has made it.
    Inherited(OwnedFd),
}

/// A server that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// Where, as a URL; none on a Unix socket.
    pub url: Option<String>,
    /// The Unix socket.
    pub unix: Option<PathBuf>,
}

/// A request that was answered: when its answer began, a flow not yet at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Its number since the start; the answer has it as `x-request-id`.
    pub id: u64,
    /// GET, POST and so on.
    pub method: String,
    /// What was asked for, without the query.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
    /// How long the answer took.
    pub took: Duration,
}

/// Connections at once, where as many files may be open; the next wait before the door.
const CONNECTIONS: usize = 16 << 10;
/// How long a request's head may take, and a connection rest between two.
const HEAD: Duration = Duration::from_secs(30);
/// What of one connection is in memory both ways, beside a body that is read whole.
const BUFFER: usize = 64 << 10;
/// How long requests are taken up after a signal: those that were sent before it are at the door, or in a connection's buffer.
const GATHER: Duration = Duration::from_millis(10);
/// How long answers may take to their end when the server ends.
const GRACE: Duration = Duration::from_secs(3);

/// What every request may ask for.
pub(crate) struct Server {
    pub(crate) hub: Arc<Hub>,
    pub(crate) gate: Gate,
    pub(crate) links: Links,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) bounds: Held,
    /// Held while the configuration of a directory is changed.
    pub(crate) changing: Mutex<()>,
    pub(crate) version: &'static str,
    pub(crate) numbers: Numbers,
    stop: watch::Sender<bool>,
    requests: AtomicU64,
    log: Box<dyn Fn(&Access) + Send + Sync>,
}

impl Server {
    /// Resolves when the server ends.
    pub(crate) fn stopping(&self) -> impl Future<Output = ()> + use<> {
        let mut stop = self.stop.subscribe();
        async move {
            // It lives as long as the server.
            let _ = stop.wait_for(|stop| *stop).await;
        }
    }
}

/// Serves until a signal ends it, and says which; nothing where nobody came for as long as it was to wait. `ready` is called once it listens, `log` for each answer.
///
/// # Errors
/// What keeps it from listening.
pub fn serve(
    config: Config,
    ready: impl FnOnce(&Listening),
    log: Box<dyn Fn(&Access) + Send + Sync>,
) -> Result<Option<Caught>, Error> {
    if config.cors.credentials && config.cors.origins.iter().any(|origin| origin == "*") {
        return Err(Error::AnyOrigin);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(THREADS)
        .build()
        .map_err(Error::Runtime)?;
    let result = runtime.block_on(run(config, ready, log));
    // What still waits for an owner is in the store, and is not ours.
    runtime.shutdown_background();
    result
}

async fn run(
    config: Config,
    ready: impl FnOnce(&Listening),
    log: Box<dyn Fn(&Access) + Send + Sync>,
) -> Result<Option<Caught>, Error> {
    let mut signals = Signals::new()?;
    let _keeping = store::keep_open();
    // The store is there before the first request, and so is its bell.
    drop(store::Store::open(&config.store, store::Access::Write).map_err(engine::Error::from)?);
    engine::Places::beside(&config.store).make()?;
    let shelf = Arc::new(Shelf::new(config.fs_root.as_deref(), &config.home)?);
    let (listener, listening) = Listener::bind(&config).await?;
    let idle_exit = config.idle_exit;
    let server = Arc::new(Server {
        hub: Arc::new(Hub::new(config.store, config.create)),
        gate: Gate {
            tokens: config.tokens,
            cors: config.cors,
            // Who knows the token is nobody's victim; and no browser is led to a Unix socket.
            hosts: listener.is_local_tcp().then_some(config.hosts),
        },
        links: Links::new(config.warm),
        env: config.env,
        shelf,
        bounds: Held::default(),
        changing: Mutex::default(),
        version: config.version,
        numbers: Numbers::default(),
        stop: watch::Sender::new(false),
        requests: AtomicU64::new(0),
        log,
    });
    tokio::spawn(Arc::clone(&server.hub).listen());
    ready(&listening);
    // An eighth is for the store, and for files that are read.
    let files = usize::try_from(host::socket::open_many()).unwrap_or(usize::MAX);
    let most = CONNECTIONS.min(files - files / 8);
    let open = Arc::new(Semaphore::new(most));
    let (gone, mut left) = mpsc::unbounded_channel();
    let (mut connected, mut rest) = (0_usize, Instant::now());
    // Set when it is to end: by what, and when it does. What was asked before is on its way until then.
    let mut ending = None;
    let caught = loop {
        let next = async {
            let permit = Arc::clone(&open).acquire_owned().await.expect("it is never closed");
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            caught = signals.next() => {
                match caught {
                    Caught::Suspend => host::signals::stop_self(),
                    Caught::Interrupt | Caught::Terminate | Caught::HangUp => {
                        ending.get_or_insert((caught, Instant::now() + GATHER));
                    }
                }
                continue;
            }
            () = until(ending.map(|(_, at)| at)) => break ending.map(|(caught, _)| caught),
            () = until(idle_exit.filter(|_| connected == 0).map(|most| rest + most)) => break None,
            Some(()) = left.recv() => {
                (connected, rest) = (connected - 1, Instant::now());
                continue;
            }
            next = next => next,
        };
        match accepted {
            Ok(stream) => {
                connected += 1;
                let (server, gone) = (Arc::clone(&server), gone.clone());
                tokio::spawn(async move {
                    connection(server, stream).await;
                    drop(permit);
                    // Nobody counts any more when all of it ends.
                    let _ = gone.send(());
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: those that end give theirs back.
                log::warn!("failed to accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    };
    drop(listener);
    server.stop.send_replace(true);
    let all = u32::try_from(most).expect("a small number");
    let ended = async {
        let _ = open.acquire_many(all).await;
        // Terminals have left their connections behind.
        server.hub.rest().await;
    };
    let _ = tokio::time::timeout(GRACE, ended).await;
    let _ = tokio::time::timeout(GRACE, acp::release(&server)).await;
    host::hire::end_idle(Duration::ZERO);
    Ok(caught)
}

/// Resolves at this time, where there is one.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

async fn connection(server: Arc<Server>, stream: Box<dyn Stream>) {
    let stopping = pin!(server.stopping());
    let service = service_fn(|request| {
        let server = Arc::clone(&server);
        async move { Ok::<_, Infallible>(respond(&server, request).await) }
    });
    let stream = Wire::new(stream, Arc::clone(&server));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    // A client that breaks off, or is too slow, is told nothing more. What has come is read before it is heard that all ends.
    tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        () = stopping => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn respond(server: &Arc<Server>, request: Request<Incoming>) -> Response<Body> {
    let begun = Instant::now();
    let id = server.requests.fetch_add(1, Ordering::Relaxed) + 1;
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    let mut response = routes::answer(server, request).await;
    response.headers_mut().insert("x-request-id", HeaderValue::from(id));
    let access = Access { id, method, path, status: response.status().as_u16(), took: begun.elapsed() };
    // When the answer is on its way: to wake who writes the line takes longer than many an answer.
    let server = Arc::clone(server);
    tokio::spawn(async move { (server.log)(&access) });
    response
}

enum Listener {
    Tcp(TcpListener, SocketAddr),
    /// With what goes when we do.
    Unix(UnixListener, Option<PathBuf>),
}

impl Listener {
    async fn bind(config: &Config) -> Result<(Listener, Listening), Error> {
        match &config.address {
            Address::Tcp(name, port) => {
                let address = format!("{name} port {port}");
                let failed = |source| Error::Listen { address: address.clone(), source };
                let found: Vec<SocketAddr> =
                    tokio::net::lookup_host((name.as_str(), *port)).await.map_err(failed)?.collect();
                if config.tokens.is_none() && !found.iter().all(|address| address.ip().is_loopback()) {
                    return Err(Error::Exposed { address });
                }
                let listener = TcpListener::bind(found.as_slice()).await.map_err(failed)?;
                let local = listener.local_addr().map_err(failed)?;
                Ok((Listener::Tcp(listener, local), Listening { url: Some(format!("http://{local}")), unix: None }))
            }
            Address::Unix(path) => {
                make_room(path)?;
                // Nobody else may connect between its making and the next line.
                host::private::private_umask();
                let listener = host::socket::listen(path)?;
                let failed = |source| Error::Listen { address: path.display().to_string(), source };
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
                let listening = Listening { url: None, unix: Some(path.clone()) };
                Ok((Listener::Unix(listener, Some(path.clone())), listening))
            }
            Address::Inherited(socket) => {
                let failed = |source| Error::Listen { address: "the socket that was handed over".to_owned(), source };
                let listener = std::net::TcpListener::from(socket.try_clone().map_err(failed)?);
                listener.set_nonblocking(true).map_err(failed)?;
                if let Ok(local) = listener.local_addr() {
                    if config.tokens.is_none() && !local.ip().is_loopback() {
                        return Err(Error::Exposed { address: local.to_string() });
                    }
                    let listener = TcpListener::from_std(listener).map_err(failed)?;
                    let listening = Listening { url: Some(format!("http://{local}")), unix: None };
                    return Ok((Listener::Tcp(listener, local), listening));
                }
                let listener = std::os::unix::net::UnixListener::from(OwnedFd::from(listener));
                let unix = listener.local_addr().map_err(failed)?.as_pathname().map(Path::to_owned);
                let listener = UnixListener::from_std(listener).map_err(failed)?;
                Ok((Listener::Unix(listener, None), Listening { url: None, unix }))
            }
        }
    }

    /// Whether pages in a browser of this machine could reach it.
    fn is_local_tcp(&self) -> bool {
        match self {
            Listener::Tcp(_, address) => address.ip().is_loopback(),
            Listener::Unix(..) => false,
        }
    }

    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Listener::Tcp(listener, _) => {
                let (stream, _) = listener.accept().await?;
                // Events are small and are to arrive at once.
                let _ = stream.set_nodelay(true);
                // Who vanished without a word is noticed, also while there is nothing to tell.
                host::socket::keep_alive(&stream);
                Ok(Box::new(stream))
            }
            Listener::Unix(listener, _) => Ok(Box::new(listener.accept().await?.0)),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, Some(path)) = self {
            // Gone already is as good.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A socket that a dead server left is removed; anything else stays.
fn make_room(path: &Path) -> Result<(), Error> {
    let taken = |why| Err(Error::Taken { path: path.to_owned(), why });
    match std::fs::symlink_metadata(path) {
        Err(_) => Ok(()),
        Ok(found) if !found.file_type().is_socket() => taken("there is something else"),
        Ok(_) if host::socket::connect(path).is_ok() => taken("another server listens there"),
        Ok(_) => Ok(()),
    }
}
