//! DogStatsD: <https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/>.
//!
//! - `line`: a series as lines. `origin`: which container the process is in.
//! - `telemetry`: what Datadog's clients tell of themselves.
#![forbid(unsafe_code)]

mod line;
mod origin;
mod telemetry;

use super::seconds::Seconds;
use super::tags::{SERVICE_TAGS, Tags};
use crate::client::{Delivery, ExportError, Exporter};
use crate::export::datagram::{Address, AddressError, Packets, Socket, UDP_BYTES};
use crate::export::rendered::Rendered;
use line::{LineEncoder, LineSpelling};
#[cfg(unix)]
use std::path::Path;
use telemetry::Telemetry;

/// The agent's own default.
const UNIX_BYTES: usize = 8_192;

/// Sends to a Datadog agent by its protocol DogStatsD, over UDP or a Unix socket.
///
/// ```text
/// http.requests:3|c|#env:prod,method:GET|c:ci-83ed81..
/// http.active:2|g|#env:prod|c:ci-83ed81..
/// http.duration:0.000104:0.00291|d|#env:prod|c:ci-83ed81..
/// http.duration:0.000219|d|@0.001|#env:prod|c:ci-83ed81..
/// ```
///
/// | quipu | line |
/// |---|---|
/// | a counter | `c`: what was added since the last delivery, unless that is nothing |
/// | an up-down counter, a gauge | `g`: what it is now; NaN and infinities are dropped, and counted |
/// | a histogram | `d`: what was recorded since the last delivery |
///
/// Values are in base units: seconds, bytes, ratios. The agent makes rates of counters, in its own
/// intervals of 10 seconds, and sketches of distributions, which Datadog adds up over machines.
///
/// ```no_run
/// let exporter = quipu::DogStatsd::udp("127.0.0.1:8125")?.tag("team", "search").prefix("shop");
/// let client = quipu::Client::builder().exporter(exporter).start_or_disabled();
/// # Ok::<(), quipu::AddressError>(())
/// ```
///
/// # Distributions
///
/// A record is moved to the middle of its bucket, by 3.2 %, 0.4 % or 0.05 % of the value at most
/// for 1, 2 or 3 significant digits; the smallest and the largest are exact where they are known.
/// Values that stand for the same number of records are packed into one line; if that is n, with the
/// sample rate 1/n, chosen so that the agent's weight is n again, to the last record. So counts are
/// exact, and quantiles are as precise as the buckets and the agent's sketch (1 %) together. Older
/// agents' sketches give up small values when they get more than 268 million records in 10 seconds.
///
/// # Names and tags
///
/// In names all but ASCII letters, digits, `_` and `.` becomes `_`; in tags, `|`, `,`, `#`, white
/// space and control characters do. Datadog makes letters of tags small. Names longer than 200
/// characters are cut, and so are tags. What would be one series at Datadog after all that is told
/// apart: a name gets eight hexadecimal digits appended, a series a tag `quipu_series`.
///
/// `DD_ENV`, `DD_SERVICE` and `DD_VERSION` are the tags `env`, `service` and `version` of every
/// line, `DD_ENTITY_ID` is `dd.internal.entity_id`; a tag that is set by [`tag`](Self::tag), and a
/// label, wins over them. `DD_EXTERNAL_ENV`, and the container that the process runs in, go with
/// every line as well, for the agent to add the container's tags; see
/// [`without_origin_detection`](Self::without_origin_detection).
///
/// # Loss
///
/// The protocol has no acknowledgement. What counts is that the system took a datagram: each record
/// is in exactly one that it took. One that it refuses (nobody listens, no such socket, no room in
/// time, too large) is sent again, and so is one that was not finished on a stream, of which the
/// agent takes nothing. When the agent restarts or its socket is replaced, the next datagram goes
/// to the new one.
///
/// What can be lost: datagrams that an agent has not read yet when it ends, or that its buffer has
/// no room for, which UDP does not tell; and over UDP to another host, those under way when the
/// agent ends, until the host's refusal comes back. On loopback the refusal comes with the datagram
/// that it is about. After a refusal, and at first, another host is sent an empty line and given
/// 100 ms to refuse that. A line that fits into no datagram is dropped and counted as too large.
///
/// No send blocks beyond the deadline of the attempt. Names of hosts are looked up, and Unix
/// streams connected, in a thread of its own.
///
/// # Telemetry
///
/// Every 10 seconds, and at the end, lines `datadog.dogstatsd.client.*` go with a delivery:
/// metrics, packets and bytes sent and dropped, with the tags `client:quipu`, `client_version` and
/// `client_transport`; see [`without_telemetry`](Self::without_telemetry).
///
/// Needs the feature `dogstatsd`.
pub struct DogStatsd {
    socket: Socket,
    packets: Packets,
    spelling: LineSpelling,
    rendered: Rendered,
    encoder: LineEncoder,
    seconds: Seconds,
    has_timestamps: bool,
    telemetry: Option<Telemetry>,
}

