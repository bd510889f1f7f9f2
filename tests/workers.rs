//! Workers that end, fail, panic and hang: what their manager reports, in which order it stops them,
//! and that it waits for nobody beyond its time.
#![cfg(not(loom))]

#[cfg(target_os = "linux")]
mod process;

#[cfg(target_os = "linux")]
use process::{in_own_process, in_own_process_with};
use quipu::{
    CancelToken, Worker, WorkerError, WorkerManager, WorkerReport, WorkerStartError, WorkerState,
};
use std::fmt;
use std::panic::panic_any;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long to wait for what must happen: long, since it only shows in a test that fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long to give a worker that does not stop.
const A_CHANCE: Duration = Duration::from_millis(20);

/// Runs `work` in a thread, and panics if it does not return.
fn returns<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, result) = channel();
    let working = thread::spawn(move || sender.send(work()));
    match result.recv_timeout(PATIENCE) {
        Ok(value) => {
            let _ = working.join();
            value
        }
        Err(RecvTimeoutError::Timeout) => panic!("it hangs"),
        Err(RecvTimeoutError::Disconnected) => panic!("it panics"),
    }
}

fn waiting(cancel: &CancelToken) -> Result<(), WorkerError> {
    cancel.wait();
    Ok(())
}

/// A worker that ignores its token and returns when the sender is dropped.
fn hanging() -> (Sender<()>, impl FnMut(&CancelToken) -> Result<(), WorkerError> + Send) {
    let (release, released) = channel::<()>();
    let run = move |_: &CancelToken| {
        let _ = released.recv();
        Ok(())
    };
    (release, run)
}

fn states(report: &WorkerReport) -> Vec<&WorkerState> {
    report.workers.iter().map(|worker| &worker.state).collect()
}

/// Waits until the worker is in a state that `is_wanted`.
fn await_state(manager: &WorkerManager, at: usize, is_wanted: fn(&WorkerState) -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_wanted(&manager.status()[at].state) {
        assert!(Instant::now() < end, "{:?}", manager.status());
        thread::yield_now();
    }
}

#[test]
fn workers_stop_in_reverse_order_one_after_the_other() {
    let mut manager = WorkerManager::new();
    let (event, events) = channel();
    for name in ["client", "collector", "health checker"] {
        let event = event.clone();
        manager.register_fn(name, move |cancel| {
            assert_eq!(thread::current().name(), Some(name));
            cancel.wait();
            event.send(format!("{name} is told"))?;
            // A chance for the next one, had it been told as well.
            thread::sleep(A_CHANCE);
            event.send(format!("{name} ends"))?;
            Ok(())
        });
    }
    manager.start_all().unwrap();
    let report = returns(move || manager.stop_all(PATIENCE));
    assert_eq!(states(&report), [&WorkerState::Stopped; 3]);
    assert!(report.to_string().starts_with("client: stopped\ncollector: stopped\n"), "{report}");
    let events: Vec<_> = events.try_iter().collect();
    let expected = ["health checker", "collector", "client"]
        .map(|name| [format!("{name} is told"), format!("{name} ends")]);
    assert_eq!(events, expected.concat());
}

struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("a drop");
    }
}

impl fmt::Debug for PanicsOnDrop {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("a debug text");
    }
}

impl fmt::Display for PanicsOnDrop {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("a text");
    }
}

impl std::error::Error for PanicsOnDrop {}

/// A worker whose name panics.
struct Nameless;

impl Worker for Nameless {
    fn name(&self) -> &str {
        panic!("no name")
    }

    fn run(&mut self, cancel: &CancelToken) -> Result<(), WorkerError> {
        waiting(cancel)
    }
}

