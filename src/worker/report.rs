//! What became of the workers.
#![forbid(unsafe_code)]

use super::census::ThreadName;
use std::fmt;

/// A worker and what it is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStatus {
    /// The worker's name.
    pub name: String,
    /// What it is doing, or how it ended.
    pub state: WorkerState,
}

/// What a worker is doing, or how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerState {
    /// Its thread was not started.
    NotStarted,
    /// It works.
    Running,
    /// It returned by itself, without an error, before it was told to.
    Ended,
    /// It was told to end, and returned without an error.
    Stopped,
    /// It returned an error, which said this.
    Failed(String),
    /// It panicked with this message.
    Panicked(String),
    /// It was told to end and did not in time. Its thread is left running.
    NotStopped,
}

/// What became of the workers; from [`WorkerManager::stop_all`](super::WorkerManager::stop_all).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct WorkerReport {
    /// The workers, in the order of registration.
    pub workers: Vec<WorkerStatus>,
    /// Threads of the process that are there now and were not before the first worker was started,
    /// whoever started them; `None` where the system does not tell. A worker that returned may be
    /// among them, if a destructor of its thread-locals hangs.
    pub left_threads: Option<Vec<ThreadName>>,
}

impl WorkerReport {
    /// Whether every worker that was started returned without an error, and no thread is left
    /// running.
    pub fn is_clean(&self) -> bool {
        let are_over = self.workers.iter().all(|worker| match worker.state {
            WorkerState::NotStarted | WorkerState::Ended | WorkerState::Stopped => true,
            WorkerState::Running
            | WorkerState::Failed(_)
            | WorkerState::Panicked(_)
            | WorkerState::NotStopped => false,
        });
        are_over && self.left_threads.as_ref().is_none_or(Vec::is_empty)
    }
}

impl fmt::Display for WorkerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted => f.write_str("not started"),
            Self::Running => f.write_str("running"),
            Self::Ended => f.write_str("ended by itself"),
            Self::Stopped => f.write_str("stopped"),
            Self::Failed(error) => write!(f, "failed: {error}"),
            Self::Panicked(message) => write!(f, "panicked: {message}"),
            Self::NotStopped => f.write_str("not stopped, its thread is left running"),
        }
    }
}

/// A line for each worker, and one for the threads that are left, if there are any.
impl fmt::Display for WorkerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for WorkerStatus { name, state } in &self.workers {
            writeln!(f, "{name}: {state}")?;
        }
        for (at, thread) in self.left_threads.iter().flatten().enumerate() {
            write!(f, "{}{thread}", if at == 0 { "threads left running: " } else { ", " })?;
        }
        if self.left_threads.iter().any(|threads| !threads.is_empty()) {
            writeln!(f)?;
        }
        Ok(())
    }
}
