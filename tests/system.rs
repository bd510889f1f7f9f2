//! The process's own readings: each follows what the process does.
//!
//! Each test that counts what a process has one of has a process of its own.
#![cfg(all(feature = "system", not(loom)))]

#[cfg(target_os = "linux")]
mod process;

#[cfg(target_os = "linux")]
use process::in_own_process;
use quipu::{Registry, SystemCollector, Unit, WorkerManager, WorkerState};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// How long to wait for what must happen: long, since it only shows in a test that fails.
const PATIENCE: Duration = Duration::from_secs(20);

const MEMORY: &str = "process.memory.usage";
const ONE_CORE: &str = "process.cpu.utilization.of_one_core";
const ALL_CORES: &str = "process.cpu.utilization.of_all_cores";
#[cfg(target_os = "linux")]
const THREADS: &str = "process.threads";
#[cfg(target_os = "linux")]
const OPEN_FILES: &str = "process.open_file_descriptors";
const UPTIME: &str = "process.uptime";

struct Readings {
    registry: Arc<Registry>,
    collector: SystemCollector,
}

impl Readings {
    fn new() -> Self {
        let registry = Arc::new(Registry::new());
        let collector = SystemCollector::new().registry(registry.clone());
        Self { registry, collector }
    }

    fn last(&self, name: &str) -> Option<f64> {
        self.registry.snapshot().gauge(name, &[])
    }

