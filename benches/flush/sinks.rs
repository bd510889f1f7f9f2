//! Servers that take everything at once and count how often they are sent something.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

/// A server on loopback, until the process ends.
pub struct Sink {
    pub address: SocketAddr,
    /// Requests, or datagrams, so far.
    pub calls: Arc<AtomicU64>,
}

impl Sink {
    /// Answers every request with 200 and an empty object.
    pub fn http() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port can be had");
        let address = listener.local_addr().expect("it is bound");
        let calls = Arc::<AtomicU64>::default();
        let counted = calls.clone();
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                answer(&connection, &counted);
            }
        });
        Self { address, calls }
    }

    pub fn udp() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port can be had");
        let address = socket.local_addr().expect("it is bound");
        let calls = Arc::<AtomicU64>::default();
        let counted = calls.clone();
        thread::spawn(move || {
            let mut datagram = [0; 65_536];
            while socket.recv(&mut datagram).is_ok() {
                counted.fetch_add(1, Relaxed);
            }
        });
        Self { address, calls }
    }
}

/// Answers what comes on a connection until it is closed, without allocating.
fn answer(connection: &TcpStream, calls: &AtomicU64) -> Option<()> {
    let mut reader = BufReader::new(connection);
    let (mut line, mut rest) = (Vec::with_capacity(1_024), vec![0; 65_536]);
    loop {
        let mut length = 0_usize;
        loop {
            line.clear();
            reader.read_until(b'\n', &mut line).ok().filter(|&read| read != 0)?;
            let text = std::str::from_utf8(&line).ok()?.trim();
            let Some((name, value)) = text.split_once(':') else {
                if text.is_empty() {
                    break;
                }
                continue;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().ok()?;
            }
        }
        while length != 0 {
            let some = length.min(rest.len());
            reader.read_exact(&mut rest[..some]).ok()?;
            length -= some;
        }
        calls.fetch_add(1, Relaxed);
        let mut connection = connection;
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").ok()?;
    }
}
