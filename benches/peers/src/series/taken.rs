//! What is measured of one subject, in a process of its own.
#![forbid(unsafe_code)]

use super::resident::resident_bytes;
use super::subjects::{Entrant, Made, NAMES, Reading, Shape};
use crate::allocations::Allocations;
use crate::crew::Crew;
use crate::exposition;
use serde::{Deserialize, Serialize};
use std::hint::black_box;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// What a thread records to a histogram at a time.
const LATENCIES: usize = 20;

/// Turns of two readings each, at most, and the time after which there is no other one.
const MOST_TURNS: usize = 8;
const READING_TIME: Duration = Duration::from_millis(150);

/// More than the last cache of a core that has it for itself.
const OTHERS_BYTES: usize = 64 << 20;

/// Times in nanoseconds, memory in bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    /// For all series, and the memory of the process when that was done.
    pub register_ns: u64,
    pub registered_bytes: u64,
    /// The memory that it took until all threads had recorded to all series.
    pub recorded_bytes: u64,
    /// Of it, what quipu's store says is its own.
    pub store_bytes: u64,
    /// Or why there are none.
    pub snapshots: Result<Readings, String>,
    pub texts: Result<Readings, String>,
}

/// One way to read, again and again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Readings {
    /// The very first one after all threads have recorded.
    pub first_ever_ns: u64,
    /// After something else has had the caches.
    pub first_ns: Vec<u64>,
    /// Right after that.
    pub again_ns: Vec<u64>,
    /// Of each one, but the very first.
    pub allocations: Vec<u64>,
    pub allocated_bytes: Vec<u64>,
    /// How long the last text was.
    pub text_bytes: u64,
}

impl Taken {
    /// `None` if a record was not counted.
    pub fn of(entrant: &Entrant, shape: &Shape, threads: usize) -> Option<Self> {
        let latencies_ns: Vec<_> = (0..threads).map(latencies_ns).collect();
        let others = vec![1_u8; OTHERS_BYTES];
        let subject = OnceLock::<Made<'_>>::new();
        std::thread::scope(|scope| {
            let crew = Crew::start(scope, threads);
            // What a process and its threads do once: a store is reserved, clocks are calibrated.
            crew.each(|_| ());
            let one = Shape::of(1);
            read_once(&*(entrant.make)(&one, threads));

            let (resident, in_store) = (resident_bytes(), store_bytes());
            let start = Instant::now();
            let subject = subject.get_or_init(|| (entrant.make)(shape, threads));
            let register_ns = start.elapsed().as_nanos() as u64;
            let registered_bytes = resident_bytes().saturating_sub(resident);
            let latencies_ns = &latencies_ns;
            crew.each(move |thread| subject.record(&latencies_ns[thread]));
            let recorded_bytes = resident_bytes().saturating_sub(resident);
            let store_bytes = store_bytes().saturating_sub(in_store);

            let mut times = threads;
            let mut record_more = || {
                let which = times % threads;
                times += 1;
                crew.each(move |thread| {
                    if thread == which {
                        subject.record(&latencies_ns[thread]);
                    }
                });
                black_box(others.iter().step_by(64).map(|&byte| u64::from(byte)).sum::<u64>());
            };
            let Reading { snapshot, text } = subject.reading();
            let snapshots = snapshot.map_err(String::from).map(|mut snapshot| {
                Readings::taken(&mut record_more, || {
                    snapshot();
                    0
                })
            });
            let mut last_text = None;
            let texts = text.map_err(String::from).map(|mut text| {
                let readings =
                    Readings::taken(&mut record_more, || black_box(text.scrape()).len() as u64);
                last_text = Some(exposition::records(text.scrape(), NAMES));
                readings
            });
            let counted = subject.counted().or(last_text);
            let recorded = shape.records(LATENCIES) - subject.left_out(LATENCIES);
            (counted == Some((times * recorded) as u64)).then_some(Self {
                register_ns,
                registered_bytes,
                recorded_bytes,
                store_bytes,
                snapshots,
                texts,
            })
        })
    }
}

impl Readings {
    /// Reads twice in a row each time after something more was recorded.
    fn taken(mut record_more: impl FnMut(), mut read: impl FnMut() -> u64) -> Self {
        let mut this = Self::default();
        let start = Instant::now();
        this.first_ever_ns = timed(&mut read).0;
        loop {
            record_more();
            for times in [&mut this.first_ns, &mut this.again_ns] {
                let (allocations, (ns, text_bytes)) = Allocations::during(|| timed(&mut read));
                times.push(ns);
                this.allocations.push(allocations.count);
                this.allocated_bytes.push(allocations.bytes);
                this.text_bytes = text_bytes;
            }
            if this.first_ns.len() == MOST_TURNS || start.elapsed() >= READING_TIME {
                return this;
            }
        }
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed().as_nanos() as u64, result)
}

fn read_once(subject: &dyn super::subjects::Subject) {
    let Reading { snapshot, text } = subject.reading();
    snapshot.into_iter().for_each(|mut snapshot| snapshot());
    text.into_iter().for_each(|mut text| _ = text.scrape());
}

/// What a thread records to each histogram: 0.1 to 100 ms, each decade as often.
fn latencies_ns(thread: usize) -> Vec<u64> {
    let mut random = fastrand::Rng::with_seed(thread as u64);
    (0..LATENCIES).map(|_| 10_f64.powf(5.0 + 3.0 * random.f64()) as u64).collect()
}

/// Of quipu's store; 0 where the system does not say.
fn store_bytes() -> u64 {
    quipu::store_usage().bytes_committed.unwrap_or(0) as u64
}

#[cfg(test)]
mod tests {
    use super::super::subjects::ENTRANTS;
    use super::*;

    /// In processes of their own, since some register with what the process has one of.
    #[test]
    fn every_subject_counts_every_record() {
        let program = std::env::current_exe().expect("this program");
        for entrant in &ENTRANTS {
            let test = std::process::Command::new(&program)
                .args(["--exact", "series::taken::tests::a_subject_counts_every_record"])
                .env("QUIPU_PEERS_ENTRANT", entrant.name)
                .output()
                .expect("it can be started");
            let output = String::from_utf8_lossy(&test.stdout);
            assert!(test.status.success(), "{}: {output}", entrant.name);
        }
    }

    #[test]
    fn a_subject_counts_every_record() {
        let Ok(name) = std::env::var("QUIPU_PEERS_ENTRANT") else { return };
        let entrant = ENTRANTS.iter().find(|entrant| entrant.name == name).expect("an entrant");
        let taken = Taken::of(entrant, &Shape::of(300), 2).expect("every record is counted");
        assert!(taken.snapshots.is_ok() || taken.texts.is_ok());
        let line = serde_json::to_string(&taken).expect("plain data");
        assert_eq!(serde_json::from_str::<Taken>(&line).ok(), Some(taken));
    }
}
