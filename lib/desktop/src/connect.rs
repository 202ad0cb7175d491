//! The connection of one command to a running desktop.

use std::cell::Cell;
use std::os::fd::BorrowedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use schema::desktop::{DisplayRecord, Resolution};
use x11rb::connection::{Connection, RequestConnection};
use x11rb::cookie::Cookie;
use x11rb::protocol::xfixes::{self, ConnectionExt as _};
use x11rb::protocol::xproto::{ConnectionExt, GetPropertyReply, ImageOrder, Screen};
use x11rb::protocol::{Event, shm, xtest};
use x11rb::rust_connection::{DefaultStream, RustConnection};

use crate::Error;
use crate::stack::State;

x11rb::atom_manager! {
    /// The names that any of our commands needs: to ask for all of them at once takes no longer than for one.
    pub(crate) Atoms: AtomsCookie {
        _NET_CLIENT_LIST,
        _NET_CLIENT_LIST_STACKING,
        _NET_ACTIVE_WINDOW,
        _NET_WM_NAME,
        _NET_WM_PID,
        _NET_WM_PING,
        _NET_FRAME_EXTENTS,
        _NET_WM_STATE,
        _NET_WM_STATE_HIDDEN,
        _NET_WM_STATE_MAXIMIZED_VERT,
        _NET_WM_STATE_MAXIMIZED_HORZ,
        _NET_MOVERESIZE_WINDOW,
        _NET_CLOSE_WINDOW,
        _NET_SUPPORTED,
        _NET_SUPPORTING_WM_CHECK,
        _NET_REQUEST_FRAME_EXTENTS,
        WM_PROTOCOLS,
        CLIPBOARD,
        TARGETS,
        TIMESTAMP,
        UTF8_STRING,
        TEXT,
        INCR,
        _SANDBOX_AGENT_CLIPBOARD,
        // Where the ring of keys for foreign symbols is remembered: the next of them, then all.
        _SANDBOX_AGENT_KEYS,
    }
}

/// A running desktop that we are connected to.
pub struct Desktop {
    pub(crate) connection: RustConnection,
    pub(crate) atoms: Atoms,
    pub(crate) state: State,
    pub(crate) root: u32,
    /// Of the screen, in pixels.
    pub(crate) width: u16,
    /// Of the screen, in pixels.
    pub(crate) height: u16,
    /// The server knows which version of XFIXES we speak.
    speaks_fixes: Cell<bool>,
}

impl Desktop {
    pub(crate) fn open(state: State) -> Result<Desktop, Error> {
        let failed = |source| Error::Connect { display: state.display, source: Box::new(source) };
        let stream = socket(state.display).map_err(|error| failed(error.into()))?;
        let (stream, _) = DefaultStream::from_unix_stream(stream).map_err(|error| failed(error.into()))?;
        let cookie = state.cookie();
        let connection =
            RustConnection::connect_to_stream_with_auth_info(stream, 0, crate::stack::COOKIE_KIND.to_vec(), cookie)
                .map_err(failed)?;
        Desktop::on(connection, state)
    }

    /// A display that others have started, such as `:0`; what lets us in is found as other programs find it.
    pub(crate) fn foreign(name: &str) -> Result<Desktop, Error> {
        let number = name.trim_start_matches(':').split('.').next().and_then(|number| number.parse().ok());
        let display = number.ok_or_else(|| Error::Invalid(format!("use the display `{}`", name.escape_debug())))?;
        let (connection, _) = RustConnection::connect(Some(name))
            .map_err(|source| Error::Connect { display, source: Box::new(source) })?;
        Desktop::on(connection, State::foreign(name, display))
    }

