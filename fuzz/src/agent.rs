//! An agent on a Unix socket, and the reader of DogStatsD that the crate's own tests have.

#[path = "../../tests/dogstatsd/reading.rs"]
pub mod reading;

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

/// What says that all before it has come.
const END: &[u8] = b"\0end";

/// Reads until the process ends.
pub struct Agent {
    path: PathBuf,
    datagrams: Mutex<Receiver<Vec<u8>>>,
}

impl Agent {
    pub fn start() -> Self {
        let path = std::env::temp_dir().join(format!("quipu-fuzz-{}.socket", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).unwrap();
        let (read, datagrams) = channel();
        thread::spawn(move || {
            let mut datagram = vec![0; 70_000];
            while let Ok(length) = socket.recv(&mut datagram) {
                read.send(datagram[..length].to_vec()).unwrap();
            }
        });
        Self { path, datagrams: Mutex::new(datagrams) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All that was sent since the last call. Datagrams of one socket keep their order, and so do those
    /// of two of which one was closed before the other sent.
    pub fn received(&self) -> Vec<Vec<u8>> {
        UnixDatagram::unbound().unwrap().send_to(END, &self.path).unwrap();
        let datagrams = self.datagrams.lock().unwrap();
        datagrams.iter().take_while(|datagram| datagram != END).collect()
    }
}
