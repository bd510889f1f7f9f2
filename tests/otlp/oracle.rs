//! What requests must say of a snapshot.

use super::reading::{Data, Distribution, Metric, Point, Reading, Request};
use quipu::{Descriptor, HistogramSnapshot, Kind, Snapshot, Unit, Value};
use std::time::SystemTime;

/// Panics unless `requests` say all that `totals` does, and nothing else; or, of counters and
/// histograms, what `delta` does.
pub fn check(requests: &[Request], totals: &Snapshot, delta: Option<&Snapshot>) {
    let metrics = requests.iter().flat_map(|request| &request.metrics);
    let mut points = metrics.flat_map(|metric| metric.points.iter().map(move |it| (metric, it)));
    let changes = delta.unwrap_or(totals);
    for ((descriptor, total), (_, change)) in totals.iter().zip(changes.iter()) {
        let is_delta =
            delta.is_some() && matches!(descriptor.kind(), Kind::Counter | Kind::Histogram);
        let value = if is_delta { change } else { total };
        let is_left_out = match value {
            Value::Counter(count) => is_delta && count == 0,
            Value::Histogram(values) => is_delta && values.count() == 0,
            Value::Gauge(reading) => !reading.is_finite(),
            _ => false,
        };
        if is_left_out {
            continue;
        }
        let (metric, point) = points.next().unwrap_or_else(|| panic!("no {descriptor}"));
        check_metric(metric, descriptor, is_delta);
        let attributes: Vec<_> =
            point.attributes.iter().map(|(key, value)| (&**key, &**value)).collect();
        let labels = descriptor.labels().map(|label| (label.key(), label.value()));
        assert_eq!(attributes, labels.collect::<Vec<_>>());
        check_times(point, descriptor, if is_delta { changes } else { totals });
        check_value(descriptor, value, &point.reading);
    }
    let rest = points.next();
    assert!(rest.is_none(), "{rest:?} is not in the snapshot");
    for request in requests {
        let mut names: Vec<_> = request.metrics.iter().map(|metric| &metric.name).collect();
        names.dedup();
        assert_eq!(names.len(), request.metrics.len(), "a metric twice in one request");
    }
}

fn check_metric(metric: &Metric, descriptor: &Descriptor, is_delta: bool) {
    assert_eq!(metric.name, descriptor.name());
    assert_eq!(metric.description, descriptor.help());
    assert_eq!(metric.unit, unit(descriptor.unit()).0);
    let data = match descriptor.kind() {
        Kind::Counter => Data::Sum { is_delta, is_monotonic: true },
        Kind::UpDownCounter => Data::Sum { is_delta, is_monotonic: false },
        Kind::Gauge => Data::Gauge,
        _ => Data::ExponentialHistogram { is_delta },
    };
    assert_eq!(metric.data, data, "{descriptor}");
}

fn check_times(point: &Point, descriptor: &Descriptor, source: &Snapshot) {
    let nanoseconds = |time: SystemTime| {
        u64::try_from(time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos()).unwrap()
    };
    assert_eq!(point.time, nanoseconds(source.time()));
    let start = nanoseconds(source.since());
    assert_eq!(point.start, (descriptor.kind() != Kind::Gauge).then_some(start));
}

fn check_value(descriptor: &Descriptor, value: Value<'_>, reading: &Reading) {
    let (_, divisor) = unit(descriptor.unit());
    let is_right = match (value, reading) {
        (Value::Counter(count), Reading::Int(int)) => {
            divisor == 1.0 && Ok(*int) == count.try_into()
        }
        (Value::Counter(count), Reading::Double(double)) => {
            (divisor != 1.0 || count > i64::MAX as u64) && *double == count as f64 / divisor
        }
        (Value::UpDownCounter(sum), Reading::Int(int)) => divisor == 1.0 && *int == sum,
        (Value::UpDownCounter(sum), Reading::Double(double)) => {
            divisor != 1.0 && *double == sum as f64 / divisor
        }
        (Value::Gauge(reading), Reading::Double(double)) => {
            double.to_bits() == (reading / divisor).to_bits()
        }
        (Value::Histogram(values), Reading::Distribution(distribution)) => {
            check_distribution(values, distribution, divisor);
            true
        }
        _ => false,
    };
    assert!(is_right, "{descriptor} is {value:?}, sent as {reading:?}");
}

/// Each recorded value is in a bucket that holds it within the stated error.
fn check_distribution(values: HistogramSnapshot<'_>, sent: &Distribution, divisor: f64) {
    assert_eq!(sent.count, values.count());
    assert_eq!(sent.sum, values.sum() as f64 / divisor);
    let extremes = values.min().zip(values.max());
    let extremes = extremes.map(|(min, max)| (min as f64 / divisor, max as f64 / divisor));
    assert_eq!(sent.extremes, extremes);
    let (scale, error) = match values.significant_digits() {
        1 => (3, 0.032),
        2 => (6, 0.004),
        _ => (8, 0.0005),
    };
    assert_eq!(sent.scale, scale);
    assert_eq!(sent.zero_count, counted(values, |bucket| bucket.high == 0));
    assert!(sent.counts.first() != Some(&0) && sent.counts.last() != Some(&0), "{sent:?}");
    let mut count = sent.zero_count;
    for (index, in_bucket) in (sent.offset + 1..).zip(&sent.counts) {
        count += in_bucket;
        // OpenTelemetry's bucket i ends where its bucket i + 1 begins.
        let bound = divisor * f64::exp2(index as f64 / f64::exp2(scale as f64));
        let surely = counted(values, |b| b.high as f64 <= bound * (1.0 - error));
        let at_most = counted(values, |b| b.low as f64 <= bound * (1.0 + error));
        assert!(surely <= count && count <= at_most, "{count} up to {index} in {sent:?}");
    }
    assert_eq!(count, values.count());
}

fn counted(values: HistogramSnapshot<'_>, which: impl Fn(&quipu::Bucket) -> bool) -> u64 {
    values.buckets().filter(which).map(|bucket| bucket.count).sum()
}

/// The base unit by UCUM, and how many recorded units are one of it.
fn unit(unit: Unit) -> (&'static str, f64) {
    match unit {
        Unit::Nanoseconds => ("s", 1e9),
        Unit::Microseconds => ("s", 1e6),
        Unit::Milliseconds => ("s", 1e3),
        Unit::Seconds => ("s", 1.0),
        Unit::Bytes => ("By", 1.0),
        Unit::Ratio => ("1", 1.0),
        Unit::Percent => ("1", 100.0),
        Unit::Thousandths => ("", 1e3),
        _ => ("", 1.0),
    }
}
