//! Which lines of which series are in the next datagram.
//!
//! Lines of a delta come in one order, and a datagram is a run of them. What the socket has taken
//! ends at a series and, within it, at an entry: the next datagram begins there, also in a later
//! attempt, since a delivery that was begun is finished with the same delta. A datagram that was
//! not taken leaves that place as it is. So each entry is in exactly one datagram that was taken.
#![forbid(unsafe_code)]

use super::DATAGRAM_BYTES;
use super::socket::{Refusal, Socket};
use crate::client::{Delivery, DropCause, ExportError};
use crate::export::batches::{Batch, Batches, Rest};
use crate::series::{Descriptor, Kind};
use crate::snapshot::Value;
use std::time::Duration;

/// Writes the lines of series.
pub(in crate::export) trait Encoder {
    /// Appends the entries of a series: none if there is nothing to say about it. The same item
    /// gives the same entries.
    fn encode(&mut self, item: &Item<'_>, lines: &mut Lines);
}

/// A series of a delta.
pub(in crate::export) struct Item<'a> {
    pub(in crate::export) rest: Rest<'a>,
    /// Its position in the catalog.
    pub(in crate::export) at: usize,
    pub(in crate::export) descriptor: &'a Descriptor,
    pub(in crate::export) value: Value<'a>,
}

impl Item<'_> {
    /// What an up-down counter adds up to.
    pub(in crate::export) fn total(&self) -> i64 {
        self.rest.totals.word_at(self.at) as i64
    }
}

/// The entries of one series: lines, or groups of lines that must stay together.
#[derive(Default)]
pub(in crate::export) struct Lines {
    text: Vec<u8>,
    ends: Vec<usize>,
    max_bytes: usize,
    is_unrepresentable: bool,
}

impl Lines {
    /// Where to write.
    pub(in crate::export) fn text(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// Ends an entry.
    pub(in crate::export) fn end(&mut self) {
        self.ends.push(self.text.len());
    }

    /// Where the entry that is being written began.
    #[cfg(feature = "dogstatsd")]
    pub(in crate::export) fn start(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// A longer entry fits into no datagram.
    #[cfg(feature = "dogstatsd")]
    pub(in crate::export) fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// Notes that the format has no way to say the value.
    pub(in crate::export) fn unrepresentable(&mut self) {
        self.is_unrepresentable = true;
    }

    fn clear(&mut self, max_bytes: usize) {
        self.text.clear();
        self.ends.clear();
        self.max_bytes = max_bytes;
        self.is_unrepresentable = false;
    }

    fn entry(&self, number: usize) -> &[u8] {
        let start = if number == 0 { 0 } else { self.ends[number - 1] };
        &self.text[start..self.ends[number]]
    }
}

/// What was sent, in total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::export) struct Sent {
    pub(in crate::export) datagrams: u64,
    pub(in crate::export) bytes: u64,
    /// Datagrams of a line that the system takes in none.
    pub(in crate::export) dropped_datagrams: u64,
    pub(in crate::export) dropped_bytes: u64,
    /// Series that were sent in whole.
    pub(in crate::export) counts: u64,
    pub(in crate::export) gauges: u64,
    pub(in crate::export) distributions: u64,
}

/// A place among the entries of a delta.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Place {
    sequence: u64,
    series: usize,
    entry: usize,
}

/// What is in a datagram.
#[derive(Default)]
struct Contents {
    end: Place,
    entries: usize,
    too_large: usize,
    unrepresentable: usize,
    sent: Sent,
}

pub(in crate::export) struct Packets {
    batches: Batches,
    packer: Packer,
}

/// Fills datagrams and sends them.
struct Packer {
    /// How large datagrams are to be, and what the system has been found to take.
    max_bytes: usize,
    limit: usize,
    /// Where the next one begins.
    begin: Place,
    /// Whose entries `lines` has.
    lines_of: Option<(u64, usize)>,
    lines: Lines,
    datagram: Vec<u8>,
    sent: Sent,
}

impl Packets {
    pub(in crate::export) fn new(max_bytes: usize) -> Self {
        let packer = Packer {
            max_bytes,
            limit: max_bytes,
            begin: Place::default(),
            lines_of: None,
            lines: Lines::default(),
            datagram: Vec::new(),
            sent: Sent::default(),
        };
        Self { batches: Batches::default(), packer }
    }

