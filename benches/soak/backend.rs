//! A collector that fails in every way it can, in random order, and keeps the books of what it has
//! answered.
//!
//! One thread, one connection at a time: the exporter has one. Whatever it answered with success is
//! received; what it answered with 500 the protocol forbids to send again, so that it is refused
//! for good; and all else the exporter has to send again. Received and refused together are all
//! that was recorded.

use super::totals::{self, Total, Totals};
use crate::reading::{Data, Reading, request};
use crate::request::Request;
use fastrand::Rng;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Longer than the exporter waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug)]
enum Answer {
    Serves,
    /// Nobody listens at the port for a while.
    Refuses,
    /// Reads the request and does not answer.
    Hangs,
    ResetsMidway,
    ResetsUnanswered,
    Garbage,
    Status(u16),
}

const ANSWERS: [Answer; 12] = [
    Answer::Serves,
    Answer::Serves,
    Answer::Serves,
    Answer::Serves,
    Answer::Refuses,
    Answer::Hangs,
    Answer::ResetsMidway,
    Answer::ResetsUnanswered,
    Answer::Garbage,
    Answer::Status(429),
    Answer::Status(500),
    Answer::Status(503),
];

pub struct Backend {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: JoinHandle<io::Result<()>>,
}

#[derive(Default)]
struct Shared {
    /// Whether it takes everything from now on.
    is_calm: AtomicBool,
    is_over: AtomicBool,
    books: Mutex<Books>,
}

/// What it has answered.
#[derive(Clone, Default)]
pub struct Books {
    /// What was received, or refused for good.
    pub totals: Totals,
    /// Of that, what was refused.
    pub refused: Totals,
    /// Requests, or pauses, by what was done.
    pub answers: BTreeMap<String, u64>,
}

impl Backend {
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (address, shared) = (listener.local_addr()?, Arc::<Shared>::default());
        let own = shared.clone();
        let thread = thread::Builder::new().name("backend".into());
        let thread = thread.spawn(move || serve(listener, address, &own))?;
        Ok(Self { address, shared, thread })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Takes everything from now on.
    pub fn calm_down(&self) {
        self.shared.is_calm.store(true, Relaxed);
    }

    /// Ends it, once nobody is connected.
    pub fn stop(self) -> io::Result<Books> {
        self.shared.is_over.store(true, Relaxed);
        // The thread waits for a connection.
        drop(TcpStream::connect(self.address)?);
        self.thread.join().map_err(|_| io::Error::other("the backend panicked"))??;
        Ok(self.shared.books().clone())
    }
}

impl Shared {
    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn serve(mut listener: TcpListener, address: SocketAddr, shared: &Shared) -> io::Result<()> {
    let mut random = Rng::with_seed(1);
    while !shared.is_over.load(Relaxed) {
        let (stream, _) = listener.accept()?;
        // Clients that leave are what it is for.
        let is_to_close = converse(stream, &mut random, shared).unwrap_or(false);
        if is_to_close {
            drop(listener);
            let socket = bound(address)?;
            thread::sleep(Duration::from_millis(random.u64(200..1_500)));
            socket.listen(16)?;
            listener = socket.into();
        }
    }
    Ok(())
}

/// Nobody listens there, and nobody else gets the port.
fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    // Connections of before may linger.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Answers what comes on a connection until it ends; whether to let nobody in for a while.
fn converse(stream: TcpStream, random: &mut Rng, shared: &Shared) -> io::Result<bool> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut from = BufReader::new(stream.try_clone()?);
    let mut to = &stream;
    while let Some(mut request) = Request::read_head(&mut from) {
        let answer = match shared.is_calm.load(Relaxed) {
            true => Answer::Serves,
            false => *random.choice(&ANSWERS).expect("there are some"),
        };
        *shared.books().answers.entry(format!("{answer:?}")).or_default() += 1;
        if matches!(answer, Answer::ResetsMidway) {
            let half = request.length() as u64 / 2;
            io::copy(&mut from.by_ref().take(half), &mut io::sink())?;
            return reset(&stream);
        }
        request.read_body(&mut from)?;
        match answer {
            Answer::Serves => take(&request, 200, to, shared)?,
            Answer::Status(500) => take(&request, 500, to, shared)?,
            Answer::Status(status) => {
                write!(to, "HTTP/1.1 {status} Not now\r\ncontent-length: 0\r\n\r\n")?;
            }
            Answer::Garbage => {
                to.write_all(b"220 mail.example ESMTP, of another protocol\r\n\r\n")?;
                return Ok(false);
            }
            Answer::Hangs => {
                // Until the client gives up and closes the connection: nothing else may be accepted
                // meanwhile, nor answered after its client has gone.
                io::copy(&mut from, &mut io::sink())?;
                return Ok(false);
            }
            Answer::Refuses => return Ok(true),
            Answer::ResetsMidway | Answer::ResetsUnanswered => return reset(&stream),
        }
    }
    Ok(false)
}

/// Notes a request before it is answered, so that it is in the books when the client knows of it.
fn take(request: &Request, status: u16, mut to: impl Write, shared: &Shared) -> io::Result<()> {
    let mut books = shared.books();
    add(&mut books.totals, &request.body);
    if status == 500 {
        add(&mut books.refused, &request.body);
        // Told as it stands, again and again.
        books.refused.set(totals::OPEN, 0);
    }
    write!(
        to,
        "HTTP/1.1 {status} As told\r\n\
         content-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n"
    )
}

/// Adds what a request says of the metrics that are counted.
fn add(totals: &mut Totals, body: &[u8]) {
    for metric in request(body).metrics {
        let Some(at) = totals::metric(&metric.name) else { continue };
        for point in &metric.points {
            match (metric.data, &point.reading) {
                (Data::Sum { is_delta: true, .. }, Reading::Int(added)) => {
                    totals.count(at, *added as u64);
                }
                // Up-down counters are told as they stand.
                (Data::Sum { is_delta: false, .. }, Reading::Int(sum)) => {
                    totals.set(at, *sum as u64);
                }
                // Deltas of seconds are below 2^53, where sums are exact.
                (_, Reading::Distribution(seen)) => {
                    totals.values(at, Total { values: seen.count, sum: seen.sum as u64 });
                }
                other => panic!("{}: {other:?}", metric.name),
            }
        }
    }
}

fn reset(stream: &TcpStream) -> io::Result<bool> {
    SockRef::from(stream).set_linger(Some(Duration::ZERO))?;
    Ok(false)
}
