//! A process that forks while a client runs: the child begins at zero, records, reads, delivers and
//! ends by itself, and the parent does not notice.
//!
//! Each test has a process of its own, so that no other test's thread holds a lock when it forks.
#![cfg(all(unix, not(loom)))]
#![allow(unsafe_code)]

mod process;

use process::{emulator, in_own_process};
use quipu::{
    CancelToken, Client, Delivery, ExportError, Exporter, Liveness, Registry, WorkerManager,
    WorkerState,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Longer than any test runs: such a client flushes when it is told to.
const NEVER: Duration = Duration::from_secs(100_000);

/// Longer than any delivery takes.
const PATIENCE: Duration = Duration::from_secs(15);

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
    fn name(&self) -> &str {
        "additions"
    }

    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        self.0.send(delivery.delta().counter("c", &[]).unwrap_or(0))?;
        Ok(())
    }
}

fn client_of(registry: &Arc<Registry>, interval: Duration) -> (Client, Receiver<u64>) {
    let (sender, additions) = channel();
    let client = Client::builder().registry(registry.clone()).flush_interval(interval);
    (client.exporter(Additions(sender)).start().unwrap(), additions)
}

#[test]
#[cfg_attr(miri, ignore = "starts processes")]
fn a_child_begins_at_zero_and_leaves_the_parent_alone() {
    in_own_forking_process("a_child_begins_at_zero_and_leaves_the_parent_alone", || {
        let registry = Arc::new(Registry::new());
        let counter = registry.counter("c").register().unwrap();
        let active = registry.up_down_counter("u").register().unwrap();
        let (gauge, unset) = (registry.gauge("g").register(), registry.gauge("unset").register());
        let (gauge, unset) = (gauge.unwrap(), unset.unwrap());
        let histogram = registry.histogram("h").register().unwrap();
        let shared = registry.histogram("shared").shared().register().unwrap();
        counter.add(5);
        active.add(-3);
        gauge.set(1.5);
        histogram.record(100);
        shared.record(100);
        // Other threads' shards hold something as well, and are leased.
        let (end, ended) = channel::<()>();
        let other = {
            let (counter, histogram) = (counter.clone(), histogram.clone());
            let (done, is_done) = channel();
            let other = std::thread::spawn(move || {
                counter.add(20);
                histogram.record(1 << 40);
                done.send(()).unwrap();
                let _ = ended.recv();
            });
            is_done.recv().unwrap();
            other
        };
        let (client, additions) = client_of(&registry, NEVER);
        client.flush(PATIENCE);
        assert_eq!(additions.try_recv(), Ok(25));
        let of_the_parent = registry.snapshot();

        for _ in 0..3 {
            let before = std::time::Instant::now();
            in_forked_child(|| {
                assert!(registry.latest().is_none(), "a snapshot of the parent");
                let snapshot = registry.snapshot();
                assert_eq!(snapshot.counter("c", &[]), Some(0));
                assert_eq!(snapshot.up_down_counter("u", &[]), Some(0));
                assert_eq!(snapshot.gauge("g", &[]), None);
                assert_eq!(snapshot.histogram("h", &[]).unwrap().count(), 0);
                assert_eq!(snapshot.histogram("shared", &[]).unwrap().count(), 0);
                assert!(snapshot.interval() <= before.elapsed());
                assert_eq!(quipu::store_usage().shards_leased, 1);

                counter.add(2);
                active.increment();
                unset.set(0.5);
                histogram.record_n(200, 3);
                shared.record(7);
                std::thread::spawn({
                    let counter = counter.clone();
                    move || counter.add(10)
                })
                .join()
                .unwrap();
                let snapshot = registry.snapshot();
                assert_eq!(snapshot.counter("c", &[]), Some(12));
                assert_eq!(snapshot.up_down_counter("u", &[]), Some(1));
                assert_eq!(snapshot.gauge("unset", &[]), Some(0.5));
                let recorded = snapshot.histogram("h", &[]).unwrap();
                assert_eq!((recorded.count(), recorded.sum(), recorded.max()), (3, 600, Some(200)));
                assert_eq!(snapshot.histogram("shared", &[]).unwrap().sum(), 7);
                // The parent's counts are not taken from the child's.
                let delta = snapshot.delta(&of_the_parent);
                assert_eq!(delta.counter("c", &[]), Some(12));
                assert_eq!(delta.since(), snapshot.since());
                registry.counter("of_the_child").register().unwrap().increment();
                assert_eq!(registry.snapshot().counter("of_the_child", &[]), Some(1));

                // The client's threads stayed with the parent, and so do its deliveries.
                assert_eq!(client.flush(PATIENCE).flushes, 0);
                assert_eq!(client.stop(PATIENCE).flushes, 0);
                assert_eq!(client.health().liveness, Liveness::Dead);
                client.capture_error(&std::fmt::Error, &[]);
                assert!(additions.try_recv().is_err());
            });
        }

        counter.add(1);
        drop(end);
        other.join().unwrap();
        let snapshot = registry.snapshot();
        assert_eq!(snapshot.counter("c", &[]), Some(26));
        assert_eq!(snapshot.gauge("g", &[]), Some(1.5));
        assert_eq!(snapshot.histogram("h", &[]).unwrap().count(), 2);
        assert!(snapshot.counter("of_the_child", &[]).is_none());
        assert!(client.stop(PATIENCE).is_delivered());
        assert_eq!(additions.iter().collect::<Vec<_>>(), [1]);
    });
}

