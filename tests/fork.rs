//! A process that forks while a flusher runs: the child records, reads and ends by itself, and the
//! parent does not notice.
//!
//! Each test has a process of its own, so that no other test's thread holds a lock when it forks.
#![cfg(all(unix, not(loom)))]
#![allow(unsafe_code)]

mod process;

use process::{emulator, in_own_process};
use quipu::{Delivery, ExportError, Exporter, Flusher, Registry};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Longer than any test runs: such a flusher flushes when it is told to.
const NEVER: Duration = Duration::from_secs(100_000);

/// Seconds until a child counts as hanging.
const PATIENCE_S: u32 = 20;

/// Runs `body` in a process of its own, unless an emulator would have to fork there: with more than
/// one thread in the parent, its children cannot start threads.
fn in_own_forking_process(test: &str, body: impl FnOnce()) {
    if emulator().is_empty() {
        in_own_process(test, body);
    } else {
        eprintln!("SKIPPED: an emulator's children are not those of a system");
    }
}

/// Runs `body` in a forked child. Panics unless the child comes to its end in time, and without a
/// panic.
fn in_forked_child(body: impl FnOnce()) {
    // SAFETY: the child runs code of the test alone, and leaves by `_exit`.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "{}", std::io::Error::last_os_error());
    if child == 0 {
        // SAFETY: only starts a timer, whose signal ends the child.
        unsafe { libc::alarm(PATIENCE_S) };
        let result = catch_unwind(AssertUnwindSafe(body));
        // SAFETY: ends the child without a part in the parent's unwinding and exit.
        unsafe { libc::_exit(i32::from(result.is_err())) };
    }
    let mut status = 0;
    // SAFETY: `status` may be written to, and the child is this process's.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    let hung = libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGALRM;
    assert!(!hung, "the child hangs");
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "status {status:#x}");
}

/// Tells how much each delivery adds to the counter `c`.
struct Additions(Sender<u64>);

impl Exporter for Additions {
    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        self.0.send(delivery.delta().counter("c", &[]).unwrap_or(0))?;
        Ok(())
    }
}

fn flusher_of(registry: &Arc<Registry>, interval: Duration) -> (Flusher, Receiver<u64>) {
    let (sender, additions) = channel();
    let flusher = Flusher::builder(registry.clone()).interval(interval);
    (flusher.exporter(Additions(sender)).start().unwrap(), additions)
}

#[test]
#[cfg_attr(miri, ignore = "starts processes")]
fn a_child_records_on_and_leaves_the_parent_alone() {
    in_own_forking_process("a_child_records_on_and_leaves_the_parent_alone", || {
        let registry = Arc::new(Registry::new());
        let counter = registry.counter("c").register().unwrap();
        let gauge = registry.gauge("g").register().unwrap();
        let histogram = registry.histogram("h").register().unwrap();
        counter.add(5);
        histogram.record(100);
        let (flusher, additions) = flusher_of(&registry, NEVER);
        flusher.flush();
        assert_eq!(additions.try_recv(), Ok(5));

        for _ in 0..3 {
            in_forked_child(|| {
                counter.add(2);
                gauge.set(0.5);
                histogram.record_n(200, 3);
                std::thread::spawn({
                    let counter = counter.clone();
                    move || counter.add(10)
                })
                .join()
                .unwrap();
                let snapshot = registry.snapshot();
                assert_eq!(snapshot.counter("c", &[]), Some(17));
                assert_eq!(snapshot.gauge("g", &[]), Some(0.5));
                assert_eq!(snapshot.histogram("h", &[]).unwrap().sum(), 700);
                registry.counter("of_the_child").register().unwrap().increment();
                assert_eq!(registry.snapshot().counter("of_the_child", &[]), Some(1));
                // The flusher's thread stayed with the parent, and so do its deliveries.
                flusher.flush();
                flusher.stop();
                drop(flusher_of(&registry, NEVER));
                assert!(additions.try_recv().is_err());
            });
        }

        counter.add(1);
        let snapshot = registry.snapshot();
        assert_eq!(snapshot.counter("c", &[]), Some(6));
        assert_eq!(snapshot.gauge("g", &[]), None);
        assert_eq!(snapshot.histogram("h", &[]).unwrap().count(), 1);
        assert!(snapshot.counter("of_the_child", &[]).is_none());
        flusher.stop();
        assert_eq!(additions.iter().collect::<Vec<_>>(), [1]);
    });
}

