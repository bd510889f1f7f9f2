//! A VictoriaMetrics of a test's own, the program that `QUIPU_VICTORIA_METRICS` names.

use serde_json::Value;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// A server on loopback; killed when it is dropped, with all that it has stored.
pub struct Victoria {
    process: Child,
    pub address: SocketAddr,
    folder: PathBuf,
}

impl Victoria {
    pub fn start() -> Self {
        let program = std::env::var("QUIPU_VICTORIA_METRICS")
            .expect("QUIPU_VICTORIA_METRICS names a victoria-metrics");
        // The port is free again when the server asks for it.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let folder = std::env::temp_dir().join(format!(
            "quipu-victoria-{}-{}",
            std::process::id(),
            address.port()
        ));
        fs::create_dir_all(&folder).unwrap();
        let process = Command::new(program)
            .arg(format!("-storageDataPath={}", folder.join("data").display()))
            .arg(format!("-httpListenAddr={address}"))
            // What was just stored is found at once.
            .arg("-search.latencyOffset=0s")
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let server = Self { process, address, folder };
        let end = Instant::now() + PATIENCE;
        while server.get("/health").is_none_or(|answer| !answer.ends_with("OK")) {
            assert!(Instant::now() < end, "the server is not ready");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// The body of an answer, whatever its status is.
    pub fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).ok()?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).ok()?;
        reply.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
    }

    /// The series that a selector finds, with labels, values and times as the server exports them.
    /// What it has just taken may not be there yet.
    pub fn export(&self, selector: &str) -> Vec<Value> {
        self.get("/internal/force_flush").unwrap();
        // Points of seconds to come are not left out.
        let end = "2100-01-01T00:00:00Z";
        let path = format!("/api/v1/export?end={end}&match[]={}", encoded(selector));
        let body = self.get(&path).unwrap();
        body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Victoria {
    fn drop(&mut self) {
        // It fails where the server has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// For the query of an address.
pub fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        write!(encoded, "%{byte:02x}").unwrap();
        encoded
    })
}
