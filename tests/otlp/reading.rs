//! A strict reader of messages `ExportMetricsServiceRequest`: of the fields that the exporter is meant
//! to write, each of the right type, and of no others.

use super::fields::{Field, fields, signed, text, varint};

/// Keys and values, in the order of the message.
pub type Attributes = Vec<(String, String)>;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// Numbers as their digits.
    pub resource: Attributes,
    /// Name and version.
    pub scope: (String, String),
    pub metrics: Vec<Metric>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    pub name: String,
    pub description: String,
    pub unit: String,
    pub data: Data,
    pub points: Vec<Point>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    Gauge,
    Sum { is_delta: bool, is_monotonic: bool },
    ExponentialHistogram { is_delta: bool },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub attributes: Attributes,
    /// Nanoseconds since 1970.
    pub start: Option<u64>,
    pub time: u64,
    pub reading: Reading,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    Int(i64),
    Double(f64),
    Distribution(Distribution),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    pub count: u64,
    pub sum: f64,
    pub scale: i64,
    pub zero_count: u64,
    /// The index of the first bucket; zero if there is none.
    pub offset: i64,
    pub counts: Vec<u64>,
    pub extremes: Option<(f64, f64)>,
}

/// A request's contents; panics at what is not well-formed.
pub fn request(body: &[u8]) -> Request {
    let [Field::Bytes(1, resource_metrics)] = fields(body)[..] else { panic!("one resource") };
    let [Field::Bytes(1, resource), Field::Bytes(2, scope_metrics)] = fields(resource_metrics)[..]
    else {
        panic!("a resource and a scope")
    };
    let mut request = Request::default();
    for field in fields(resource) {
        let Field::Bytes(1, pair) = field else { panic!("{field:?} in a resource") };
        request.resource.push(attribute(pair));
    }
    for field in fields(scope_metrics) {
        match field {
            Field::Bytes(1, scope) => match fields(scope)[..] {
                [Field::Bytes(1, name), Field::Bytes(2, version)] => {
                    request.scope = (text(name), text(version));
                }
                ref other => panic!("{other:?} in a scope"),
            },
            Field::Bytes(2, message) => request.metrics.push(metric(message)),
            other => panic!("{other:?} beside metrics"),
        }
    }
    assert!(!request.scope.0.is_empty() && !request.metrics.is_empty());
    request
}

fn attribute(pair: &[u8]) -> (String, String) {
    let [Field::Bytes(1, key), Field::Bytes(2, value)] = fields(pair)[..] else {
        panic!("a key and a value")
    };
    let value = match fields(value)[..] {
        [Field::Bytes(1, value)] => text(value),
        [Field::Varint(3, number)] => number.to_string(),
        ref other => panic!("{other:?} for a value"),
    };
    (text(key), value)
}

fn metric(message: &[u8]) -> Metric {
    let (mut name, mut description, mut unit) = (String::new(), String::new(), String::new());
    let mut data = None;
    for field in fields(message) {
        match field {
            Field::Bytes(1, it) => name = text(it),
            Field::Bytes(2, it) => description = text(it),
            Field::Bytes(3, it) => unit = text(it),
            Field::Bytes(kind @ (5 | 7 | 10), it) if data.is_none() => data = Some((kind, it)),
            other => panic!("{other:?} in a metric"),
        }
    }
    let (kind, message) = data.expect("points");
    let (mut points, mut temporality, mut is_monotonic) = (Vec::new(), None, false);
    for field in fields(message) {
        match field {
            Field::Bytes(1, message) if kind == 10 => points.push(exponential_point(message)),
            Field::Bytes(1, message) => points.push(number_point(message)),
            Field::Varint(2, is_cumulative @ (1 | 2)) if kind != 5 => {
                temporality = Some(is_cumulative);
            }
            Field::Varint(3, 1) if kind == 7 => is_monotonic = true,
            other => panic!("{other:?} beside points"),
        }
    }
    let is_delta = temporality == Some(1);
    assert_eq!(temporality.is_some(), kind != 5);
    let data = match kind {
        5 => Data::Gauge,
        7 => Data::Sum { is_delta, is_monotonic },
        _ => Data::ExponentialHistogram { is_delta },
    };
    Metric { name, description, unit, data, points }
}

fn number_point(message: &[u8]) -> Point {
    let (mut attributes, mut start, mut time, mut reading) = (Vec::new(), None, None, None);
    for field in fields(message) {
        match field {
            Field::Fixed64(2, it) => start = Some(it),
            Field::Fixed64(3, it) => time = Some(it),
            Field::Fixed64(4, bits) => reading = Some(Reading::Double(f64::from_bits(bits))),
            Field::Fixed64(6, bits) => reading = Some(Reading::Int(bits as i64)),
            Field::Bytes(7, pair) => attributes.push(attribute(pair)),
            other => panic!("{other:?} in a point"),
        }
    }
    Point { attributes, start, time: time.expect("a time"), reading: reading.expect("a number") }
}

fn exponential_point(message: &[u8]) -> Point {
    let (mut attributes, mut start, mut time) = (Vec::new(), None, None);
    let (mut min, mut max, mut scale, mut zero_threshold) = (None, None, None, None);
    let mut all = Distribution {
        count: 0,
        sum: f64::NAN,
        scale: 0,
        zero_count: u64::MAX,
        offset: 0,
        counts: Vec::new(),
        extremes: None,
    };
    for field in fields(message) {
        match field {
            Field::Bytes(1, pair) => attributes.push(attribute(pair)),
            Field::Fixed64(2, it) => start = Some(it),
            Field::Fixed64(3, it) => time = Some(it),
            Field::Fixed64(4, it) => all.count = it,
            Field::Fixed64(5, bits) => all.sum = f64::from_bits(bits),
            Field::Varint(6, it) => scale = Some(signed(it)),
            Field::Fixed64(7, it) => all.zero_count = it,
            Field::Bytes(8, buckets) => match fields(buckets)[..] {
                [Field::Varint(1, offset), Field::Bytes(2, mut packed)] => {
                    all.offset = signed(offset);
                    while !packed.is_empty() {
                        all.counts.push(varint(&mut packed));
                    }
                }
                ref other => panic!("{other:?} in buckets"),
            },
            Field::Fixed64(12, bits) => min = Some(f64::from_bits(bits)),
            Field::Fixed64(13, bits) => max = Some(f64::from_bits(bits)),
            Field::Fixed64(14, bits) => zero_threshold = Some(f64::from_bits(bits)),
            other => panic!("{other:?} in a point"),
        }
    }
    assert_eq!(zero_threshold, Some(2_f64.powi(-128)));
    all.scale = scale.expect("a scale");
    all.extremes = min.zip(max);
    assert_eq!(min.is_some(), max.is_some());
    let reading = Reading::Distribution(all);
    Point { attributes, start, time: time.expect("a time"), reading }
}
