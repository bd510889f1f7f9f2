//! An intake for series of our own: strict, and it answers as it is told.

use flate2::read::GzDecoder;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What it does with a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Takes it, with these errors.
    Take(&'static [&'static str]),
    /// Answers with a status and headers, and takes nothing.
    Refuse(u16, &'static str),
    /// Takes it, and closes the connection without an answer.
    TakeAndHangUp,
    /// Closes the connection.
    HangUp,
    /// Never answers.
    Hang,
}

#[derive(Default)]
struct Kept {
    replies: VecDeque<Reply>,
    bodies: Vec<Value>,
    requests: usize,
    largest: (usize, usize),
}

pub struct Intake {
    pub address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
}

/// Metric and tags.
pub type Identity = (String, Vec<String>);

impl Intake {
    pub fn start(key: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let kept = Arc::new(Mutex::new(Kept::default()));
        let shared = kept.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, shared) = (stream.unwrap(), shared.clone());
                std::thread::spawn(move || while serve(&stream, &shared, key) {});
            }
        });
        Self { address, kept }
    }

    pub fn url(&self) -> String {
        format!("http://{}/datadog", self.address)
    }

    /// What to do with the next requests; after them all are taken.
    pub fn plan(&self, replies: impl IntoIterator<Item = Reply>) {
        self.kept.lock().unwrap().replies.extend(replies);
    }

    pub fn requests(&self) -> usize {
        self.kept.lock().unwrap().requests
    }

    /// The largest body, as it was sent and without compression.
    pub fn largest(&self) -> (usize, usize) {
        self.kept.lock().unwrap().largest
    }

    /// The series that were taken, in their order.
    pub fn series(&self) -> Vec<Value> {
        let kept = self.kept.lock().unwrap();
        let series = kept.bodies.iter().flat_map(|body| body["series"].as_array().unwrap().clone());
        series.filter(|it| !it["metric"].as_str().unwrap().contains("quipu.")).collect()
    }

    /// As Datadog keeps them: the last point of a series in a second. Counts are added up then.
    pub fn counts(&self) -> BTreeMap<Identity, f64> {
        let mut points = BTreeMap::new();
        for series in self.series().iter().filter(|series| series["type"] == 1) {
            let second = series["points"][0]["timestamp"].as_u64().unwrap();
            let value = series["points"][0]["value"].as_f64().unwrap();
            points.insert((identity(series), second), value);
        }
        let mut counts = BTreeMap::new();
        for ((identity, _), value) in points {
            *counts.entry(identity).or_default() += value;
        }
        counts
    }
}

pub fn identity(series: &Value) -> Identity {
    let tags = series["tags"].as_array().cloned().unwrap_or_default();
    let mut tags: Vec<String> = tags.iter().map(|it| it.as_str().unwrap().to_owned()).collect();
    tags.sort();
    (series["metric"].as_str().unwrap().to_owned(), tags)
}

/// Serves one request; whether there may be another one.
fn serve(mut stream: &TcpStream, kept: &Mutex<Kept>, key: &str) -> bool {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return false;
        }
        if line == "\r\n" {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let header = |name: &str| {
        let fields = head.iter().filter_map(|line| line.split_once(": "));
        let mut found = fields.filter(|(other, _)| other.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.to_owned())
    };
    assert_eq!(head[0], "POST /datadog/api/v2/series HTTP/1.1");
    assert_eq!(header("dd-api-key").as_deref(), Some(key));
    assert_eq!(header("content-type").as_deref(), Some("application/json"));
    assert_eq!(header("content-encoding").as_deref(), Some("gzip"));
    let mut body = vec![0; header("content-length").unwrap().parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    let mut plain = Vec::new();
    GzDecoder::new(&body[..]).read_to_end(&mut plain).unwrap();
    let reply = {
        let mut kept = kept.lock().unwrap();
        kept.requests += 1;
        kept.largest.0 = kept.largest.0.max(body.len());
        kept.largest.1 = kept.largest.1.max(plain.len());
        let reply = kept.replies.pop_front().unwrap_or(Reply::Take(&[]));
        if matches!(reply, Reply::Take(_) | Reply::TakeAndHangUp) {
            let body: Value = serde_json::from_slice(&plain).unwrap();
            body["series"].as_array().unwrap().iter().for_each(check);
            kept.bodies.push(body);
        }
        reply
    };
    let (status, headers, body) = match reply {
        Reply::Take(errors) => (202, "", serde_json::json!({ "errors": errors }).to_string()),
        Reply::Refuse(status, headers) => (status, headers, format!("{{\"errors\":[\"{key}\"]}}")),
        Reply::TakeAndHangUp | Reply::HangUp => return false,
        Reply::Hang => {
            std::thread::sleep(Duration::from_secs(3_600));
            return false;
        }
    };
    let length = body.len();
    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
    stream.write_all(answer.as_bytes()).is_ok()
}

/// The rules of the API, as its documentation has them.
fn check(series: &Value) {
    let metric = series["metric"].as_str().unwrap();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    assert!(metric.starts_with(|c: char| c.is_ascii_alphabetic()) && metric.chars().all(is_plain));
    assert!(metric.len() <= 200, "{metric}");
    match series["type"].as_u64() {
        Some(1) => assert!(series["interval"].as_u64().unwrap() >= 1),
        Some(3) => assert_eq!(series["interval"], Value::Null),
        _ => panic!("{series}"),
    }
    assert_eq!(series["points"].as_array().unwrap().len(), 1);
    assert!(series["points"][0]["value"].is_number(), "{series}");
    let known = ["metric", "type", "interval", "unit", "points", "tags", "resources"];
    assert!(series.as_object().unwrap().keys().all(|key| known.contains(&&**key)), "{series}");
}
