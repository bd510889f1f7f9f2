//! Threads that stay alive, so that each keeps its shard, and do what they are told, each the same.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

type Job = Arc<dyn Fn() + Send + Sync>;

#[derive(Default)]
pub struct Crew {
    threads: Vec<(Sender<Job>, Receiver<()>)>,
}

impl Crew {
    pub fn grow_to(&mut self, how_many: usize) {
        while self.threads.len() < how_many {
            let ((jobs, to_do), (done, is_done)) = (channel::<Job>(), channel());
            thread::spawn(move || {
                for job in to_do {
                    job();
                    done.send(()).expect("it is waited for");
                }
            });
            self.threads.push((jobs, is_done));
        }
    }

    /// Does `job` on all threads, and returns when all are done.
    pub fn each(&self, job: impl Fn() + Send + Sync + 'static) {
        let job: Job = Arc::new(job);
        for (jobs, _) in &self.threads {
            jobs.send(job.clone()).expect("the thread is alive");
        }
        for (_, done) in &self.threads {
            done.recv().expect("the thread is alive");
        }
    }

    pub fn how_many(&self) -> usize {
        self.threads.len()
    }
}
