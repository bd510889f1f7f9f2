//! Datadog's API for metrics: <https://docs.datadoghq.com/api/latest/metrics/#submit-metrics>.
//!
//! - `body`: series as JSON. `error`: why an exporter cannot be set up.
#![forbid(unsafe_code)]

mod body;
mod error;

pub use error::DatadogError;

use super::seconds::Seconds;
use super::tags::{SERVICE_TAGS, Tags};
use crate::client::{Delivery, DropCause, ExportError, Exporter, FailureCause, Secret, tell};
use crate::export::batches::{Batch, Batches, Rest};
use crate::export::gzip::Gzip;
use crate::export::rendered::Rendered;
use crate::export::web::{Answer, Post, Web};
use body::{Body, SeriesSpelling};
use std::time::Duration;

const PATH: &str = "/api/v2/series";
const DEFAULT_SITE: &str = "datadoghq.com";
/// Below the API's limits, which are 5 MiB and 500 KiB.
const MAX_PLAIN_BYTES: usize = 3 << 20;
const MAX_COMPRESSED_BYTES: usize = 480 << 10;
/// So far points may be ahead of their time before deliveries are slowed down.
const MAX_AHEAD_S: u64 = 10;

/// Sends to Datadog over HTTPS, without an agent.
///
/// | quipu | Datadog |
/// |---|---|
/// | a counter | a count: what was added since the last delivery, unless that is nothing |
/// | an up-down counter, a gauge | a gauge; NaN and infinities are dropped, and counted |
/// | a histogram that recorded something since the last delivery | a count `NAME.count`, and gauges `NAME.avg`, `NAME.median`, `NAME.95percentile`, `NAME.99percentile` and `NAME.max`: what the agent makes of one, and one quantile more |
///
/// Values are in base units, seconds, bytes and ratios, and say so. Quantiles are the upper bound
/// of their bucket: too large by 6.25 %, 0.79 % or 0.1 % at most for 1, 2 or 3 significant digits.
/// They cannot be added up over machines; where that is needed, send to an agent, by `DogStatsd`,
/// or to an OpenTelemetry collector.
///
/// ```no_run
/// let exporter = quipu::Datadog::new("0123456789abcdef0123456789abcdef")?
///     .site("datadoghq.eu")?
///     .tag("team", "search");
/// let client = quipu::Client::builder().exporter(exporter).start_or_disabled();
/// # Ok::<(), quipu::DatadogError>(())
/// ```
///
/// # Names and tags
///
/// As for `DogStatsd`: in names all but ASCII letters, digits, `_` and `.` becomes `_`, and so do
/// `|`, `,`, `#`, white space and control characters in tags; names longer than 184 characters and
/// tags longer than 200 are cut; what would be one series is told apart. `DD_ENV`, `DD_SERVICE` and
/// `DD_VERSION` are the tags `env`, `service` and `version`, over which [`tag`](Self::tag) and
/// labels win. The host is `DD_HOSTNAME`, or what the system calls itself; [`host`](Self::host)
/// sets another one.
///
/// # Deliveries
///
/// A point is of the second in which its snapshot was taken. Of points of one series in one second
/// Datadog keeps the last, so each delivery has a second of its own, and *each process needs a tag
/// that tells it apart* from others on its host that record the same. What cannot be delivered for
/// a longer time follows as one point; one older than 55 minutes is sent as of 55 minutes ago,
/// since Datadog takes none older than an hour.
///
/// A delivery goes in requests of at most 3 MiB, 480 KiB compressed. One that fails is sent again
/// from the request on that failed, with the same values and times, so that what was taken although
/// the answer got lost is replaced by the same. What Datadog refuses for good is dropped and
/// counted, and so are the errors of an answer that takes the rest. Requests end by the deadline of
/// the attempt.
///
/// The key goes to the chosen site only, in a header; no message, log line or `Debug` shows it.
///
/// Needs the feature `datadog`.
pub struct Datadog {
    web: Web,
    key: Secret,
    url: String,
    batches: Batches,
    spelling: SeriesSpelling,
    rendered: Rendered,
    seconds: Seconds,
    body: Body,
    /// How large a body may be; smaller where it did not shrink enough, or was too large for the
    /// server.
    max_bytes: usize,
    gzip: Gzip,
    compressed: Vec<u8>,
}

