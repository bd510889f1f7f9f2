//! A reader of DogStatsD of our own: strict where the agent is lenient, and with the agent's
//! arithmetic.

use std::collections::BTreeMap;

/// Name and tags, sorted.
pub type Identity = (String, Vec<String>);

#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub name: String,
    pub values: Vec<f64>,
    pub kind: String,
    /// How many records each value stands for.
    pub weight: u64,
    pub tags: Vec<String>,
    pub container: Option<String>,
    pub external: Option<String>,
    pub second: Option<u64>,
}

impl Line {
    pub fn identity(&self) -> Identity {
        let mut tags = self.tags.clone();
        tags.sort();
        (self.name.clone(), tags)
    }
}

fn number(text: &str) -> f64 {
    let plain = |c: char| c.is_ascii_digit() || ".-e+".contains(c);
    assert!(!text.is_empty() && text.chars().all(plain), "{text:?}");
    let number: f64 = text.parse().unwrap();
    assert!(number.is_finite());
    number
}

fn line(text: &str) -> Line {
    let mut fields = text.split('|');
    let (name, values) = fields.next().unwrap().split_once(':').unwrap();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    assert!(name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(is_plain));
    assert!(name.len() <= 200, "{name}");
    let kind = fields.next().unwrap().to_owned();
    let values: Vec<f64> = values.split(':').map(number).collect();
    match &*kind {
        "c" | "g" => assert_eq!(values.len(), 1, "{text}"),
        "d" => assert!(!values.is_empty()),
        _ => panic!("{text:?}"),
    }
    let mut line = Line {
        name: name.to_owned(),
        values,
        kind,
        weight: 1,
        tags: Vec::new(),
        container: None,
        external: None,
        second: None,
    };
    for field in fields {
        if let Some(rate) = field.strip_prefix('@') {
            assert_eq!(line.kind, "d", "{text}");
            let rate: f64 = rate.parse().unwrap();
            assert!(rate > 0.0 && rate < 1.0);
            // `InsertN` of the agent.
            line.weight = (1.0 / rate) as u64;
        } else if let Some(tags) = field.strip_prefix('#') {
            line.tags = tags.split(',').map(str::to_owned).collect();
        } else if let Some(container) = field.strip_prefix("c:") {
            line.container = Some(container.to_owned());
        } else if let Some(external) = field.strip_prefix("e:") {
            line.external = Some(external.to_owned());
        } else if let Some(second) = field.strip_prefix('T') {
            assert_ne!(line.kind, "d", "{text}");
            line.second = Some(second.parse().unwrap());
        } else {
            panic!("{text:?}");
        }
    }
    for tag in &line.tags {
        let is_bad = |c: char| c.is_control() || c.is_whitespace() || "|,#".contains(c);
        assert!(!tag.is_empty() && tag.chars().count() <= 200 && !tag.contains(is_bad), "{tag:?}");
    }
    line
}

/// The lines of datagrams, in their order.
pub fn lines(datagrams: &[Vec<u8>]) -> Vec<Line> {
    let texts = datagrams.iter().map(|datagram| std::str::from_utf8(datagram).unwrap());
    texts.flat_map(|text| text.split('\n').map(line)).collect()
}

/// What an agent knows after these lines.
#[derive(Debug, Default, PartialEq)]
pub struct Known {
    pub counts: BTreeMap<Identity, f64>,
    pub gauges: BTreeMap<Identity, f64>,
    /// Values, ascending, with their weights.
    pub distributions: BTreeMap<Identity, Vec<(f64, u64)>>,
}

impl Known {
    pub fn of(lines: &[Line]) -> Self {
        let mut known = Self::default();
        for line in lines.iter().filter(|line| !line.name.starts_with("quipu.")) {
            let identity = line.identity();
            match &*line.kind {
                "c" => *known.counts.entry(identity).or_default() += line.values[0],
                "g" => {
                    known.gauges.insert(identity, line.values[0]);
                }
                _ => {
                    let values = line.values.iter().map(|&value| (value, line.weight));
                    known.distributions.entry(identity).or_default().extend(values);
                }
            }
        }
        for values in known.distributions.values_mut() {
            values.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        known
    }

    pub fn count(&self, name: &str) -> f64 {
        self.counts.iter().filter(|((it, _), _)| it == name).map(|(_, value)| value).sum()
    }

    pub fn weight(&self, name: &str) -> u64 {
        let values = self.distributions.iter().filter(|((it, _), _)| it == name);
        values.flat_map(|(_, values)| values).map(|(_, weight)| weight).sum()
    }
}

/// The value of a rank, counted from 1.
pub fn at_rank(values: &[(f64, u64)], rank: u64) -> f64 {
    let mut seen = 0;
    for (value, weight) in values {
        seen += weight;
        if seen >= rank {
            return *value;
        }
    }
    panic!("rank {rank} of {seen}");
}
