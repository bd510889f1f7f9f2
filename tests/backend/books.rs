//! What a backend holds, and its rule: a batch is added only on top of the one that it was made for.
//!
//! A batch is `<stream> <base> <sequence> <counter delta> <histogram count delta>`. The answer is
//! `ok <sequence>` if it was added, and otherwise `have <sequence>` with the one that was added last.
//! So a batch that comes twice, or late, changes nothing.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::io::BufRead;
use std::str::{FromStr, SplitAsciiWhitespace};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub counter: u64,
    pub recorded: u64,
}

impl Totals {
    pub fn add(&mut self, other: Self) {
        self.counter += other.counter;
        self.recorded += other.recorded;
    }
}

#[derive(Clone, Default)]
pub struct Books {
    streams: BTreeMap<String, (u64, Totals)>,
    repeats: u64,
}

impl Books {
    /// Adds a batch, if it fits; what to answer. `None` if it is no batch.
    pub fn take(&mut self, batch: &str) -> Option<String> {
        let mut fields = batch.split_ascii_whitespace();
        let stream = fields.next()?.to_owned();
        let (base, sequence) = (next(&mut fields)?, next(&mut fields)?);
        let delta = Totals { counter: next(&mut fields)?, recorded: next(&mut fields)? };
        let (applied, totals) = self.streams.entry(stream).or_default();
        if *applied != base {
            self.repeats += 1;
            return Some(format!("have {applied}\n"));
        }
        *applied = sequence;
        totals.add(delta);
        Some(format!("ok {sequence}\n"))
    }

    pub fn sum(&self) -> Totals {
        let mut sum = Totals::default();
        self.streams.values().for_each(|(_, totals)| sum.add(*totals));
        sum
    }

    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Batches that were not added, because they had been.
    pub fn repeats(&self) -> u64 {
        self.repeats
    }
}

/// The next line of a connection. One without an end is none: a number in it may be half of one.
pub fn next_batch(connection: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    connection.read_line(&mut line).ok()?;
    line.ends_with('\n').then_some(line)
}

fn next(fields: &mut SplitAsciiWhitespace<'_>) -> Option<u64> {
    fields.next()?.parse().ok()
}

/// The state of a backend that is a process, as it writes it to its file.
impl Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.repeats)?;
        self.streams.iter().try_for_each(|(stream, (applied, totals))| {
            writeln!(f, "{stream} {applied} {} {}", totals.counter, totals.recorded)
        })
    }
}

impl FromStr for Books {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut lines = text.lines();
        let repeats = lines.next().and_then(|line| line.parse().ok()).ok_or("no first line")?;
        let stream = |line: &str| {
            let mut fields = line.split_ascii_whitespace();
            let stream = fields.next()?.to_owned();
            let applied = next(&mut fields)?;
            let totals = Totals { counter: next(&mut fields)?, recorded: next(&mut fields)? };
            Some((stream, (applied, totals)))
        };
        let streams: Option<_> = lines.map(stream).collect();
        Ok(Self { streams: streams.ok_or("a line is cut off")?, repeats })
    }
}