    fn on(connection: RustConnection, state: State) -> Result<Desktop, Error> {
        let setup = connection.setup();
        let screen = &setup.roots[0];
        if setup.image_byte_order != ImageOrder::LSB_FIRST || !has_bgrx(screen) {
            return Err(Error::Unfit("its pixels are not blue, green, red and a byte between them"));
        }
        let (root, width, height) = (screen.root, screen.width_in_pixels, screen.height_in_pixels);
        // Most commands use one of these; the answers come with those about the names.
        for extension in [xtest::X11_EXTENSION_NAME, shm::X11_EXTENSION_NAME, xfixes::X11_EXTENSION_NAME] {
            connection.prefetch_extension_information(extension)?;
        }
        let atoms = Atoms::new(&connection)?.reply()?;
        Ok(Desktop { connection, atoms, state, root, width, height, speaks_fixes: Cell::new(false) })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// What it is, as one asks for.
    pub fn record(&self) -> DisplayRecord {
        DisplayRecord {
            display: format!(":{}", self.state.display),
            xauthority: self.state.xauthority.clone(),
            resolution: Resolution { width: self.width, height: self.height, dpi: self.state.dpi },
        }
    }

    /// The connection, for what XFIXES adds: the server wants to be told once which version we speak.
    pub(crate) fn fixes(&self) -> Result<&RustConnection, Error> {
        if !self.speaks_fixes.get() {
            self.connection.xfixes_query_version(5, 0)?.reply()?;
            self.speaks_fixes.set(true);
        }
        Ok(&self.connection)
    }

    /// Waits until the server has done all that it was told.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.connection.get_input_focus()?.reply()?;
        Ok(())
    }

    /// The next event; `None` when there was none until the deadline.
    pub(crate) fn event(&self, deadline: Instant) -> Result<Option<Event>, Error> {
        self.connection.flush()?;
        loop {
            // Events that came with replies are not in the socket any more.
            if let Some(event) = self.connection.poll_for_event()? {
                return Ok(Some(event));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            self.wait(deadline, true, &[])?;
        }
    }

    /// Waits until the deadline, for the server if that is wanted, or for others; true when one of these has something.
    /// What came from the server has to be taken before, and what it is to hear flushed.
    pub(crate) fn wait(&self, deadline: Instant, server: bool, others: &[BorrowedFd<'_>]) -> Result<bool, Error> {
        let left = deadline.saturating_duration_since(Instant::now()).min(Duration::from_secs(3600));
        let left = Timespec::try_from(left).expect("an hour fits");
        let mut fds: Vec<PollFd<'_>> = others.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        if server {
            fds.push(PollFd::new(self.connection.stream(), PollFlags::IN));
        }
        match poll(&mut fds, Some(&left)) {
            Ok(_) => Ok(fds[..others.len()].iter().any(|fd| !fd.revents().is_empty())),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(x11rb::errors::ConnectionError::IoError(error.into()).into()),
        }
    }

    /// A property's 32-bit values; none where it is not there.
    pub(crate) fn values(&self, window: u32, property: u32) -> Result<Vec<u32>, Error> {
        Ok(values(&self.ask_for_values(window, property)?.reply()?))
    }

    /// Asks for them, for several properties to be asked for at once.
    pub(crate) fn ask_for_values(
        &self,
        window: u32,
        property: u32,
    ) -> Result<Cookie<'_, RustConnection, GetPropertyReply>, Error> {
        Ok(self.connection.get_property(false, window, property, 0u32, 0, 1 << 16)?)
    }
}

/// What of a property are numbers.
pub(crate) fn values(reply: &GetPropertyReply) -> Vec<u32> {
    reply.value32().map(Iterator::collect).unwrap_or_default()
}

/// The server's socket: the abstract one, which needs no directory, or the file.
pub(crate) fn socket(display: u32) -> std::io::Result<UnixStream> {
    let path = socket_file(display);
    abstract_socket(&path).or_else(|_| UnixStream::connect(&path))
}

pub(crate) fn socket_file(display: impl std::fmt::Display) -> String {
    format!("/tmp/.X11-unix/X{display}")
}

/// A socket that has a name and no file.
pub(crate) fn abstract_socket(name: &str) -> std::io::Result<UnixStream> {
    SocketAddr::from_abstract_name(name).and_then(|address| UnixStream::connect_addr(&address))
}

fn has_bgrx(screen: &Screen) -> bool {
    let kinds = screen.allowed_depths.iter().flat_map(|depth| &depth.visuals);
    kinds
        .filter(|kind| kind.visual_id == screen.root_visual)
        .any(|kind| (kind.red_mask, kind.green_mask, kind.blue_mask) == (0xff_0000, 0xff00, 0xff))
}
