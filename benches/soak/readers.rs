//! Who reads all the time: snapshots, and scrapes over HTTP in each format.

use super::run::Run;
use super::totals::{NAMES, OPEN, REQUESTS, STAYING, Totals};
use quipu::Registry;
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

const SNAPSHOT_PAUSE: Duration = Duration::from_millis(20);
const SCRAPE_PAUSE: Duration = Duration::from_millis(100);
/// Snapshots that the reader holds on to.
const HELD: usize = 4;
const TIMEOUT: Duration = Duration::from_secs(30);

pub const TEXT: &str = "text/plain;version=0.0.4";
const FORMATS: [(&str, &str); 5] = [
    ("/metrics", TEXT),
    ("/metrics", "application/openmetrics-text;version=1.0.0"),
    (
        "/metrics",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
         encoding=delimited",
    ),
    ("/metrics", "application/json"),
    ("/metrics.json", "*/*"),
];

/// Takes snapshots of both registries; what stays in the first one never goes back. `beside` is
/// done with each snapshot of that.
pub fn take_snapshots(served: &Registry, churned: &Registry, run: &Run, beside: impl Fn()) {
    let (mut held, mut last) = (VecDeque::new(), Totals::default());
    while run.goes_on() {
        let snapshot = served.snapshot();
        beside();
        let totals = Totals::of(&snapshot);
        for metric in STAYING.filter(|metric| *metric != OPEN) {
            let (now, before) = (totals.get(metric), last.get(metric));
            let holds = now.values >= before.values && now.sum >= before.sum;
            run.check(holds, format_args!("{} went back", NAMES[metric]));
        }
        last = totals;
        held.extend([snapshot, churned.snapshot()]);
        while held.len() > HELD {
            held.pop_front();
        }
        run.work.snapshots.fetch_add(2, Relaxed);
        thread::sleep(SNAPSHOT_PAUSE);
    }
}

/// Scrapes in each format in turn, every other one compressed.
pub fn scrape_all(address: SocketAddr, run: &Run) {
    let mut scraper = Scraper::connect(address);
    for (number, (path, accept)) in FORMATS.iter().cycle().enumerate() {
        if !run.goes_on() {
            return;
        }
        let body = scraper.as_mut().map_err(|error| error.to_string()).and_then(|scraper| {
            scraper.get(path, accept, number % 2 == 1).map_err(|error| error.to_string())
        });
        let is_served = body.as_ref().is_ok_and(|body| body.len() > 1_000);
        run.check(is_served, format_args!("a scrape: {:?}", body.err()));
        run.work.scrapes.fetch_add(1, Relaxed);
        thread::sleep(SCRAPE_PAUSE);
    }
}

/// A connection that is kept.
pub struct Scraper(BufReader<TcpStream>);

impl Scraper {
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// The body of an answer that is a success.
    pub fn get(&mut self, path: &str, accept: &str, is_compressed: bool) -> io::Result<Vec<u8>> {
        let coding = if is_compressed { "gzip" } else { "identity" };
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: soak\r\naccept: {accept}\r\n\
             accept-encoding: {coding}\r\n\r\n"
        );
        self.0.get_mut().write_all(head.as_bytes())?;
        let mut length = None;
        let status = self.line()?;
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok();
            }
        }
        let length = length.ok_or_else(|| io::Error::other("no length"))?;
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        match status.starts_with("HTTP/1.1 200") {
            true => Ok(body),
            false => Err(io::Error::other(status)),
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}

/// The sum over all series of one counter, as a scrape in text tells it.
pub fn requests_in(text: &[u8]) -> Option<u64> {
    let name = format!("{}_total{{", NAMES[REQUESTS].replace('.', "_"));
    let text = std::str::from_utf8(text).ok()?;
    let lines = text.lines().filter(|line| line.starts_with(&name));
    let values = lines.map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
    values.sum()
}
