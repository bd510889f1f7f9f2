//! Threads for work that would hold up the caller's runtime.
//!
//! Such a thread is started with its first job and again in a forked child, which has no copy of it. It
//! ends when the way to it is dropped and the jobs are done. Jobs that a thread leaves undone,
//! by a panic, are seen by whoever waits for the reply, since its sender is dropped.
#![forbid(unsafe_code)]

use crate::sync::{self, Mutex};
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

pub(super) struct JobThread<J> {
    name: &'static str,
    begin: Begin<J>,
    line: Mutex<Option<Line<J>>>,
}

/// Makes what a thread runs.
type Begin<J> = Box<dyn Fn(Receiver<J>) -> Box<dyn FnOnce() + Send> + Send + Sync>;

/// The way to the thread of a process.
struct Line<J> {
    jobs: Sender<J>,
    process: u32,
}

impl<J: Send + 'static> JobThread<J> {
    /// `begin` makes what the thread runs. Linux shows 15 bytes of the name.
    pub(super) fn new<W>(
        name: &'static str,
        begin: impl Fn(Receiver<J>) -> W + Send + Sync + 'static,
    ) -> Self
    where
        W: FnOnce() + Send + 'static,
    {
        let begin = Box::new(move |jobs| Box::new(begin(jobs)) as Box<dyn FnOnce() + Send>);
        Self { name, begin, line: Mutex::new(None) }
    }

    /// Passes a job on.
    ///
    /// # Errors
    ///
    /// The system's, if it refuses a thread.
    pub(super) fn send(&self, job: J) -> io::Result<()> {
        let mut line = sync::lock(&self.line);
        if line.as_ref().is_some_and(|line| line.process != std::process::id()) {
            // What is inside may have been in use when the process was forked.
            std::mem::forget(line.take());
        }
        let job = match &*line {
            Some(line) => match line.jobs.send(job) {
                Ok(()) => return Ok(()),
                // The thread has panicked.
                Err(unsent) => unsent.0,
            },
            None => job,
        };
        let (jobs, received) = channel();
        thread::Builder::new().name(self.name.into()).spawn((self.begin)(received))?;
        // There is a receiver now.
        let _ = jobs.send(job);
        *line = Some(Line { jobs, process: std::process::id() });
        Ok(())
    }
}