#[test]
fn panics_and_errors_are_contained_and_named() {
    let mut manager = WorkerManager::new();
    let panicked = |message: &str| WorkerState::Panicked(message.to_owned());
    let failed = |error: &str| WorkerState::Failed(error.to_owned());
    manager.register(Nameless);
    manager.register_fn("error", |_| Err("no connection".into()));
    manager.register_fn("panic", |_| panic!("with {}", 1));
    manager.register_fn("panic when told", |cancel| {
        cancel.wait();
        panic!("told")
    });
    manager.register_fn("payload", |_| panic_any(PanicsOnDrop));
    manager.register_fn("text", |_| Err(Box::new(PanicsOnDrop)));
    let droppable = PanicsOnDrop;
    manager.register_fn("drop", move |cancel| {
        let _owned = &droppable;
        waiting(cancel)
    });
    manager.register_fn("a\0b", waiting);
    manager.start_all().unwrap();
    let report = returns(move || manager.stop_all(PATIENCE));
    let expected = [
        ("a worker whose name panicked: no name", WorkerState::Stopped),
        ("error", failed("no connection")),
        ("panic", panicked("with 1")),
        ("panic when told", panicked("told")),
        ("payload", panicked("a panic without a text")),
        ("text", failed("an error whose text panicked: a text")),
        ("drop", panicked("a drop (when it was dropped)")),
        ("a\0b", WorkerState::Stopped),
    ];
    for (worker, (name, state)) in report.workers.iter().zip(&expected) {
        assert_eq!((&*worker.name, &worker.state), (*name, state));
    }
    assert_eq!(report.workers.len(), expected.len());
    assert!(!report.is_clean());
    assert!(report.to_string().contains("\nerror: failed: no connection\n"), "{report}");
    assert!(report.to_string().contains("\npanic: panicked: with 1\n"), "{report}");
}

#[test]
fn a_worker_that_ends_early_is_visible_while_the_others_run() {
    let mut manager = WorkerManager::new();
    manager.register_fn("runs", waiting);
    manager.register_fn("ends", |_| Ok(()));
    manager.register_fn("fails", |_| Err("early".into()));
    manager.register_fn("panics", |_| panic!("early"));
    let not_started = manager.status();
    assert!(not_started.iter().all(|worker| worker.state == WorkerState::NotStarted));
    manager.start_all().unwrap();
    await_state(&manager, 1, |state| *state == WorkerState::Ended);
    await_state(&manager, 2, |state| *state == WorkerState::Failed("early".into()));
    await_state(&manager, 3, |state| *state == WorkerState::Panicked("early".into()));
    assert_eq!(manager.status()[0].state, WorkerState::Running);
    assert!(!manager.cancel_token().is_cancelled());
    let (before, report) = (manager.status(), manager.stop_all(PATIENCE));
    assert_eq!(report.workers[0].state, WorkerState::Stopped);
    assert_eq!(report.workers[1..], before[1..]);
}

#[test]
fn a_worker_that_hangs_is_named_and_not_waited_for() {
    let mut manager = WorkerManager::new();
    let (told, was_told) = channel();
    manager.register_fn("first", move |cancel| {
        cancel.wait();
        Ok(told.send(cancel.deadline())?)
    });
    let (release, run) = hanging();
    manager.register_fn("hangs", run);
    manager.register_fn("last", waiting);
    manager.start_all().unwrap();
    // It is released after this has returned.
    let (mut manager, report) = returns(move || {
        let report = manager.stop_all(A_CHANCE);
        (manager, report)
    });
    assert_eq!(report.workers[1].state, WorkerState::NotStopped);
    assert!(report.to_string().contains("hangs: not stopped"), "{report}");
    assert!(!report.is_clean());
    // The one before it was told nevertheless.
    assert!(was_told.recv_timeout(PATIENCE).unwrap().is_some());

    // Stopping again waits for nobody, and knows what became of it.
    let again = manager.stop_all(Duration::MAX);
    assert_eq!(again.workers[1].state, WorkerState::NotStopped);
    drop(release);
    await_state(&manager, 1, |state| *state == WorkerState::Stopped);
    await_state(&manager, 0, |state| *state == WorkerState::Stopped);
}

