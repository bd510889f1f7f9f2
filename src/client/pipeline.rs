//! The threads of a client, and what they share.
#![forbid(unsafe_code)]

use super::capture::CapturedError;
use super::captured::CaptureQueue;
use super::clock::{Clock, Waker, after};
use super::cut::cut;
use super::delay::Backoff;
use super::delivery::{Course, DeliveryThread, Destination};
use super::flusher::{FlusherThread, Flushes, Progress};
use super::handover::Handover;
use super::health::Health;
use super::join::join_by;
use super::measures::{CaptureMeasures, Dropped, ExporterMeasures, Measures};
use super::orders::Orders;
use super::report::{ExporterReport, Report};
use super::settings::{Settings, StartError};
use super::standing::{Standing, Waiters};
use super::trace::CapturedTrace;
use crate::series::Consumer;
use crate::sync::{self, Mutex};
use std::sync::Arc;
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};

/// Linux shows no more of a thread's name.
const THREAD_NAME_BYTES: usize = 15;
/// How long a thread whose deadline has come may take to say that it has ended, and how long the
/// system may take to end it after that.
const END_TIMEOUT: Duration = Duration::from_millis(40);
const JOIN_TIMEOUT: Duration = Duration::from_millis(30);

pub(super) struct Pipeline {
    flushes: Arc<Flushes>,
    flusher: Waker,
    destinations: Arc<[Arc<Destination>]>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    thread_ids: Vec<ThreadId>,
    measures: Arc<Measures>,
    clock: Clock,
    started: Instant,
    sample_rate: f64,
    traces_rate: f64,
    attempt_timeout: Duration,
}

impl Pipeline {
    pub(super) fn start(settings: Settings) -> Result<Self, StartError> {
        let Settings { registry, exporters, clock, interval, .. } = settings;
        let measures = Arc::new(Measures::register(&registry));
        let waiters = Arc::new(Waiters::default());
        let mut threads = Threads::default();
        let mut destinations: Vec<Arc<Destination>> = Vec::new();
        for exporter in exporters {
            let name = distinct(&destinations, exporter.name());
            let sleeper = clock.sleeper();
            let destination = Arc::new(Destination {
                handover: Handover::new(),
                standing: Standing::default(),
                measures: ExporterMeasures::register(&registry, &name),
                waker: sleeper.waker(),
                errors: exporter.takes_errors().then(CaptureQueue::new),
                traces: exporter.takes_traces().then(CaptureQueue::new),
                name,
            });
            let consumer: Arc<dyn Consumer> = destination.clone();
            registry.add_consumer(&consumer);
            destinations.push(destination.clone());
            threads.waiting.push(destination.clone());
            let thread = DeliveryThread {
                exporter,
                destination: destination.clone(),
                clock: clock.clone(),
                sleeper,
                attempt_timeout: settings.attempt_timeout,
                measures: measures.clone(),
                waiters: waiters.clone(),
                course: Course::new(Backoff::new(settings.backoff.clone())),
            };
            threads.spawn(&destination.name, move || thread.run())?;
        }
        let destinations: Arc<[_]> = destinations.into();
        let flushes = Arc::new(Flushes {
            orders: Orders::new(),
            progress: Mutex::new(Progress::default()),
            waiters,
            interval,
        });
        let sleeper = clock.sleeper();
        let flusher = sleeper.waker();
        let started = clock.now().at;
        let thread = FlusherThread {
            registry,
            flushes: flushes.clone(),
            destinations: destinations.clone(),
            clock: clock.clone(),
            sleeper,
            started,
            attempt_timeout: settings.attempt_timeout,
            measures: measures.clone(),
        };
        threads.spawn("flusher", move || thread.run())?;
        let threads = threads.keep();
        Ok(Self {
            flushes,
            flusher,
            destinations,
            thread_ids: threads.iter().map(|thread| thread.thread().id()).collect(),
            threads: Mutex::new(threads),
            measures,
            clock,
            started,
            sample_rate: settings.sample_rate,
            traces_rate: settings.traces_rate,
            attempt_timeout: settings.attempt_timeout,
        })
    }

    /// Flushes, and waits until each exporter has acknowledged the snapshot or failed to.
    pub(super) fn flush(&self, timeout: Duration) -> Report {
        let deadline = after(timeout);
        let number = self.flushes.orders.request();
        self.flusher.wake();
        if !self.is_own_thread() {
            let is_flushed = || {
                let progress = self.flushes.progress();
                progress.number >= number || progress.has_ended
            };
            if self.flushes.waiters.wait(deadline, is_flushed) {
                let flushed = self.flushes.progress().sequence;
                let is_attempted = || {
                    let now = self.clock.now().at;
                    self.destinations.iter().all(|it| it.standing.has_attempted(flushed, now))
                };
                self.flushes.waiters.wait(deadline, is_attempted);
                // Newer ones may have been taken meanwhile, which this call is not about.
                return self.report_up_to(flushed);
            }
        }
        self.report()
    }

