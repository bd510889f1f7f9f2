//! What Prometheus has scraped is what the registry held.

use super::server::{Prometheus, version};
use super::{body, text};
use quipu::{Counter, Endpoint, Gauge, Histogram, PrometheusFormat, PrometheusNames, Registry};
use quipu::{Snapshot, Unit, UpDownCounter};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Name and labels, sorted, without empty ones.
type Identity = (String, BTreeMap<String, String>);

/// A scrape job, and what comes of it.
#[derive(Clone)]
struct Job {
    name: &'static str,
    settings: &'static str,
    format: PrometheusFormat,
    names: PrometheusNames,
    has_classic: bool,
}

const TEXT: Job = Job {
    name: "text",
    settings: "  scrape_protocols: [PrometheusText0.0.4]",
    format: PrometheusFormat::Text,
    names: PrometheusNames::Underscores,
    has_classic: true,
};
const OPENMETRICS: Job = Job {
    name: "openmetrics",
    settings: "  scrape_protocols: [OpenMetricsText1.0.0]",
    format: PrometheusFormat::OpenMetrics,
    ..TEXT
};
const PROTOBUF: Job = Job {
    name: "protobuf",
    settings: "  scrape_protocols: [PrometheusProto]\n  scrape_classic_histograms: true",
    format: PrometheusFormat::Protobuf,
    ..TEXT
};
/// What is asked for without any settings.
const DEFAULT: Job = Job { name: "default", settings: "", ..OPENMETRICS };
const DEFAULT_NATIVE: Job =
    Job { format: PrometheusFormat::Protobuf, has_classic: false, ..DEFAULT };

/// Prometheus 3 asks for names as they were registered, unless it asks for protobuf.
const TEXT_UTF8: Job = Job {
    name: "text_utf8",
    settings: "  scrape_protocols: [PrometheusText1.0.0]",
    names: PrometheusNames::Utf8,
    ..TEXT
};
const OPENMETRICS_UTF8: Job =
    Job { name: "openmetrics_utf8", names: PrometheusNames::Utf8, ..OPENMETRICS };
const OPENMETRICS_ESCAPED: Job = Job {
    name: "openmetrics_escaped",
    settings: "  scrape_protocols: [OpenMetricsText1.0.0]\n  metric_name_escaping_scheme: underscores",
    ..OPENMETRICS
};
const PROTOBUF_3: Job = Job {
    settings: "  scrape_protocols: [PrometheusProto]\n  always_scrape_classic_histograms: true",
    ..PROTOBUF
};
const DEFAULT_UTF8: Job = Job { names: PrometheusNames::Utf8, ..DEFAULT };

#[test]
#[ignore = "needs Prometheus, in QUIPU_PROMETHEUS"]
fn prometheus_knows_what_the_registry_held() {
    let native = ["--enable-feature=native-histograms"];
    match version() {
        // Formats cannot be chosen yet.
        (2, ..49) => {
            scrape(&[DEFAULT], &[]);
            scrape(&[DEFAULT_NATIVE], &native);
        }
        (2, _) => {
            scrape(&[DEFAULT], &[]);
            scrape(&[TEXT, OPENMETRICS, PROTOBUF, DEFAULT_NATIVE], &native);
        }
        _ => {
            scrape(&[DEFAULT_UTF8], &[]);
            let by_name = [TEXT_UTF8, OPENMETRICS_UTF8];
            let by_identifier = [TEXT, OPENMETRICS_ESCAPED, PROTOBUF_3, DEFAULT_NATIVE];
            scrape(&[&by_name[..], &by_identifier].concat(), &native);
        }
    }
}

struct Service {
    registry: Arc<Registry>,
    stage: Gauge,
    requests: Vec<Counter>,
    active: UpDownCounter,
    gauges: Vec<Gauge>,
    coarse: Histogram<1>,
    duration: Histogram,
    fine: Histogram<3>,
    size: Histogram,
}

