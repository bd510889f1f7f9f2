//! The way to an agent: one datagram at a time, taken or not, bounded in time.
//!
//! | state | a datagram | then |
//! |---|---|---|
//! | closed | a connection is opened | open, or closed and not taken |
//! | open | the system takes it | open |
//! | | there is no room in time | open; a stream that took a part of it is closed |
//! | | a Unix socket fails, which was open before | closed, and tried once more |
//! | | anything else fails | closed |
//!
//! What may block without a limit, looking up a name and connecting a Unix stream, is done in a
//! thread of its own, of which there is one at most.
//!
//! UDP has no acknowledgement, but a host without a listener says so by ICMP, and the system tells
//! of it later: on loopback before a send returns, where the error is asked for right away, and
//! from another host a moment afterwards. So an address that has not proved itself gets an empty
//! line first, and some time to refuse it.
#![forbid(unsafe_code)]

use super::address::Address;
use crate::client::{ExportError, FailureCause};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
#[cfg(unix)]
use std::os::unix::net::{UnixDatagram, UnixStream};
#[cfg(unix)]
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long another host gets to refuse the line that it is asked with.
const REFUSAL_TIMEOUT: Duration = Duration::from_millis(100);
/// Receivers skip empty lines.
const PROBE: &[u8] = b"\n";

pub(in crate::export) struct Socket {
    address: Address,
    connection: Option<Connection>,
    /// One that is being opened in a thread.
    opening: Option<Receiver<io::Result<Connection>>>,
    /// Which of a host's addresses is next.
    turn: usize,
    frame: Vec<u8>,
}

enum Connection {
    Udp(Udp),
    #[cfg(unix)]
    Datagram(UnixDatagram, Option<FileId>),
    #[cfg(unix)]
    Stream(UnixStream, Option<FileId>),
}

struct Udp {
    socket: UdpSocket,
    is_loopback: bool,
    has_proved_itself: bool,
}

/// Device and inode of a socket's file.
#[cfg(unix)]
type FileId = (u64, u64);

/// Why a datagram was not taken.
pub(super) enum Refusal {
    /// The system takes none of this size.
    TooLarge,
    Failed(ExportError),
}

impl Socket {
    pub(in crate::export) fn new(address: Address) -> Self {
        Self { address, connection: None, opening: None, turn: 0, frame: Vec::new() }
    }

    pub(in crate::export) fn is_udp(&self) -> bool {
        matches!(self.address, Address::Udp { .. })
    }

    /// What Datadog's clients call the transport.
    #[cfg(feature = "dogstatsd")]
    pub(in crate::export) fn transport(&self) -> &'static str {
        match self.address {
            Address::Udp { .. } => "udp",
            #[cfg(unix)]
            Address::UnixStream(_) => "uds-stream",
            #[cfg(unix)]
            Address::UnixDatagram(_) | Address::Unix(_) => "uds",
        }
    }

    /// Closes a connection to a file that has been replaced: whoever listened there may still hold
    /// the old one, and read it no more.
    pub(super) fn leave_replaced_file(&mut self) {
        #[cfg(unix)]
        if let Some(Connection::Datagram(_, opened) | Connection::Stream(_, opened)) =
            &self.connection
        {
            let (Address::UnixDatagram(path) | Address::UnixStream(path) | Address::Unix(path)) =
                &self.address
            else {
                return;
            };
            let now = file_id(path);
            if now.is_some() && now != *opened {
                self.connection = None;
            }
        }
    }

    /// Sends a datagram, within `time`.
    pub(super) fn send(&mut self, datagram: &[u8], time: Duration) -> Result<(), Refusal> {
        let end = Instant::now() + time;
        let left = || end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        loop {
            let was_open = self.connection.is_some();
            let mut connection = match self.connection(left()) {
                Ok(connection) => connection,
                Err(error) => return Err(Refusal::Failed(self.failure(&error))),
            };
            let error = match connection.send(datagram, &mut self.frame, left()) {
                Ok(()) => {
                    self.connection = Some(connection);
                    return Ok(());
                }
                Err(Unsent { error, is_whole }) => {
                    if is_whole && (is_too_large(&error) || is_busy(&error)) {
                        self.connection = Some(connection);
                    }
                    error
                }
            };
            if is_too_large(&error) {
                return Err(Refusal::TooLarge);
            }
            let may_have_restarted = was_open && !self.is_udp() && !is_busy(&error);
            if !may_have_restarted {
                self.turn = self.turn.wrapping_add(1);
                return Err(Refusal::Failed(self.failure(&error)));
            }
        }
    }

    /// The connection that is open, or a new one.
    fn connection(&mut self, time: Duration) -> io::Result<Connection> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let blocks = match &self.address {
            Address::Udp { .. } => self.address.ip().is_none(),
            #[cfg(unix)]
            Address::UnixDatagram(_) => false,
            #[cfg(unix)]
            Address::UnixStream(_) | Address::Unix(_) => true,
        };
        if !blocks {
            return open(&self.address, self.turn);
        }
        let opening = match self.opening.take() {
            Some(opening) => opening,
            None => {
                let (sender, opening) = sync_channel(1);
                let (address, turn) = (self.address.clone(), self.turn);
                let work = move || drop(sender.send(open(&address, turn)));
                thread::Builder::new().name("quipu-connect".to_owned()).spawn(work)?;
                opening
            }
        };
        match opening.recv_timeout(time) {
            Ok(opened) => opened,
            Err(RecvTimeoutError::Timeout) => {
                self.opening = Some(opening);
                Err(ErrorKind::TimedOut.into())
            }
            Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("connecting panicked")),
        }
    }

    fn failure(&self, error: &io::Error) -> ExportError {
        let address = &self.address;
        let (cause, what) = match error.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => {
                (FailureCause::TimedOut, "nobody reads what is sent there".to_owned())
            }
            ErrorKind::ConnectionRefused | ErrorKind::NotFound => {
                (FailureCause::Unreachable, format!("nobody listens there ({error})"))
            }
            _ if is_busy(error) => {
                (FailureCause::Unavailable, format!("the system has no room for it ({error})"))
            }
            _ => (FailureCause::Unreachable, error.to_string()),
        };
        ExportError::new(cause, format!("{address}: {what}"))
    }
}