    /// Tells the threads to come to their end, which deliveries may take until `timeout` for.
    pub(super) fn begin_stop(&self, timeout: Duration) {
        self.flushes.orders.stop(after(timeout));
        self.flusher.wake();
    }

    /// Waits until the threads have come to their end, at most for `timeout`.
    pub(super) fn stop(&self, timeout: Duration) -> Report {
        let deadline = after(timeout);
        self.begin_stop(timeout);
        if !self.is_own_thread() {
            let have_ended = || {
                self.flushes.progress().has_ended
                    && self.destinations.iter().all(|it| it.standing.has_ended())
            };
            self.flushes.waiters.wait(deadline + END_TIMEOUT, have_ended);
            self.join(deadline + END_TIMEOUT + JOIN_TIMEOUT);
        }
        let progress = self.flushes.progress();
        // A last snapshot that is not taken yet is one that nobody has.
        self.report_up_to(progress.sequence + u64::from(!progress.has_ended))
    }

    /// Joins the threads whose work is done, until `end`.
    fn join(&self, end: Instant) {
        let threads = std::mem::take(&mut *sync::lock(&self.threads));
        let is_done = |thread: &JoinHandle<()>| {
            let at = self.thread_ids.iter().position(|id| *id == thread.thread().id());
            match at.and_then(|at| self.destinations.get(at)) {
                Some(destination) => destination.standing.has_ended(),
                // The flusher was started last.
                None => self.flushes.progress().has_ended,
            }
        };
        let (done, hanging): (Vec<_>, Vec<_>) = threads.into_iter().partition(is_done);
        done.into_iter().for_each(|thread| join_by(thread, end));
        sync::lock(&self.threads).extend(hanging);
    }

    /// Whether the caller is one of the threads that it would wait for.
    pub(super) fn is_own_thread(&self) -> bool {
        self.thread_ids.contains(&thread::current().id())
    }

    pub(super) fn report(&self) -> Report {
        self.report_up_to(self.flushes.progress().sequence)
    }

    /// What has become of the snapshot with that number, and of all before.
    fn report_up_to(&self, sequence: u64) -> Report {
        let now = self.clock.now().at;
        let report =
            |it: &Arc<Destination>| ExporterReport::new(&it.name, it.standing.now(), sequence, now);
        let exporters = self.destinations.iter().map(report).collect();
        Report { flushes: self.flushes.progress().number, exporters }
    }

    pub(super) fn health(&self) -> Health {
        let now = self.clock.now().at;
        Health::examine(&self.flushes, &self.destinations, self.started, now, self.attempt_timeout)
    }

    /// Passes on what `error` makes, unless it is sampled out.
    pub(super) fn capture_error(&self, error: impl FnOnce() -> CapturedError) {
        self.capture(&self.measures.errors, self.sample_rate, |it| it.errors.as_ref(), error);
    }

    /// Passes on what `trace` makes, unless it is sampled out.
    pub(super) fn capture_trace(&self, trace: impl FnOnce() -> CapturedTrace) {
        self.capture(&self.measures.traces, self.traces_rate, |it| it.traces.as_ref(), trace);
    }

    fn capture<T>(
        &self,
        measures: &CaptureMeasures,
        rate: f64,
        queue: impl Fn(&Destination) -> Option<&CaptureQueue<T>>,
        captured: impl FnOnce() -> T,
    ) {
        measures.captured.increment();
        if rate < 1.0 && fastrand::f64() >= rate {
            measures.sampled_out.increment();
            return;
        }
        if self.destinations.iter().all(|destination| queue(destination).is_none()) {
            measures.dropped(Dropped::NoExporter).increment();
            return;
        }
        let captured = Arc::new(captured());
        for destination in self.destinations.iter() {
            let Some(queue) = queue(destination) else { continue };
            match queue.put(captured.clone()) {
                Ok(()) => destination.waker.wake(),
                Err(cause) => measures.dropped(cause).increment(),
            }
        }
    }
}

/// Threads of a pipeline that is being started. Unless all can be, those that were end again.
#[derive(Default)]
struct Threads {
    running: Vec<JoinHandle<()>>,
    waiting: Vec<Arc<Destination>>,
}

impl Threads {
    fn spawn(
        &mut self,
        name: &str,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<(), StartError> {
        let full_name = format!("quipu-{name}");
        // A name with a NUL is one that the system cannot show.
        let shown = cut(&full_name, THREAD_NAME_BYTES).replace('\0', "");
        let thread = thread::Builder::new().name(shown).spawn(work);
        let thread = thread.map_err(|error| StartError::Thread { name: name.to_owned(), error })?;
        self.running.push(thread);
        Ok(())
    }

    fn keep(mut self) -> Vec<JoinHandle<()>> {
        self.waiting.clear();
        std::mem::take(&mut self.running)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        for destination in &self.waiting {
            destination.handover.close(None, Instant::now());
            destination.waker.wake();
        }
    }
}

/// `name`, or with a number if another exporter has it.
fn distinct(destinations: &[Arc<Destination>], name: &str) -> String {
    let is_free = |name: &str| destinations.iter().all(|other| other.name != name);
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names.find(|name| is_free(name)).unwrap_or_default()
}
