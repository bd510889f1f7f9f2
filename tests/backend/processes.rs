//! The same with a backend that is a process of its own: ended by SIGKILL at any moment, stopped by
//! SIGSTOP and continued, and started again over what it left in its file.

use crate::books::{Books, next_batch};
use crate::directory::Directory;
use crate::process::emulator;
use crate::{Beset, ROUNDS};
use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

const ADDRESS: &str = "QUIPU_TEST_BACKEND_ADDRESS";
const FILE: &str = "QUIPU_TEST_BACKEND_FILE";

/// A backend's process, and how to start it again.
struct Backend {
    test: &'static str,
    address: SocketAddr,
    file: PathBuf,
    process: Child,
}

impl Backend {
    fn start(test: &'static str, file: PathBuf) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let process = spawn(test, address, &file);
        Self { test, address, file, process }
    }

    /// Ends it, at whatever it is doing.
    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn restart(&mut self) {
        self.process = spawn(self.test, self.address, &self.file);
    }

    fn signal(&self, signal: i32) {
        let process = i32::try_from(self.process.id()).unwrap();
        // SAFETY: the child has not been waited for, so that its id is its own.
        assert_eq!(unsafe { libc::kill(process, signal) }, 0);
    }

    fn books(&self) -> Books {
        fs::read_to_string(&self.file).unwrap().parse().unwrap()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        // Ends one that is stopped, too.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts the calling test again, as a backend.
fn spawn(test: &str, address: SocketAddr, file: &Path) -> Child {
    let program = std::env::current_exe().expect("a test knows its own file");
    let mut arguments: Vec<_> = emulator().split_whitespace().map(Into::into).collect();
    arguments.push(program.into_os_string());
    Command::new(&arguments[0])
        .args(&arguments[1..])
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(ADDRESS, address.to_string())
        .env(FILE, file)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("a test can be started again")
}

/// What the child does, until it is killed.
fn serve(address: &str, file: &Path) -> ! {
    // Its standard input ends with the test.
    thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let books =
        fs::read_to_string(file).map_or_else(|_| Books::default(), |it| it.parse().unwrap());
    let books = Arc::new(Mutex::new(books));
    let listener = loop {
        match TcpListener::bind(address) {
            Ok(listener) => break listener,
            Err(_) => thread::yield_now(),
        }
    };
    for connection in listener.incoming() {
        let (books, file) = (books.clone(), file.to_owned());
        let Ok(mut connection) = connection else { continue };
        thread::spawn(move || {
            let mut batches = BufReader::new(connection.try_clone().unwrap());
            while let Some(batch) = next_batch(&mut batches) {
                let mut books = books.lock().unwrap();
                let answer = books.take(&batch).unwrap();
                keep(&books, &file);
                drop(books);
                if connection.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
        });
    }
    unreachable!("a listener does not end")
}

/// The file is the old one or the new one at every moment, and the new one before the answer.
fn keep(books: &Books, file: &Path) {
    let unfinished = file.with_extension("unfinished");
    fs::write(&unfinished, books.to_string()).unwrap();
    fs::rename(&unfinished, file).unwrap();
}

#[test]
#[cfg_attr(miri, ignore = "starts processes")]
fn a_backend_process_that_is_killed_and_stopped_has_exactly_what_was_recorded() {
    if let (Ok(address), Ok(file)) = (std::env::var(ADDRESS), std::env::var(FILE)) {
        serve(&address, file.as_ref());
    }
    let directory = Directory::new("backend-process");
    let test =
        "processes::a_backend_process_that_is_killed_and_stopped_has_exactly_what_was_recorded";
    let mut backend = Backend::start(test, directory.path().join("books"));
    let (beset, load) = Beset::start(backend.address);

    for round in 0..ROUNDS {
        backend.kill();
        beset.wait_for_failures();
        beset.assert_that_all_others_go_on(&load);
        backend.restart();
        beset.wait_for_deliveries();

        backend.signal(libc::SIGSTOP);
        let timed_out = beset.failures("timed_out");
        beset.wait_for_failures();
        beset.assert_that_all_others_go_on_during_an_attempt(&load);
        assert!(beset.failures("timed_out") > timed_out);
        if round % 2 == 0 {
            backend.kill();
            backend.restart();
        } else {
            backend.signal(libc::SIGCONT);
        }
        beset.wait_for_deliveries();
    }

    // The end finds it stopped.
    backend.signal(libc::SIGSTOP);
    beset.wait_for_failures();
    let recorded = load.stop();
    beset.stop(|| backend.signal(libc::SIGCONT));
    let books = backend.books();
    beset.assert_exact(recorded, &books);
    // What had been sent while it was stopped, it took late, and once.
    assert!(books.repeats() > 0);
}
