//! An exporter that stands in for real ones: lines of text over a connection for each request.

use crate::fault_server::{Answer, Request};
use crate::kinds::{Kind, Sums};
use quipu::{Delivery, ExportError, Exporter, FailureCause, Value};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub const KIND: Kind = Kind {
    name: "stand-in",
    exporter: |url| Box::new(StandIn(url.rsplit('/').next().unwrap().parse().ok())),
    taken: || Answer::new("serves", 200),
    received,
    is_cumulative: false,
};

struct StandIn(Option<SocketAddr>);

impl Exporter for StandIn {
    fn name(&self) -> &str {
        "stand-in"
    }

    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        let address = self.0.ok_or_else(|| std::io::Error::other("no address"))?;
        let mut body = String::new();
        for (series, value) in delivery.delta().iter() {
            if let Value::Counter(count) = value {
                body += &format!("{} {count}\n", series.name());
            }
        }
        let mut stream = TcpStream::connect_timeout(&address, delivery.time_left())?;
        stream.set_write_timeout(Some(delivery.time_left()))?;
        stream.set_read_timeout(Some(delivery.time_left()))?;
        let length = body.len();
        write!(stream, "POST / HTTP/1.1\r\ncontent-length: {length}\r\n\r\n{body}")?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            answer.push(byte[0]);
        }
        let answer = String::from_utf8_lossy(&answer).to_lowercase();
        if answer.starts_with("http/1.1 2") {
            return Ok(());
        }
        let error = ExportError::new(FailureCause::Unavailable, answer.lines().next().unwrap());
        let silence = answer.lines().find_map(|line| line.strip_prefix("retry-after: "));
        Err(match silence.and_then(|silence| silence.parse().ok()) {
            Some(seconds @ 1..) => error.with_retry_after(Duration::from_secs(seconds)),
            _ => error,
        })
    }
}

fn received(requests: &[Request]) -> Sums {
    let mut sums = Sums::new();
    for line in requests.iter().flat_map(|request| request.text().lines()) {
        let (name, count) = line.split_once(' ').unwrap();
        *sums.entry(name.to_owned()).or_default() += count.parse::<u64>().unwrap();
    }
    sums
}