impl Datadog {
    /// Sends to `datadoghq.com` with this API key.
    ///
    /// # Errors
    ///
    /// [`DatadogError::Key`], if it is no text of ASCII letters and digits.
    pub fn new(api_key: impl Into<Secret>) -> Result<Self, DatadogError> {
        let key = api_key.into();
        let text = key.expose();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(DatadogError::Key);
        }
        let tags = Tags::from_variables(&SERVICE_TAGS, variable);
        let exporter = Self {
            web: Web::new(),
            key,
            url: String::new(),
            batches: Batches::default(),
            spelling: SeriesSpelling::new(tags, host()),
            rendered: Rendered::default(),
            seconds: Seconds::default(),
            body: Body::default(),
            max_bytes: MAX_PLAIN_BYTES,
            gzip: Gzip::new(),
            compressed: Vec::new(),
        };
        exporter.site(DEFAULT_SITE)
    }

    /// Sends with the key `DD_API_KEY` to the site `DD_SITE`, which is `datadoghq.com` if it is not
    /// set.
    ///
    /// # Errors
    ///
    /// [`DatadogError`], if there is no key, or one of them cannot be used.
    pub fn from_env() -> Result<Self, DatadogError> {
        Self::from_variables(variable)
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, DatadogError> {
        let exporter = Self::new(variable("DD_API_KEY").unwrap_or_default())?;
        match variable("DD_SITE") {
            Some(site) => exporter.site(&site),
            None => Ok(exporter),
        }
    }

    /// A key, or `https://KEY@host`.
    pub(in crate::export) fn dsn(dsn: &str) -> Result<Self, DatadogError> {
        let Some(rest) = dsn.strip_prefix("https://") else { return Self::new(dsn) };
        let (key, host) = rest.split_once('@').ok_or(DatadogError::Key)?;
        let host = host.strip_suffix('/').unwrap_or(host);
        if !is_host(host) {
            return Err(DatadogError::Site);
        }
        Self::new(key)?.endpoint(&format!("https://{host}"))
    }

    /// Sends to another site: `datadoghq.eu`, `us3.datadoghq.com`, `ddog-gov.com`.
    ///
    /// # Errors
    ///
    /// [`DatadogError::Site`], if it is no name of a host.
    pub fn site(self, site: &str) -> Result<Self, DatadogError> {
        if !is_host(site) || site.contains(':') {
            return Err(DatadogError::Site);
        }
        self.endpoint(&format!("https://api.{site}"))
    }

    /// Sends to a proxy, or to something else that takes the same requests: to `/api/v2/series`
    /// below this URL, such as `https://proxy.example:8443/datadog`. With `http` the key goes
    /// unencrypted.
    ///
    /// # Errors
    ///
    /// [`DatadogError::Endpoint`], if it is no URL of `https` or `http` without user, query and
    /// fragment.
    pub fn endpoint(mut self, url: &str) -> Result<Self, DatadogError> {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let host = rest.and_then(|rest| rest.split('/').next());
        let is_plain =
            url.bytes().all(|byte| byte.is_ascii_graphic() && !b"@?#\"\\<>".contains(&byte));
        if !host.is_some_and(is_host) || !is_plain {
            return Err(DatadogError::Endpoint);
        }
        self.url = format!("{}{PATH}", url.trim_end_matches('/'));
        Ok(self)
    }

    /// Adds a tag to every series, in place of one with the same key.
    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.spelling.naming.tags.set(key, value);
        self
    }

    /// Puts a prefix and a period in front of every name.
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.spelling.naming.set_prefix(prefix);
        self
    }

    /// The host that series are of; none if it is empty.
    pub fn host(mut self, host: &str) -> Self {
        self.spelling.host = host.to_owned();
        self
    }

    /// Sends one request, with as many series as fit.
    fn send(&mut self, rest: Rest<'_>, delivery: &Delivery<'_>) -> Batch {
        let second = self.seconds.of(rest.delta, delivery);
        loop {
            let filled = self.body.fill(rest, &self.rendered, second, self.max_bytes);
            let end = filled.end;
            let done = |outcome| Batch { end, values: filled.values, outcome };
            if filled.values == 0 {
                delivery.count_dropped(DropCause::Unrepresentable, filled.unrepresentable);
                return done(Ok(()));
            }
            self.compressed.clear();
            self.gzip.compress(self.body.text(), &mut self.compressed);
            let can_shrink = filled.values > 1;
            if self.compressed.len() > MAX_COMPRESSED_BYTES && can_shrink {
                self.max_bytes = self.body.text().len() / 2;
                continue;
            }
            let answer = match self.post(delivery.time_left()) {
                Ok(answer) if answer.status() == 413 && can_shrink => {
                    self.max_bytes = self.body.text().len() / 2;
                    continue;
                }
                answer => answer.and_then(Answer::taken),
            };
            let is_done = match &answer {
                Ok(_) => true,
                Err(error) => error.cause() == FailureCause::Rejected,
            };
            if is_done {
                delivery.count_dropped(DropCause::Unrepresentable, filled.unrepresentable);
            }
            return match answer {
                Ok(answer) => {
                    delivery.count_bytes(self.compressed.len());
                    count_errors(&answer, &self.key, delivery);
                    done(Ok(()))
                }
                Err(error) => done(Err(error)),
            };
        }
    }

    fn post(&self, timeout: Duration) -> Result<Answer, ExportError> {
        self.web.post(&Post {
            url: &self.url,
            headers: &[
                ("dd-api-key", self.key.expose()),
                ("content-type", "application/json"),
                ("content-encoding", "gzip"),
            ],
            body: &self.compressed,
            timeout,
        })
    }
}

