//! Sentry: metrics, errors and transactions.
//!
//! The protocol is the SDK's, its types and its DSN; what sends is this crate's, so that a request has
//! a deadline, and nothing waits in a queue that drops.
#![forbid(unsafe_code)]

mod dsn;
mod event;
mod labels;
mod limits;
mod metrics;
mod origin;
mod transaction;
mod transport;
mod unsent;

pub use dsn::SentryDsnError;

use super::batches::{Batch, Batches};
use crate::client::{
    CapturedError, CapturedTrace, Delivery, ErrorDelivery, ExportError, Exporter, FailureCause,
    TraceDelivery, tell,
};
use dsn::Address;
use limits::Category;
use metrics::MetricEncoder;
use origin::Origin;
use transport::Transport;
use unsent::{Outcome, Unsent};

/// The form of a DSN, for messages.
pub(super) const DSN_FORM: &str = "it like https://KEY@o1.ingest.sentry.io/42, as the project's settings show it under Client Keys";

const SDK_NAME: &str = "quipu";
const SDK_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Sends metrics, captured errors and traces to Sentry, without an agent or the SDK's client.
///
/// ```no_run
/// let sentry = quipu::Sentry::new("https://key@o1.ingest.sentry.io/42")?.release("shop@1.4.2");
/// let client = quipu::Client::builder().exporter(sentry).start_or_disabled();
/// # drop(client);
/// # Ok::<(), quipu::SentryDsnError>(())
/// ```
///
/// # Metrics
///
/// Each flush sends what changed, as Sentry's application metrics:
///
/// | recorded | in Sentry |
/// |---|---|
/// | counter `jobs` | counter `jobs`: what was added since the last flush, unless that is nothing |
/// | gauge `depth` | gauge `depth`: the reading, at each flush |
/// | up-down counter `active` | gauge `active`: the sum, at each flush |
/// | histogram `latency` | counter `latency.count`: values since the last flush; gauges `latency.p50`, `latency.p90`, `latency.p99` and `latency.max` of these values; nothing if there were none |
///
/// Sentry has no type for a distribution that is counted already: its own is made of single values, one
/// item for each. So the sum of `latency.count` is exact over any time and any number of machines, as is
/// the `max` of `latency.max` (within a bucket's width, 0.8 % with two digits, as the quantiles); but
/// quantiles of several flushes or machines cannot be put together, and an average of p99s is no p99.
/// Where that is needed, let an [`Endpoint`](crate#answering) or OTLP serve it.
///
/// Labels are attributes; beside them stand `sentry.release`, `sentry.environment`, `server.address`
/// (the [`server_name`](Self::server_name)), `sentry.sdk.name` and `sentry.sdk.version`, unless a
/// label has that name. Units are Sentry's (`nanosecond`, `byte`, `ratio`, `percent`); values are sent
/// as recorded. Counters have none there. The time is the snapshot's, and all belong to one random trace.
///
/// An envelope has up to 1,000 items, and one is sent after the other until all are: there is no limit
/// to the number of series. Each is sent again, alone, until Sentry has taken it, so what was recorded
/// arrives once, whatever fails; only where the connection breaks between Sentry's taking one and its
/// answer, that one envelope is counted twice. Not delivered, and counted in `quipu.export.dropped`:
/// series whose items have 2 KiB or more each, long labels included (`too_large`), since Sentry drops
/// those; gauges that are not finite (`unrepresentable`); and envelopes that it refuses (`refused`).
///
/// # Errors
///
/// Each is an event of its own, with its sources, its context as extra data, its thread; level `error`.
/// Panics have level `fatal`, are unhandled, and have their location and backtrace as extra data;
/// Sentry groups them by the location. One whose answer was lost is sent again with the same id, by
/// which Sentry recognises it.
///
/// # Traces
///
/// Each is a transaction. Its status is that of the attribute `http.response.status_code`, or whether
/// it [failed](crate::CapturedTrace::failed).
///
/// # Rate limits
///
/// Sentry's are obeyed, by `X-Sentry-Rate-Limits` and `Retry-After`, for each of the three kinds by
/// itself and up to an hour at a time: nothing of that kind is sent meanwhile. Metrics wait, without
/// loss; while they do, errors are tried every five minutes. Errors wait as long as there is room for
/// them. Traces are dropped, and counted in `quipu.traces.dropped`.
pub struct Sentry {
    transport: Transport,
    origin: Origin,
    metrics: MetricEncoder,
    batches: Batches,
    errors: Unsent<CapturedError>,
    traces: Unsent<CapturedTrace>,
    envelope: Vec<u8>,
}

