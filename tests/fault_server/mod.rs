//! An HTTP server that does what a script says, until another script is set: serves, refuses, hangs,
//! resets, asks for silence. It keeps the requests that it answered with success, and no others.
//!
//! Setting a script ends all connections, as when a server is restarted. What was answered with
//! success before is kept, and nothing else will be: which of the two a request is, is decided in one
//! step with the setting.
#![allow(dead_code)] // Each test has its own copy, and needs a part of it.

mod connection;
mod request;
mod script;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod tls;

pub use request::Request;
pub use script::{Answer, Script};

use socket2::{Domain, Protocol, Socket, Type};
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct FaultServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    port: Option<Port>,
    /// Where redirects lead: nobody is to connect.
    elsewhere: TcpListener,
}

/// Its port: open, or kept from others.
enum Port {
    Open(JoinHandle<()>),
    /// Bound, and not listening: the system refuses connections, and gives the port to nobody.
    Closed(Socket),
}

struct Shared {
    state: Mutex<State>,
    has_changed: Condvar,
}

struct State {
    script: Script,
    /// Counts the scripts.
    number: u64,
    is_closing: bool,
    connections: BTreeMap<u64, TcpStream>,
    last_connection: u64,
    received: Vec<Request>,
    asked: BTreeMap<&'static str, u64>,
}

impl FaultServer {
    /// A server on a port of the loopback interface.
    pub fn start(script: Script) -> Self {
        let socket = bound((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let elsewhere = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        elsewhere.set_nonblocking(true).unwrap();
        let state = State {
            script: Script::Refuses,
            number: 0,
            is_closing: false,
            connections: BTreeMap::new(),
            last_connection: 0,
            received: Vec::new(),
            asked: BTreeMap::new(),
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), has_changed: Condvar::new() });
        let mut server = Self { shared, address, port: Some(Port::Closed(socket)), elsewhere };
        server.set(script);
        server
    }

    /// Its address, for HTTP.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its address, for HTTPS, of which it has no more than a certificate that nobody trusts.
    pub fn https_url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Follows another script from now on.
    pub fn set(&mut self, script: Script) {
        let refuses = matches!(script, Script::Refuses);
        if refuses {
            self.close();
        }
        self.shared.set(script);
        if !refuses {
            self.open();
        }
    }

    /// The requests that were answered with success, oldest first.
    pub fn received(&self) -> Vec<Request> {
        self.shared.state().received.clone()
    }

    /// Forgets the requests that it has.
    pub fn forget(&self) {
        self.shared.state().received.clear();
    }

    /// How often clients came under scripts of that name: the requests, or if it reads none the
    /// connections.
    pub fn asked(&self, name: &str) -> u64 {
        self.shared.state().asked.get(name).copied().unwrap_or(0)
    }

    /// Waits until clients have come so often under scripts of that name.
    pub fn wait_until_asked(&self, name: &str, times: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.asked(name) < times {
            assert!(Instant::now() < deadline, "{name}: nobody comes");
            thread::yield_now();
        }
    }

    /// Connections that came in all.
    pub fn connections(&self) -> u64 {
        self.shared.state().last_connection
    }

    /// Waits until there is no connection.
    pub fn wait_until_closed(&self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.shared.state().connections.is_empty() {
            assert!(Instant::now() < deadline, "a connection stays open");
            thread::yield_now();
        }
    }

    /// A redirect to a port that nobody is to ask.
    pub fn redirect(&self, status: u16) -> Script {
        let location = format!("http://{}/elsewhere", self.elsewhere.local_addr().unwrap());
        Script::Answers(Answer::new("redirects", status).header("location", &location))
    }

    /// Connections to that port.
    pub fn asked_elsewhere(&self) -> usize {
        std::iter::from_fn(|| self.elsewhere.accept().ok()).count()
    }

    fn open(&mut self) {
        let Some(Port::Closed(socket)) = self.port.take_if(|port| matches!(port, Port::Closed(_)))
        else {
            return;
        };
        socket.listen(128).expect("it is bound");
        let listener = TcpListener::from(socket);
        let shared = self.shared.clone();
        self.port = Some(Port::Open(thread::spawn(move || accept(&listener, &shared))));
    }

    /// Lets nobody in any more.
    fn close(&mut self) {
        let Some(Port::Open(thread)) = self.port.take_if(|port| matches!(port, Port::Open(_)))
        else {
            return;
        };
        self.shared.state().is_closing = true;
        // The thread waits for a connection.
        let _ = TcpStream::connect(self.address);
        thread.join().unwrap();
        self.shared.state().is_closing = false;
        let deadline = Instant::now() + PATIENCE;
        let socket = loop {
            match bound(self.address) {
                Ok(socket) => break socket,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            thread::yield_now();
        };
        self.port = Some(Port::Closed(socket));
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        self.close();
        self.shared.set(Script::Refuses);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, script: Script) {
        let mut state = self.state();
        state.script = script;
        state.number += 1;
        // What was answered still arrives.
        for connection in std::mem::take(&mut state.connections).into_values() {
            let _ = connection.shutdown(Shutdown::Both);
        }
        self.has_changed.notify_all();
    }
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    // Connections of before may linger.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.state().is_closing {
            return;
        }
        let Ok(stream) = stream else { continue };
        let shared = shared.clone();
        thread::spawn(move || connection::follow(stream, &shared));
    }
}
