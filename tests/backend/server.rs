//! A backend in this process, which fails when it is told to. What it holds outlives it, as a
//! database would.

use crate::books::{Books, next_batch};
use crate::exporter::wait_until;
use std::cell::OnceCell;
use std::io::{BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

/// What happens to the next batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It waits until the backend recovers.
    Hangs,
    /// It is added, and the backend dies within its answer.
    HalfAnswer,
    /// It is added, and the backend dies before its answer.
    NoAnswer,
}

pub struct Backend {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    books: Books,
    fault: Option<Fault>,
    /// Batches that met a fault.
    struck: u64,
    /// What belongs to an earlier life is dead.
    life: u64,
    connections: Vec<TcpStream>,
}

impl State {
    fn die(&mut self) {
        self.life += 1;
        self.fault = None;
        for connection in self.connections.drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Backend {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let backend = Self { address, shared: Arc::default(), accepting: Mutex::new(None) };
        backend.accept(listener);
        backend
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn books(&self) -> Books {
        self.shared.state().books.clone()
    }

    /// Closes the listener and all connections.
    pub fn kill(&self) {
        self.shared.state().die();
        self.shared.changed.notify_all();
        if let Some(accepting) = self.accepting.lock().unwrap().take() {
            // It looks around when somebody comes.
            let _ = TcpStream::connect(self.address);
            accepting.join().unwrap();
        }
    }

    /// Brings it back at the same address.
    pub fn restart(&self) {
        self.kill();
        let listener = OnceCell::new();
        // Connections of its earlier life may have it for a moment.
        wait_until("the address", || {
            TcpListener::bind(self.address).is_ok_and(|bound| listener.set(bound).is_ok())
        });
        self.accept(listener.into_inner().unwrap());
    }

    /// Waits until the fault has met a batch.
    pub fn strike(&self, fault: Fault) {
        let mut state = self.shared.state();
        let before = state.struck;
        state.fault = Some(fault);
        drop(state);
        wait_until("a batch for the fault", || self.shared.state().struck > before);
    }

    /// Ends a hang.
    pub fn recover(&self) {
        self.shared.state().fault = None;
        self.shared.changed.notify_all();
    }

    fn accept(&self, listener: TcpListener) {
        let shared = self.shared.clone();
        let life = shared.state().life;
        let accepting = thread::spawn(move || {
            for connection in listener.incoming() {
                let mut state = shared.state();
                if state.life != life {
                    return;
                }
                let Ok(connection) = connection else { continue };
                state.connections.push(connection.try_clone().unwrap());
                let shared = shared.clone();
                thread::spawn(move || shared.serve(&connection, life));
            }
        });
        *self.accepting.lock().unwrap() = Some(accepting);
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.kill();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn serve(&self, connection: &TcpStream, life: u64) {
        let mut batches = BufReader::new(connection);
        while let Some(batch) = next_batch(&mut batches) {
            if !self.answer(&batch, connection, life) {
                return;
            }
        }
    }

    /// Answers a batch, or not; whether it still lives.
    fn answer(&self, batch: &str, mut connection: &TcpStream, life: u64) -> bool {
        let mut state = self.state();
        if state.fault == Some(Fault::Hangs) {
            state.struck += 1;
            let is_hanging =
                |state: &mut State| state.life == life && state.fault == Some(Fault::Hangs);
            state = self.changed.wait_while(state, is_hanging).unwrap();
        }
        if state.life != life {
            return false;
        }
        let Some(answer) = state.books.take(batch) else { return false };
        let Some(fault) = state.fault.filter(|fault| *fault != Fault::Hangs) else {
            drop(state);
            return connection.write_all(answer.as_bytes()).is_ok();
        };
        if fault == Fault::HalfAnswer {
            // A digit less is a number, too.
            let _ = connection.write_all(&answer.as_bytes()[..answer.len() - 2]);
        }
        state.struck += 1;
        state.die();
        false
    }
}