impl DogStatsd {
    /// Sends over UDP to a host, with its port unless that is 8125: `127.0.0.1:8125`, `[::1]`,
    /// `agent.example:8125`. Nothing is opened or looked up before the first delivery.
    ///
    /// # Errors
    ///
    /// [`AddressError::Host`], if it is no such text.
    pub fn udp(address: &str) -> Result<Self, AddressError> {
        Ok(Self::to(Address::udp(address)?))
    }

    /// Sends datagrams to the Unix socket at `path`, which need not exist yet.
    ///
    /// # Errors
    ///
    /// [`AddressError::Path`], if it can be none of a socket.
    #[cfg(unix)]
    pub fn unix_datagram(path: impl AsRef<Path>) -> Result<Self, AddressError> {
        Ok(Self::to(Address::unix_datagram(path.as_ref())?))
    }

    /// Sends over a stream to the Unix socket at `path`, which need not exist yet. Each datagram
    /// has its length in front, in four bytes, little endian.
    ///
    /// # Errors
    ///
    /// [`AddressError::Path`], if it can be none of a socket.
    #[cfg(unix)]
    pub fn unix_stream(path: impl AsRef<Path>) -> Result<Self, AddressError> {
        Ok(Self::to(Address::unix_stream(path.as_ref())?))
    }

    /// Sends to a URL: `udp://host:port`, `unixgram:///path`, `unixstream:///path`, or
    /// `unix:///path` for whichever of the two the socket is.
    ///
    /// # Errors
    ///
    /// [`AddressError`], if it is none of these.
    pub fn url(url: &str) -> Result<Self, AddressError> {
        Ok(Self::to(Address::url(url)?))
    }

    /// Sends to where the environment says: to the URL `DD_DOGSTATSD_URL`, else by UDP to the host
    /// `DD_AGENT_HOST` and the port `DD_DOGSTATSD_PORT`, which are 127.0.0.1 and 8125 if they are
    /// not set.
    ///
    /// # Errors
    ///
    /// [`AddressError`], if one of them cannot be used.
    pub fn from_env() -> Result<Self, AddressError> {
        Ok(Self::to(address_from(variable)?))
    }

    fn to(address: Address) -> Self {
        let bytes = if matches!(address, Address::Udp { .. }) { UDP_BYTES } else { UNIX_BYTES };
        let socket = Socket::new(address);
        let mut variables = SERVICE_TAGS.to_vec();
        variables.push(("DD_ENTITY_ID", "dd.internal.entity_id"));
        let telemetry = Telemetry::new(socket.transport());
        Self {
            socket,
            packets: Packets::new(bytes),
            spelling: LineSpelling::new(
                Tags::from_variables(&variables, variable),
                origin::fields(variable),
            ),
            rendered: Rendered::default(),
            encoder: LineEncoder::default(),
            seconds: Seconds::default(),
            has_timestamps: false,
            telemetry: Some(telemetry),
        }
    }

