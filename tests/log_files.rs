//! Files that exporters append to: full disks, rotation, and processes killed in the middle of a
//! write.
#![cfg(all(not(loom), unix))]
#![allow(unsafe_code)]

mod directory;
mod json_log;
mod process;

use directory::Directory;
use json_log::{Delivery, deliveries, sums, totals};
use process::in_own_process;
use quipu::{Client, Counter, ExporterReport, Histogram, JsonLines, Liveness, Registry};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Such a client flushes when it is told to, and never by itself.
const NEVER: Duration = Duration::from_secs(100_000);

/// Longer than any delivery here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A registry whose deliveries are a few kilobytes, and a client of it.
struct Source {
    registry: Arc<Registry>,
    counter: Counter,
    histogram: Histogram,
    client: Client,
}

impl Source {
    fn of(path: &Path) -> Self {
        let registry = Arc::new(Registry::new());
        for at in 0..20 {
            registry.counter("other").label("at", &at.to_string()).register().unwrap();
        }
        let counter = registry.counter("c").register().unwrap();
        let histogram = registry.histogram("h").register().unwrap();
        let client = client(&registry, path);
        Self { registry, counter, histogram, client }
    }

    /// Records something and delivers it; says whether that was acknowledged.
    fn delivers(&self, round: u64) -> bool {
        self.counter.add(round);
        self.histogram.record_n(round.wrapping_mul(0x9e37_79b9_7f4a_7c15), 3);
        let failures = self.standing().failures;
        self.client.flush(PATIENCE);
        self.standing().failures == failures
    }

    fn standing(&self) -> ExporterReport {
        self.client.report().exporters.swap_remove(0)
    }

    fn last_failure(&self) -> String {
        self.standing().last_failure.unwrap_or_default()
    }

    /// What the client has counted about its exporter.
    fn own_counter(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let labels: Vec<_> = [("exporter", "json")].iter().chain(labels).copied().collect();
        self.registry.snapshot().counter(name, &labels).unwrap()
    }
}

/// One whose exporter is left alone after a failure until it is told to flush.
fn client(registry: &Arc<Registry>, path: &Path) -> Client {
    let client = Client::builder().registry(registry.clone()).flush_interval(NEVER);
    let client = client.backoff(NEVER..=NEVER).stop_timeout(Duration::ZERO);
    client.exporter(JsonLines::file(path).unwrap()).start().unwrap()
}

/// The deliveries in a file, all of which are whole and none of which overlap.
fn whole_deliveries(path: &Path) -> Vec<Delivery> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok());
    assert_eq!(lines.count(), text.lines().count());
    let deliveries = deliveries(&text);
    for delivery in &deliveries {
        assert!(delivery.is_whole());
    }
    for pair in deliveries.windows(2) {
        assert_eq!(pair[1].head["since_sequence"], pair[0].head["sequence"]);
    }
    deliveries
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

#[test]
#[cfg_attr(miri, ignore = "starts processes")]
fn a_write_cut_short_by_a_limit_leaves_nothing_and_is_made_up_for() {
    in_own_process("a_write_cut_short_by_a_limit_leaves_nothing_and_is_made_up_for", || {
        // SAFETY: ignoring a signal runs no code.
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
        let directory = Directory::new("limited");
        let path = directory.path().join("log.json");
        let source = Source::of(&path);
        let mut state = 7;
        let mut failures = 0;
        for round in 0..300 {
            let before = length(&path);
            limit_file_size(before + random(&mut state) % 16_000);
            if !source.delivers(round) {
                assert_eq!(length(&path), before);
                let failure = source.last_failure();
                assert!(failure.contains(path.to_str().unwrap()), "{failure}");
                failures += 1;
            }
        }
        limit_file_size(u64::MAX);
        assert!((50..250).contains(&failures), "{failures}");
        assert!(source.delivers(1_000));
        assert_eq!(source.standing().failures, failures);
        assert_eq!(sums(&whole_deliveries(&path)), totals(&source.registry.snapshot()));
    });
}

