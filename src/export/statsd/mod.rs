//! Plain StatsD, as Etsy's server reads it:
//! <https://github.com/statsd/statsd/blob/master/docs/metric_types.md>.
//!
//! - `name`: what series are called there. `line`: a series as lines.
#![forbid(unsafe_code)]

mod line;
mod name;

use super::datagram::{Address, AddressError, Packets, Point, Socket, UDP_BYTES};
use super::rendered::Rendered;
use crate::client::{Delivery, ExportError, Exporter};
use line::Encoding;
use name::NameSpelling;

/// Lines of a histogram in one delivery, by default.
const TIMER_LINES: usize = 100;

/// What becomes of labels, for which plain StatsD has no field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatsdTags {
    /// Their values are more parts of the name, in the order of their keys: `http.requests.GET`.
    /// Every server takes that.
    #[default]
    NameParts,
    /// They are Graphite's tags: `http.requests;method=GET`. For Etsy's server from version 0.9 on,
    /// with Graphite from version 1.1 on behind it.
    Graphite,
}

/// Sends to a plain StatsD server, such as Etsy's, over UDP. For a Datadog agent there is
/// `DogStatsd`.
///
/// ```text
/// http.requests.GET:3|c
/// queue.depth:4.5|g
/// balance:0|g
/// balance:-2|g
/// http.duration.GET:0.104|ms|@0.1
/// ```
///
/// | quipu | line |
/// |---|---|
/// | a counter | `c`: what was added since the last delivery, unless that is nothing |
/// | an up-down counter, a gauge | `g`: what it is now; NaN and infinities are dropped, and counted |
/// | a histogram | `ms`: what was recorded since the last delivery, in at most 100 lines |
///
/// Durations in histograms are in milliseconds, whatever their unit was; all other values are in
/// base units: seconds, bytes, ratios. The protocol takes a gauge with a sign for a change, so a
/// negative one comes after a line that sets it to 0, in the same datagram. Lines have one value
/// and no field but a sample rate, since servers take what they do not know for something else.
///
/// ```no_run
/// let exporter = quipu::Statsd::udp("127.0.0.1:8125")?.prefix("shop");
/// let client = quipu::Client::builder().exporter(exporter).start_or_disabled();
/// # Ok::<(), quipu::AddressError>(())
/// ```
///
/// # Histograms
///
/// A histogram with up to 100 records since the last delivery has a line for each. Of more, each
/// line stands for a hundredth of the records, with the value in their middle and a sample rate
/// that says how many they are; the first is the smallest record, and the last is the largest,
/// where these are known. So the weights add up to the count. Etsy's server uses weights for the
/// count and the rate only, and makes quantiles, means and sums of the lines as if each stood for
/// one record: quantiles and means are right to a hundredth of the ranks, a sum is that of the
/// lines. Values are moved within their buckets, by 3.2 %, 0.4 % or 0.05 % at most for 1, 2 or 3
/// significant digits. [`timer_lines`](Self::timer_lines) sets another number.
///
/// # Names
///
/// In names all but ASCII letters, digits, `_`, `-` and `.` becomes `_`; in what labels add, a
/// period does as well, and an empty value is `_`. Of names that come to the same the first keeps
/// it, and the others get eight hexadecimal digits appended.
///
/// # Loss
///
/// UDP has no acknowledgement. What counts is that the system took a datagram: each record is in
/// exactly one that it took, and one that it refuses is sent again. What can be lost: what a
/// server's buffer has no room for, and what is under way to another host when the server ends,
/// until the host's refusal comes back; on loopback the refusal comes with the datagram that it is
/// about. After a refusal, and at first, another host is sent an empty line and given 100 ms to
/// refuse that. A line that fits into no datagram is dropped and counted as too large. No send
/// blocks beyond the deadline of the attempt, and names of hosts are looked up in a thread of its
/// own.
///
/// Needs the feature `statsd`.
pub struct Statsd {
    socket: Socket,
    packets: Packets,
    spelling: NameSpelling,
    rendered: Rendered,
    points: Vec<Point>,
    timer_lines: usize,
}

impl Statsd {
    /// Sends to a host, with its port unless that is 8125: `127.0.0.1:8125`, `[::1]`,
    /// `statsd.example:8125`. Nothing is opened or looked up before the first delivery.
    ///
    /// # Errors
    ///
    /// [`AddressError::Host`], if it is no such text.
    pub fn udp(address: &str) -> Result<Self, AddressError> {
        Ok(Self::to(Address::udp(address)?))
    }

    /// The same for a URL, `udp://host:port`.
    pub(super) fn url(url: &str) -> Result<Self, AddressError> {
        match Address::url(url)? {
            address @ Address::Udp { .. } => Ok(Self::to(address)),
            #[cfg(unix)]
            _ => Err(AddressError::Scheme),
        }
    }

    fn to(address: Address) -> Self {
        Self {
            socket: Socket::new(address),
            packets: Packets::new(UDP_BYTES),
            spelling: NameSpelling::default(),
            rendered: Rendered::default(),
            points: Vec::new(),
            timer_lines: TIMER_LINES,
        }
    }

    /// Puts a prefix and a period in front of every name.
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.spelling.set_prefix(prefix);
        self
    }

    /// What becomes of labels.
    pub fn tags(mut self, tags: StatsdTags) -> Self {
        self.spelling.set_tags(tags);
        self
    }

    /// How many lines a histogram has in one delivery, at most; 100 by default, at least 1. With
    /// 1,000 the quantile 99.9 % means something.
    pub fn timer_lines(mut self, lines: usize) -> Self {
        self.timer_lines = lines.max(1);
        self
    }

    /// How large datagrams may be: 1,432 bytes by default, at least 64 and at most 65,507. Larger
    /// ones than a packet are cut up on the way, and each part can get lost.
    pub fn max_datagram_bytes(mut self, bytes: usize) -> Self {
        self.packets.set_max_bytes(bytes);
        self
    }
}

impl Exporter for Statsd {
    fn name(&self) -> &str {
        "statsd"
    }

    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        let Self { socket, packets, spelling, rendered, points, timer_lines } = self;
        rendered.follow(delivery.snapshot().catalog(), spelling);
        let mut encoding = Encoding { rendered, points, timer_lines: *timer_lines };
        packets.deliver(delivery, socket, &mut encoding)
    }
}

impl std::fmt::Debug for Statsd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Statsd").finish_non_exhaustive()
    }
}