#[test]
fn a_worker_that_hangs_after_its_return_is_not_waited_for() {
    struct HangsOnDrop(Receiver<()>);
    impl Drop for HangsOnDrop {
        fn drop(&mut self) {
            let _ = self.0.recv();
        }
    }
    thread_local!(static LAST: std::cell::OnceCell<HangsOnDrop> = const { std::cell::OnceCell::new() });

    let mut manager = WorkerManager::new();
    manager.register_fn("first", waiting);
    let (release, released) = channel::<()>();
    let mut released = Some(released);
    manager.register_fn("hangs in a drop", move |cancel| {
        let _ = LAST.with(|last| last.set(HangsOnDrop(released.take().unwrap())));
        waiting(cancel)
    });
    manager.start_all().unwrap();
    let report = returns(move || manager.stop_all(Duration::from_millis(200)));
    assert_eq!(report.workers[1].state, WorkerState::Stopped);
    let left = report.left_threads.unwrap_or_default();
    let is_named = left.iter().any(|thread| thread.name == "hangs in a drop");
    assert_eq!(is_named, cfg!(target_os = "linux"), "{left:?}");
    drop(release);
}

#[test]
fn workers_know_by_when_they_should_have_ended() {
    let mut manager = WorkerManager::new();
    let (told, deadlines) = channel();
    for name in ["a", "b"] {
        let told = told.clone();
        manager.register_fn(name, move |cancel| {
            cancel.wait();
            Ok(told.send(cancel.deadline())?)
        });
    }
    manager.start_all().unwrap();
    let before = Instant::now();
    let report = manager.stop_all(PATIENCE);
    let latest = Instant::now() + PATIENCE;
    assert_eq!(states(&report), [&WorkerState::Stopped; 2]);
    let deadlines: Vec<_> = deadlines.try_iter().map(Option::unwrap).collect();
    assert_eq!(deadlines.len(), 2);
    assert_eq!(deadlines[0], deadlines[1]);
    assert!(before + PATIENCE <= deadlines[0] && deadlines[0] <= latest);
}

#[test]
fn cancelling_the_managers_token_ends_all_and_stopping_collects() {
    let mut manager = WorkerManager::new();
    manager.register_fn("a", waiting).register_fn("b", waiting);
    manager.start_all().unwrap();
    let token = manager.cancel_token();
    thread::spawn(move || token.cancel()).join().unwrap();
    await_state(&manager, 0, |state| *state == WorkerState::Stopped);
    await_state(&manager, 1, |state| *state == WorkerState::Stopped);
    assert_eq!(states(&manager.stop_all(Duration::ZERO)), [&WorkerState::Stopped; 2]);
}

#[test]
fn workers_are_started_once_and_never_after_the_stop() {
    let (started, starts) = channel();
    let worker = |name| {
        let started = started.clone();
        move |cancel: &CancelToken| {
            started.send(name)?;
            waiting(cancel)
        }
    };
    let mut manager = WorkerManager::new();
    manager.register_fn("a", worker("a"));
    manager.start_all().unwrap();
    manager.register_fn("b", worker("b"));
    manager.start_all().unwrap();
    manager.register_fn("never", worker("never"));
    let report = manager.stop_all(PATIENCE);
    let expected = [WorkerState::Stopped, WorkerState::Stopped, WorkerState::NotStarted];
    assert_eq!(states(&report), expected.iter().collect::<Vec<_>>());
    assert_eq!(states(&manager.stop_all(Duration::ZERO)), states(&report));
    assert!(matches!(manager.start_all(), Err(WorkerStartError::Stopped)));
    assert!(manager.cancel_token().is_cancelled());
    let mut starts: Vec<_> = starts.try_iter().collect();
    starts.sort_unstable();
    assert_eq!(starts, ["a", "b"]);
}

