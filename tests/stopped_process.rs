//! A process that is stopped by the system for a while: one late flush carries everything, and the
//! ticks that have passed are counted and not made up for.
#![cfg(all(target_os = "linux", not(loom)))]
#![allow(unsafe_code)]

mod process;

use process::{emulator, in_own_process};
use quipu::testing::TestExporter;
use quipu::{Client, Registry};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(50);
const STOPPED_FOR: Duration = Duration::from_millis(1_000);
const PATIENCE: Duration = Duration::from_secs(30);

/// Has a child stop this process and continue it after a while.
fn stop_this_process() {
    let this = std::process::id() as libc::pid_t;
    // SAFETY: the child does what a signal handler may do, and leaves by `_exit`.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "{}", std::io::Error::last_os_error());
    if child == 0 {
        // SAFETY: sends a signal.
        unsafe { libc::kill(this, libc::SIGSTOP) };
        // SAFETY: waits.
        unsafe { libc::usleep(STOPPED_FOR.as_micros() as libc::useconds_t) };
        // SAFETY: sends a signal.
        unsafe { libc::kill(this, libc::SIGCONT) };
        // SAFETY: ends the child without a part in the parent's exit.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: `status` may be written to, and the child is this process's.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
}

#[test]
#[cfg_attr(miri, ignore = "starts processes")]
fn after_a_stop_comes_one_late_flush_and_no_burst() {
    if !emulator().is_empty() {
        return eprintln!("SKIPPED: an emulator's children are not those of a system");
    }
    in_own_process("after_a_stop_comes_one_late_flush_and_no_burst", || {
        let registry = Arc::new(Registry::new());
        let counter = registry.counter("c").register().unwrap();
        let exporter = TestExporter::new();
        let client = Client::builder().registry(registry).flush_interval(INTERVAL);
        let client = client.exporter(exporter.clone()).start().unwrap();
        let deadline = Instant::now() + PATIENCE;
        while exporter.deliveries().len() < 3 {
            assert!(Instant::now() < deadline, "nothing is delivered");
            thread::yield_now();
        }

        counter.add(7);
        let before = Instant::now();
        stop_this_process();
        counter.add(5);
        assert!(before.elapsed() >= STOPPED_FOR, "this process was not stopped");
        while exporter.counter("c", &[]) < 12 {
            assert!(Instant::now() < deadline, "what was recorded is not delivered");
            thread::yield_now();
        }
        // Flushes go on; a burst would show among them.
        let later = Instant::now() + 4 * INTERVAL;
        while exporter.deliveries().last().is_none_or(|it| it.snapshot.instant() < later) {
            assert!(Instant::now() < deadline, "nothing is delivered any more");
            thread::yield_now();
        }

        let times: Vec<_> = exporter.deliveries().iter().map(|it| it.snapshot.instant()).collect();
        let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        assert!(longest >= STOPPED_FOR - INTERVAL, "the stop has left no gap: {longest:?}");
        // Ticks are made up for if more of them come than the time has room for. One that is late
        // is followed by the next one on time, so two may be close together.
        let after: Vec<_> = times.iter().filter(|&&at| at >= before + STOPPED_FOR).collect();
        let room = before.elapsed().saturating_sub(STOPPED_FOR).as_nanos() / INTERVAL.as_nanos();
        assert!(after.len() as u128 <= room + 3, "{} flushes, {room} intervals", after.len());

        let report = client.stop(PATIENCE);
        assert!(report.is_delivered(), "{report}");
        assert_eq!(exporter.counter("c", &[]), 12);
        let missed = exporter.counter("quipu.flush.missed", &[]);
        let fewest = (STOPPED_FOR.as_millis() / INTERVAL.as_millis()) as u64 - 2;
        assert!(missed >= fewest, "{missed} missed ticks of about {}", fewest + 2);
    });
}
