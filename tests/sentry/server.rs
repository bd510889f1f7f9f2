//! A Sentry that a test has written the lines of: HTTP/1.1 over loopback.

use sentry_types::protocol::v7::{
    Envelope, EnvelopeItem, Event, ItemContainer, Metric, Transaction,
};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The public key in its DSN.
pub const KEY: &str = "5entine1key";

pub struct Request {
    /// Method and path.
    pub target: String,
    head: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.head.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| &**value)
    }

    /// By the SDK's own parser.
    pub fn envelope(&self) -> Envelope {
        let text = || String::from_utf8_lossy(&self.body).into_owned();
        Envelope::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", text()))
    }

    /// Its one item.
    pub fn item(&self) -> EnvelopeItem {
        let mut items = self.envelope().into_items();
        let item = items.next().expect("an envelope has an item");
        assert!(items.next().is_none(), "an envelope has one item");
        item
    }

    pub fn is_of_metrics(&self) -> bool {
        self.body.windows(14).any(|window| window == b"\"trace_metric\"")
    }
}

pub enum Reply {
    /// Status, lines of the head each with its end, body. Of a 2xx the envelope counts as taken.
    Answer(u16, String, String),
    /// Takes nothing, reads all, and closes.
    Close,
    /// Takes nothing, and closes before it has read all: a reset.
    Reset,
}

pub fn status(status: u16) -> Reply {
    Reply::Answer(status, String::new(), String::new())
}

pub fn limited(status: u16, limits: &str) -> Reply {
    Reply::Answer(status, format!("X-Sentry-Rate-Limits: {limits}\r\n"), String::new())
}

type Script = Box<dyn FnMut(&Request) -> Reply + Send>;

struct Shared {
    script: Mutex<Script>,
    taken: Mutex<Vec<Arc<Request>>>,
    seen: Mutex<Vec<Arc<Request>>>,
}

/// Its threads end with the test's process.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Server {
    /// Answers as `script` says.
    pub fn start(script: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let script: Script = Box::new(script);
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            taken: Mutex::default(),
            seen: Mutex::default(),
        });
        let served = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = served.clone();
                thread::spawn(move || while let Ok(true) = shared.answer(&stream) {});
            }
        });
        Self { address, shared }
    }

    pub fn dsn(&self) -> String {
        format!("http://{KEY}@{}/prefix/42", self.address)
    }

    /// What it has taken, in order.
    pub fn taken(&self) -> Vec<Arc<Request>> {
        self.shared.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All requests that it has read in whole.
    pub fn seen(&self) -> Vec<Arc<Request>> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn metrics(&self) -> Vec<Metric> {
        let items = self.taken().into_iter().map(|request| request.item());
        let containers = items.filter_map(|item| match item {
            EnvelopeItem::ItemContainer(ItemContainer::Metrics(metrics)) => Some(metrics),
            _ => None,
        });
        containers.flatten().collect()
    }

    pub fn events(&self) -> Vec<Event<'static>> {
        let items = self.taken().into_iter().map(|request| request.item());
        let events = items.filter_map(|item| match item {
            EnvelopeItem::Event(event) => Some(*event),
            _ => None,
        });
        events.collect()
    }

    pub fn transactions(&self) -> Vec<Transaction<'static>> {
        let items = self.taken().into_iter().map(|request| request.item());
        let transactions = items.filter_map(|item| match item {
            EnvelopeItem::Transaction(transaction) => Some(*transaction),
            _ => None,
        });
        transactions.collect()
    }
}

impl Shared {
    /// Answers one request; whether the connection is to stay open. Nothing is read ahead, so that what
    /// is left unread makes a reset of the end.
    fn answer(&self, mut stream: &TcpStream) -> io::Result<bool> {
        let mut lines = Vec::new();
        loop {
            match line(stream)? {
                line if line.is_empty() => break,
                line => lines.push(line),
            }
        }
        let target = lines.remove(0);
        let head = lines.iter().filter_map(|line| line.split_once(": "));
        let head: Vec<_> = head.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let mut request = Request { target, head, body: Vec::new() };
        let length = request.header("content-length").map_or(0, |it| it.parse().unwrap());
        request.body = vec![0; length];
        let Some((last, rest)) = request.body.split_last_mut() else { return Ok(false) };
        stream.read_exact(rest)?;
        // Scripts look at what is there; the last byte of an envelope is the end of a line.
        *last = b'\n';
        let reply = self.script.lock().unwrap_or_else(PoisonError::into_inner)(&request);
        if !matches!(reply, Reply::Reset) {
            let mut last = [0];
            stream.read_exact(&mut last)?;
            assert_eq!(last, *b"\n");
        }
        let request = Arc::new(request);
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        let Reply::Answer(status, head, body) = reply else { return Ok(false) };
        if (200..300).contains(&status) {
            self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        }
        let length = body.len();
        let head = format!("HTTP/1.1 {status} Said\r\n{head}Content-Length: {length}\r\n\r\n");
        // In one piece: the system would hold a second one back.
        stream.write_all((head + &body).as_bytes())?;
        Ok(true)
    }
}

/// A line of a head, without its end.
fn line(mut stream: &TcpStream) -> io::Result<String> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while byte != *b"\n" {
        stream.read_exact(&mut byte)?;
        line.extend(byte);
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}
