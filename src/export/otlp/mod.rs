//! OpenTelemetry's protocol over HTTP, in protobuf: <https://opentelemetry.io/docs/specs/otlp/>.
//!
//! - `settings`: what the environment and the program say; `pairs`: lists in variables; `error`.
//! - `plan`, `resource`: what stays the same, rendered once. `request`: snapshots as bytes.
//! - `collector`: the bytes on their way; `answer`: what comes back. `field`: the protocol's numbers.
#![forbid(unsafe_code)]

mod answer;
mod collector;
mod error;
mod field;
mod pairs;
mod plan;
mod request;
mod resource;
mod settings;

pub use error::OtlpError;

use super::batches::{Batch, Batches};
use super::web::origin;
use crate::client::{Delivery, DropCause, ExportError, Exporter, FailureCause, tell};
use answer::PartialSuccess;
use collector::{Collector, rejected};
use request::{Readings, Requests};
use resource::Resource;
use settings::Settings;
use std::fmt;
use std::time::Duration;

/// What numbers of counters and histograms are since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Temporality {
    /// The start of the process: totals. What is lost on the way comes again with the next ones.
    #[default]
    Cumulative,
    /// The delivery before: for backends that add up what they are told, as Datadog does.
    Delta,
}

impl Temporality {
    /// In the enumeration `AggregationTemporality`.
    fn number(self) -> u64 {
        match self {
            Self::Delta => 1,
            Self::Cumulative => 2,
        }
    }
}

/// Sends each delivery to an OpenTelemetry collector, or whatever else takes OTLP over HTTP.
///
/// | quipu | OTLP |
/// |---|---|
/// | counter | `Sum`, monotonic |
/// | up-down counter | `Sum`, not monotonic, always cumulative |
/// | gauge | `Gauge` |
/// | histogram | `ExponentialHistogram` of scale 3, 6 or 8 for 1, 2 or 3 significant digits |
///
/// Names and labels are as they were registered. Values are converted to base units: `s`, `By`, and
/// `1` for ratios, of which percents are hundredths. Counts that need no conversion are integers, and
/// doubles above 2^63 - 1. A value of a histogram is in a bucket that holds it, or a
/// value at most 3.2 %, 0.4 % or 0.05 % away from it; count, sum, minimum and maximum are beside them.
/// A gauge that is NaN or infinite is left out, and counted in `quipu.export.dropped`.
///
/// Points have the time of their snapshot, and as their start the time that counts began: another one
/// than before means that the process has restarted. The resource has `service.name`
/// (`unknown_service:` and the program's name unless it is set), `service.instance.id` (chance; another
/// one in a forked child), `process.pid` and `telemetry.sdk.*`.
///
/// # Deliveries
///
/// Requests have at most 4,000,000 bytes before compression; a larger delivery is several. Of answers,
/// 429, 502, 503 and 504 are tried again, `Retry-After` is honoured, and all other failures are for
/// good, as the protocol says. What is refused for good comes again with the next totals if they are
/// cumulative; deltas are dropped then, and counted. A delta is delivered once, also if a request of a
/// delivery fails and others do not; only where a request was taken and its answer was lost it comes
/// twice. Counters and histograms that did not change are in no delta. Points that a collector says it
/// rejected are counted as dropped, and what it remarks is logged.
///
/// Needs the feature `otlp`.
///
/// ```no_run
/// use quipu::{Client, Otlp, Temporality};
///
/// let otlp = Otlp::new("http://127.0.0.1:4318")?
///     .resource("service.name", "shop")
///     .header("api-key", "..")?
///     .temporality(Temporality::Delta)
///     .gzip(true);
/// let client = Client::builder().exporter(otlp).start()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Otlp {
    settings: Settings,
    batches: Batches,
    sender: Sender,
}

/// Makes a request, sends it and keeps the books.
struct Sender {
    requests: Requests,
    resource: Resource,
    collector: Collector,
    /// Room for a request.
    request: Vec<u8>,
    /// Answers that said that not all was taken, or remarked something.
    remarks: u64,
}

impl Otlp {
    /// An exporter to the collector at `endpoint`, to whose path `/v1/metrics` is appended. The
    /// environment is not looked at.
    ///
    /// A user and a password in the address are sent as basic authentication.
    ///
    /// # Errors
    ///
    /// [`OtlpError::InvalidEndpoint`].
    pub fn new(endpoint: &str) -> Result<Self, OtlpError> {
        Settings::new(endpoint).map(Self::with)
    }

    /// An exporter as the environment describes it, by the variables of
    /// [OpenTelemetry's SDKs](https://opentelemetry.io/docs/specs/otel/protocol/exporter/). An empty
    /// variable counts as unset.
    ///
    /// | variable | meaning | default |
    /// |---|---|---|
    /// | `OTEL_EXPORTER_OTLP_ENDPOINT` | the collector; `/v1/metrics` is appended | `http://localhost:4318` |
    /// | `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT` | the whole address | |
    /// | `OTEL_EXPORTER_OTLP_HEADERS` | `key=value,key=value`, percent-encoded | none |
    /// | `OTEL_EXPORTER_OTLP_TIMEOUT` | milliseconds for a request; 0 for none | 10000 |
    /// | `OTEL_EXPORTER_OTLP_COMPRESSION` | `gzip` or `none` | `none` |
    /// | `OTEL_EXPORTER_OTLP_PROTOCOL` | `http/protobuf`: there is no other | |
    /// | `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` | `cumulative`, `delta` or `lowmemory`, which is as `delta` here | `cumulative` |
    /// | `OTEL_RESOURCE_ATTRIBUTES` | `key=value,key=value`, percent-encoded | none |
    /// | `OTEL_SERVICE_NAME` | the attribute `service.name` | |
    ///
    /// Instead of the third to the sixth, those with `_METRICS` after `OTLP` are taken if they are set.
    /// Others, as those for certificates, are not looked at.
    ///
    /// # Errors
    ///
    /// [`OtlpError`] names the variable that cannot be understood.
    pub fn from_env() -> Result<Self, OtlpError> {
        Self::from_env_at(None)
    }

