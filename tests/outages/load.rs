//! A thread that records, knows what it recorded, and checks that it never had to allocate.

use crate::counting::ALLOCATIONS;
use crate::kinds::Sums;
use quipu::Registry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::{self, JoinHandle};

const COUNTERS: usize = 8;

pub struct Load {
    thread: JoinHandle<[u64; COUNTERS]>,
    steps: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

fn name(number: usize) -> String {
    format!("load.{number}")
}

impl Load {
    pub fn start(registry: &Registry) -> Self {
        let counters: [_; COUNTERS] =
            std::array::from_fn(|number| registry.counter(&name(number)).register().unwrap());
        let duration = registry.histogram("duration").register().unwrap();
        let (steps, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (own_steps, own_stop) = (steps.clone(), stop.clone());
        let thread = thread::spawn(move || {
            quipu::register_thread();
            let mut totals = [0; COUNTERS];
            let mut allocations = None;
            while !own_stop.load(SeqCst) {
                let step = own_steps.fetch_add(1, SeqCst);
                for ((number, counter), total) in (1..).zip(&counters).zip(&mut totals) {
                    counter.add(number + step % 3);
                    *total += number + step % 3;
                }
                duration.record(step);
                thread::yield_now();
                // The first records lay the thread's memory out.
                assert_eq!(*allocations.get_or_insert(ALLOCATIONS.get()), ALLOCATIONS.get());
            }
            totals
        });
        Self { thread, steps, stop }
    }

    /// How often it has recorded.
    pub fn steps(&self) -> u64 {
        self.steps.load(SeqCst)
    }

    /// Ends it; what it has recorded.
    pub fn stop(self) -> Sums {
        self.stop.store(true, SeqCst);
        let totals = self.thread.join().unwrap();
        (0..).map(name).zip(totals).collect()
    }
}
