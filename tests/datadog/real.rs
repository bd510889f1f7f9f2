//! VictoriaMetrics, which has an intake for Datadog's series, knows what the registry held.

use super::directory::Directory;
use super::{KEY, PATIENCE, client_of};
use quipu::{Datadog, Registry, Unit};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Victoria {
    process: Child,
    address: SocketAddr,
    _directory: Directory,
}

impl Victoria {
    fn start() -> Self {
        let program = std::env::var("QUIPU_VICTORIA_METRICS");
        let program = program.expect("QUIPU_VICTORIA_METRICS names no program");
        let directory = Directory::new("victoria-metrics");
        // The port is free again when the server asks for it.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let process = Command::new(program)
            .arg(format!("-storageDataPath={}", directory.path().join("data").display()))
            .arg(format!("-httpListenAddr={address}"))
            .arg("-search.latencyOffset=0s")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Self { process, address, _directory: directory };
        let deadline = Instant::now() + PATIENCE;
        while !server.get("/health").is_some_and(|reply| reply.contains(" 200 ")) {
            assert!(Instant::now() < deadline, "it is not ready");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).ok()?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).ok()?;
        Some(reply)
    }

    /// All series with their values, a line of JSON each.
    fn all(&self) -> Vec<Value> {
        self.get("/internal/force_flush").unwrap();
        // Points may be a few seconds ahead.
        let end = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() + 60;
        let names = "match%5B%5D=%7B__name__!~%22quipu.*%22%7D";
        let reply = self.get(&format!("/api/v1/export?{names}&end={end}")).unwrap();
        let (_, body) = reply.split_once("\r\n\r\n").unwrap();
        body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Victoria {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
#[ignore = "needs VictoriaMetrics, in QUIPU_VICTORIA_METRICS"]
fn victoria_metrics_knows_what_the_registry_held() {
    let server = Victoria::start();
    let registry = Arc::new(Registry::new());
    let requests = registry.counter("http.requests").label("path", "/a \"b\"").register().unwrap();
    let active = registry.up_down_counter("active").register().unwrap();
    let level = registry.gauge("level").unit(Unit::Percent).register().unwrap();
    let duration = registry.histogram("duration").unit(Unit::Nanoseconds).register().unwrap();
    let exporter = Datadog::new(KEY).unwrap().host("h1").tag("env", "prod");
    let exporter = exporter.endpoint(&format!("http://{}/datadog", server.address)).unwrap();
    let client = client_of(&registry).exporter(exporter).start().unwrap();
    for round in 1..=3 {
        requests.add(round);
        active.add(-1);
        level.set(round as f64);
        duration.record_n(1_000_000, round);
        assert!(client.flush(PATIENCE).is_delivered());
    }
    assert!(client.stop(PATIENCE).is_delivered());
    let all = server.all();
    let values = |metric: &str| -> Vec<f64> {
        let of = all.iter().find(|it| it["metric"]["__name__"] == metric);
        let of = of.unwrap_or_else(|| panic!("no {metric} in {all:?}"));
        assert_eq!(of["metric"]["host"], "h1");
        assert_eq!(of["metric"]["env"], "prod");
        of["values"].as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect()
    };
    assert_eq!(values("http.requests"), [1.0, 2.0, 3.0]);
    assert_eq!(values("active")[..3], [-1.0, -2.0, -3.0]);
    assert_eq!(values("level")[..3], [0.01, 0.02, 0.03]);
    assert_eq!(values("duration.count"), [1.0, 2.0, 3.0]);
    assert_eq!(values("duration.max")[0], 0.001);
    let requests = all.iter().find(|it| it["metric"]["__name__"] == "http.requests").unwrap();
    assert_eq!(requests["metric"]["path"], "/a_\"b\"");
}