#[test]
#[cfg_attr(miri, ignore = "starts processes")]
fn a_full_disk_is_counted_and_named_until_a_flush_finds_room() {
    in_own_process("a_full_disk_is_counted_and_named_until_a_flush_finds_room", || {
        // SAFETY: ignoring a signal runs no code.
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
        let directory = Directory::new("counted");
        let path = directory.path().join("log.json");
        let source = Source::of(&path);
        let failures = |cause| source.own_counter("quipu.export.failures", &[("cause", cause)]);
        let bytes = || source.own_counter("quipu.export.bytes", &[]);
        assert!(source.delivers(1));
        assert!(source.client.health().is_live());
        assert_eq!((failures("storage"), bytes()), (0, length(&path)));

        let before = length(&path);
        limit_file_size(before + 100);
        for times in 1..=3 {
            assert!(!source.delivers(times));
            assert_eq!((failures("storage"), failures("other")), (times, 0));
            assert_eq!((bytes(), length(&path)), (before, before));
            let health = source.client.health();
            assert_eq!((health.liveness, health.reasons.len()), (Liveness::Late, 1));
            let reason = &health.reasons[0];
            assert!(reason.starts_with(&format!("json failed {times} in a row: ")), "{reason}");
            assert!(reason.contains(path.to_str().unwrap()), "{reason}");
            let report = source.client.report();
            assert_eq!(report.undelivered().count(), 1);
            assert_eq!(report.exporters[0].undelivered, report.exporters[0].last_failure);
        }

        limit_file_size(u64::MAX);
        assert!(source.delivers(4));
        assert!(source.client.health().is_live(), "{}", source.client.health());
        assert!(source.client.report().is_delivered());
        assert_eq!((failures("storage"), bytes()), (3, length(&path)));
        let deliveries = whole_deliveries(&path);
        assert_eq!(deliveries.len(), 2);
        assert_eq!(sums(&deliveries), totals(&source.registry.snapshot()));
    });
}

#[test]
#[cfg_attr(miri, ignore = "starts processes")]
fn errors_captured_while_the_disk_is_full_are_written_when_there_is_room() {
    in_own_process("errors_captured_while_the_disk_is_full_are_written_when_there_is_room", || {
        // SAFETY: ignoring a signal runs no code.
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
        let directory = Directory::new("errors-full");
        let path = directory.path().join("log.json");
        let source = Source::of(&path);
        limit_file_size(0);
        for at in 0..100 {
            let error = std::io::Error::other(format!("error {at}"));
            source.client.capture_error(&error, &[]);
        }
        assert!(!source.delivers(1));
        assert_eq!(length(&path), 0);
        limit_file_size(u64::MAX);
        let report = source.client.stop(PATIENCE);
        assert!(report.is_delivered(), "{report}");
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let errors = lines.filter(|line: &serde_json::Value| line["kind"] == "error");
        let messages: Vec<_> = errors.map(|line| line["message"].clone()).collect();
        assert_eq!(messages, (0..100).map(|at| format!("error {at}")).collect::<Vec<_>>());
    });
}

/// The most that this process can make a file grow to.
fn limit_file_size(bytes: u64) {
    let limit = libc::rlimit { rlim_cur: bytes as libc::rlim_t, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: `limit` is initialised, and outlives the call.
    let outcome = unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limit) };
    assert_eq!(outcome, 0);
}

/// A disk of a megabyte, where this process may mount one.
struct SmallDisk(Directory);

impl SmallDisk {
    fn mount(directory: Directory) -> Option<Self> {
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "quipu"])
            .arg(directory.path())
            .stderr(Stdio::null())
            .status();
        mount.is_ok_and(|status| status.success()).then_some(Self(directory))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "starts processes")]
