//! An HTTP server that takes everything and keeps it.

use flate2::read::GzDecoder;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request that was answered.
pub struct Request {
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Decompressed.
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }
}

/// Serves until the process ends.
pub struct Server {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers everything with `status`.
    pub fn start(status: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<_>>>::default();
        let kept = requests.clone();
        thread::spawn(move || {
            for connection in listener.incoming() {
                let kept = kept.clone();
                thread::spawn(move || serve(connection.unwrap(), status, &kept));
            }
        });
        Self { address, requests }
    }

    /// What it has got so far.
    pub fn take(&self) -> Vec<Request> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

/// Answers request after request until the other side closes.
fn serve(connection: TcpStream, status: &str, kept: &Mutex<Vec<Request>>) -> Option<()> {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|&read| read != 0)?;
        let path = line.split(' ').nth(1)?.to_owned();
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request = Request { path, headers, body: Vec::new() };
        let length: usize = request.header("content-length")?.parse().ok()?;
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        if request.header("content-encoding") == Some("gzip") {
            GzDecoder::new(&*body).read_to_end(&mut request.body).unwrap();
        } else {
            request.body = body;
        }
        kept.lock().unwrap().push(request);
        // In one piece, which no delayed acknowledgement holds up.
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}");
        (&connection).write_all(answer.as_bytes()).ok()?;
    }
}