    pub(in crate::export) fn set_max_bytes(&mut self, max_bytes: usize) {
        let max_bytes = max_bytes.clamp(*DATAGRAM_BYTES.start(), *DATAGRAM_BYTES.end());
        (self.packer.max_bytes, self.packer.limit) = (max_bytes, max_bytes);
    }

    #[cfg(feature = "dogstatsd")]
    pub(in crate::export) fn sent(&self) -> Sent {
        self.packer.sent
    }

    /// Delivers what `delivery` has to.
    pub(in crate::export) fn deliver(
        &mut self,
        delivery: &Delivery<'_>,
        socket: &mut Socket,
        encoder: &mut impl Encoder,
    ) -> Result<(), ExportError> {
        socket.leave_replaced_file();
        let Self { batches, packer } = self;
        batches.deliver(delivery, |rest| packer.send(rest, delivery, socket, encoder))
    }

    /// Sends lines that are about no series, in a datagram or several.
    #[cfg(feature = "dogstatsd")]
    pub(in crate::export) fn send_lines(
        &mut self,
        lines: &[u8],
        delivery: &Delivery<'_>,
        socket: &mut Socket,
    ) -> Result<(), ()> {
        self.packer.send_lines(lines, delivery, socket)
    }
}

impl Packer {
    #[cfg(feature = "dogstatsd")]
    fn send_lines(
        &mut self,
        lines: &[u8],
        delivery: &Delivery<'_>,
        socket: &mut Socket,
    ) -> Result<(), ()> {
        let mut lines = lines.split(|&byte| byte == b'\n').peekable();
        while lines.peek().is_some() {
            self.datagram.clear();
            while let Some(line) = lines
                .next_if(|line| self.datagram.is_empty() || self.has_room(line.len(), self.limit))
            {
                append(&mut self.datagram, line);
            }
            socket.send(&self.datagram, patience(delivery)).map_err(drop)?;
            self.sent.datagrams += 1;
            self.sent.bytes += self.datagram.len() as u64;
        }
        Ok(())
    }

    fn send(
        &mut self,
        rest: Rest<'_>,
        delivery: &Delivery<'_>,
        socket: &mut Socket,
        encoder: &mut impl Encoder,
    ) -> Batch {
        loop {
            let contents = self.pack(rest, encoder);
            let bytes = self.datagram.len();
            if bytes == 0 {
                return self.commit(contents, delivery);
            }
            match socket.send(&self.datagram, patience(delivery)) {
                Ok(()) => {
                    delivery.count_bytes(bytes);
                    self.sent.datagrams += 1;
                    self.sent.bytes += bytes as u64;
                    return self.commit(contents, delivery);
                }
                Err(Refusal::TooLarge) if contents.entries > 1 => self.limit = bytes / 2,
                Err(Refusal::TooLarge) => {
                    delivery.count_dropped(DropCause::TooLarge, 1);
                    self.sent.dropped_datagrams += 1;
                    self.sent.dropped_bytes += bytes as u64;
                    return self.commit(contents, delivery);
                }
                Err(Refusal::Failed(error)) => {
                    return Batch { end: rest.from, values: 0, outcome: Err(error) };
                }
            }
        }
    }

    /// Notes that what is in the datagram is done with.
    fn commit(&mut self, contents: Contents, delivery: &Delivery<'_>) -> Batch {
        delivery.count_dropped(DropCause::TooLarge, contents.too_large);
        delivery.count_dropped(DropCause::Unrepresentable, contents.unrepresentable);
        self.sent.counts += contents.sent.counts;
        self.sent.gauges += contents.sent.gauges;
        self.sent.distributions += contents.sent.distributions;
        self.begin = contents.end;
        Batch { end: contents.end.series, values: 0, outcome: Ok(()) }
    }

