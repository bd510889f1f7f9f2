//! Threads that are alive at the same time and stay so, each doing its part of what they are told.
//!
//! A peer that gives each thread cells of its own has then as many in use as there are threads.
#![forbid(unsafe_code)]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::thread::Scope;
use std::time::{Duration, Instant};

/// What a thread, told its number, does.
type Job<'env> = Arc<dyn Fn(usize) + Send + Sync + 'env>;

pub struct Crew<'env> {
    members: Vec<(Sender<Job<'env>>, Receiver<()>)>,
}

impl<'env> Crew<'env> {
    /// Threads that end when the crew is dropped.
    pub fn start<'scope>(scope: &'scope Scope<'scope, 'env>, threads: usize) -> Self {
        let member = |number| {
            let ((orders, to_do), (done, is_done)) = (channel::<Job<'env>>(), channel());
            scope.spawn(move || {
                for job in to_do {
                    job(number);
                    done.send(()).expect("the crew waits for it");
                }
            });
            (orders, is_done)
        };
        Self { members: (0..threads).map(member).collect() }
    }

    /// Has every thread do `job`, and returns when all have.
    pub fn each(&self, job: impl Fn(usize) + Send + Sync + 'env) {
        let job: Job<'env> = Arc::new(job);
        for (orders, _) in &self.members {
            orders.send(job.clone()).expect("no job panics");
        }
        for (_, is_done) in &self.members {
            is_done.recv().expect("no job panics");
        }
    }

    /// Has every thread do `prepare`, and then all at once `work` with what that made; returns the time
    /// that a core spent for one thread's work: what passes from the first start to the last end is
    /// divided among the threads where there are fewer cores than that.
    pub fn timed<P>(
        &self,
        prepare: impl Fn(usize) -> P + Send + Sync + 'env,
        work: impl Fn(&P) + Send + Sync + 'env,
    ) -> Duration {
        let threads = self.members.len();
        let (barrier, spans) = (Barrier::new(threads), Arc::new(Mutex::new(Vec::new())));
        let spans_of_all = spans.clone();
        self.each(move |number| {
            let prepared = prepare(number);
            barrier.wait();
            let start = Instant::now();
            work(&prepared);
            let span = (start, Instant::now());
            spans.lock().expect("no thread panics").push(span);
        });
        let spans = spans_of_all.lock().expect("no thread panics");
        let first = spans.iter().map(|(start, _)| *start).min().expect("there are threads");
        let last = spans.iter().map(|(_, end)| *end).max().expect("there are threads");
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        (last - first).mul_f64(cores.min(threads) as f64 / threads as f64)
    }
}
