//! A collector of this test's own, which answers as it is told to.

use flate2::read::GzDecoder;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// Method, path and version.
    pub line: String,
    /// With names in lower case.
    pub headers: Vec<(String, String)>,
    /// Decompressed.
    pub body: Vec<u8>,
    /// How many bytes of it came.
    pub length: usize,
}

/// Status, headers with their line ends, and body.
#[derive(Clone, Debug)]
pub struct Answer(pub u16, pub &'static str, pub Vec<u8>);

type Answers = Box<dyn FnMut(&Received) -> Answer + Send>;

pub struct Collector {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    received: Mutex<Vec<Received>>,
    answers: Mutex<Answers>,
}

pub fn taken() -> Answer {
    Answer(200, "content-type: application/x-protobuf\r\n", Vec::new())
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(header, _)| header == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} twice");
        value
    }
}

impl Collector {
    /// One that takes everything.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            received: Mutex::default(),
            answers: Mutex::new(Box::new(|_| taken())),
        });
        let serving = shared.clone();
        thread::spawn(move || {
            for connection in listener.incoming() {
                let serving = serving.clone();
                thread::spawn(move || serving.serve(&connection.unwrap()));
            }
        });
        Self { address, shared }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it answers like this.
    pub fn answer(&self, answers: impl FnMut(&Received) -> Answer + Send + 'static) {
        *self.shared.answers.lock().unwrap() = Box::new(answers);
    }

    pub fn always(&self, status: u16, headers: &'static str, body: &str) {
        let answer = Answer(status, headers, body.into());
        self.answer(move |_| answer.clone());
    }

    pub fn received(&self) -> MutexGuard<'_, Vec<Received>> {
        self.shared.received.lock().unwrap()
    }

    /// What came since it was asked the last time.
    pub fn take(&self) -> Vec<Received> {
        std::mem::take(&mut *self.received())
    }
}

impl Shared {
    fn serve(&self, mut connection: &TcpStream) {
        let mut requests = BufReader::new(connection);
        while let Some(received) = next(&mut requests) {
            let Answer(status, headers, body) = (self.answers.lock().unwrap())(&received);
            self.received.lock().unwrap().push(received);
            let length = body.len();
            let head = format!("HTTP/1.1 {status} so\r\n{headers}content-length: {length}\r\n\r\n");
            if connection.write_all(&[head.as_bytes(), &body].concat()).is_err() {
                return;
            }
        }
    }
}

/// The next request of a connection.
fn next(connection: &mut BufReader<&TcpStream>) -> Option<Received> {
    let mut line = || {
        let mut line = String::new();
        connection.read_line(&mut line).ok().filter(|&length| length != 0)?;
        Some(line.trim_end().to_owned())
    };
    let mut received = Received { line: line()?, ..Received::default() };
    loop {
        let header = line()?;
        let Some((name, value)) = header.split_once(": ") else { break };
        received.headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    received.length = received.header("content-length").expect("a length").parse().unwrap();
    let mut body = vec![0; received.length];
    connection.read_exact(&mut body).ok()?;
    received.body = match received.header("content-encoding") {
        Some("gzip") => {
            let mut plain = Vec::new();
            GzDecoder::new(&body[..]).read_to_end(&mut plain).unwrap();
            plain
        }
        other => {
            assert_eq!(other, None);
            body
        }
    };
    Some(received)
}