impl Exporter for Datadog {
    fn name(&self) -> &str {
        "datadog"
    }

    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        self.rendered.follow(delivery.snapshot().catalog(), &mut self.spelling);
        // Deliveries of less than a second's distance each have a second of their own all the same.
        if self.seconds.ahead_of(delivery.snapshot().time()) > MAX_AHEAD_S && !delivery.is_last() {
            std::thread::sleep(Duration::from_secs(1).min(delivery.time_left() / 2));
        }
        self.max_bytes = (self.max_bytes * 2).min(MAX_PLAIN_BYTES);
        let mut batches = std::mem::take(&mut self.batches);
        let outcome = batches.deliver(delivery, |rest| self.send(rest, delivery));
        self.batches = batches;
        outcome
    }
}

impl std::fmt::Debug for Datadog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Datadog").finish_non_exhaustive()
    }
}

/// What Datadog says about series that it did not take, in an answer that it took the others. They
/// would be refused again.
fn count_errors(answer: &Answer, key: &Secret, delivery: &Delivery<'_>) {
    let answer: serde_json::Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let Some(errors) = answer.get("errors").and_then(|errors| errors.as_array()) else { return };
    if let Some(first) = errors.first() {
        delivery.count_dropped(DropCause::Refused, errors.len());
        let first = first.to_string().replace(key.expose(), "[secret]");
        let first: String = first.chars().take(200).collect();
        tell(
            log::Level::Warn,
            format_args!(
                "datadog took a request but for {} errors, the first of which is {first}",
                errors.len()
            ),
        );
    }
}

/// What a variable of the environment says; an empty one says nothing.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn host() -> String {
    let kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = variable("DD_HOSTNAME").or_else(kernel).or_else(|| variable("HOSTNAME"));
    name.unwrap_or_default().trim().to_owned()
}

/// A name or an address, perhaps with a port.
fn is_host(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[') && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_and_endpoints_are_urls_below_which_series_go() {
        let url = |exporter: Result<Datadog, DatadogError>| exporter.map(|it| it.url).unwrap();
        let new = || Datadog::new("k").unwrap();
        assert_eq!(url(Datadog::new("k")), "https://api.datadoghq.com/api/v2/series");
        assert_eq!(url(new().site("datadoghq.eu")), "https://api.datadoghq.eu/api/v2/series");
        assert_eq!(url(Datadog::dsn("k1")), "https://api.datadoghq.com/api/v2/series");
        let eu = "https://k@api.datadoghq.eu";
        assert_eq!(url(Datadog::dsn(eu)), "https://api.datadoghq.eu/api/v2/series");
        let proxy = new().endpoint("http://127.0.0.1:8428/datadog/");
        assert_eq!(url(proxy), "http://127.0.0.1:8428/datadog/api/v2/series");
        for site in ["", "a/b", "user@host", "a b", "a:1", "https://a"] {
            assert_eq!(new().site(site).err(), Some(DatadogError::Site), "{site}");
        }
        for url in ["", "datadoghq.eu", "https://", "https://u@h", "https://h/?q", "ftp://h"] {
            assert_eq!(new().endpoint(url).err(), Some(DatadogError::Endpoint), "{url}");
        }
        for dsn in ["", "a-b", "logs/key", "https://key", "http://k@host", "//k@host", "https://@h"]
        {
            assert_eq!(Datadog::dsn(dsn).err(), Some(DatadogError::Key), "{dsn}");
        }
        assert_eq!(Datadog::dsn("https://k@h/42").err(), Some(DatadogError::Site));
    }

    #[test]
    fn the_environment_has_key_and_site() {
        let of = |pairs: &[(&str, &str)]| {
            Datadog::from_variables(|name| {
                let pair = pairs.iter().find(|(other, _)| *other == name);
                pair.map(|(_, value)| (*value).to_owned())
            })
        };
        let exporter = of(&[("DD_API_KEY", "abc"), ("DD_SITE", "us5.datadoghq.com")]).unwrap();
        assert_eq!(exporter.url, "https://api.us5.datadoghq.com/api/v2/series");
        assert_eq!(exporter.key.expose(), "abc");
        assert_eq!(of(&[("DD_SITE", "x")]).err(), Some(DatadogError::Key));
        assert_eq!(of(&[("DD_API_KEY", "a"), ("DD_SITE", "/")]).err(), Some(DatadogError::Site));
    }
}
