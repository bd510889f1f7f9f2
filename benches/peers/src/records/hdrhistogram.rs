//! `hdrhistogram`, which is a histogram and no more, for all latencies up to 1,000 seconds: of each
//! thread for itself, where nobody else can read it; of each thread, and sent to the reader when
//! that asks; and of all threads, behind a lock.
#![forbid(unsafe_code)]

use super::inputs::{repeat, with_latencies};
use super::{Instrument, Offer, Operation};
use crate::libraries::MOST_THREADS;
use hdrhistogram::Histogram;
use hdrhistogram::sync::{Recorder, SyncHistogram};
use std::sync::{Arc, Mutex};
use std::time::Instant;

const HIGHEST_NS: u64 = 1_000_000_000_000;
const DIGITS: u8 = 2;

const NO_OTHERS: &str = "no other instrument";

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, HIGHEST_NS, DIGITS).expect("valid bounds")
}

/// What is recorded to, for as long as a thread works.
trait Records {
    fn record(&mut self, latency_ns: u64);

    #[inline(always)]
    fn time(&mut self) {
        self.record(Instant::now().elapsed().as_nanos() as u64);
    }
}

impl Records for Histogram<u64> {
    #[inline(always)]
    fn record(&mut self, latency_ns: u64) {
        Histogram::record(self, latency_ns).expect("it is in range");
    }
}

impl Records for Recorder<u64> {
    #[inline(always)]
    fn record(&mut self, latency_ns: u64) {
        Recorder::record(self, latency_ns).expect("it is in range");
    }
}

impl Records for &Mutex<Histogram<u64>> {
    #[inline(always)]
    fn record(&mut self, latency_ns: u64) {
        self.lock().expect("nobody panics").record(latency_ns).expect("it is in range");
    }
}

/// Does the operation so often, one of a histogram.
#[inline(always)]
fn work(operation: Operation, times: u64, histogram: &mut impl Records) {
    if operation == Operation::Histogram {
        with_latencies(times, |latency_ns| histogram.record(latency_ns));
    } else {
        repeat(times, || histogram.time());
    }
}

fn is_of_a_histogram(operation: Operation) -> bool {
    matches!(operation, Operation::Histogram | Operation::TimedSection)
}

pub fn of_a_thread(operation: Operation) -> Offer {
    if !is_of_a_histogram(operation) {
        return Err(NO_OTHERS);
    }
    let all: Arc<[_]> = (0..MOST_THREADS).map(|_| Mutex::new(histogram())).collect();
    let read = all.clone();
    let work = move |thread: usize, times| {
        work(operation, times, &mut *all[thread].lock().expect("nobody panics"));
    };
    let count = move || read.iter().map(|own| own.lock().expect("nobody panics").len()).sum();
    Ok(Instrument::new(work, count)
        .note("within 0.8 %, min and max; nobody else can read it meanwhile"))
}

pub fn of_a_recorder(operation: Operation) -> Offer {
    if !is_of_a_histogram(operation) {
        return Err(NO_OTHERS);
    }
    let all = SyncHistogram::from(histogram());
    let recorders: Arc<[_]> = (0..MOST_THREADS).map(|_| Mutex::new(Some(all.recorder()))).collect();
    let dropped = recorders.clone();
    let work = move |thread: usize, times| {
        let mut recorder = recorders[thread].lock().expect("nobody panics");
        work(operation, times, recorder.as_mut().expect("it is counted in the end"));
    };
    let all = Mutex::new(all);
    let count = move || {
        // It waits for all recorders that there are.
        dropped.iter().for_each(|recorder| drop(recorder.lock().expect("nobody panics").take()));
        let mut all = all.lock().expect("nobody panics");
        all.refresh();
        all.len()
    };
    Ok(Instrument::new(work, count)
        .note("within 0.8 %, min and max; a read waits for a record of each thread"))
}

pub fn of_all(operation: Operation) -> Offer {
    if !is_of_a_histogram(operation) {
        return Err(NO_OTHERS);
    }
    let all = Arc::new(Mutex::new(histogram()));
    let read = all.clone();
    let work = move |_, times| work(operation, times, &mut &*all);
    let count = move || read.lock().expect("nobody panics").len();
    Ok(Instrument::new(work, count).note("within 0.8 %, min and max"))
}
