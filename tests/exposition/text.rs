//! A strict reader of the two text formats: it takes what the encoder is meant to write, and not all
//! that the formats allow.

use super::reading::{Distribution, Family, Labels, Number, Reading, Series};

/// A line with a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: Labels,
    pub value: String,
}

/// The families of a body; panics at what is not well-formed.
pub fn families(body: &str, is_open: bool) -> Vec<Family> {
    parts(body, is_open)
        .into_iter()
        .map(|(mut family, samples)| {
            family.series = series(&family, &samples, is_open);
            family
        })
        .collect()
}

/// All samples of a body.
pub fn samples(body: &str, is_open: bool) -> Vec<Sample> {
    parts(body, is_open).into_iter().flat_map(|(_, samples)| samples).collect()
}

/// The families without their series, and their samples.
fn parts(body: &str, is_open: bool) -> Vec<(Family, Vec<Sample>)> {
    let body = if is_open { body.strip_suffix("# EOF\n").expect("an end") } else { body };
    let mut parts: Vec<(Family, Vec<Sample>)> = Vec::new();
    for line in body.split_inclusive('\n') {
        let line = line.strip_suffix('\n').expect("the last line is complete");
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = metadata(rest);
            let family = Family { name, help: unescaped(help, is_open), ..Family::default() };
            parts.push((family, Vec::new()));
            continue;
        }
        let (family, samples) = parts.last_mut().expect("a family begins with its help");
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = metadata(rest);
            assert!(name == family.name && family.kind.is_empty() && samples.is_empty(), "{line}");
            family.kind = kind.to_owned();
            if kind == "counter" && !is_open {
                family.name = name.strip_suffix("_total").expect("a counter").to_owned();
            }
        } else if let Some(rest) = line.strip_prefix("# UNIT ") {
            let (name, unit) = metadata(rest);
            assert!(is_open && name == family.name && family.unit.is_empty(), "{line}");
            assert!(samples.is_empty() && name.ends_with(&format!("_{unit}")), "{line}");
            family.unit = unit.to_owned();
        } else {
            samples.push(sample(line));
        }
    }
    parts
}

/// A name and the rest after it.
fn metadata(line: &str) -> (String, &str) {
    let mut rest = line;
    let name = name(&mut rest);
    (name, rest.strip_prefix(' ').expect("a space"))
}

/// Takes a name, in quotes if and only if it needs them.
fn name(rest: &mut &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if let Some(quoted) = rest.strip_prefix('"') {
        let (name, after) = quoted.split_once('"').expect("a closing quote");
        assert!(!name.chars().all(is_plain) && !name.contains('\\'), "{name}");
        *rest = after;
        return name.to_owned();
    }
    let (name, after) = rest.split_at(rest.find(|c| !is_plain(c)).unwrap_or(rest.len()));
    assert!(!name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()), "{rest}");
    *rest = after;
    name.to_owned()
}

fn unescaped(text: &str, with_quotes: bool) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        assert!(character != '"' || !with_quotes, "a quote in {text}");
        plain.push(match character {
            '\\' => match characters.next() {
                Some('\\') => '\\',
                Some('n') => '\n',
                Some('"') if with_quotes => '"',
                other => panic!("{other:?} is escaped in {text}"),
            },
            character => character,
        });
    }
    plain
}

fn sample(line: &str) -> Sample {
    let mut rest = line;
    let mut labels = Labels::new();
    let mut own_name = String::new();
    if !rest.starts_with('{') {
        own_name = name(&mut rest);
    }
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        if own_name.is_empty() {
            assert!(rest.starts_with('"'), "{line}");
            own_name = name(&mut rest);
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
        while !rest.starts_with('}') {
            let key = name(&mut rest);
            let value = rest.strip_prefix("=\"").expect("a value");
            let end = closing_quote(value);
            labels.push((key, unescaped(&value[..end], true)));
            rest = &value[end + 1..];
            match rest.strip_prefix(',') {
                Some(next) => {
                    assert!(!next.starts_with('}'), "{line}");
                    rest = next;
                }
                None => assert!(rest.starts_with('}'), "{line}"),
            }
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ').expect("a value").to_owned();
    assert!(!value.is_empty() && !value.contains(' '), "{line}");
    Sample { name: own_name, labels, value }
}

fn closing_quote(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    end.expect("a closing quote")
}

/// The samples of a family, one series after the other.
struct Cursor<'a> {
    name: &'a str,
    rest: &'a [Sample],
}

impl<'a> Cursor<'a> {
    /// The next sample, if there is one with this suffix.
    fn peek(&self, suffix: &str) -> Option<&'a Sample> {
        let sample = self.rest.first()?;
        (sample.name.strip_prefix(self.name) == Some(suffix)).then_some(sample)
    }

    /// Takes the next sample, which has this suffix.
    fn take(&mut self, suffix: &str) -> &'a Sample {
        let sample = self.peek(suffix).unwrap_or_else(|| {
            panic!("no {suffix:?} of {} but {:?}", self.name, self.rest.first());
        });
        self.rest = &self.rest[1..];
        sample
    }

    /// The value of the next sample, which has this suffix and these labels.
    fn value(&mut self, suffix: &str, labels: &Labels) -> &'a str {
        let sample = self.take(suffix);
        assert_eq!(&sample.labels, labels, "of {suffix:?} of {}", self.name);
        &sample.value
    }

    /// The bound, the other labels and the value of the next bucket.
    fn bucket(&mut self) -> (&'a str, &'a [(String, String)], u64) {
        let sample = self.take("_bucket");
        let ((key, bound), others) = sample.labels.split_last().expect("a bound");
        assert_eq!(key, "le");
        (bound, others, sample.value.parse().expect("a count"))
    }

    fn distribution(&mut self) -> (Labels, Distribution) {
        let (mut bound, labels, mut count) = self.bucket();
        let labels = labels.to_vec();
        let mut buckets = Vec::new();
        while bound != "+Inf" {
            buckets.push((bound.parse().expect("a bound"), count));
            let next = self.bucket();
            assert_eq!(next.1, labels, "{} is in disorder", self.name);
            (bound, count) = (next.0, next.2);
        }
        let sum = Number::Text(self.value("_sum", &labels).to_owned());
        assert_eq!(self.value("_count", &labels).parse(), Ok(count), "{} {labels:?}", self.name);
        (labels, Distribution { count, sum, buckets, native: None })
    }
}

fn series(family: &Family, samples: &[Sample], is_open: bool) -> Vec<Series> {
    let mut cursor = Cursor { name: &family.name, rest: samples };
    let mut all = Vec::new();
    while !cursor.rest.is_empty() {
        let (labels, reading) = if family.kind == "histogram" {
            let (labels, distribution) = cursor.distribution();
            (labels, Reading::Histogram(distribution))
        } else {
            let sample = cursor.take(if family.kind == "counter" { "_total" } else { "" });
            (sample.labels.clone(), Reading::Number(Number::Text(sample.value.clone())))
        };
        let created =
            (is_open && family.kind != "gauge").then(|| moment(cursor.value("_created", &labels)));
        all.push(Series { labels, reading, created });
    }
    all
}

/// Seconds with a fraction of up to nine digits.
fn moment(text: &str) -> (u64, u32) {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let nanoseconds = format!("{fraction:0<9}").parse().expect("nanoseconds");
    (seconds.parse().expect("seconds"), nanoseconds)
}
