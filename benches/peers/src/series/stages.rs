//! What is measured of a subject, in the order in which it happens, and its way from the process that
//! measures to the one that reports.
#![forbid(unsafe_code)]

use super::Subject;
use super::resident::resident_bytes;
use crate::crew::Crew;
use crate::labels::Labels;
use crate::report::grouped;
use std::array;
use std::fmt;
use std::str::FromStr;
use std::time::Instant;

pub const THREADS: usize = 8;

const FIELDS: usize = 10;

/// Times in nanoseconds, memory in bytes.
#[derive(Clone, Copy)]
pub struct Stages([u64; FIELDS]);

impl Stages {
    /// `None` if a record was not counted.
    pub fn measured(make: fn(&[Labels]) -> Box<dyn Subject>, labels: &[Labels]) -> Option<Self> {
        // What is done once in a process: the store is reserved, and clocks are calibrated.
        drop(make(&labels[..1]));

        let (resident, in_store) = (resident_bytes(), store_bytes());
        let (register_ns, subject) = timed(|| make(labels));
        let (registered, registered_in_store) = (resident_bytes(), store_bytes());

        let (read_ns, [in_store_by_one, in_store_by_all]) = std::thread::scope(|scope| {
            let subject = &*subject;
            let crew = Crew::start(scope, THREADS);
            let read = || timed(|| subject.read()).0;
            crew.each(move |thread| {
                if thread == 0 {
                    subject.touch(labels);
                }
            });
            let in_store_by_one = store_bytes();
            let by_one = [read(), read()];
            crew.each(move |thread| {
                if thread != 0 {
                    subject.touch(labels);
                }
            });
            let in_store_by_all = store_bytes();
            ([by_one, [read(), read()]], [in_store_by_one, in_store_by_all])
        });
        let [[one_first, one_again], [all_first, all_again]] = read_ns;
        let stages = Self([
            register_ns,
            registered.saturating_sub(resident),
            registered_in_store.saturating_sub(in_store),
            in_store_by_one.saturating_sub(registered_in_store),
            in_store_by_all.saturating_sub(in_store_by_one),
            resident_bytes().saturating_sub(resident),
            one_first,
            one_again,
            all_first,
            all_again,
        ]);
        (subject.total() == (THREADS * labels.len()) as u64).then_some(stages)
    }

    /// The least of both in everything.
    pub fn least(self, other: Self) -> Self {
        Self(array::from_fn(|at| self.0[at].min(other.0[at])))
    }

    pub fn row(self, name: &str, series: usize) -> [String; 12] {
        let Self([register_ns, registered, in_store, by_one, by_others, end, reads @ ..]) = self;
        let each = |amount: u64| grouped(amount / series as u64);
        let [in_store, by_one, by_each_other] = match in_store + by_one {
            0 => [(); 3].map(|()| "-".into()),
            _ => [each(in_store), each(by_one), each(by_others / (THREADS as u64 - 1))],
        };
        let milliseconds = |ns: u64| format!("{:.1}", ns as f64 / 1e6);
        let [one_first, one_again, all_first, all_again] = reads.map(milliseconds);
        [
            name.into(),
            milliseconds(register_ns),
            each(register_ns),
            each(registered),
            in_store,
            by_one,
            by_each_other,
            each(end),
            one_first,
            one_again,
            all_first,
            all_again,
        ]
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed().as_nanos() as u64, result)
}

/// Of quipu's store; 0 where the system does not say.
fn store_bytes() -> u64 {
    quipu::store_usage().bytes_committed.unwrap_or(0) as u64
}

/// A line of numbers.
impl fmt::Display for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = self.0.map(|number| number.to_string());
        f.write_str(&numbers.join(" "))
    }
}

impl FromStr for Stages {
    type Err = ();

    fn from_str(line: &str) -> Result<Self, ()> {
        let numbers = line.split_whitespace().map(str::parse).collect::<Result<Vec<_>, _>>();
        let numbers = numbers.ok().and_then(|numbers| numbers.try_into().ok());
        numbers.map(Self).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_read_as_they_were_written() {
        let stages = Stages(array::from_fn(|at| at as u64 * 1_000));
        let read = stages.to_string().parse::<Stages>();
        assert_eq!(read.map(|read| read.0), Ok(stages.0));
        assert!("1 2 3".parse::<Stages>().is_err());
    }
}