    /// Fills the datagram with what comes next, as far as there is room.
    fn pack(&mut self, rest: Rest<'_>, encoder: &mut impl Encoder) -> Contents {
        self.datagram.clear();
        let sequence = rest.delta.sequence();
        let begin = Place { sequence, series: rest.from, entry: 0 };
        // Of another delta, or of one before a panic.
        let is_same = (self.begin.sequence, self.begin.series) == (sequence, rest.from);
        let mut first = if is_same { self.begin.entry } else { begin.entry };
        let mut contents = Contents::default();
        for (series, descriptor, value) in rest.delta.iter_from(rest.from) {
            if self.lines_of != Some((sequence, series)) {
                self.lines.clear(self.max_bytes);
                let at = rest.delta.catalog().sorted()[series] as usize;
                encoder.encode(&Item { rest, at, descriptor, value }, &mut self.lines);
                self.lines_of = Some((sequence, series));
            }
            for number in first..self.lines.ends.len() {
                let bytes = self.lines.entry(number).len();
                if bytes > self.max_bytes {
                    contents.too_large += 1;
                    continue;
                }
                if !self.datagram.is_empty() && !self.has_room(bytes, self.limit) {
                    contents.end = Place { sequence, series, entry: number };
                    return contents;
                }
                append(&mut self.datagram, self.lines.entry(number));
                contents.entries += 1;
            }
            first = 0;
            contents.unrepresentable += usize::from(self.lines.is_unrepresentable);
            if !self.lines.ends.is_empty() {
                let sent = &mut contents.sent;
                *match descriptor.kind() {
                    Kind::Counter => &mut sent.counts,
                    Kind::UpDownCounter | Kind::Gauge => &mut sent.gauges,
                    Kind::Histogram => &mut sent.distributions,
                } += 1;
            }
        }
        contents.end = Place { sequence, series: rest.delta.len(), entry: 0 };
        contents
    }

    fn has_room(&self, bytes: usize, limit: usize) -> bool {
        self.datagram.len() + 1 + bytes <= limit
    }
}

fn append(datagram: &mut Vec<u8>, lines: &[u8]) {
    if !datagram.is_empty() {
        datagram.push(b'\n');
    }
    datagram.extend_from_slice(lines);
}

/// How long a datagram may wait: an attempt that ends by its deadline has not overrun.
fn patience(delivery: &Delivery<'_>) -> Duration {
    delivery.time_left().mul_f64(0.9)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::client::{Client, Exporter};
    use crate::export::datagram::Address;
    use crate::export::number::push_integer;
    use crate::registry::Registry;
    use std::net::UdpSocket;
    use std::sync::Arc;

    struct Plain {
        packets: Packets,
        socket: Socket,
    }

    /// `value` as an entry for each of the names' letters.
    struct Digits;

    impl Encoder for Digits {
        fn encode(&mut self, item: &Item<'_>, lines: &mut Lines) {
            if let Value::Counter(added @ 1..) = item.value {
                push_integer(lines.text(), added);
                lines.end();
            }
        }
    }

    impl Exporter for Plain {
        fn name(&self) -> &str {
            "plain"
        }

        fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
            self.packets.deliver(delivery, &mut self.socket, &mut Digits)
        }
    }

    #[test]
    fn what_is_larger_than_the_system_takes_is_cut_into_smaller_datagrams() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = receiver.local_addr().unwrap();
        let registry = Arc::new(Registry::new());
        let mut recorded = 0_u128;
        for at in 0..5_000_u64 {
            let value = u64::MAX / 2 + at;
            recorded += u128::from(value);
            registry.counter(&format!("c{at}")).register().unwrap().add(value);
        }
        let reader = std::thread::spawn(move || {
            let (mut sum, mut buffer) = (0_u128, vec![0; 1 << 16]);
            loop {
                let length = receiver.recv(&mut buffer).unwrap();
                let text = std::str::from_utf8(&buffer[..length]).unwrap();
                if text == "end" {
                    return sum;
                }
                // The client's own are small.
                let values = text.split('\n').map(|line| line.parse::<u128>().unwrap());
                sum += values.filter(|&value| value > 1 << 40).sum::<u128>();
            }
        });
        // Beyond what can be chosen.
        let packets = Packets::new(200_000);
        let socket = Socket::new(Address::udp(&address.to_string()).unwrap());
        let client = Client::builder().registry(registry).exporter(Plain { packets, socket });
        let client = client.start().unwrap();
        assert!(client.stop(Duration::from_secs(60)).is_delivered());
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"end", address).unwrap();
        assert_eq!(reader.join().unwrap(), recorded);
    }
}