/// Values of labels that are hard to write down.
fn hostile_texts() -> Vec<String> {
    let mut texts: Vec<_> =
        ["\"", "\\", "\n", "\\n", "a\"b\\c\nd", "\u{3c0}\u{1f9f6}", "} 1", "\t", "\r"]
            .map(str::to_owned)
            .to_vec();
    texts.push("\u{3c0}\"\\\n".repeat(819));
    texts.push(String::new());
    texts
}

impl Service {
    fn new() -> Self {
        let registry = Arc::new(Registry::new());
        let request = |value: &String| {
            let counter =
                registry.counter("http.requests").help("With \"quotes\"\n\\").label("v", value);
            counter.register().unwrap()
        };
        let mut requests: Vec<_> = hostile_texts().iter().map(request).collect();
        // Names and labels that fall together.
        requests.push(registry.counter("http_requests").register().unwrap());
        requests.push(registry.counter("twin").label("k.k", "1").register().unwrap());
        requests.push(registry.counter("twin").label("k_k", "1").register().unwrap());
        requests.push(registry.counter("twin").label("k_k", "").register().unwrap());
        requests.push(registry.counter("twin").register().unwrap());
        requests.push(registry.counter("spent").unit(Unit::Nanoseconds).register().unwrap());
        let gauge = |kind: &&str| registry.gauge("reading").label("kind", kind).register().unwrap();
        let size = registry.histogram("size").unit(Unit::Bytes).label("le", "mine");
        Self {
            stage: registry.gauge("stage").register().unwrap(),
            requests,
            active: registry.up_down_counter("active").register().unwrap(),
            gauges: ["nan", "inf", "-inf", "plain", "stale"].iter().map(gauge).collect(),
            coarse: registry
                .histogram("coarse")
                .unit(Unit::Milliseconds)
                .significant_digits::<1>()
                .register()
                .unwrap(),
            duration: registry.histogram("duration").unit(Unit::Nanoseconds).register().unwrap(),
            fine: registry
                .histogram("fine")
                .unit(Unit::Microseconds)
                .significant_digits::<3>()
                .register()
                .unwrap(),
            size: size.register().unwrap(),
            registry,
        }
    }

    /// Records what is known, and says so in the last gauge.
    fn record(&self, stage: u64) {
        for (at, counter) in self.requests.iter().enumerate() {
            counter.add(1_000 * stage + at as u64);
        }
        self.active.add(-5);
        let stale = f64::from_bits(0x7ff0_0000_0000_0002);
        let readings = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.1 + stage as f64, stale];
        self.gauges.iter().zip(readings).for_each(|(gauge, reading)| gauge.set(reading));
        for step in 0..20_000_u64 {
            // From 100 us to 5.6 s, denser where they are small.
            let nanoseconds = 100_000.0 * (step as f64 * 5.5e-4).exp() * stage as f64 / 3.0;
            self.coarse.record((nanoseconds / 1e6) as u64);
            self.duration.record(nanoseconds as u64);
            self.fine.record((nanoseconds / 1e3) as u64);
        }
        self.size.record_n(0, stage);
        if stage == 3 {
            let late = self.registry.counter("late").label("v", "\u{3c0}").register().unwrap();
            late.add(7);
        }
        self.stage.set(stage as f64);
    }
}

fn scrape(jobs: &[Job], flags: &[&str]) {
    let service = Service::new();
    let endpoint = Endpoint::builder().registry(service.registry.clone()).build();
    let served = endpoint.serve("127.0.0.1:0").unwrap();
    service.record(1);
    let first = service.registry.snapshot();
    let settings: Vec<_> = jobs.iter().map(|job| (job.name, job.settings)).collect();
    let prometheus = Prometheus::start(&settings, flags, served.local_addr().unwrap());
    for stage in 1..=3 {
        if stage != 1 {
            service.record(stage);
        }
        for job in jobs {
            let query = format!("stage{{job={:?}}}", job.name);
            prometheus.wait_until(&format!("{query} is {stage}"), || {
                prometheus.number(&query) == Some(stage as f64)
            });
        }
    }
    let last = service.registry.snapshot();
    for job in jobs {
        let seen = Seen { prometheus: &prometheus, job };
        seen.check_all_series(&last);
        seen.check_increase(&first, &last);
        seen.check_distributions(&last);
        seen.check_scrapes();
        let format = format!("{:?}", job.format).to_lowercase();
        let bodies = last.counter("quipu.endpoint.expositions", &[("format", &format)]);
        assert!(bodies.is_some_and(|bodies| bodies >= 3), "{bodies:?} of {format}");
    }
    let log = prometheus.log().to_lowercase();
    for fault in
        ["level=error", "num_dropped", "duplicate", "ppend failed", "out-of-order", "out of order"]
    {
        assert!(!log.contains(fault), "{log}");
    }
}

