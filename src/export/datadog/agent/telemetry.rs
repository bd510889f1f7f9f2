//! What Datadog's clients tell of themselves
//! (<https://docs.datadoghq.com/developers/dogstatsd/high_throughput/#client-side-telemetry>).
#![forbid(unsafe_code)]

use super::line::LineSpelling;
use crate::client::Delivery;
use crate::export::datadog::tags::tag;
use crate::export::datagram::{Packets, Sent, Socket};
use crate::export::number::push_integer;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_secs(10);

pub(super) struct Telemetry {
    transport: &'static str,
    /// What was told, and when.
    told: Sent,
    told_at: Option<Instant>,
    text: Vec<u8>,
}

impl Telemetry {
    pub(super) fn new(transport: &'static str) -> Self {
        Self { transport, told: Sent::default(), told_at: None, text: Vec::new() }
    }

    /// Sends what there is to tell, if it is time. What is not taken is part of the next one.
    pub(super) fn tell(
        &mut self,
        delivery: &Delivery<'_>,
        packets: &mut Packets,
        socket: &mut Socket,
        spelling: &LineSpelling,
    ) {
        let now = delivery.snapshot().instant();
        let since = *self.told_at.get_or_insert(now);
        if now.saturating_duration_since(since) < INTERVAL && !delivery.is_last() {
            return;
        }
        self.told_at = Some(now);
        let sent = packets.sent();
        self.write(sent, spelling);
        if packets.send_lines(&self.text, delivery, socket).is_ok() {
            self.told = sent;
        }
    }

    fn write(&mut self, sent: Sent, spelling: &LineSpelling) {
        let mut tags: Vec<String> = spelling.naming.tags.written().collect();
        tags.push(tag("client", "quipu"));
        tags.push(tag("client_version", env!("CARGO_PKG_VERSION")));
        tags.push(tag("client_transport", self.transport));
        let told = self.told;
        let counts = sent.counts - told.counts;
        let gauges = sent.gauges - told.gauges;
        let distributions = sent.distributions - told.distributions;
        let all = counts + gauges + distributions;
        let dropped_datagrams = sent.dropped_datagrams - told.dropped_datagrams;
        let dropped_bytes = sent.dropped_bytes - told.dropped_bytes;
        let types = [("gauge", gauges), ("count", counts), ("distribution", distributions)];
        self.text.clear();
        for (total, by_type) in
            [("metrics", "metrics_by_type"), ("aggregated_context", "aggregated_context_by_type")]
        {
            self.line(total, all, &tags, spelling);
            for (name, value) in types {
                tags.push(tag("metrics_type", name));
                self.line(by_type, value, &tags, spelling);
                tags.pop();
            }
        }
        for (name, value) in [
            ("packets_sent", sent.datagrams - told.datagrams),
            ("packets_dropped", dropped_datagrams),
            ("packets_dropped_queue", 0),
            ("packets_dropped_writer", dropped_datagrams),
            ("bytes_sent", sent.bytes - told.bytes),
            ("bytes_dropped", dropped_bytes),
            ("bytes_dropped_queue", 0),
            ("bytes_dropped_writer", dropped_bytes),
        ] {
            self.line(name, value, &tags, spelling);
        }
    }

    fn line(&mut self, name: &str, value: u64, tags: &[String], spelling: &LineSpelling) {
        if !self.text.is_empty() {
            self.text.push(b'\n');
        }
        self.text.extend_from_slice(b"datadog.dogstatsd.client.");
        self.text.extend_from_slice(name.as_bytes());
        self.text.push(b':');
        push_integer(&mut self.text, value);
        self.text.extend_from_slice(b"|c");
        spelling.tail(tags, &mut self.text);
    }
}
