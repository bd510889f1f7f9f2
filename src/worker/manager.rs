//! Workers that are started and stopped together.
#![forbid(unsafe_code)]

use super::census::{ThreadCensus, ThreadName};
use super::report::{WorkerReport, WorkerStatus};
use super::thread::WorkerThread;
use super::{Worker, WorkerError};
use crate::client::{CancelToken, after};
use std::time::{Duration, Instant};
use std::{fmt, io, thread};

/// What a manager that is dropped gives its workers.
const DROP_TIMEOUT: Duration = Duration::from_secs(5);
/// How long those have that are cancelled when the time is used up: for what ends at once.
const GRACE: Duration = Duration::from_millis(30);
/// How long the system may list a thread that was joined, when the time is used up, and otherwise.
const SHORT_LINGER: Duration = Duration::from_millis(40);
const LINGER: Duration = Duration::from_millis(200);

/// Starts workers together and stops them in reverse order.
///
/// What a worker does wrong, by a panic, an error or by not returning, is its own: it is reported,
/// and the others go on. Dropping the manager stops the workers and gives them 5 seconds.
///
/// ```
/// use quipu::{Client, Console, ThreadCensus, WorkerManager};
/// use std::time::Duration;
///
/// let before = ThreadCensus::take();
/// let client = Client::builder().exporter(Console::stdout()).start()?;
/// let mut manager = WorkerManager::new();
/// // First what the others need: it is stopped last.
/// manager.register(client.clone());
/// # #[cfg(feature = "system")]
/// manager.register(quipu::SystemCollector::new());
/// manager.register_fn("health checker", |cancel| {
///     while !cancel.wait_timeout(Duration::from_secs(10)) {
///         quipu::counter!("doc.manager.health_checks").increment();
///     }
///     Ok(())
/// });
/// manager.register_fn("cache warmer", |cancel| {
///     for page in 0..1_000 {
///         if cancel.is_cancelled() {
///             break;
///         }
///         quipu::gauge!("doc.manager.warm_pages").set(f64::from(page));
///     }
///     Ok(())
/// });
/// manager.start_all()?;
///
/// // The application runs.
///
/// let report = manager.stop_all(Duration::from_secs(30));
/// println!("{report}");
/// assert!(report.is_clean());
/// if let (Some(before), Some(after)) = (before, ThreadCensus::take()) {
///     println!("{} threads before, {} after", before.count(), after.count());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A handler of Ctrl-C that runs in a thread can cancel [`cancel_token`](Self::cancel_token): all
/// workers end, in no order, and [`stop_all`](Self::stop_all) collects what became of them.
pub struct WorkerManager {
    root: CancelToken,
    workers: Vec<WorkerThread>,
    start: Option<Start>,
    is_over: bool,
}

struct Start {
    threads: Option<ThreadCensus>,
    /// A forked child has the manager's memory but not its threads.
    process: u32,
}

/// Why workers could not be started.
#[derive(Debug)]
#[non_exhaustive]
pub enum WorkerStartError {
    /// The system refused a thread. Raise the process's limits on threads or memory. The workers
    /// that ran were stopped.
    Thread {
        /// The worker whose thread was refused.
        worker: String,
        /// What the system said.
        error: io::Error,
        /// What became of the others.
        report: WorkerReport,
    },
    /// The manager was stopped before. Use a new one.
    Stopped,
}

impl WorkerManager {
    /// A manager without workers.
    pub fn new() -> Self {
        Self { root: CancelToken::new(), workers: Vec::new(), start: None, is_over: false }
    }

    /// Adds a worker, to be started by the next [`start_all`](Self::start_all).
    pub fn register(&mut self, worker: impl Worker + 'static) -> &mut Self {
        self.workers.push(WorkerThread::new(Box::new(worker), self.root.child()));
        self
    }

    /// Adds a function as a worker; it follows the rules of [`Worker::run`].
    pub fn register_fn(
        &mut self,
        name: impl Into<String>,
        f: impl FnMut(&CancelToken) -> Result<(), WorkerError> + Send + 'static,
    ) -> &mut Self {
        self.register(Function { name: name.into(), f })
    }

    /// A token that ends all workers at once. Cancelled when they were stopped, as well.
    pub fn cancel_token(&self) -> CancelToken {
        self.root.clone()
    }

