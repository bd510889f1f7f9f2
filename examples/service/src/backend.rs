//! An exporter of the service's own: it sends what counters have gained, and how much histograms have
//! recorded, to a server that adds it up.
//!
//! ```text
//! batch STREAM FROM TO LINES        one connection for each batch; STREAM is this process
//! GAIN NAME{KEY="VALUE",..}         as many lines as said
//! stored TO                         the server's answer
//! ```
//!
//! An answer may be lost on the way: the server has stored the batch then, and the next one holds the
//! same gains once more. Both begin at the same `FROM`, the snapshot that was acknowledged last. So the
//! server keeps one batch for each `FROM`, the one with the larger `TO`, and adds up those.

use quipu::{Delivery, ExportError, Exporter, FailureCause, Snapshot, Value};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::UNIX_EPOCH;

pub struct Backend {
    address: SocketAddr,
    text: String,
}

impl Backend {
    pub fn at(address: SocketAddr) -> Self {
        Self { address, text: String::new() }
    }

    fn encode(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        let delta = delivery.delta();
        let gains = || {
            let gains = delta.iter().filter_map(|(series, value)| match value {
                Value::Counter(gain) => Some((series, gain)),
                Value::Histogram(values) => Some((series, values.count())),
                _ => None,
            });
            gains.filter(|(_, gain)| *gain != 0)
        };
        // A process that was forked, or has another one's number, began at another time.
        let began = delivery.snapshot().since().duration_since(UNIX_EPOCH)?.as_nanos();
        let stream = format!("{}-{began}", std::process::id());
        let from = delivery.acknowledged().map_or(0, Snapshot::sequence);
        let (to, lines) = (delivery.snapshot().sequence(), gains().count());
        self.text = format!("batch {stream} {from} {to} {lines}\n");
        for (series, gain) in gains() {
            self.text += &format!("{gain} {series}\n");
        }
        Ok(())
    }
}

impl Exporter for Backend {
    fn name(&self) -> &str {
        "backend"
    }

    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        self.encode(delivery)?;
        let mut stream = TcpStream::connect_timeout(&self.address, delivery.time_left())?;
        stream.set_write_timeout(Some(delivery.time_left()))?;
        stream.write_all(self.text.as_bytes())?;
        delivery.count_bytes(self.text.len());

        stream.set_read_timeout(Some(delivery.time_left()))?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        if answer == format!("stored {}\n", delivery.snapshot().sequence()) {
            return Ok(());
        }
        let answer = answer.trim_end().escape_debug();
        Err(ExportError::new(FailureCause::Rejected, format!("it answered \"{answer}\"")))
    }
}
