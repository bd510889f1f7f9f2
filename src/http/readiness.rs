//! Whether the application is ready for work: what it says itself, and what its checks find.
//!
//! Checks are the application's code, so they run in a thread of their own, one after the other; all
//! who ask while it is busy share the next run. One that hangs holds up nobody but those who wait for
//! it: whoever asks after it has been running for a second is told so at once.
#![forbid(unsafe_code)]

use super::job_thread::JobThread;
use crate::client::contained;
use crate::sync::{self, Mutex};
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// A check that takes longer hangs.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// One of the application's checks.
pub(super) struct Check {
    pub(super) name: String,
    pub(super) run: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
}

/// What speaks against being ready.
pub(super) type Reasons = Vec<String>;

pub(super) struct Readiness {
    /// What the application says.
    refusal: Mutex<Option<String>>,
    checks: Option<Checks>,
}

struct Checks {
    thread: JobThread<oneshot::Sender<Reasons>>,
    running: Arc<Running>,
}

/// The check under way.
type Running = Mutex<Option<(Instant, String)>>;

/// An answer, now or later.
pub(super) enum Verdict {
    Now(Reasons),
    Later(oneshot::Receiver<Reasons>),
}

impl Readiness {
    pub(super) fn new(checks: Vec<Check>) -> Self {
        let checks = (!checks.is_empty()).then(|| Checks::new(checks));
        Self { refusal: Mutex::new(None), checks }
    }

    /// Sets what the application says: `None` for ready.
    pub(super) fn refuse(&self, reason: Option<String>) {
        *sync::lock(&self.refusal) = reason;
    }

    /// The checks need not be asked if the application says no.
    pub(super) fn examine(&self) -> Verdict {
        if let Some(reason) = &*sync::lock(&self.refusal) {
            return Verdict::Now(vec![reason.clone()]);
        }
        self.checks.as_ref().map_or_else(|| Verdict::Now(Reasons::new()), Checks::ask)
    }
}

impl Checks {
    fn new(checks: Vec<Check>) -> Self {
        let running = Arc::new(Running::new(None));
        let (checks, noted) = (Arc::new(checks), running.clone());
        let thread = JobThread::new("quipu-checks", move |askers| {
            let (checks, running) = (checks.clone(), noted.clone());
            move || answer(&checks, &running, &askers)
        });
        Self { thread, running }
    }

    fn ask(&self) -> Verdict {
        if let Some((since, name)) = &*sync::lock(&self.running) {
            let elapsed = since.elapsed();
            if elapsed > CHECK_TIMEOUT {
                let reason = format!("{name} has not returned for {} s", elapsed.as_secs());
                return Verdict::Now(vec![reason]);
            }
        }
        let (reply, verdict) = oneshot::channel();
        match self.thread.send(reply) {
            Ok(()) => Verdict::Later(verdict),
            Err(error) => {
                let reason = format!("the system refuses a thread for the checks: {error}");
                Verdict::Now(vec![reason])
            }
        }
    }
}

fn answer(checks: &[Check], running: &Running, askers: &Receiver<oneshot::Sender<Reasons>>) {
    // Of a thread that stayed behind in another process.
    *sync::lock(running) = None;
    while let Ok(first) = askers.recv() {
        let asked: Vec<_> = std::iter::once(first).chain(askers.try_iter()).collect();
        let mut reasons = Reasons::new();
        for Check { name, run } in checks {
            *sync::lock(running) = Some((Instant::now(), name.clone()));
            match contained(run) {
                Ok(Ok(())) => {}
                Ok(Err(reason)) => reasons.push(format!("{name}: {reason}")),
                Err(panic) => reasons.push(format!("{name} panicked: {panic}")),
            }
        }
        *sync::lock(running) = None;
        for reply in asked {
            // Who has gone meanwhile needs no answer.
            let _ = reply.send(reasons.clone());
        }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Check").field(&self.name).finish()
    }
}
