//! A Prometheus of our own, on this machine alone.

use super::program;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long to wait for what must happen: long, since it only shows in a test that fails.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Prometheus {
    process: Child,
    address: SocketAddr,
    folder: PathBuf,
}

/// Its version, major and minor.
pub fn version() -> (u32, u32) {
    let output = Command::new(program("QUIPU_PROMETHEUS")).arg("--version").output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let version = said.split("version ").nth(1).expect("a version");
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

impl Prometheus {
    /// One with these jobs, each a name and its settings, that scrape `target`.
    pub fn start(jobs: &[(&str, &str)], flags: &[&str], target: SocketAddr) -> Self {
        let mut config =
            String::from("global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n");
        for (name, settings) in jobs {
            writeln!(
                config,
                "- job_name: {name}\n  static_configs: [{{targets: ['{target}']}}]\n{settings}"
            )
            .unwrap();
        }
        Self::with(&config, flags)
    }

    /// One with this configuration.
    pub fn with(config: &str, flags: &[&str]) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!(
            "prometheus-{}-{}",
            std::process::id(),
            flags.len()
        ));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("config.yml"), config).unwrap();
        // The port is free again when the server asks for it.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process = Command::new(program("QUIPU_PROMETHEUS"))
            .arg(format!("--config.file={}", folder.join("config.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .args(flags)
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let server = Self { process, address, folder };
        server.wait_until("it is ready", || {
            server.get("/-/ready").is_some_and(|reply| reply.starts_with("HTTP/1.0 200"))
        });
        server
    }

    /// Asks until it is so.
    pub fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let started = Instant::now();
        while !is_so() {
            assert!(started.elapsed() < PATIENCE, "not true yet: {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap()
    }

    /// The result of an instant query: series and their values.
    pub fn query(&self, query: &str) -> Vec<Value> {
        let mut path = String::from("/api/v1/query?query=");
        for byte in query.bytes() {
            write!(path, "%{byte:02x}").unwrap();
        }
        let reply = self.get(&path).expect("an answer");
        let (_, body) = reply.split_once("\r\n\r\n").unwrap();
        let answer: Value = serde_json::from_str(body).unwrap();
        let result = answer["data"]["result"].as_array();
        result.unwrap_or_else(|| panic!("{query}: {body}")).clone()
    }

    /// The value of a query that has one.
    pub fn number(&self, query: &str) -> Option<f64> {
        match &self.query(query)[..] {
            [] => None,
            [series] => Some(series["value"][1].as_str().unwrap().parse().unwrap()),
            more => panic!("{query}: {more:?}"),
        }
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).ok()?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).ok()?;
        Some(reply)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        fs::remove_dir_all(&self.folder).unwrap();
    }
}