/// What Prometheus knows by one job.
struct Seen<'a> {
    prometheus: &'a Prometheus,
    job: &'a Job,
}

impl Seen<'_> {
    /// `JOB` stands for the label of this job, `{REQUESTS}` for a counter by it, under its name.
    fn number(&self, query: &str) -> f64 {
        let requests = match self.job.names {
            PrometheusNames::Underscores => "http_requests_total{JOB}",
            PrometheusNames::Utf8 => "{\"http.requests_total\",JOB}",
        };
        let query = query.replace("{REQUESTS}", requests);
        let query = query.replace("JOB", &format!("job={:?}", self.job.name));
        self.prometheus.number(&query).unwrap_or_else(|| panic!("no {query}"))
    }

    /// Every sample of the formats is there, with its value, and no other.
    fn check_all_series(&self, snapshot: &Snapshot) {
        let has_created = self.job.format == PrometheusFormat::OpenMetrics;
        // Prometheus 3 spells bounds like OpenMetrics, however they came.
        let is_open = self.job.format != PrometheusFormat::Text || version() >= (3, 0);
        let format = if is_open { PrometheusFormat::OpenMetrics } else { PrometheusFormat::Text };
        let body = body(snapshot, format, self.job.names);
        let histograms: Vec<_> = text::families(&body, is_open)
            .into_iter()
            .filter(|family| family.kind == "histogram")
            .map(|family| family.name)
            .collect();
        let is_classic = |name: &str| {
            histograms.iter().any(|histogram| {
                let suffix = name.strip_prefix(histogram.as_str());
                suffix.is_some_and(|suffix| ["_bucket", "_sum", "_count"].contains(&suffix))
            })
        };
        let mut expected: BTreeMap<Identity, u64> = BTreeMap::new();
        for sample in text::samples(&body, is_open) {
            let is_hidden = !has_created && sample.name.ends_with("_created")
                || !self.job.has_classic && is_classic(&sample.name);
            if is_own(&sample.name) || is_hidden {
                continue;
            }
            let labels = sample.labels.into_iter().filter(|(_, value)| !value.is_empty());
            let value = bits(&sample.value);
            assert!(expected.insert((sample.name, labels.collect()), value).is_none());
        }
        let mut seen: BTreeMap<Identity, u64> = BTreeMap::new();
        for series in self.prometheus.query(&format!("{{job={:?}}}", self.job.name)) {
            let mut labels: BTreeMap<String, String> =
                serde_json::from_value(series["metric"].clone()).unwrap();
            let name = labels.remove("__name__").unwrap();
            labels.remove("job");
            labels.remove("instance");
            let is_of_scrape = name.starts_with("scrape_") || name == "up";
            if is_own(&name) || is_of_scrape || series.get("histogram").is_some() {
                continue;
            }
            let value = bits(series["value"][1].as_str().unwrap());
            seen.insert((name, labels), value);
        }
        for (identity, value) in &expected {
            let known = seen
                .remove(identity)
                .unwrap_or_else(|| panic!("no {identity:?} by {}", self.job.name));
            let (known, value) = (f64::from_bits(known), f64::from_bits(*value));
            assert!(
                known == value || known.is_nan() && value.is_nan(),
                "{identity:?}: {known} {value}"
            );
        }
        assert!(seen.is_empty(), "{} has {seen:?} too", self.job.name);
        assert!(expected.len() > 50 || !self.job.has_classic);
    }

    /// Counters grow by what was added; Prometheus extrapolates by up to half an interval to the past,
    /// and up to 1.1 to the present.
    fn check_increase(&self, first: &Snapshot, last: &Snapshot) {
        let all = |snapshot: &Snapshot| {
            let values = hostile_texts();
            let count =
                |value: &String| snapshot.counter("http.requests", &[("v", value)]).unwrap();
            values.iter().map(count).sum::<u64>() as f64
        };
        assert_eq!(self.number("sum({REQUESTS})"), all(last));
        let added = all(last) - all(first);
        let samples = self.number("count_over_time(stage{JOB}[1h])");
        let increase = self.number("sum(increase({REQUESTS}[1h]))");
        let most = added * (1.0 + 1.6 / (samples - 1.0)) * 1.01;
        assert!(samples >= 3.0 && (added * 0.99..most).contains(&increase), "{added} {increase}");
        let query = "sum(rate({REQUESTS}[1h])) * 3600 / sum(increase({REQUESTS}[1h]))";
        assert!((self.number(query) - 1.0).abs() < 1e-9);
        // Of a series that came later, all is new.
        assert_eq!(self.number("late_total{JOB}"), 7.0);
    }

    fn check_distributions(&self, snapshot: &Snapshot) {
        let histograms =
            [("coarse", 1e3, 1, 0.19), ("duration", 1e9, 2, 0.023), ("fine", 1e6, 3, 0.0043)];
        for (name, unit, digits, error) in histograms {
            let histogram = snapshot.histogram(name, &[]).unwrap();
            assert_eq!(histogram.significant_digits(), digits);
            for q in [0.5, 0.9, 0.99] {
                let quantile = histogram.quantile(q).unwrap() as f64 / unit;
                if self.job.has_classic {
                    let classic = self
                        .number(&format!("histogram_quantile({q}, {name}_seconds_bucket{{JOB}})"));
                    let bounds =
                        [0.0, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0];
                    let from = bounds.iter().rfind(|&&bound| bound <= quantile).unwrap();
                    let to = bounds.iter().find(|&&bound| bound >= quantile).unwrap();
                    let range = from * (1.0 - error)..=to * (1.0 + error);
                    assert!(range.contains(&classic), "{name} {q}: {classic}, not {quantile}");
                }
                if self.job.format == PrometheusFormat::Protobuf {
                    let native =
                        self.number(&format!("histogram_quantile({q}, {name}_seconds{{JOB}})"));
                    let difference = (native - quantile).abs() / quantile;
                    assert!(difference <= error, "{name} {q}: {native}, not {quantile}");
                }
            }
            if self.job.format == PrometheusFormat::Protobuf {
                let count = self.number(&format!("histogram_count({name}_seconds{{JOB}})"));
                assert_eq!(count, histogram.count() as f64);
                let sum = self.number(&format!("histogram_sum({name}_seconds{{JOB}})"));
                assert_eq!(sum, histogram.sum() as f64 / unit);
            }
        }
        if self.job.format == PrometheusFormat::Protobuf {
            assert_eq!(self.number("histogram_count(size_bytes{JOB,exported_le=\"mine\"})"), 6.0);
            assert_eq!(self.number("histogram_fraction(-1, 1e-6, size_bytes{JOB})"), 1.0);
        }
    }

    fn check_scrapes(&self) {
        assert_eq!(self.number("min_over_time(up{JOB}[1h])"), 1.0);
        let scraped = self.number("scrape_samples_scraped{JOB}");
        assert_eq!(scraped, self.number("scrape_samples_post_metric_relabeling{JOB}"));
        let there = self.number("count({JOB,__name__!~\"scrape_.*|up\"})");
        assert_eq!(scraped, there, "by {}", self.job.name);
    }
}

/// What goes on while others ask.
fn is_own(name: &str) -> bool {
    name.starts_with("quipu_") || name.starts_with("quipu.")
}

fn bits(number: &str) -> u64 {
    number.parse::<f64>().unwrap().to_bits()
}
