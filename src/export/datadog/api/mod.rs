//! Datadog's API for metrics: <https://docs.datadoghq.com/api/latest/metrics/#submit-metrics>.
//!
//! - `body`: series as JSON. `intake`: requests. `error`: why an exporter cannot be set up.
#![forbid(unsafe_code)]

mod body;
mod error;
mod intake;

pub use error::DatadogError;

use super::tags::{SERVICE_TAGS, Tags};
use crate::client::{Delivery, ExportError, Exporter, Secret};
use crate::export::batches::Batches;
use crate::export::rendered::Rendered;
use crate::export::web::leads_to_this_machine;
use body::SeriesSpelling;
use intake::Intake;

const PATH: &str = "/api/v2/series";
const DEFAULT_SITE: &str = "datadoghq.com";

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
    batches: Batches,
    spelling: SeriesSpelling,
    rendered: Rendered,
    intake: Intake,
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
            batches: Batches::default(),
            spelling: SeriesSpelling::new(tags, host()),
            rendered: Rendered::default(),
            intake: Intake::new(key),
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

    /// A key, or `https://KEY@host`, or `http://KEY@127.0.0.1:8080/path` for a proxy on this machine.
    pub(in crate::export) fn dsn(dsn: &str) -> Result<Self, DatadogError> {
        if let Some(rest) = dsn.strip_prefix("http://") {
            let (key, place) = rest.split_once('@').ok_or(DatadogError::Key)?;
            // Further than this machine a key does not go unencrypted.
            let url = format!("http://{place}");
            if !leads_to_this_machine(&url) {
                return Err(DatadogError::Site);
            }
            return Self::new(key)?.endpoint(&url);
        }
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
        self.intake.url = format!("{}{PATH}", url.trim_end_matches('/'));
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
}

impl Exporter for Datadog {
    fn name(&self) -> &str {
        "datadog"
    }

    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        let Self { batches, spelling, rendered, intake } = self;
        rendered.follow(delivery.snapshot().catalog(), spelling);
        intake.begin(delivery);
        batches.deliver(delivery, |rest| intake.send(rest, rendered, delivery))
    }
}

impl std::fmt::Debug for Datadog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Datadog").finish_non_exhaustive()
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
    fn a_key_goes_unencrypted_no_further_than_this_machine() {
        for place in ["127.0.0.1:8428/datadog", "localhost", "[::1]:1", "[::1]/x", "127.9.9.9"] {
            assert!(Datadog::dsn(&format!("http://k@{place}")).is_ok(), "{place}");
        }
        let others =
            ["host", "api.datadoghq.com", "10.0.0.1:80", "localhost.example", "127.0.0.1.example"];
        for place in others {
            let refused = Datadog::dsn(&format!("http://k@{place}")).err();
            assert_eq!(refused, Some(DatadogError::Site), "{place}");
        }
    }

    #[test]
    fn sites_and_endpoints_are_urls_below_which_series_go() {
        let url =
            |exporter: Result<Datadog, DatadogError>| exporter.map(|it| it.intake.url).unwrap();
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
        for dsn in ["", "a-b", "logs/key", "https://key", "//k@host", "https://@h"] {
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
        assert_eq!(exporter.intake.url, "https://api.us5.datadoghq.com/api/v2/series");
        assert_eq!(exporter.intake.key.expose(), "abc");
        assert_eq!(of(&[("DD_SITE", "x")]).err(), Some(DatadogError::Key));
        assert_eq!(of(&[("DD_API_KEY", "a"), ("DD_SITE", "/")]).err(), Some(DatadogError::Site));
    }
}