fn a_full_disk_takes_nothing_of_a_delivery_and_all_of_it_when_there_is_room_again() {
    let Some(disk) = SmallDisk::mount(Directory::new("full")) else {
        eprintln!("not run: mounting needs privileges");
        return;
    };
    let path = disk.0.path().join("log.json");
    let ballast = disk.0.path().join("ballast");
    let source = Source::of(&path);
    let mut recovered = 0;
    for round in 0..5 {
        let mut other = OpenOptions::new().create(true).append(true).open(&ballast).unwrap();
        while source.delivers(round) {
            // What fills the disk is mostly something else.
            let _ = other.write_all(&[0; 90_000]);
        }
        while other.write_all(&[0; 512]).is_ok() {}
        let before = length(&path);
        assert!(!source.delivers(round));
        assert_eq!(length(&path), before);
        whole_deliveries(&path);
        other.set_len(0).unwrap();
        recovered += u64::from(source.delivers(round));
    }
    assert_eq!(recovered, 5);
    assert_eq!(source.standing().failures, 10);
    assert_eq!(sums(&whole_deliveries(&path)), totals(&source.registry.snapshot()));
}

#[test]
#[cfg(target_os = "linux")]
fn a_device_is_appended_to_and_its_failures_name_it() {
    let full = Source::of(Path::new("/dev/full"));
    assert!(!full.delivers(1));
    assert!(full.last_failure().contains("/dev/full"), "{}", full.last_failure());
    let null = Source::of(Path::new("/dev/null"));
    assert!(null.delivers(1));
    assert!(null.delivers(2));
}

#[test]
fn a_renamed_file_is_left_as_it_is_and_a_new_one_begun() {
    let directory = Directory::new("renamed");
    let (path, old) = (directory.path().join("log.json"), directory.path().join("log.json.1"));
    let source = Source::of(&path);
    assert!(source.delivers(1));
    assert!(source.delivers(2));
    fs::rename(&path, &old).unwrap();
    assert!(source.delivers(3));
    assert!(source.delivers(4));
    // As `create` of logrotate does it.
    fs::rename(&path, directory.path().join("log.json.2")).unwrap();
    File::create_new(&path).unwrap();
    assert!(source.delivers(5));
    let mut all = whole_deliveries(&old);
    assert_eq!(all.len(), 2);
    all.extend(whole_deliveries(&directory.path().join("log.json.2")));
    assert_eq!(all.len(), 4);
    all.extend(whole_deliveries(&path));
    assert_eq!(all.len(), 5);
    assert_eq!(sums(&all), totals(&source.registry.snapshot()));
}

#[test]
fn a_deleted_file_is_created_again() {
    let directory = Directory::new("deleted");
    let path = directory.path().join("log.json");
    let source = Source::of(&path);
    assert!(source.delivers(1));
    fs::remove_file(&path).unwrap();
    assert!(source.delivers(2));
    assert_eq!(whole_deliveries(&path).len(), 1);
    fs::remove_dir_all(directory.path()).unwrap();
    assert!(!source.delivers(3));
    assert!(source.last_failure().contains("does not exist"), "{}", source.last_failure());
    fs::create_dir(directory.path()).unwrap();
    assert!(source.delivers(4));
    assert_eq!(sums(&whole_deliveries(&path)).counters, 3 + 4);
}

#[test]
fn a_file_that_was_copied_and_truncated_has_no_hole() {
    let directory = Directory::new("truncated");
    let path = directory.path().join("log.json");
    let source = Source::of(&path);
    assert!(source.delivers(1));
    assert!(source.delivers(2));
    let mut all = whole_deliveries(&path);
    OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    assert!(source.delivers(3));
    assert!(!fs::read(&path).unwrap().contains(&0));
    all.extend(whole_deliveries(&path));
    assert_eq!((all.len(), sums(&all)), (3, totals(&source.registry.snapshot())));
}