    /// The same, with an endpoint that replaces that of the environment.
    pub(super) fn from_env_at(endpoint: Option<&str>) -> Result<Self, OtlpError> {
        Settings::from_variables(endpoint, std::env::var_os).map(Self::with)
    }

    fn with(settings: Settings) -> Self {
        Self {
            settings,
            batches: Batches::default(),
            sender: Sender {
                requests: Requests::new(),
                resource: Resource::default(),
                collector: Collector::new(),
                request: Vec::new(),
                remarks: 0,
            },
        }
    }

    /// Sends a header with each request, instead of an earlier one of that name. Its value is in no
    /// message.
    ///
    /// # Errors
    ///
    /// [`OtlpError::InvalidHeader`], if HTTP does not allow it, or if it is one that says what the
    /// request is, as `Content-Type`.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, OtlpError> {
        self.settings.add_header(None, name, value)?;
        Ok(self)
    }

    /// Sets an attribute of the resource, instead of an earlier one of that key.
    #[must_use]
    pub fn resource(mut self, key: &str, value: &str) -> Self {
        self.settings.add_attribute(key, value);
        self.sender.resource.forget();
        self
    }

    /// What counters and histograms are since; by default they are cumulative.
    #[must_use]
    pub fn temporality(mut self, temporality: Temporality) -> Self {
        self.settings.temporality = temporality;
        self
    }

    /// Whether requests are compressed; by default they are not. They shrink to a tenth or less.
    #[must_use]
    pub fn gzip(mut self, is_compressed: bool) -> Self {
        self.settings.is_compressed = is_compressed;
        self
    }

    /// How long a request may take, 10 seconds by default; zero for no limit but the client's, which
    /// is [`attempt_timeout`](crate::ClientBuilder::attempt_timeout) for a whole delivery.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    fn send_totals(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        let readings = Readings { totals: delivery.snapshot(), delta: None };
        let (mut refusal, mut from) = (None, 0);
        while from < readings.totals.len() {
            let batch = self.sender.send(&self.settings, readings, from, delivery);
            match batch.outcome {
                // The others may be taken.
                Err(error) if error.cause() == FailureCause::Rejected => refusal = Some(error),
                outcome => outcome?,
            }
            from = batch.end;
        }
        refusal.map_or(Ok(()), Err)
    }

    fn send_deltas(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        self.batches.deliver(delivery, |rest| {
            let readings = Readings { totals: rest.totals, delta: Some(rest.delta) };
            let batch = self.sender.send(&self.settings, readings, rest.from, delivery);
            let outcome = batch.outcome.map_err(|error| match error.cause() {
                // Must not be sent again either.
                FailureCause::Unauthorized => rejected(&error),
                _ => error,
            });
            Batch { outcome, ..batch }
        })
    }
}

impl Sender {
    /// Sends as many series, from a place on, as fit into a request.
    fn send(
        &mut self,
        settings: &Settings,
        readings: Readings<'_>,
        from: usize,
        delivery: &Delivery<'_>,
    ) -> Batch {
        let resource = self.resource.rendered(&settings.attributes);
        let encoded = self.requests.encode(readings, from, resource, &mut self.request);
        let mut outcome = Ok(());
        if encoded.points != 0 {
            match self.collector.send(settings, &self.request, delivery.time_left()) {
                Ok(taken) => {
                    delivery.count_bytes(taken.bytes);
                    if let Some(partial) = taken.partial {
                        self.note(&partial, &taken.origin, delivery);
                    }
                }
                Err(error) => outcome = Err(error),
            }
        }
        // What is sent again is counted then.
        let is_over = |error: &ExportError| {
            matches!(error.cause(), FailureCause::Rejected | FailureCause::Unauthorized)
        };
        if outcome.as_ref().err().is_none_or(is_over) {
            delivery.count_dropped(DropCause::Unrepresentable, encoded.unrepresentable);
        }
        Batch { end: encoded.end, values: encoded.points, outcome }
    }

    fn note(&mut self, partial: &PartialSuccess, origin: &str, delivery: &Delivery<'_>) {
        let PartialSuccess { rejected, message } = partial;
        let rejected_count = usize::try_from(*rejected).unwrap_or(usize::MAX);
        delivery.count_dropped(DropCause::Refused, rejected_count);
        self.remarks += 1;
        if self.remarks.is_power_of_two() {
            tell(
                log::Level::Warn,
                format_args!(
                    "{origin} took a request and rejected {rejected} points of it: {message}; \
                     remarks so far: {}",
                    self.remarks
                ),
            );
        }
    }
}

impl Exporter for Otlp {
    fn name(&self) -> &str {
        "otlp"
    }

    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        match self.settings.temporality {
            Temporality::Cumulative => self.send_totals(delivery),
            Temporality::Delta => self.send_deltas(delivery),
        }
    }
}

impl fmt::Debug for Otlp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Otlp")
            .field("origin", &origin(&self.settings.url))
            .field("temporality", &self.settings.temporality)
            .field("is_compressed", &self.settings.is_compressed)
            .field("timeout", &self.settings.timeout)
            .finish_non_exhaustive()
    }
}
