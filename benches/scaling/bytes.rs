//! What a series takes in each format, in one scrape or one delivery: the difference between a few
//! and many series of one family, so that what is there once is left out.

use crate::numbers::{LATENCIES, latencies};
use flate2::Compression;
use flate2::write::GzEncoder;
use quipu::{PrometheusEncoder, PrometheusFormat, PrometheusNames, Registry, Unit};
use std::io::Write;
use std::sync::Arc;

const FEW: usize = 10;
const MANY: usize = 210;
/// At most, of a histogram between two deliveries.
const RECORDS: usize = LATENCIES;
const ROUTES: [&str; 5] = ["/", "/orders", "/orders/{id}", "/users/{id}/cart", "/health"];

/// What the series of a family are.
#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Histogram,
    /// That changes by one value between two deliveries.
    Quiet,
}

const KINDS: [Kind; 3] = [Kind::Counter, Kind::Histogram, Kind::Quiet];

struct Bed {
    registry: Arc<Registry>,
    kind: Kind,
    series: usize,
}

impl Bed {
    fn new(kind: Kind, series: usize) -> Self {
        let bed = Self { registry: Arc::new(Registry::new()), kind, series };
        if let Kind::Quiet = kind {
            let busy = Self { kind: Kind::Histogram, ..bed };
            busy.record();
            return Self { kind, ..busy };
        }
        bed
    }

    /// What happens between two deliveries.
    fn record(&self) {
        let values = latencies();
        for at in 0..self.series {
            let (route, host) =
                (ROUTES[at % ROUTES.len()], format!("host-{:03}", at / ROUTES.len()));
            let status = ["200", "404", "500"][at % 3];
            match self.kind {
                Kind::Counter => {
                    let counter = self.registry.counter("http.server.requests");
                    let counter = counter.label("http.route", route).label("host", &host);
                    let counter = counter.label("status", status).register();
                    counter.expect("there is room").add(12_345 + at as u64 * 7_919 % 1_000_000);
                }
                Kind::Histogram | Kind::Quiet => {
                    let histogram = self.registry.histogram("http.server.request.duration");
                    let histogram = histogram.unit(Unit::Nanoseconds).label("http.route", route);
                    let histogram =
                        histogram.label("host", &host).label("status", status).register();
                    let histogram = histogram.expect("there is room");
                    // Each is another one, or compressed they would be next to nothing.
                    let records = match self.kind {
                        Kind::Quiet => 1,
                        _ => RECORDS - at * 37 % (RECORDS / 2),
                    };
                    for &value in values.iter().cycle().skip(at * 101).take(records) {
                        histogram.record(value * (100 + at as u64 * 7 % 90) / 100);
                    }
                }
            }
        }
    }

    fn encoded(&self, format: PrometheusFormat) -> Vec<u8> {
        let mut body = Vec::new();
        let (snapshot, names) = (self.registry.snapshot(), PrometheusNames::Underscores);
        PrometheusEncoder::new().without_created().encode(&snapshot, format, names, &mut body);
        body
    }
}

pub fn print() {
    println!("bytes for each series with 3 labels, in a scrape or a delivery");
    println!("{:<28} {:>9} {:>10} {:>16}", "", "counter", "histogram", "of one new value");
    let formats =
        [("text", PrometheusFormat::Text), ("protobuf, native", PrometheusFormat::Protobuf)];
    for (name, format) in formats {
        row(name, |bed| {
            bed.record();
            bed.encoded(format).len()
        });
        row(&format!("{name}, gzip"), |bed| {
            bed.record();
            let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
            packed.write_all(&bed.encoded(format)).expect("memory takes it");
            packed.finish().expect("memory takes it").len()
        });
    }
    pushed::print();
    let bed = Bed::new(Kind::Histogram, 1);
    bed.record();
    let snapshot = bed.registry.snapshot();
    let (_, value) = snapshot.iter().next().expect("there is a series");
    let quipu::Value::Histogram(histogram) = value else { unreachable!("it is the only one") };
    println!(
        "of a histogram that gets {} to {RECORDS} records between two of them, in up to {} buckets",
        RECORDS / 2,
        histogram.buckets().count()
    );
}

fn row(name: &str, bytes: impl Fn(&Bed) -> usize) {
    let of_each = KINDS.map(|kind| {
        let [few, many] = [FEW, MANY].map(|series| bytes(&Bed::new(kind, series)));
        (many as f64 - few as f64) / (MANY - FEW) as f64
    });
    let [counter, histogram, quiet] = of_each;
    println!("{name:<28} {counter:>9.0} {histogram:>10.0} {quiet:>16.0}");
}

#[cfg(all(feature = "dogstatsd", feature = "otlp"))]
mod pushed {
    use super::{Bed, row};
    use crate::sinks::Sink;
    use quipu::{Client, DogStatsd, Exporter, Otlp, Temporality};
    use std::time::Duration;

    const PATIENCE: Duration = Duration::from_secs(60);

    pub fn print() {
        for (name, temporality) in
            [("OTLP, totals", Temporality::Cumulative), ("OTLP, deltas", Temporality::Delta)]
        {
            for is_compressed in [false, true] {
                let name = if is_compressed { format!("{name}, gzip") } else { name.to_owned() };
                row(&name, |bed| {
                    let endpoint = format!("http://{}", Sink::http().address);
                    let otlp = Otlp::new(&endpoint).expect("a valid address");
                    sent(bed, "otlp", otlp.temporality(temporality).gzip(is_compressed))
                });
            }
        }
        row("DogStatsD", |bed| {
            let agent = Sink::udp().address.to_string();
            let dogstatsd = DogStatsd::udp(&agent).expect("a valid address");
            sent(bed, "dogstatsd", dogstatsd.without_origin_detection().without_telemetry())
        });
    }

    /// In the second delivery, the first of which tells what there was before.
    fn sent(bed: &Bed, name: &str, exporter: impl Exporter + 'static) -> usize {
        let client = Client::builder()
            .registry(bed.registry.clone())
            .flush_interval(Duration::from_secs(9_999))
            .exporter(exporter)
            .start()
            .expect("threads can be had");
        let bytes = || {
            let snapshot = bed.registry.snapshot();
            snapshot.counter("quipu.export.bytes", &[("exporter", name)]).unwrap_or(0)
        };
        let flush = || {
            let report = client.flush(PATIENCE);
            assert!(report.is_delivered(), "{report}");
            bytes()
        };
        let before = flush();
        bed.record();
        (flush() - before) as usize
    }
}

#[cfg(not(all(feature = "dogstatsd", feature = "otlp")))]
mod pushed {
    pub fn print() {}
}