#[test]
#[cfg_attr(miri, ignore = "starts processes")]
fn a_child_that_owns_the_flusher_drops_it_without_waiting() {
    in_own_forking_process("a_child_that_owns_the_flusher_drops_it_without_waiting", || {
        let registry = Arc::new(Registry::new());
        let counter = registry.counter("c").register().unwrap();
        let (flusher, additions) = flusher_of(&registry, NEVER);
        let flusher = std::cell::Cell::new(Some(flusher));
        in_forked_child(|| drop(flusher.take()));
        counter.add(3);
        drop(flusher.take());
        assert_eq!(additions.iter().sum::<u64>(), 3);
    });
}

#[test]
#[cfg_attr(miri, ignore = "starts processes")]
fn a_child_starts_a_flusher_of_its_own() {
    in_own_forking_process("a_child_starts_a_flusher_of_its_own", || {
        let registry = Arc::new(Registry::new());
        let counter = registry.counter("c").register().unwrap();
        let (flusher, _additions) = flusher_of(&registry, NEVER);
        in_forked_child(|| {
            let (own, additions) = flusher_of(&registry, NEVER);
            counter.add(4);
            own.flush();
            assert_eq!(registry.latest().unwrap().counter("c", &[]), Some(4));
            assert_eq!(own.stop().flushes, 2);
            assert_eq!(additions.recv(), Ok(4));
        });
        flusher.flush();
        assert_eq!(registry.latest().unwrap().counter("c", &[]), Some(0));
    });
}

/// Collections take longer here than the pauses between them, so that a fork is likely to hit one.
#[test]
#[cfg_attr(miri, ignore = "starts processes")]
fn a_child_born_during_a_flush_reads_and_registers() {
    in_own_forking_process("a_child_born_during_a_flush_reads_and_registers", || {
        let registry = Arc::new(Registry::new());
        let counter = registry.counter("c").register().unwrap();
        for index in 0..30_000 {
            registry.counter("many").label("index", &index.to_string()).register().unwrap();
        }
        let flusher = Flusher::builder(registry.clone()).interval(Duration::from_millis(1));
        let flusher = flusher.start().unwrap();
        for _ in 0..50 {
            in_forked_child(|| {
                counter.increment();
                assert_eq!(registry.snapshot().counter("c", &[]), Some(1));
                registry.counter("of_the_child").register().unwrap().increment();
                assert_eq!(registry.snapshot().counter("of_the_child", &[]), Some(1));
            });
        }
        flusher.stop();
    });
}

/// Forks while other threads give the flusher orders, one of which may hold the lock on them.
#[test]
#[cfg_attr(miri, ignore = "starts processes")]
fn a_child_born_while_others_flush_drops_the_flusher() {
    in_own_forking_process("a_child_born_while_others_flush_drops_the_flusher", || {
        let registry = Arc::new(Registry::new());
        let flusher = Flusher::builder(registry.clone()).interval(NEVER).start().unwrap();
        let flusher = Arc::new(flusher);
        let (stop, stopped) = channel::<()>();
        let others = {
            let flusher = flusher.clone();
            std::thread::spawn(move || {
                while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                    flusher.flush();
                }
            })
        };
        for _ in 0..300 {
            in_forked_child(|| {
                flusher.flush();
                flusher.stop();
            });
        }
        drop(stop);
        others.join().unwrap();
        assert!(flusher.stop().flushes > 1);
    });
}