    /// Starts a thread for each worker that has none, in the order of registration.
    ///
    /// The threads have the workers' names.
    ///
    /// # Errors
    ///
    /// If a thread cannot be started, the workers that run are stopped, and get 5 seconds. A
    /// manager that was stopped starts nothing.
    pub fn start_all(&mut self) -> Result<(), WorkerStartError> {
        if self.is_over {
            return Err(WorkerStartError::Stopped);
        }
        if self.start.is_none() {
            let (threads, process) = (ThreadCensus::take(), std::process::id());
            self.start = Some(Start { threads, process });
        }
        for at in 0..self.workers.len() {
            if let Err(error) = self.workers[at].start() {
                let report = self.stop_all(DROP_TIMEOUT);
                let worker = self.workers[at].name().to_owned();
                return Err(WorkerStartError::Thread { worker, error, report });
            }
        }
        Ok(())
    }

    /// What each worker is doing, in the order of registration.
    pub fn status(&self) -> Vec<WorkerStatus> {
        let status = |worker: &WorkerThread| WorkerStatus {
            name: worker.name().to_owned(),
            state: worker.state(),
        };
        self.workers.iter().map(status).collect()
    }

    /// Stops the workers, the one registered last first, and each only when the one before it has
    /// ended.
    ///
    /// `timeout` is for all together, and their tokens' [`deadline`](CancelToken::deadline). When
    /// it is used up, the remaining ones are cancelled together, and only what ends at once is
    /// waited for: the threads of the others are left running. Returns within `timeout` and 100 ms,
    /// whatever the workers do; of the time that is not used up, it spends up to 200 ms on looking
    /// again at threads that seem to be left, since a thread that was joined may be listed for a
    /// moment longer. Called again, it waits for no worker, and tells what has become of them.
    /// In a forked child, where none of them are, it does nothing and reports none.
    pub fn stop_all(&mut self, timeout: Duration) -> WorkerReport {
        let started = self.start.as_ref();
        if started.is_some_and(|start| start.process != std::process::id()) {
            return WorkerReport::default();
        }
        self.is_over = true;
        let deadline = after(timeout);
        let have_ended = self.workers.iter_mut().rev().all(|worker| {
            worker.cancel_by(deadline);
            worker.ends_by(deadline)
        });
        self.root.cancel_by(deadline);
        if !have_ended {
            for worker in self.workers.iter_mut().rev() {
                if !worker.ends_by(deadline + GRACE) {
                    worker.abandon();
                }
            }
        }
        WorkerReport { workers: self.status(), left_threads: self.left_threads(deadline) }
    }

    /// Threads that were not there before the start.
    fn left_threads(&self, deadline: Instant) -> Option<Vec<ThreadName>> {
        let before = self.start.as_ref()?.threads.as_ref()?;
        let now = Instant::now();
        let end = deadline.min(now + LINGER).max(now + SHORT_LINGER);
        loop {
            let left = ThreadCensus::take()?.started_since(before);
            if left.is_empty() || Instant::now() >= end {
                return Some(left);
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Default for WorkerManager {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for WorkerManager {
    fn drop(&mut self) {
        if !self.is_over {
            self.stop_all(DROP_TIMEOUT);
        }
    }
}

impl fmt::Debug for WorkerManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerManager").field("workers", &self.status()).finish_non_exhaustive()
    }
}

impl fmt::Display for WorkerStartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Thread { worker, error, .. } => write!(
                f,
                "the system refused a thread for the worker {worker:?}: {error}; the others were \
                 stopped; raise the process's limits on threads or memory"
            ),
            Self::Stopped => f.write_str("the manager was stopped before; use a new one"),
        }
    }
}

impl std::error::Error for WorkerStartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Thread { error, .. } => Some(error),
            Self::Stopped => None,
        }
    }
}

/// A worker made of a function.
struct Function<F> {
    name: String,
    f: F,
}

impl<F: FnMut(&CancelToken) -> Result<(), WorkerError> + Send> Worker for Function<F> {
    fn name(&self) -> &str {
        &self.name
    }

    fn run(&mut self, cancel: &CancelToken) -> Result<(), WorkerError> {
        (self.f)(cancel)
    }
}