#[test]
fn a_dropped_manager_stops_its_workers() {
    let mut manager = WorkerManager::new();
    let (end, ends) = channel();
    manager.register_fn("a", move |cancel| {
        cancel.wait();
        Ok(end.send(cancel.deadline().is_some())?)
    });
    let root = manager.cancel_token();
    manager.start_all().unwrap();
    returns(move || drop(manager));
    assert_eq!(ends.try_recv(), Ok(true));
    assert!(root.is_cancelled());
    // One that was never started has nothing to stop.
    WorkerManager::new().register_fn("never", |_| panic!("started"));
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "starts processes")]
fn threads_left_running_are_named_and_no_others() {
    in_own_process("threads_left_running_are_named_and_no_others", || {
        let (there_before, run) = hanging();
        let mut run = run;
        thread::Builder::new()
            .name("there before".into())
            .spawn(move || run(&CancelToken::new()))
            .unwrap();
        for _ in 0..20 {
            let before = quipu::ThreadCensus::take().unwrap();
            let mut manager = WorkerManager::new();
            for name in ["a", "b", "c"] {
                manager.register_fn(name, |cancel| {
                    cancel.wait();
                    thread::spawn(|| {}).join().unwrap();
                    Ok(())
                });
            }
            manager.start_all().unwrap();
            assert_eq!(quipu::ThreadCensus::take().unwrap().started_since(&before).len(), 3);
            let report = manager.stop_all(PATIENCE);
            assert_eq!(report.left_threads, Some(Vec::new()), "{report}");
            assert!(report.is_clean());
            assert_eq!(quipu::ThreadCensus::take().unwrap().count(), before.count());
        }

        let (leak, leaked) = channel::<()>();
        let mut leaked = Some(leaked);
        let mut manager = WorkerManager::new();
        manager.register_fn("leaks", move |cancel| {
            let leaked = leaked.take().unwrap();
            let (running, is_running) = channel();
            thread::Builder::new().name("left behind".into()).spawn(move || {
                running.send(()).unwrap();
                leaked.recv()
            })?;
            is_running.recv()?;
            waiting(cancel)
        });
        manager.start_all().unwrap();
        let report = manager.stop_all(PATIENCE);
        let left = report.left_threads.as_deref().unwrap();
        assert_eq!(left.iter().map(|thread| &*thread.name).collect::<Vec<_>>(), ["left behind"]);
        assert!(report.to_string().ends_with(&format!("left behind ({})\n", left[0].id)));
        assert_eq!(states(&report), [&WorkerState::Stopped]);
        assert!(!report.is_clean());
        drop((leak, there_before));
    });
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "starts processes")]
#[allow(unsafe_code)]
fn if_a_thread_is_refused_the_others_are_stopped_and_its_worker_is_named() {
    let test = "if_a_thread_is_refused_the_others_are_stopped_and_its_worker_is_named";
    // Stacks so large that one is refused while there is room for everything else.
    let large_stacks = [("RUST_MIN_STACK", "268435456"), ("MALLOC_ARENA_MAX", "1")];
    in_own_process_with(test, &large_stacks, || {
        let mut manager = WorkerManager::new();
        let (stop, stops) = channel();
        for number in 0..20 {
            let stop = stop.clone();
            manager.register_fn(format!("number {number}"), move |cancel| {
                cancel.wait();
                Ok(stop.send(number)?)
            });
        }
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        // SAFETY: `sysconf` reads a constant of the system.
        let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64;
        let pages: u64 = statm.split_whitespace().next().unwrap().parse().unwrap();
        // Room for the stacks of four threads.
        let bytes = pages * page_bytes + ((4 * 256 + 128) << 20);
        let limit = libc::rlimit { rlim_cur: bytes as _, rlim_max: bytes as _ };
        // SAFETY: `limit` is a valid limit.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
        let WorkerStartError::Thread { worker, report, .. } = (match manager.start_all() {
            Err(error) => error,
            Ok(()) => {
                eprintln!("SKIPPED: the limit is not enforced, as under an emulator");
                return;
            }
        }) else {
            panic!("another error");
        };
        let started = report.workers.iter().take_while(|w| w.state == WorkerState::Stopped).count();
        assert!(started > 0, "{report}");
        assert_eq!(worker, format!("number {started}"));
        let others = &report.workers[started..];
        assert!(others.iter().all(|worker| worker.state == WorkerState::NotStarted));
        assert_eq!(report.workers.len(), 20);
        assert!(stops.try_iter().eq((0..started).rev()));
        assert!(matches!(manager.start_all(), Err(WorkerStartError::Stopped)));
    });
}
