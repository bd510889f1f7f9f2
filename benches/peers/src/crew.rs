//! Threads that are alive at the same time and stay so, each doing its part of what they are told.
//!
//! A peer that gives each thread cells of its own has then as many in use as there are threads.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Scope;

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
}
