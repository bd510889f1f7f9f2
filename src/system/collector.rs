//! A worker that sets gauges to what the process takes of the system.
#![forbid(unsafe_code)]

use super::process::Process;
#[cfg(feature = "tokio")]
use super::runtime::Runtime;
use crate::client::CancelToken;
use crate::metric::Gauge;
use crate::registry::{Registry, registry};
use crate::series::Unit;
use crate::worker::{Worker, WorkerError, thread_count};
use std::ops::Deref;
use std::time::{Duration, Instant};

const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
/// Systems count CPU time in steps of up to 16 ms: over less than this, a share would be made of
/// their number.
const SHORTEST_WINDOW: Duration = Duration::from_millis(200);
/// How long the first share of CPU time is waited for, at most.
const FIRST_WINDOW: Duration = Duration::from_secs(1);

/// A [`Worker`] that reads what the process takes of the system, every 10 seconds.
///
/// | gauge | unit | |
/// |---|---|---|
/// | `process.memory.usage` | bytes | resident memory |
/// | `process.cpu.utilization.of_one_core` | percent | 100 for each core in use |
/// | `process.cpu.utilization.of_all_cores` | percent | 100 with all cores in use |
/// | `process.threads` | | threads |
/// | `process.open_file_descriptors` | | open files and sockets; on Windows, handles |
/// | `process.uptime` | seconds | since the process began |
///
/// Utilization is the CPU time of all threads since the last reading by the time that passed. All
/// cores are those that the process may use, as [`std::thread::available_parallelism`] counts them;
/// a quota that is no whole number of cores is rounded there.
///
/// What the system does not tell is not set. Utilization needs two readings: it is first set by the
/// second one, after a second at most, and readings within 200 ms of the last leave it as it is. If
/// a name is taken by another kind of metric, its readings go
/// to a detached gauge, and the registry counts the refusal.
///
/// Costs nothing on hot paths. A reading, in the worker's thread, takes as long as reading a few
/// files and listing the machine's processes and the process's threads and open files.
///
/// ```
/// use quipu::{SystemCollector, WorkerManager};
/// use std::time::Duration;
///
/// let mut manager = WorkerManager::new();
/// manager.register(SystemCollector::new().interval(Duration::from_secs(5)));
/// manager.start_all()?;
/// # Ok::<(), quipu::WorkerStartError>(())
/// ```
#[must_use = "it is a worker: register it with a `WorkerManager`"]
pub struct SystemCollector {
    registry: Box<dyn Deref<Target = Registry> + Send>,
    interval: Duration,
    process: Process,
    gauges: Option<Gauges>,
    cores: f64,
    /// CPU time at the beginning of the window that is measured.
    window: Option<(Instant, Duration)>,
    #[cfg(feature = "tokio")]
    pub(super) runtime: Option<Runtime>,
}

struct Gauges {
    memory: Gauge,
    cpu_of_one_core: Gauge,
    cpu_of_all_cores: Gauge,
    threads: Gauge,
    open_files: Gauge,
    uptime: Gauge,
}

impl SystemCollector {
    /// A collector for the process's own registry.
    pub fn new() -> Self {
        Self {
            registry: Box::new(registry()),
            interval: DEFAULT_INTERVAL,
            process: Process::new(),
            gauges: None,
            cores: std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64),
            window: None,
            #[cfg(feature = "tokio")]
            runtime: None,
        }
    }

    /// Time between two readings; 10 seconds by default, and 100 milliseconds at least.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(SHORTEST_INTERVAL);
        self
    }

    /// Sets the gauges of another registry, given as a reference that lives for ever or as an
    /// `Arc`.
    pub fn registry(mut self, registry: impl Deref<Target = Registry> + Send + 'static) -> Self {
        self.registry = Box::new(registry);
        self
    }

    /// Reads the process and sets the gauges now; for programs that run it themselves.
    ///
    /// The first call registers the gauges.
    pub fn collect_now(&mut self) {
        let gauges = self.gauges.get_or_insert_with(|| Gauges::register(&self.registry));
        if let Some(threads) = thread_count() {
            gauges.threads.set(threads as f64);
        }
        if let Some(reading) = self.process.read() {
            let now = Instant::now();
            if let Some(bytes) = reading.resident_bytes {
                gauges.memory.set(bytes as f64);
            }
            if let Some(files) = reading.open_files {
                gauges.open_files.set(files as f64);
            }
            gauges.uptime.set(reading.uptime.as_secs_f64());
            let (since, cpu_time) = *self.window.get_or_insert((now, reading.cpu_time));
            let passed = now - since;
            if passed >= SHORTEST_WINDOW {
                self.window = Some((now, reading.cpu_time));
                // Less than before is another process: this one was forked.
                if let Some(used) = reading.cpu_time.checked_sub(cpu_time) {
                    let percent = 100.0 * used.as_secs_f64() / passed.as_secs_f64();
                    gauges.cpu_of_one_core.set(percent);
                    gauges.cpu_of_all_cores.set(percent / self.cores);
                }
            }
        }
        #[cfg(feature = "tokio")]
        if let Some(runtime) = &mut self.runtime {
            runtime.collect(&self.registry);
        }
    }
}

impl Gauges {
    fn register(registry: &Registry) -> Self {
        let gauge =
            |name, unit, help| registry.gauge(name).unit(unit).help(help).register_or_detached();
        Self {
            memory: gauge("process.memory.usage", Unit::Bytes, "Resident memory"),
            cpu_of_one_core: gauge(
                "process.cpu.utilization.of_one_core",
                Unit::Percent,
                "CPU time since the last reading; 100 for each core in use",
            ),
            cpu_of_all_cores: gauge(
                "process.cpu.utilization.of_all_cores",
                Unit::Percent,
                "CPU time since the last reading; 100 with all cores in use",
            ),
            threads: gauge("process.threads", Unit::None, "Threads"),
            open_files: gauge(
                "process.open_file_descriptors",
                Unit::None,
                "Open files and sockets",
            ),
            uptime: gauge("process.uptime", Unit::Seconds, "Time since the process began"),
        }
    }
}

impl Worker for SystemCollector {
    fn name(&self) -> &str {
        "system collector"
    }

    fn run(&mut self, cancel: &CancelToken) -> Result<(), WorkerError> {
        let mut pause = self.interval.min(FIRST_WINDOW);
        loop {
            self.collect_now();
            if cancel.wait_timeout(pause) {
                return Ok(());
            }
            pause = self.interval;
        }
    }
}

impl Default for SystemCollector {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for SystemCollector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SystemCollector").field("interval", &self.interval).finish_non_exhaustive()
    }
}
