//! Exporters and waiting for the tests of the client: an exporter made of a function, and a gate
//! that holds one back until the test lets it go.
#![allow(dead_code)] // Each test has its own copy, and needs a part of it.

use quipu::{Client, ClientBuilder, Counter, Delivery, ExportError, Exporter, Registry};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Such a client flushes when it is told to, and never by itself.
pub const NEVER: Duration = Duration::from_secs(100_000);

/// How long to wait for what must happen: long, since it only shows in a test that fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How long to give something that must not happen a chance to happen.
pub const A_CHANCE: Duration = Duration::from_millis(50);

/// An exporter made of a function.
pub struct By<F>(&'static str, F);

pub fn by<F>(name: &'static str, export: F) -> By<F>
where
    F: FnMut(&Delivery<'_>) -> Result<(), ExportError> + Send,
{
    By(name, export)
}

impl<F: FnMut(&Delivery<'_>) -> Result<(), ExportError> + Send> Exporter for By<F> {
    fn name(&self) -> &str {
        self.0
    }

    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        self.1(delivery)
    }
}

/// Where an exporter waits for the test.
pub struct Gate {
    entered: Sender<()>,
    released: Receiver<()>,
}

/// The test's side of a gate. It opens for good when this is dropped.
pub struct Held {
    entered: Receiver<()>,
    release: Sender<()>,
}

pub fn gate() -> (Gate, Held) {
    let (entered, has_entered) = channel();
    let (release, released) = channel();
    (Gate { entered, released }, Held { entered: has_entered, release })
}

impl Gate {
    /// Returns when the test says so.
    pub fn pass(&self) {
        let _ = self.entered.send(());
        let _ = self.released.recv();
    }
}

impl Held {
    /// Waits until somebody is at the gate.
    pub fn wait(&self) {
        self.entered.recv_timeout(PATIENCE).expect("nobody comes to the gate");
    }

    /// Lets one pass.
    pub fn let_one_pass(&self) {
        let _ = self.release.send(());
    }
}

/// An exporter that acknowledges what the test lets it.
pub fn held_back(name: &'static str) -> (impl Exporter, Held) {
    let (gate, held) = gate();
    let exporter = by(name, move |_: &Delivery<'_>| {
        gate.pass();
        Ok(())
    });
    (exporter, held)
}

/// Added by a delivery to the counter `c`, and recorded by it in the histogram `h`.
pub fn additions(delivery: &Delivery<'_>) -> (u64, u64) {
    let delta = delivery.delta();
    let recorded = delta.histogram("h", &[]).map_or(0, |histogram| histogram.count());
    (delta.counter("c", &[]).unwrap_or(0), recorded)
}

/// Acknowledges everything and tells what it added.
pub fn reporting(sender: Sender<(u64, u64)>) -> impl Exporter {
    by("reporting", move |delivery: &Delivery<'_>| Ok(sender.send(additions(delivery))?))
}

/// A list that both an exporter and its test have.
pub struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Clone> Log<T> {
    pub fn new() -> Self {
        Self(Arc::default())
    }

    pub fn push(&self, entry: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }

    pub fn all(&self) -> Vec<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

pub fn registry() -> (Arc<Registry>, Counter) {
    let registry = Arc::new(Registry::new());
    let counter = registry.counter("c").register().unwrap();
    (registry, counter)
}

/// A client that flushes when it is told to.
pub fn client_of(registry: &Arc<Registry>) -> ClientBuilder {
    Client::builder().registry(registry.clone()).flush_interval(NEVER)
}

/// Runs `work` in a thread, and panics if it does not return.
pub fn returns<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, result) = channel();
    thread::spawn(move || sender.send(work()));
    match result.recv_timeout(PATIENCE) {
        Ok(value) => value,
        Err(RecvTimeoutError::Timeout) => panic!("it hangs"),
        Err(RecvTimeoutError::Disconnected) => panic!("it panics"),
    }
}

/// Waits until `condition` holds; panics if that takes too long.
pub fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::yield_now();
    }
}
