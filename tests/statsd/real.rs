//! Etsy's server knows what the registry held.

use super::directory::Directory;
use super::{PATIENCE, client_of};
use quipu::{Registry, Statsd, StatsdTags, Unit};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

/// Answers the command `state` on the management port with what it was given at the last flush.
const BACKEND: &str = r#"
const fs = require('fs');
exports.init = function (started, config, events) {
    let flushes = 0;
    events.on('flush', function (time, metrics) {
        flushes += 1;
        const state = { flushes, gauges: metrics.gauges, timers: metrics.timer_data,
            counters: metrics.counters };
        fs.writeFileSync(config.quipuState + '.new', JSON.stringify(state));
        fs.renameSync(config.quipuState + '.new', config.quipuState);
    });
    return true;
};
"#;

struct Etsy {
    process: Child,
    port: u16,
    management: u16,
    directory: Directory,
}

impl Etsy {
    fn start(name: &str) -> Self {
        let program = std::env::var("QUIPU_STATSD").expect("QUIPU_STATSD names no stats.js");
        let directory = Directory::new(name);
        let path = |file: &str| directory.path().join(file).display().to_string();
        // The ports are free again when the server asks for them.
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let management = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        fs::write(path("backend.js"), BACKEND).unwrap();
        let config = serde_json::json!({
            "port": port, "address": "127.0.0.1", "mgmt_port": management,
            "mgmt_address": "127.0.0.1", "backends": [path("backend.js")],
            "quipuState": path("state"), "flushInterval": 300, "percentThreshold": [50, 90, 99],
            "deleteCounters": false, "deleteTimers": false,
        });
        fs::write(path("config.js"), config.to_string()).unwrap();
        let process = Command::new("node")
            .args([program, path("config.js")])
            .stdout(Stdio::from(fs::File::create(path("log")).unwrap()))
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let server = Self { process, port, management, directory };
        server.wait_until("it answers", || server.ask("health").contains("up"));
        server
    }

    fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "not in time: {what}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// What the management port says to a command.
    fn ask(&self, command: &str) -> String {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.management)) else {
            return String::new();
        };
        stream.write_all(format!("{command}\n").as_bytes()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = String::new();
        let mut reader = BufReader::new(&stream);
        while !answer.ends_with("END\n\n") && !answer.starts_with("health") {
            if reader.read_line(&mut answer).unwrap_or(0) == 0 {
                break;
            }
        }
        answer
    }

    /// What it knew at a flush that came after `is_so`.
    fn state(&self, is_so: impl Fn(&Value) -> bool) -> Value {
        let read = || -> Option<Value> {
            let mut text = String::new();
            let path = self.directory.path().join("state");
            fs::File::open(path).ok()?.read_to_string(&mut text).ok()?;
            serde_json::from_str(&text).ok()
        };
        self.wait_until("its state is as expected", || read().is_some_and(|state| is_so(&state)));
        read().unwrap()
    }
}

impl Drop for Etsy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
#[ignore = "needs Etsy's statsd, in QUIPU_STATSD"]
fn etsys_server_knows_what_the_registry_held() {
    let server = Etsy::start("statsd-real");
    let registry = Arc::new(Registry::new());
    let requests = registry.counter("http/requests").label("path", "/a b.c").register().unwrap();
    let spent = registry.counter("spent").unit(Unit::Nanoseconds).register().unwrap();
    let active = registry.up_down_counter("active").register().unwrap();
    let level = registry.gauge("level").register().unwrap();
    let small = registry.histogram("small").unit(Unit::Milliseconds).register().unwrap();
    let large = registry.histogram("large").unit(Unit::Nanoseconds).register().unwrap();
    let exporter = Statsd::udp(&format!("127.0.0.1:{}", server.port)).unwrap();
    let client = client_of(&registry).exporter(exporter).start().unwrap();
    let levels = [5.0, -2.5, -3.0, 0.0, -1e-7];
    for (round, reading) in levels.into_iter().enumerate() {
        requests.add(1_000 + round as u64);
        spent.add(1_500_000_001);
        active.add(if round == 1 { -9 } else { 2 });
        level.set(reading);
        [1, 2, 3, 4].into_iter().for_each(|value| small.record(value));
        for step in 0..30_000_u64 {
            // From 0 to 30 ms.
            large.record(step * 1_000 + round as u64);
        }
        assert!(client.flush(PATIENCE).is_delivered());
    }
    registry.gauge("done").register().unwrap().set(1.0);
    assert!(client.stop(PATIENCE).is_delivered());
    let state = server.state(|state| state["gauges"]["done"] == 1.0);

    assert_eq!(state["counters"]["statsd.bad_lines_seen"], 0);
    assert_eq!(state["counters"]["http_requests._a_b_c"], 5_010);
    assert_eq!(state["counters"]["spent"], 7.500000005);
    assert_eq!(state["gauges"]["active"], -1);
    assert_eq!(state["gauges"]["level"], -1e-7);
    let number = |timer: &str, key: &str| state["timers"][timer][key].as_f64().unwrap();
    assert_eq!(state["timers"]["small"]["count"], 20);
    assert_eq!((number("small", "sum"), number("small", "upper")), (50.0, 4.0));
    assert!((number("large", "count") - 150_000.0).abs() < 1e-6);
    for (key, milliseconds) in
        [("upper_50", 15.0), ("upper_90", 27.0), ("upper_99", 29.7), ("mean", 15.0)]
    {
        let seen = number("large", key);
        // A hundredth of the ranks, and the width of a bucket.
        assert!((seen - milliseconds).abs() < 0.3 + 0.008 * 30.0, "{key}: {seen}");
    }
    assert!((number("large", "upper") - 29.999).abs() < 0.001);
    // What is printed on the management port is the same.
    assert!(server.ask("gauges").contains("active: -1"), "{}", server.ask("gauges"));
    assert!(server.ask("stats").contains("messages.bad_lines_seen: 0"));
}

#[test]
#[ignore = "needs Etsy's statsd, in QUIPU_STATSD"]
fn etsys_server_keeps_tags_of_graphite() {
    let server = Etsy::start("statsd-tags");
    let registry = Arc::new(Registry::new());
    let counter = registry.counter("c").label("method", "GET").label("at", "x/y");
    counter.register().unwrap().add(3);
    let exporter = Statsd::udp(&format!("127.0.0.1:{}", server.port)).unwrap();
    let exporter = exporter.tags(StatsdTags::Graphite);
    let client = client_of(&registry).exporter(exporter).start().unwrap();
    assert!(client.stop(PATIENCE).is_delivered());
    let state = server.state(|state| state["counters"]["c;at=x_y;method=GET"] == 3);
    assert_eq!(state["counters"]["statsd.bad_lines_seen"], 0);
}