#[test]
#[cfg_attr(miri, ignore = "starts processes")]
fn a_child_that_owns_the_client_drops_it_without_waiting() {
    in_own_forking_process("a_child_that_owns_the_client_drops_it_without_waiting", || {
        let registry = Arc::new(Registry::new());
        let counter = registry.counter("c").register().unwrap();
        let (client, additions) = client_of(&registry, NEVER);
        let client = std::cell::Cell::new(Some(client));
        in_forked_child(|| drop(client.take()));
        counter.add(3);
        drop(client.take());
        assert_eq!(additions.iter().sum::<u64>(), 3);
    });
}

#[test]
#[cfg_attr(miri, ignore = "starts processes")]
fn a_client_of_the_child_delivers_the_childs_records_alone() {
    in_own_forking_process("a_client_of_the_child_delivers_the_childs_records_alone", || {
        let registry = Arc::new(Registry::new());
        let counter = registry.counter("c").register().unwrap();
        let (client, of_the_parent) = client_of(&registry, NEVER);
        counter.add(1_000);
        in_forked_child(|| {
            counter.add(3);
            let (own, additions) = client_of(&registry, NEVER);
            counter.add(4);
            assert!(own.flush(PATIENCE).is_delivered());
            assert_eq!(registry.latest().unwrap().counter("c", &[]), Some(7));
            assert_eq!(additions.recv(), Ok(7));
            // And so on for a child of the child.
            in_forked_child(|| {
                counter.add(1);
                assert!(registry.latest().is_none());
                let (own, additions) = client_of(&registry, NEVER);
                assert!(own.stop(PATIENCE).is_delivered());
                assert_eq!(additions.iter().collect::<Vec<_>>(), [1]);
            });
            counter.add(2);
            assert_eq!(own.stop(PATIENCE).flushes, 2);
            assert_eq!(additions.recv(), Ok(2));
        });
        client.flush(PATIENCE);
        assert_eq!(of_the_parent.recv(), Ok(1_000));
        assert_eq!(registry.latest().unwrap().counter("c", &[]), Some(1_000));
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
        let (client, _additions) = client_of(&registry, Duration::from_millis(1));
        for _ in 0..50 {
            in_forked_child(|| {
                counter.increment();
                assert_eq!(registry.snapshot().counter("c", &[]), Some(1));
                registry.counter("of_the_child").register().unwrap().increment();
                assert_eq!(registry.snapshot().counter("of_the_child", &[]), Some(1));
            });
        }
        client.stop(PATIENCE);
    });
}

/// Forks while other threads give the client orders, one of which may hold a lock.
#[test]
#[cfg_attr(miri, ignore = "starts processes")]
fn a_child_born_while_others_flush_drops_the_client() {
    in_own_forking_process("a_child_born_while_others_flush_drops_the_client", || {
        let registry = Arc::new(Registry::new());
        let (client, _additions) = client_of(&registry, NEVER);
        let (stop, stopped) = channel::<()>();
        let others = {
            let client = client.clone();
            std::thread::spawn(move || {
                while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                    client.flush(PATIENCE);
                }
            })
        };
        for _ in 0..300 {
            in_forked_child(|| {
                client.flush(PATIENCE);
                client.health();
                client.stop(PATIENCE);
                drop(client_of(&registry, NEVER));
            });
        }
        drop(stop);
        others.join().unwrap();
        assert!(client.stop(PATIENCE).flushes > 1);
    });
}

/// Forks while other threads use the manager's token, one of which may hold its lock.
#[test]
#[cfg_attr(miri, ignore = "starts processes")]
fn a_child_that_owns_a_manager_drops_it_without_waiting() {
    in_own_forking_process("a_child_that_owns_a_manager_drops_it_without_waiting", || {
        // Forks are held up from the first registry on.
        let _registry = Registry::new();
        let mut manager = WorkerManager::new();
        let (ending, ends) = channel();
        manager.register_fn("busy", move |cancel| {
            while !cancel.is_cancelled() {
                drop(cancel.child());
                cancel.wait_timeout(Duration::ZERO);
            }
            Ok(ending.send(())?)
        });
        manager.start_all().unwrap();
        let manager = std::cell::Cell::new(Some(manager));
        for _ in 0..100 {
            in_forked_child(|| {
                let mut manager = manager.take().unwrap();
                assert!(manager.stop_all(NEVER).workers.is_empty());
                let token: CancelToken = manager.cancel_token();
                drop(manager);
                token.cancel();
                assert!(token.child().is_cancelled());
            });
        }
        assert!(ends.try_recv().is_err());
        let report = manager.take().unwrap().stop_all(NEVER);
        assert_eq!(report.workers[0].state, WorkerState::Stopped);
        assert_eq!(ends.try_recv(), Ok(()));
    });
}
