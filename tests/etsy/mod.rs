//! An Etsy's statsd of a test's own, the program that `QUIPU_STATSD` names.

use super::directory::Directory;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// Writes what the server knows at each of its flushes, and sums over all of them: it forgets counts
/// and timers from one to the next.
const BACKEND: &str = r#"
const fs = require('fs');
exports.init = function (started, config, events) {
    const state = { flushes: 0, counters: {}, timer_counts: {}, timer_sums: {} };
    const add = function (sums, key, value) { sums[key] = (sums[key] || 0) + (value || 0); };
    events.on('flush', function (time, metrics) {
        state.flushes += 1;
        state.gauges = metrics.gauges;
        state.timers = metrics.timer_data;
        for (const key in metrics.counters) { add(state.counters, key, metrics.counters[key]); }
        for (const key in metrics.timer_data) {
            add(state.timer_counts, key, metrics.timer_data[key].count);
            add(state.timer_sums, key, metrics.timer_data[key].sum);
        }
        fs.writeFileSync(config.quipuState + '.new', JSON.stringify(state));
        fs.renameSync(config.quipuState + '.new', config.quipuState);
    });
    return true;
};
"#;

/// A server on loopback; killed when it is dropped.
pub struct Etsy {
    process: Child,
    pub port: u16,
    management: u16,
    directory: Directory,
}

impl Etsy {
    pub fn start(name: &str) -> Self {
        let program = std::env::var("QUIPU_STATSD").expect("QUIPU_STATSD names a stats.js");
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
            "deleteCounters": true, "deleteTimers": true,
        });
        fs::write(path("config.js"), config.to_string()).unwrap();
        let process = Command::new("node")
            .args([program, path("config.js")])
            .stdout(Stdio::from(fs::File::create(path("log")).unwrap()))
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let server = Self { process, port, management, directory };
        wait_until("it answers", || server.ask("health").contains("up"));
        server
    }

    /// What the management port says to a command.
    pub fn ask(&self, command: &str) -> String {
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

    /// What it knew at the first flush at which `is_so`.
    pub fn state(&self, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut state = Value::Null;
        wait_until("its state is as expected", || {
            if let Ok(text) = fs::read_to_string(self.directory.path().join("state")) {
                state = serde_json::from_str(&text).unwrap();
            }
            is_so(&state)
        });
        state
    }
}

impl Drop for Etsy {
    fn drop(&mut self) {
        // It fails where the server has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
