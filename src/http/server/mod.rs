//! A server for those who have none: one thread, one runtime of its own, HTTP/1.1.
//!
//! - `accept`: takes connections in. `connections`: who is connected, and who has to go.
//! - `connection`: one of them, from its first byte to its end. `stream`: its socket, observed.
//!
//! Everything runs on the one thread, and nothing there blocks: snapshots, encoding and checks have
//! threads of their own. So what is shared between connections needs no lock.
#![forbid(unsafe_code)]

mod accept;
mod connection;
mod connections;
mod error;
mod stream;

pub use error::ServeError;

use super::endpoint::Endpoint;
use crate::client::{after, join_by};
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// Connections that wait to be accepted: where they are too many, scrapers wait for seconds too.
const BACKLOG: u32 = 1024;
/// What a drop leaves for responses in work.
const DROP_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the thread may take to end after its deadline, and the system to end it after that.
const END_TIMEOUT: Duration = Duration::from_millis(40);
const JOIN_TIMEOUT: Duration = Duration::from_millis(30);

/// An [`Endpoint`] that is being served; from [`Endpoint::serve`].
///
/// It stops when it is told to, or dropped: keep it for as long as it is to serve. In a forked child it
/// does nothing, and neither does dropping it; the port is the parent's, and stays bound until both
/// have closed it, which a child does by `exec`.
#[must_use = "it stops when it is dropped"]
pub struct EndpointServer {
    /// `None` if it could not be started, or has stopped.
    running: Option<Running>,
}

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<Instant>,
    /// Whether all responses were finished; nothing, if the thread panicked. A receiver of which no
    /// two threads may take from needs a lock.
    ended: Mutex<Receiver<bool>>,
    thread: JoinHandle<()>,
    process: u32,
}

/// Starts the thread, and waits until it has bound the first address that is free.
pub(super) fn start(
    endpoint: Endpoint,
    address: &(impl ToSocketAddrs + fmt::Debug),
) -> Result<EndpointServer, ServeError> {
    let resolved = address.to_socket_addrs();
    let addresses: Vec<_> =
        resolved.map_err(|error| ServeError::address(address, error))?.collect();
    if addresses.is_empty() {
        let error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        return Err(ServeError::address(address, error));
    }
    let (stop, stopped) = oneshot::channel();
    let (end, ended) = channel();
    let (start, started) = channel();
    let thread = thread::Builder::new()
        .name("quipu-http".into())
        .spawn(move || serve(endpoint, &addresses, &start, stopped, &end))
        .map_err(ServeError::Thread)?;
    // Without an answer the thread has panicked, which ends up here as well.
    let panicked = || Err(ServeError::Runtime(io::Error::other("its thread panicked")));
    let address = started.recv().unwrap_or_else(|_| panicked())?;
    let process = std::process::id();
    let running = Running { address, stop, ended: Mutex::new(ended), thread, process };
    Ok(EndpointServer { running: Some(running) })
}

/// The thread.
fn serve(
    endpoint: Endpoint,
    addresses: &[SocketAddr],
    started: &Sender<Result<SocketAddr, ServeError>>,
    stop: oneshot::Receiver<Instant>,
    ended: &Sender<bool>,
) {
    // Whoever started this thread waits for the first message, and may have gone before the second.
    match prepare(addresses) {
        Ok((runtime, listener, address)) => {
            let _ = started.send(Ok(address));
            let is_finished = accept::serve(&runtime, listener, &endpoint, stop);
            drop(runtime);
            let _ = ended.send(is_finished);
            // It may be the last that holds a client, whose end takes as long as its deliveries.
            drop(endpoint);
        }
        Err(error) => {
            let _ = started.send(Err(error));
        }
    }
}

fn prepare(addresses: &[SocketAddr]) -> Result<(Runtime, TcpListener, SocketAddr), ServeError> {
    let runtime = Builder::new_current_thread().enable_io().enable_time().build();
    let runtime = runtime.map_err(ServeError::Runtime)?;
    let mut outcome = Err(ServeError::Runtime(io::ErrorKind::NotFound.into()));
    for &address in addresses {
        outcome = {
            let _inside = runtime.enter();
            bind(address).map_err(|error| ServeError::Bind { address, error })
        };
        if outcome.is_ok() {
            break;
        }
    }
    outcome.map(|(listener, address)| (runtime, listener, address))
}

fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A server that starts again need not wait for the last connections of the one before. On
    // Windows it means something else: that others may take the port away.
    if cfg!(unix) {
        socket.set_reuseaddr(true)?;
    }
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

impl EndpointServer {
    pub(super) fn disabled() -> Self {
        Self { running: None }
    }

    /// The address that it serves at, with the port that the system chose for port 0; `None` if it
    /// could not be started.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.running.as_ref().map(|running| running.address)
    }

    /// Stops: no more connections, the end of those that wait for a request, and of the others after
    /// their response; then of the thread.
    ///
    /// Returns within `timeout` and 100 ms. Returns whether all responses in work were finished.
    pub fn stop(mut self, timeout: Duration) -> bool {
        self.end(timeout)
    }

    fn end(&mut self, timeout: Duration) -> bool {
        let Some(running) = self.running.take() else { return true };
        if running.process != std::process::id() {
            // What is inside may have been in use when the process was forked.
            std::mem::forget(running);
            return true;
        }
        let deadline = after(timeout);
        // It has ended already, if nobody listens.
        let _ = running.stop.send(deadline);
        let end = deadline + END_TIMEOUT;
        let ended = running.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let finished = ended.recv_timeout(end.saturating_duration_since(Instant::now()));
        drop(ended);
        join_by(running.thread, end + JOIN_TIMEOUT);
        finished.unwrap_or(false)
    }
}

impl Drop for EndpointServer {
    fn drop(&mut self) {
        self.end(DROP_TIMEOUT);
    }
}

impl fmt::Debug for EndpointServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointServer").field("local_addr", &self.local_addr()).finish()
    }
}