impl Sentry {
    /// Sends to the project of a DSN, which looks like `https://KEY@o1.ingest.sentry.io/42`.
    ///
    /// Release and environment are what `SENTRY_RELEASE` and `SENTRY_ENVIRONMENT` say. Without the
    /// latter the environment is `development` where quipu was compiled with debug assertions, and
    /// otherwise `production`. Connects when there is something to send.
    ///
    /// # Errors
    ///
    /// If it is no such DSN. The error does not show it.
    pub fn new(dsn: &str) -> Result<Self, SentryDsnError> {
        Ok(Self {
            transport: Transport::new(Address::parse(dsn)?),
            origin: Origin::of_environment(),
            metrics: MetricEncoder::new(),
            batches: Batches::default(),
            errors: Unsent::new(),
            traces: Unsent::new(),
            envelope: Vec::new(),
        })
    }

    /// Sends to the project of the DSN in the environment's `SENTRY_DSN`.
    ///
    /// # Errors
    ///
    /// If it is not set, and those of [`new`](Self::new).
    pub fn from_env() -> Result<Self, SentryDsnError> {
        let dsn = std::env::var_os("SENTRY_DSN").filter(|dsn| !dsn.is_empty());
        Self::new(&dsn.ok_or(SentryDsnError::Missing)?.to_string_lossy())
    }

    /// The release that runs, such as `shop@1.4.2`.
    #[must_use]
    pub fn release(mut self, release: impl Into<String>) -> Self {
        self.origin.release = Some(release.into());
        self
    }

    /// Where it runs, such as `staging`.
    #[must_use]
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        self.origin.environment = environment.into();
        self
    }

    /// The machine that it runs on. None by default: set it where several send the same series, so that
    /// their gauges can be told apart.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.origin.server_name = Some(name.into());
        self
    }
}

impl Exporter for Sentry {
    fn name(&self) -> &str {
        "sentry"
    }

    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        let Self { transport, origin, metrics, batches, envelope, .. } = self;
        batches.deliver(delivery, |rest| {
            let encoded = metrics.encode(rest, origin, envelope);
            let outcome = match encoded.items {
                0 => Ok(()),
                _ => transport.send(Category::Metrics, envelope, delivery.time_left()),
            };
            let will_come_again = match &outcome {
                Ok(()) => {
                    delivery.count_bytes(if encoded.items == 0 { 0 } else { envelope.len() });
                    false
                }
                Err(error) => error.cause() != FailureCause::Rejected,
            };
            if !will_come_again {
                encoded.count_dropped(delivery);
            }
            Batch { end: encoded.end, values: encoded.values, outcome }
        })
    }

    fn takes_errors(&self) -> bool {
        true
    }

    fn export_errors(&mut self, delivery: &ErrorDelivery<'_>) -> Result<(), ExportError> {
        let Self { transport, origin, envelope, .. } = self;
        let outcome = self.errors.deliver(delivery.errors(), |error, id| {
            event::encode(error, id, origin, envelope).map_err(unspeakable)?;
            transport.send(Category::Errors, envelope, delivery.time_left())
        })?;
        settled(outcome, "errors", |refused| delivery.count_rejected(refused))
    }

    fn takes_traces(&self) -> bool {
        true
    }

    fn export_traces(&mut self, delivery: &TraceDelivery<'_>) -> Result<(), ExportError> {
        let Self { transport, origin, envelope, .. } = self;
        let mut rate_limited = 0;
        let outcome = self.traces.deliver(delivery.traces(), |trace, id| {
            transaction::encode(trace, id, origin, envelope).map_err(unspeakable)?;
            let sent = transport.send(Category::Transactions, envelope, delivery.time_left());
            match sent {
                Err(error)
                    if error.cause() == FailureCause::RateLimited
                        && transport.is_limited(Category::Transactions) =>
                {
                    rate_limited += 1;
                    Ok(())
                }
                sent => sent,
            }
        });
        delivery.count_rate_limited(rate_limited);
        settled(outcome?, "traces", |refused| delivery.count_rejected(refused))
    }
}

/// Ends a delivery of which nothing is to come again: if all of it was refused, as a failure; if a part
/// was, with `count` for that part.
fn settled(outcome: Outcome, what: &str, count: impl FnOnce(usize)) -> Result<(), ExportError> {
    let Outcome { taken, refused, refusal } = outcome;
    match refusal {
        Some(refusal) if taken == 0 => return Err(refusal),
        Some(refusal) => {
            let all = taken + refused;
            let text = format_args!("sentry refused {refused} of {all} {what}: {refusal}");
            tell(log::Level::Warn, text);
            count(refused);
        }
        None => {}
    }
    Ok(())
}

/// The clock of what cannot be encoded is beyond the protocol's years.
fn unspeakable(error: std::io::Error) -> ExportError {
    ExportError::new(FailureCause::Rejected, error)
}

impl std::fmt::Debug for Sentry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Origin { release, environment, server_name } = &self.origin;
        f.debug_struct("Sentry")
            .field("release", release)
            .field("environment", environment)
            .field("server_name", server_name)
            .finish_non_exhaustive()
    }
}