    /// Adds a tag to every line, in place of one with the same key.
    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.spelling.naming.tags.set(key, value);
        self
    }

    /// Puts a prefix and a period in front of every name.
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.spelling.naming.set_prefix(prefix);
        self
    }

    /// How large datagrams may be: 1,432 bytes over UDP and 8,192 over Unix sockets by default; at
    /// least 64 and at most 65,507.
    ///
    /// Over UDP larger ones are cut into packets on the way, each of which can get lost. The agent
    /// reads at most its setting `dogstatsd_buffer_size`, which is 8,192, and ignores the rest.
    /// What is larger than the system takes is cut into smaller datagrams.
    pub fn max_datagram_bytes(mut self, bytes: usize) -> Self {
        self.packets.set_max_bytes(bytes);
        self
    }

    /// Gives counts and gauges the time of their snapshot, for an agent from version 7.40 on. By
    /// default they have none.
    ///
    /// The agent then passes them on as they are, instead of adding them up in its intervals:
    /// counts stay counts rather than becoming rates, and those of a delivery that was late are of
    /// the time when they were recorded. But of all points that a series has in one second Datadog
    /// keeps the last one, so every process needs a tag that tells it apart from others on its
    /// host.
    pub fn with_timestamps(mut self) -> Self {
        self.has_timestamps = true;
        self
    }

    /// Sends no telemetry.
    pub fn without_telemetry(mut self) -> Self {
        self.telemetry = None;
        self
    }

    /// Leaves out which container the process is in. By default it is told, unless
    /// `DD_ORIGIN_DETECTION_ENABLED` is `false`: the container's id, or the inode of its control
    /// group where that is not visible, found in `/proc` once, and `DD_EXTERNAL_ENV`.
    pub fn without_origin_detection(mut self) -> Self {
        self.spelling.origin.clear();
        self
    }
}

impl Exporter for DogStatsd {
    fn name(&self) -> &str {
        "dogstatsd"
    }

    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        let Self { socket, packets, spelling, rendered, encoder, seconds, .. } = self;
        rendered.follow(delivery.snapshot().catalog(), spelling);
        let time_of = |delta: &_| self.has_timestamps.then(|| seconds.of(delta, delivery));
        packets.deliver(delivery, socket, &mut encoder.with(rendered, time_of))?;
        if let Some(telemetry) = &mut self.telemetry {
            telemetry.tell(delivery, packets, socket, spelling);
        }
        Ok(())
    }
}

impl std::fmt::Debug for DogStatsd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DogStatsd").finish_non_exhaustive()
    }
}

/// What a variable of the environment says; an empty one says nothing.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn address_from(variable: impl Fn(&str) -> Option<String>) -> Result<Address, AddressError> {
    if let Some(url) = variable("DD_DOGSTATSD_URL") {
        return Address::url(&url);
    }
    let host = variable("DD_AGENT_HOST").unwrap_or_else(|| "127.0.0.1".to_owned());
    if host.contains("://") {
        return Address::url(&host);
    }
    let bracketed = if host.contains(':') { format!("[{host}]") } else { host };
    match variable("DD_DOGSTATSD_PORT") {
        Some(port) => Address::udp(&format!("{bracketed}:{port}")),
        None => Address::udp(&bracketed),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn address(variables: &[(&str, &str)]) -> Result<String, AddressError> {
        let find = |name: &str| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        address_from(find).map(|address| address.to_string())
    }

    #[test]
    fn the_environment_says_where_the_agent_is() {
        let (host, port, url) = ("DD_AGENT_HOST", "DD_DOGSTATSD_PORT", "DD_DOGSTATSD_URL");
        for (variables, expected) in [
            (&[][..], "udp://127.0.0.1:8125"),
            (&[(host, "10.0.0.1")], "udp://10.0.0.1:8125"),
            (&[(host, "agent"), (port, "9125")], "udp://agent:9125"),
            (&[(host, "::1"), (port, "9125")], "udp://[::1]:9125"),
            (&[(port, "9125")], "udp://127.0.0.1:9125"),
            (&[(url, "udp://a:1"), (host, "b"), (port, "2")], "udp://a:1"),
        ] {
            assert_eq!(address(variables).as_deref(), Ok(expected));
        }
        assert_eq!(address(&[(port, "x")]), Err(AddressError::Host));
        assert_eq!(address(&[(url, "a:1")]), Err(AddressError::Scheme));
    }
}
