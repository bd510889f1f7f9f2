//! An agent that keeps what it receives.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a read waits before it looks whether it is to end.
const TICK: Duration = Duration::from_millis(5);

/// Where agents are, one after the other.
#[derive(Clone, Debug)]
pub enum Place {
    Udp(SocketAddr),
    Datagram(PathBuf),
    Stream(PathBuf),
}

/// What all agents of a test received, datagram by datagram.
#[derive(Clone, Default)]
pub struct Received(Arc<Mutex<Vec<Vec<u8>>>>, Arc<AtomicUsize>);

/// Reads until it is stopped.
pub struct Agent {
    place: Place,
    has_ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Received {
    pub fn push(&self, datagram: &[u8]) {
        self.0.lock().unwrap().push(datagram.to_vec());
    }

    /// How many connections ended in the middle of a frame.
    pub fn torn(&self) -> usize {
        self.1.load(Ordering::SeqCst)
    }

    pub fn all(&self) -> Vec<Vec<u8>> {
        self.0.lock().unwrap().clone()
    }

    /// Waits until so many datagrams are there, and some time for more.
    pub fn wait_for(&self, datagrams: usize) -> Vec<Vec<u8>> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.0.lock().unwrap().len() < datagrams {
            assert!(Instant::now() < deadline, "{} of {datagrams}", self.all().len());
            std::thread::yield_now();
        }
        self.all()
    }
}

impl Place {
    /// A port that was free a moment ago.
    pub fn udp() -> Self {
        Self::Udp(UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
    }

    pub fn exporter(&self) -> quipu::DogStatsd {
        match self {
            Self::Udp(address) => quipu::DogStatsd::udp(&address.to_string()),
            Self::Datagram(path) => quipu::DogStatsd::unix_datagram(path),
            Self::Stream(path) => quipu::DogStatsd::unix_stream(path),
        }
        .unwrap()
    }
}

impl Agent {
    /// Starts one, in place of a socket that an earlier one left.
    pub fn start(place: &Place, received: &Received) -> Self {
        let has_ended = Arc::new(AtomicBool::new(false));
        let (ended, received) = (has_ended.clone(), received.clone());
        let thread = match place {
            Place::Udp(address) => {
                let socket = UdpSocket::bind(address).unwrap();
                socket.set_read_timeout(Some(TICK)).unwrap();
                std::thread::spawn(move || read(&ended, &received, |buffer| socket.recv(buffer)))
            }
            Place::Datagram(path) => {
                let socket = UnixDatagram::bind(free(path)).unwrap();
                socket.set_read_timeout(Some(TICK)).unwrap();
                std::thread::spawn(move || read(&ended, &received, |buffer| socket.recv(buffer)))
            }
            Place::Stream(path) => {
                return Self::over(UnixListener::bind(free(path)).unwrap(), place, &received);
            }
        };
        Self { place: place.clone(), has_ended, thread: Some(thread) }
    }

    /// One that finds connections that were made before.
    pub fn over(listener: UnixListener, place: &Place, received: &Received) -> Self {
        let has_ended = Arc::new(AtomicBool::new(false));
        let (ended, received) = (has_ended.clone(), received.clone());
        listener.set_nonblocking(true).unwrap();
        let thread = std::thread::spawn(move || accept(&ended, &received, &listener));
        Self { place: place.clone(), has_ended, thread: Some(thread) }
    }

    /// Ends it, after it has read what there is.
    pub fn stop(mut self) {
        self.end();
        if let Place::Datagram(path) | Place::Stream(path) = &self.place {
            std::fs::remove_file(path).unwrap();
        }
    }

    /// Ends it, and leaves its socket's file behind, as one that is killed does.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.has_ended.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.end();
    }
}

fn free(path: &Path) -> &Path {
    let _ = std::fs::remove_file(path);
    path
}

fn is_timeout(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn read(
    has_ended: &AtomicBool,
    received: &Received,
    receive: impl Fn(&mut [u8]) -> std::io::Result<usize>,
) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let is_over = has_ended.load(Ordering::SeqCst);
        match receive(&mut buffer) {
            Ok(length) => received.push(&buffer[..length]),
            Err(error) if is_timeout(error.kind()) => {
                if is_over {
                    return;
                }
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn accept(has_ended: &AtomicBool, received: &Received, listener: &UnixListener) {
    let mut streams: Vec<(UnixStream, Vec<u8>)> = Vec::new();
    loop {
        let is_over = has_ended.load(Ordering::SeqCst);
        if let Ok((stream, _)) = listener.accept() {
            stream.set_read_timeout(Some(TICK)).unwrap();
            streams.push((stream, Vec::new()));
        }
        let mut was_idle = true;
        streams.retain_mut(|(stream, unread)| {
            let mut buffer = vec![0; 1 << 16];
            match stream.read(&mut buffer) {
                Ok(0) => {
                    received.1.fetch_add(usize::from(!unread.is_empty()), Ordering::SeqCst);
                    return false;
                }
                Ok(length) => {
                    was_idle = false;
                    unread.extend_from_slice(&buffer[..length]);
                    take_frames(unread, received);
                }
                Err(error) => assert!(is_timeout(error.kind()), "{error}"),
            }
            true
        });
        if was_idle {
            if is_over {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Of a frame that ends in the middle nothing is taken.
fn take_frames(unread: &mut Vec<u8>, received: &Received) {
    while let Some((length, rest)) = unread.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        if rest.len() < length {
            return;
        }
        received.push(&rest[..length]);
        unread.drain(..4 + length);
    }
}