    fn now(&mut self, name: &str) -> f64 {
        self.collector.collect_now();
        self.last(name).unwrap()
    }
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "starts processes")]
fn memory_grows_with_what_is_touched() {
    const SIZE: usize = 64 << 20;
    in_own_process("memory_grows_with_what_is_touched", || {
        let mut readings = Readings::new();
        let before = readings.now(MEMORY);
        assert!(before > 100_000.0);
        let touched = std::hint::black_box(vec![1_u8; SIZE]);
        let after = readings.now(MEMORY);
        assert!(((SIZE - SIZE / 8) as f64..2.0 * SIZE as f64).contains(&(after - before)));
        drop(touched);
    });
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "starts processes")]
fn threads_are_counted() {
    in_own_process("threads_are_counted", || {
        let mut readings = Readings::new();
        let before = readings.now(THREADS);
        assert!(before >= 1.0);
        let threads: Vec<_> = (0..5).map(|_| thread::spawn(thread::park)).collect();
        assert_eq!(readings.now(THREADS), before + 5.0);
        for thread in threads {
            thread.thread().unpark();
            thread.join().unwrap();
        }
        // A thread that was joined may be listed for a moment longer.
        let end = Instant::now() + PATIENCE;
        while readings.now(THREADS) != before {
            assert!(Instant::now() < end);
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "starts processes")]
fn open_files_are_counted_without_those_of_the_reading() {
    in_own_process("open_files_are_counted_without_those_of_the_reading", || {
        let mut readings = Readings::new();
        // Later readings keep a file of the first one open.
        readings.now(OPEN_FILES);
        let before = readings.now(OPEN_FILES);
        let listed = std::fs::read_dir("/proc/self/fd").unwrap().count();
        assert_eq!(before, listed as f64 - 1.0);
        let open = || std::fs::File::open("/proc/self/stat").unwrap();
        let files: Vec<_> = (0..10).map(|_| open()).collect();
        assert_eq!(readings.now(OPEN_FILES), before + 10.0);
        drop(files);
        assert_eq!(readings.now(OPEN_FILES), before);
    });
}

/// CPU time of the process, as the system's clock for it says.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` may be written to.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) }, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Does `work` between two readings, and checks what they say against the system's clocks.
#[cfg(target_os = "linux")]
fn utilization_during(work: impl FnOnce(Instant)) -> f64 {
    let mut readings = Readings::new();
    let (start, used_before) = (Instant::now(), cpu_time());
    readings.collector.collect_now();
    assert_eq!(readings.last(ONE_CORE), None);
    assert_eq!(readings.last(ALL_CORES), None);
    work(start + Duration::from_millis(1_000));
    let of_one_core = readings.now(ONE_CORE);
    let (passed, used) = (start.elapsed(), cpu_time() - used_before);
    let expected = 100.0 * used.as_secs_f64() / passed.as_secs_f64();
    // The readings come in steps of 10 ms, and other programs may run between the clocks' and them.
    assert!((of_one_core - expected).abs() < 12.0, "{of_one_core} is not {expected}");
    let cores = thread::available_parallelism().unwrap().get() as f64;
    assert_eq!(readings.last(ALL_CORES), Some(of_one_core / cores));
    of_one_core
}

#[cfg(target_os = "linux")]
fn rest_until(end: Instant) {
    thread::sleep(end.saturating_duration_since(Instant::now()));
}

#[cfg(target_os = "linux")]
fn burn_until(end: Instant) {
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "starts processes")]
fn utilization_is_the_cpu_time_of_the_interval() {
    in_own_process("utilization_is_the_cpu_time_of_the_interval", || {
        let idle = utilization_during(rest_until);
        assert!(idle < 20.0, "{idle}");
        let one_thread = utilization_during(burn_until);
        assert!(one_thread > idle + 5.0, "{one_thread} while burning, {idle} before");
        utilization_during(|end| {
            let other = thread::spawn(move || burn_until(end));
            burn_until(end);
            other.join().unwrap();
        });
        // What was used before the first reading is not part of it.
        assert!(utilization_during(rest_until) < 20.0);
    });
}

#[test]
#[cfg_attr(miri, ignore = "reads the system's files")]
fn units_and_names_are_those_of_the_documentation() {
    let mut readings = Readings::new();
    readings.collector.collect_now();
    let uptime = readings.last(UPTIME).unwrap();
    assert!((0.0..86_400.0).contains(&uptime), "{uptime}");
    let snapshot = readings.registry.snapshot();
    let unit = |name| {
        let mut series = snapshot.iter().map(|(descriptor, _)| descriptor);
        series.find(|descriptor| descriptor.name() == name).map(|descriptor| descriptor.unit())
    };
    assert_eq!(unit(MEMORY), Some(Unit::Bytes));
    assert_eq!(unit(UPTIME), Some(Unit::Seconds));
    // A second reading at once leaves the first one's window open.
    readings.collector.collect_now();
    assert_eq!(readings.last(ONE_CORE), None);
    let end = Instant::now() + PATIENCE;
    while readings.last(ONE_CORE).is_none() {
        assert!(Instant::now() < end);
        readings.collector.collect_now();
    }
    let snapshot = readings.registry.snapshot();
    let percent = snapshot.iter().filter(|(series, _)| series.unit() == Unit::Percent);
    let names: Vec<_> = percent.map(|(series, _)| series.name().to_owned()).collect();
    assert_eq!(names, [ALL_CORES, ONE_CORE]);
}

#[test]
#[cfg_attr(miri, ignore = "reads the system's files")]
fn a_taken_name_costs_its_own_reading_only() {
    let mut readings = Readings::new();
    let taken = readings.registry.counter(UPTIME).register().unwrap();
    taken.increment();
    assert!(readings.now(MEMORY) > 0.0);
    assert_eq!(readings.registry.snapshot().counter(UPTIME, &[]), Some(1));
    assert_eq!(readings.registry.refusals().count, 1);
}

#[test]
#[cfg_attr(miri, ignore = "reads the system's files")]
fn as_a_worker_it_reads_until_it_is_stopped() {
    let registry = Arc::new(Registry::new());
    let collector = SystemCollector::new().registry(registry.clone());
    let mut manager = WorkerManager::new();
    manager.register(collector.interval(Duration::ZERO));
    manager.start_all().unwrap();
    let end = Instant::now() + PATIENCE;
    while registry.snapshot().gauge(ONE_CORE, &[]).is_none() {
        assert!(Instant::now() < end);
        thread::yield_now();
    }
    let report = manager.stop_all(PATIENCE);
    assert_eq!(report.workers[0].name, "system collector");
    assert_eq!(report.workers[0].state, WorkerState::Stopped);
}

#[test]
#[cfg(feature = "tokio")]
#[cfg_attr(miri, ignore = "reads the system's files")]
fn a_runtimes_tasks_and_workers_are_counted() {
    let registry = Arc::new(Registry::new());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let collector = SystemCollector::new().registry(registry.clone());
    let mut collector = collector.tokio(runtime.handle().clone());
    let mut now = |name| {
        collector.collect_now();
        registry.snapshot().gauge(name, &[])
    };
    assert_eq!(now("tokio.workers"), Some(1.0));
    assert_eq!(now("tokio.tasks.alive"), Some(0.0));
    let task = runtime.spawn(std::future::pending::<()>());
    let other = runtime.spawn(async {});
    assert_eq!(now("tokio.tasks.alive"), Some(2.0));
    assert_eq!(now("tokio.global_queue.depth"), Some(2.0));
    runtime.block_on(other).unwrap();
    assert_eq!(now("tokio.tasks.alive"), Some(1.0));
    assert_eq!(now("tokio.global_queue.depth"), Some(0.0));
    task.abort();
    assert!(runtime.block_on(task).unwrap_err().is_cancelled());
    assert_eq!(now("tokio.tasks.alive"), Some(0.0));
}
