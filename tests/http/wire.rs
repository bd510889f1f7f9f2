//! The other side of a connection: bytes out, responses in.

use crate::exporter::{Held, PATIENCE, gate};
use quipu::{Endpoint, EndpointServer, Registry};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A server of a registry of its own, which does not keep anybody waiting.
pub fn served() -> (Arc<Registry>, EndpointServer, SocketAddr) {
    let registry = Arc::new(Registry::new());
    let endpoint = Endpoint::builder().registry(registry.clone()).min_interval(Duration::ZERO);
    let (server, address) = serve(&endpoint.build());
    (registry, server, address)
}

/// An endpoint with a check that returns `outcome` when the test says so.
pub fn with_held_check(name: &str, outcome: Result<(), String>) -> (Endpoint, Held) {
    let (gate, held) = gate();
    let gate = Mutex::new(gate);
    let check = move || {
        gate.lock().unwrap().pass();
        outcome.clone()
    };
    let endpoint = Endpoint::builder().registry(Arc::new(Registry::new())).check(name, check);
    (endpoint.build(), held)
}

pub fn serve(endpoint: &Endpoint) -> (EndpointServer, SocketAddr) {
    let server = endpoint.serve("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    (server, address)
}

/// A client's side of a connection.
pub struct Peer(pub BufReader<TcpStream>);

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(key, _)| key == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} twice");
        value
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The number of the snapshot that this is of.
    pub fn sequence(&self) -> u64 {
        let text = self.text();
        let at = text.find("\"sequence\":").unwrap() + "\"sequence\":".len();
        text[at..].split(',').next().unwrap().parse().unwrap()
    }
}

impl Peer {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    pub fn ask(&mut self, method: &str, path: &str, headers: &str) {
        self.send(format!("{method} {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n"));
    }

    pub fn receive(&mut self) -> Reply {
        self.try_receive(true).unwrap()
    }

    pub fn receive_head(&mut self) -> Reply {
        self.try_receive(false).unwrap()
    }

    pub fn try_receive(&mut self, has_body: bool) -> io::Result<Reply> {
        let ended = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(ended());
            }
            match line.strip_suffix("\r\n").ok_or_else(ended)? {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let status = lines[0].split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &String| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_owned(), value.to_owned())
        };
        let headers: Vec<_> = lines[1..].iter().map(header).collect();
        let mut reply = Reply { status, headers, body: Vec::new() };
        if has_body {
            let length = reply.header("content-length").unwrap().parse().unwrap();
            reply.body.resize(length, 0);
            self.0.read_exact(&mut reply.body)?;
        }
        Ok(reply)
    }

    pub fn get(&mut self, path: &str) -> Reply {
        self.ask("GET", path, "");
        self.receive()
    }

    /// All that comes until the connection ends, in whatever way.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => {
                panic!("the connection does not end: {error}")
            }
            _ => rest,
        }
    }
}

pub fn get(address: SocketAddr, path: &str) -> Reply {
    Peer::connect(address).get(path)
}

pub fn get_with(address: SocketAddr, path: &str, headers: &str) -> Reply {
    let mut peer = Peer::connect(address);
    peer.ask("GET", path, headers);
    peer.receive()
}
