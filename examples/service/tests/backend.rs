//! The service with a backend that is killed, hangs, answers by halves and is started again: in the
//! end the backend has every request, once.
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long to wait for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longer than the service waits for an answer.
const HANG: Duration = Duration::from_millis(1_500);

/// What a backend does with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Serves,
    Hangs,
    BreaksOff,
    StoresAndBreaksOff,
    AnswersHalf,
}

/// What a backend keeps when it is killed.
#[derive(Default)]
struct Disk {
    /// By stream and the snapshot where the batch begins: where it ends, and the requests in it.
    batches: BTreeMap<(String, u64), (u64, u64)>,
    ways_met: BTreeSet<Way>,
}

/// A backend while it runs.
struct Backend {
    is_killed: Arc<AtomicBool>,
    listening: Option<thread::JoinHandle<()>>,
}

impl Backend {
    /// Listens at `address`, and does all that it does in one way.
    fn start(address: SocketAddr, way: Way, disk: &Arc<Mutex<Disk>>) -> (Self, SocketAddr) {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let is_killed = Arc::new(AtomicBool::new(false));
        let (killed, disk) = (is_killed.clone(), disk.clone());
        let listening = thread::spawn(move || {
            // Those that hang are open until the backend is killed.
            let mut connections = Vec::new();
            while !killed.load(SeqCst) {
                match listener.accept() {
                    Ok((connection, _)) => connections.extend(take_batch(connection, way, &disk)),
                    Err(_) => thread::sleep(Duration::from_millis(1)),
                }
            }
        });
        (Self { is_killed, listening: Some(listening) }, address)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.is_killed.store(true, SeqCst);
        if let Some(listening) = self.listening.take() {
            listening.join().unwrap();
        }
    }
}

/// Takes one batch; returns the connection if it is to stay open.
fn take_batch(connection: TcpStream, way: Way, disk: &Mutex<Disk>) -> Option<TcpStream> {
    connection.set_nonblocking(false).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    disk.lock().unwrap().ways_met.insert(way);
    match way {
        Way::Hangs => return Some(connection),
        Way::BreaksOff => return None,
        Way::Serves | Way::StoresAndBreaksOff | Way::AnswersHalf => {}
    }
    let mut lines = BufReader::new(&connection).lines();
    let head = lines.next()?.ok()?;
    let head: Vec<_> = head.split(' ').collect();
    let ["batch", stream, from, to, count] = head[..] else { panic!("{head:?}") };
    let [from, to, count] = [from, to, count].map(|number| number.parse::<u64>().unwrap());
    let mut requests = 0;
    for _ in 0..count {
        let line = lines.next()?.ok()?;
        let (gain, series) = line.split_once(' ').unwrap();
        let is_duration = series.starts_with("http.server.request.duration{");
        if is_duration && series.contains("http.response.status_code=") {
            requests += gain.parse::<u64>().unwrap();
        }
    }
    let mut disk = disk.lock().unwrap();
    let stored = disk.batches.entry((stream.to_owned(), from)).or_default();
    *stored = (to, requests).max(*stored);
    drop(disk);
    let answer = format!("stored {to}\n");
    let answer = match way {
        Way::StoresAndBreaksOff => "",
        Way::AnswersHalf => &answer[..4],
        _ => &answer,
    };
    (&connection).write_all(answer.as_bytes()).ok()?;
    None
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_backend_that_fails_in_every_way_has_each_request_once_in_the_end() {
    let disk = Arc::new(Mutex::new(Disk::default()));
    let stored = || disk.lock().unwrap().batches.len();
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let (mut serving, address) = Backend::start(any_port, Way::Serves, &disk);
    let service = Command::new(env!("CARGO_BIN_EXE_service"))
        .args(["--backend", &address.to_string()])
        .env("OBSERVABILITY_FLUSH_INTERVAL", "50ms")
        .env("RUST_LOG", "off")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = service.id().to_string();
    // Read while it runs: it would wait at a full pipe.
    let output = thread::spawn(move || service.wait_with_output().unwrap().stdout);
    let ways = [Way::StoresAndBreaksOff, Way::Hangs, Way::AnswersHalf, Way::BreaksOff];
    for way in ways {
        let before = stored();
        wait_until("a batch that is stored", || stored() > before);
        drop(serving);
        // For a while nobody listens.
        thread::sleep(Duration::from_millis(100));
        let (failing, _) = Backend::start(address, way, &disk);
        wait_until("a connection", || disk.lock().unwrap().ways_met.contains(&way));
        if way == Way::Hangs {
            thread::sleep(HANG);
        }
        drop(failing);
        (serving, _) = Backend::start(address, Way::Serves, &disk);
    }
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    let output = String::from_utf8(output.join().unwrap()).unwrap();
    drop(serving);

    let said = output.lines().find(|line| line.starts_with("totals agree")).expect(&output);
    let counted = said.split("the service counted ").nth(1).unwrap();
    let counted = counted.split(' ').next().unwrap().replace(',', "");
    let disk = disk.lock().unwrap();
    let stored: u64 = disk.batches.values().map(|(_, requests)| requests).sum();
    assert_eq!(stored.to_string(), counted, "{said}");
    let streams: BTreeSet<_> = disk.batches.keys().map(|(stream, _)| stream).collect();
    assert!(streams.len() == 1 && disk.batches.len() > 4, "{:?}", disk.batches);
}
