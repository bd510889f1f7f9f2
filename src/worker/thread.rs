//! One worker, its thread, and how it ended.
//!
//! The worker's thread writes the state and wakes whoever waits for it; only [`WorkerThread`] waits.
//! Whatever the worker does when it runs, fails or is dropped, its thread comes to that, unless it
//! hangs.
#![forbid(unsafe_code)]

use super::report::WorkerState;
use super::{Worker, WorkerError};
use crate::client::{CancelToken, contained, join_by};
use crate::sync::{self, Mutex};
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle, Thread};
use std::time::Instant;

/// A worker from its registration to its end.
pub(super) struct WorkerThread {
    name: String,
    cancel: CancelToken,
    worker: Option<Box<dyn Worker>>,
    thread: Option<JoinHandle<()>>,
    progress: Arc<Mutex<Progress>>,
}

struct Progress {
    state: WorkerState,
    waiter: Option<Thread>,
}

impl WorkerThread {
    pub(super) fn new(worker: Box<dyn Worker>, cancel: CancelToken) -> Self {
        let name = contained(|| worker.name().to_owned())
            .unwrap_or_else(|message| format!("a worker whose name panicked: {message}"));
        let progress = Progress { state: WorkerState::NotStarted, waiter: None };
        let progress = Arc::new(Mutex::new(progress));
        Self { name, cancel, worker: Some(worker), thread: None, progress }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn state(&self) -> WorkerState {
        sync::lock(&self.progress).state.clone()
    }

    /// Starts the thread, unless that was done before.
    pub(super) fn start(&mut self) -> io::Result<()> {
        let Some(worker) = self.worker.take() else {
            return Ok(());
        };
        let (cancel, progress) = (self.cancel.clone(), self.progress.clone());
        sync::lock(&progress).state = WorkerState::Running;
        // The system's names end at a NUL, and std panics at one.
        let builder = thread::Builder::new().name(self.name.replace('\0', " "));
        let work = move || {
            let state = run(worker, &cancel);
            let mut progress = sync::lock(&progress);
            progress.state = state;
            let waiter = progress.waiter.take();
            drop(progress);
            if let Some(waiter) = waiter {
                waiter.unpark();
            }
        };
        // Where there is no thread, the worker is dropped here, and that may panic.
        let thread = contained(|| builder.spawn(work)).unwrap_or_else(|m| Err(io::Error::other(m)));
        if thread.is_err() {
            sync::lock(&self.progress).state = WorkerState::NotStarted;
        }
        self.thread = Some(thread?);
        Ok(())
    }

    /// Tells the worker to end by `deadline`.
    pub(super) fn cancel_by(&self, deadline: Instant) {
        self.cancel.cancel_by(deadline);
    }

    /// Waits until the thread has ended, `end` at most. Returns whether the worker has.
    ///
    /// A thread that hangs in its destructors afterwards is left running.
    pub(super) fn ends_by(&mut self, end: Instant) -> bool {
        if self.thread.is_none() {
            return true;
        }
        let has_returned = self.has_returned_by(end);
        if has_returned {
            if let Some(thread) = self.thread.take() {
                join_by(thread, end);
            }
        }
        has_returned
    }

    /// Leaves the thread to itself. If the worker returns later, the state will say how.
    pub(super) fn abandon(&mut self) {
        self.thread = None;
        let mut progress = sync::lock(&self.progress);
        if progress.state == WorkerState::Running {
            progress.state = WorkerState::NotStopped;
        }
    }

    fn has_returned_by(&self, end: Instant) -> bool {
        loop {
            {
                let mut progress = sync::lock(&self.progress);
                if progress.state != WorkerState::Running {
                    return true;
                }
                progress.waiter = Some(thread::current());
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            thread::park_timeout(left);
        }
    }
}

/// Runs and drops the worker.
fn run(mut worker: Box<dyn Worker>, cancel: &CancelToken) -> WorkerState {
    let returned = contained(|| worker.run(cancel));
    let was_cancelled = cancel.is_cancelled();
    // Apart from its run: a drop that panics during a panic would end the process.
    let dropped = contained(move || drop(worker));
    match (returned, dropped) {
        (Err(message), _) => WorkerState::Panicked(message),
        (Ok(Err(error)), _) => failed(error),
        (Ok(Ok(())), Err(message)) => {
            WorkerState::Panicked(format!("{message} (when it was dropped)"))
        }
        (Ok(Ok(())), Ok(())) if was_cancelled => WorkerState::Stopped,
        (Ok(Ok(())), Ok(())) => WorkerState::Ended,
    }
}

fn failed(error: WorkerError) -> WorkerState {
    let text = contained(|| error.to_string());
    let text = text.unwrap_or_else(|message| format!("an error whose text panicked: {message}"));
    // Its drop is the worker's code as well.
    let _ = contained(move || drop(error));
    WorkerState::Failed(text)
}

impl Drop for WorkerThread {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            let _ = contained(move || drop(worker));
        }
    }
}