#[test]
fn what_keeps_a_file_from_being_opened_is_said_with_its_path() {
    let directory = Directory::new("errors");
    let missing = directory.path().join("missing").join("log.json");
    let error = JsonLines::file(&missing).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let directory_missing =
        format!("its directory {} does not", directory.path().join("missing").display());
    assert!(error.to_string().contains(&directory_missing), "{error}");
    assert!(error.to_string().contains(missing.to_str().unwrap()), "{error}");

    let error = JsonLines::file(directory.path()).unwrap_err();
    assert!(error.to_string().contains(directory.path().to_str().unwrap()), "{error}");

    let foreign = directory.path().join("foreign");
    fs::write(&foreign, "key = value").unwrap();
    let error = JsonLines::file(&foreign).unwrap_err();
    assert!(error.to_string().contains(foreign.to_str().unwrap()), "{error}");
    assert_eq!(fs::read(&foreign).unwrap(), b"key = value");
}

/// Tells a child which file to write.
const FILE: &str = "QUIPU_TEST_LOG_FILE";

/// Tells a child at what length of the file the system is to kill it.
const DEADLY_LENGTH: &str = "QUIPU_TEST_DEADLY_LENGTH";

/// Delivers flat out, until it is killed.
fn write_for_ever(path: &Path) {
    // SAFETY: `alarm` only starts a timer; its signal ends the process.
    unsafe { libc::alarm(300) };
    let registry = Arc::new(Registry::new());
    let client = client(&registry, path);
    let long = "x".repeat(300);
    let counters: Vec<_> = (0..500)
        .map(|at| registry.counter("c").label("at", &format!("{at}{long}")).register().unwrap())
        .collect();
    if let Ok(length) = std::env::var(DEADLY_LENGTH) {
        let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: `no_core` is initialised, and outlives the call.
        unsafe { libc::setrlimit(libc::RLIMIT_CORE, &no_core) };
        limit_file_size(length.parse().unwrap());
    }
    loop {
        counters.iter().for_each(Counter::increment);
        assert!(client.flush(PATIENCE).is_delivered());
    }
}

/// Starts this test again as a child that writes until it is killed, and ends it when the file has
/// `length`: from outside, or in the middle of a write that would make it longer.
fn kill_a_writer(path: &Path, length: u64, in_a_write: bool) {
    let program = std::env::current_exe().unwrap();
    let mut arguments: Vec<_> = process::emulator().split_whitespace().map(Into::into).collect();
    arguments.push(program.into_os_string());
    let mut command = Command::new(&arguments[0]);
    command
        .args(&arguments[1..])
        .args(["--exact", "a_process_killed_in_the_middle_of_a_write_spoils_nothing"])
        .env(FILE, path)
        .stdout(Stdio::null());
    if in_a_write {
        let ended = command.env(DEADLY_LENGTH, length.to_string()).status().unwrap();
        assert_eq!(ended.signal(), Some(libc::SIGXFSZ));
        return;
    }
    let mut child = command.spawn().unwrap();
    while !fs::metadata(path).is_ok_and(|file| file.len() > length) {
        assert!(child.try_wait().unwrap().is_none(), "the child has failed");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
#[cfg_attr(miri, ignore = "starts processes")]
fn a_process_killed_in_the_middle_of_a_write_spoils_nothing() {
    if let Some(path) = std::env::var_os(FILE) {
        return write_for_ever(Path::new(&path));
    }
    let directory = Directory::new("killed");
    let path = directory.path().join("log.json");
    let mut whole = Vec::new();
    let mut state = 99;
    let mut torn = 0;
    for round in 0..16 {
        let length = whole.len() as u64 + 200_000 + random(&mut state) % 700_000;
        kill_a_writer(&path, length, round % 2 == 0);
        let found = fs::read(&path).unwrap();
        assert!(found.starts_with(&whole), "earlier lines have changed");
        let end = found.iter().rposition(|&byte| byte == b'\n').unwrap() + 1;
        for line in found[whole.len()..end].split_inclusive(|&byte| byte == b'\n') {
            serde_json::from_slice::<serde_json::Value>(line).unwrap();
        }
        torn += u32::from(end < found.len());
        whole = found;
        whole.truncate(end);
    }
    assert!(torn >= 6, "{torn}");
    JsonLines::file(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), whole);
}