/// A datagram that was not taken.
struct Unsent {
    error: io::Error,
    /// Whether nothing of it was.
    is_whole: bool,
}

impl From<io::Error> for Unsent {
    fn from(error: io::Error) -> Self {
        Self { error, is_whole: true }
    }
}

impl Connection {
    #[cfg_attr(not(unix), allow(unused_variables, reason = "there is only UDP"))]
    fn send(&mut self, datagram: &[u8], frame: &mut Vec<u8>, time: Duration) -> Result<(), Unsent> {
        match self {
            Self::Udp(udp) => Ok(udp.send(datagram, time)?),
            #[cfg(unix)]
            Self::Datagram(socket, _) => {
                socket.set_write_timeout(Some(time))?;
                socket.send(datagram)?;
                Ok(())
            }
            #[cfg(unix)]
            Self::Stream(stream, _) => {
                frame.clear();
                frame.extend_from_slice(&(datagram.len() as u32).to_le_bytes());
                frame.extend_from_slice(datagram);
                write_frame(stream, frame, Instant::now() + time)
            }
        }
    }
}

/// Of a frame that ends in the middle, the agent takes nothing when the connection is closed.
#[cfg(unix)]
fn write_frame(stream: &mut UnixStream, frame: &[u8], end: Instant) -> Result<(), Unsent> {
    use std::io::Write;
    let mut written = 0;
    while written < frame.len() {
        let left = end.saturating_duration_since(Instant::now());
        let outcome = match left.is_zero() {
            true => Err(ErrorKind::TimedOut.into()),
            false => {
                stream.set_write_timeout(Some(left)).and_then(|()| stream.write(&frame[written..]))
            }
        };
        match outcome {
            Ok(0) => {
                return Err(Unsent { error: ErrorKind::WriteZero.into(), is_whole: false });
            }
            Ok(taken) => written += taken,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Unsent { error, is_whole: written == 0 }),
        }
    }
    Ok(())
}

impl Udp {
    fn send(&mut self, datagram: &[u8], time: Duration) -> io::Result<()> {
        if !self.has_proved_itself && !self.is_loopback {
            self.socket.set_write_timeout(Some(time / 2))?;
            self.socket.send(PROBE)?;
            self.socket.set_read_timeout(Some(REFUSAL_TIMEOUT.min(time / 2)))?;
            match self.socket.recv(&mut [0]) {
                Err(error) if !is_busy(&error) => return Err(error),
                _ => self.has_proved_itself = true,
            }
        }
        self.socket.set_write_timeout(Some(time))?;
        self.socket.send(datagram)?;
        match self.socket.take_error()? {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }
}

fn open(address: &Address, turn: usize) -> io::Result<Connection> {
    match address {
        Address::Udp { host, port } => open_udp(host, *port, turn),
        #[cfg(unix)]
        Address::UnixDatagram(path) => open_datagram(path),
        #[cfg(unix)]
        Address::UnixStream(path) => open_stream(path),
        #[cfg(unix)]
        Address::Unix(path) => match open_datagram(path) {
            Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => open_stream(path),
            opened => opened,
        },
    }
}

/// `turn` says which of the host's addresses comes first.
fn open_udp(host: &str, port: u16, turn: usize) -> io::Result<Connection> {
    let mut addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    let turn = turn % addresses.len().max(1);
    addresses.rotate_left(turn);
    let mut failure = ErrorKind::AddrNotAvailable.into();
    for address in addresses {
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).and_then(|socket| {
            socket.connect(address)?;
            Ok(socket)
        });
        match socket {
            Ok(socket) => {
                let is_loopback = address.ip().is_loopback();
                return Ok(Connection::Udp(Udp { socket, is_loopback, has_proved_itself: false }));
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

#[cfg(unix)]
fn open_datagram(path: &Path) -> io::Result<Connection> {
    // Looked at before: a file that is put there in between is another one then.
    let file = file_id(path);
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    Ok(Connection::Datagram(socket, file))
}

#[cfg(unix)]
fn open_stream(path: &Path) -> io::Result<Connection> {
    let file = file_id(path);
    Ok(Connection::Stream(UnixStream::connect(path)?, file))
}

#[cfg(unix)]
fn file_id(path: &Path) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// Whether the same may succeed later, over the same connection.
fn is_busy(error: &io::Error) -> bool {
    let is_full = match error.raw_os_error() {
        #[cfg(unix)]
        Some(number) => number == libc::ENOBUFS || number == libc::ENOMEM,
        #[cfg(not(unix))]
        Some(number) => number == 10_055,
        None => false,
    };
    is_full || matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn is_too_large(error: &io::Error) -> bool {
    #[cfg(unix)]
    let too_large = libc::EMSGSIZE;
    #[cfg(not(unix))]
    let too_large = 10_040;
    error.raw_os_error() == Some(too_large)
}

#[cfg(all(test, not(loom)))]
mod tests;
