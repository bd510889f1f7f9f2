//! A strict reader of delimited messages `io.prometheus.client.MetricFamily`: of the fields that the
//! encoder is meant to write, each of the right type, and of no others.

use super::fields::{Field, fields, signed, taken, text, varint};
use super::reading::{Distribution, Family, Labels, Native, Number, Reading, Series};

/// The families of a body; panics at what is not well-formed.
pub fn families(mut body: &[u8]) -> Vec<Family> {
    let mut families = Vec::new();
    while !body.is_empty() {
        let length = varint(&mut body) as usize;
        families.push(family(taken(&mut body, length)));
    }
    families
}

fn family(message: &[u8]) -> Family {
    let mut family = Family::default();
    for field in fields(message) {
        match field {
            Field::Bytes(1, name) => once(&mut family.name, text(name)),
            Field::Bytes(2, help) => once(&mut family.help, text(help)),
            Field::Varint(3, 0) => once(&mut family.kind, "counter".to_owned()),
            Field::Varint(3, 1) => once(&mut family.kind, "gauge".to_owned()),
            Field::Varint(3, 4) => once(&mut family.kind, "histogram".to_owned()),
            Field::Bytes(4, metric) => family.series.push(series(metric, &family.kind)),
            Field::Bytes(5, unit) => once(&mut family.unit, text(unit)),
            other => panic!("{other:?} in a family"),
        }
    }
    if family.kind == "counter" {
        family.name = family.name.strip_suffix("_total").expect("a counter").to_owned();
    }
    family
}

fn series(message: &[u8], kind: &str) -> Series {
    let (mut labels, mut value) = (Labels::new(), None);
    for field in fields(message) {
        match (kind, field) {
            (_, Field::Bytes(1, pair)) => {
                let (mut key, mut text_of) = (String::new(), None);
                for field in fields(pair) {
                    match field {
                        Field::Bytes(1, name) => once(&mut key, text(name)),
                        Field::Bytes(2, value) => text_of = Some(text(value)),
                        other => panic!("{other:?} in a label"),
                    }
                }
                labels.push((key, text_of.expect("a value")));
            }
            ("gauge", Field::Bytes(2, gauge)) => value = Some((number(gauge), None)),
            ("counter", Field::Bytes(3, counter)) => {
                value = Some((number(counter), created(counter, 3)))
            }
            ("histogram", Field::Bytes(7, message)) => {
                let reading = Reading::Histogram(distribution(message));
                value = Some((reading, created(message, 15)));
            }
            other => panic!("{other:?} in a metric"),
        }
    }
    let (reading, created) = value.expect("a value");
    Series { labels, reading, created }
}

/// Of a gauge or a counter.
fn number(message: &[u8]) -> Reading {
    let value = fields(message).into_iter().find_map(|field| match field {
        Field::Fixed64(1, bits) => Some(f64::from_bits(bits)),
        _ => None,
    });
    Reading::Number(Number::Double(value.expect("a value")))
}

fn created(message: &[u8], number: u32) -> Option<(u64, u32)> {
    let field = fields(message).into_iter().find_map(|field| match field {
        Field::Bytes(found, timestamp) if found == number => Some(fields(timestamp)),
        _ => None,
    });
    match field?[..] {
        [Field::Varint(1, seconds), Field::Varint(2, nanoseconds)] => {
            Some((seconds, nanoseconds.try_into().expect("nanoseconds")))
        }
        ref other => panic!("{other:?} in a timestamp"),
    }
}

fn distribution(message: &[u8]) -> Distribution {
    let (mut count, mut sum, mut buckets) = (None, None, Vec::new());
    let (mut schema, mut zero_threshold, mut zero_count) = (None, None, None);
    let (mut spans, mut deltas) = (Vec::new(), Vec::new());
    for field in fields(message) {
        match field {
            Field::Varint(1, value) => count = Some(value),
            Field::Fixed64(2, bits) => sum = Some(Number::Double(f64::from_bits(bits))),
            Field::Bytes(3, bucket) => match fields(bucket)[..] {
                [Field::Varint(1, count), Field::Fixed64(2, bound)] => {
                    buckets.push((f64::from_bits(bound), count));
                }
                ref other => panic!("{other:?} in a bucket"),
            },
            Field::Varint(5, value) => schema = Some(signed(value)),
            Field::Fixed64(6, bits) => zero_threshold = Some(f64::from_bits(bits)),
            Field::Varint(7, value) => zero_count = Some(value),
            Field::Bytes(12, span) => match fields(span)[..] {
                [Field::Varint(1, gap), Field::Varint(2, length)] => {
                    spans.push((signed(gap), length))
                }
                ref other => panic!("{other:?} in a span"),
            },
            Field::Bytes(13, mut packed) => {
                while !packed.is_empty() {
                    deltas.push(signed(varint(&mut packed)));
                }
            }
            Field::Bytes(15, _) => {}
            other => panic!("{other:?} in a histogram"),
        }
    }
    assert_eq!(zero_threshold, Some(2_f64.powi(-128)));
    assert!(!spans.is_empty(), "without a span it would be taken for a classic histogram");
    let (mut index, mut in_bucket, mut native) = (0, 0_i64, Vec::new());
    let mut deltas = deltas.into_iter();
    for (at, (gap, length)) in spans.into_iter().enumerate() {
        assert!(at == 0 || gap > 0, "a span that begins before the last one ends");
        index += gap;
        for _ in 0..length {
            in_bucket = in_bucket.wrapping_add(deltas.next().expect("a count for each bucket"));
            native.push((index, in_bucket as u64));
            index += 1;
        }
    }
    assert_eq!(deltas.next(), None, "a count without a bucket");
    let native = Native {
        schema: schema.expect("a schema"),
        zero_count: zero_count.expect("a count of zeroes"),
        buckets: native,
    };
    Distribution {
        count: count.expect("a count"),
        sum: sum.expect("a sum"),
        buckets,
        native: Some(native),
    }
}

fn once(field: &mut String, value: String) {
    assert!(field.is_empty(), "{value} after {field}");
    *field = value;
}
