//! Threads that record, some for long and some for a moment, and that know what they recorded.

use crate::books::Totals;
use quipu::{Counter, Histogram, Registry};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::{self, JoinHandle};

const THREADS: u64 = 3;

pub struct Load {
    threads: Vec<(Arc<AtomicU64>, JoinHandle<Totals>)>,
    stop: Arc<AtomicBool>,
}

#[derive(Clone)]
struct Recorder {
    counter: Counter,
    histogram: Histogram,
}

impl Recorder {
    fn step(&self, number: u64) -> Totals {
        let mut totals = Totals::default();
        for value in 0..16 {
            let n = number % 7 + value;
            self.counter.add(n);
            self.histogram.record(n << value);
            totals.add(Totals { counter: n, recorded: 1 });
        }
        totals
    }
}

impl Load {
    pub fn start(registry: &Registry) -> Self {
        let recorder = Recorder {
            counter: registry.counter("c").register().unwrap(),
            histogram: registry.histogram("h").register().unwrap(),
        };
        let stop = Arc::new(AtomicBool::new(false));
        let spawn = |step: fn(&Recorder, u64) -> Totals| {
            let (recorder, stop, steps) = (recorder.clone(), stop.clone(), Arc::default());
            let own_steps: Arc<AtomicU64> = Arc::clone(&steps);
            let thread = thread::spawn(move || {
                let mut totals = Totals::default();
                while !stop.load(SeqCst) {
                    totals.add(step(&recorder, own_steps.fetch_add(1, SeqCst)));
                    thread::yield_now();
                }
                totals
            });
            (steps, thread)
        };
        let mut threads: Vec<_> = (0..THREADS).map(|_| spawn(Recorder::step)).collect();
        // Threads that come and go.
        threads.push(spawn(|recorder, number| {
            let recorder = recorder.clone();
            thread::spawn(move || recorder.step(number)).join().unwrap()
        }));
        Self { threads, stop }
    }

    /// How often each thread has recorded.
    pub fn steps(&self) -> Vec<u64> {
        self.threads.iter().map(|(steps, _)| steps.load(SeqCst)).collect()
    }

    /// Ends the threads; what all of them have recorded.
    pub fn stop(self) -> Totals {
        self.stop.store(true, SeqCst);
        let mut totals = Totals::default();
        self.threads.into_iter().for_each(|(_, thread)| totals.add(thread.join().unwrap()));
        totals
    }
}
