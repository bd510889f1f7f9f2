//! The console: whose metrics it shows, that nothing in them reaches a terminal unescaped, and when
//! it uses colours.
#![cfg(not(loom))]
#![allow(unsafe_code)]

mod paper;

use paper::Paper;
use quipu::{Client, Console, Registry, Unit};
use std::sync::Arc;
use std::time::Duration;

/// Such a client flushes when it is told to, and never by itself.
const NEVER: Duration = Duration::from_secs(100_000);

/// Longer than any delivery here takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn client(registry: &Arc<Registry>, console: Console) -> Client {
    let client = Client::builder().registry(registry.clone()).flush_interval(NEVER);
    client.backoff(NEVER..=NEVER).exporter(console).start().unwrap()
}

/// What the first column says, titles left out.
fn names(printed: &str) -> Vec<&str> {
    let rows = printed.lines().filter(|line| !line.is_empty() && !line.starts_with("-- "));
    let names = rows.filter_map(|row| row.split_whitespace().next());
    names.filter(|name| !["counter", "gauge", "histogram"].contains(name)).collect()
}

#[test]
fn a_table_has_a_line_for_each_series_of_the_program() {
    let registry = Arc::new(Registry::new());
    let requests = registry.counter("requests").register().unwrap();
    let active = registry.up_down_counter("active").register().unwrap();
    let depth = registry.gauge("depth").register().unwrap();
    let latency = registry.histogram("latency").unit(Unit::Microseconds).register().unwrap();
    registry.gauge("never.set").register().unwrap();
    // Not the client's own, whatever it looks like.
    registry.counter("quipus.tied").register().unwrap();
    let paper = Paper::default();
    let client = client(&registry, Console::to(paper.clone()));
    requests.add(12_345);
    active.add(-2);
    depth.set(4.5);
    latency.record_n(1_500, 3);
    assert!(client.flush(PATIENCE).is_delivered());
    let printed = paper.text();
    assert_eq!(names(&printed), ["quipus.tied", "requests", "active", "depth", "latency"]);
    let row = |name: &str| {
        let row = printed.lines().find(|line| line.starts_with(name)).unwrap();
        row.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("requests").last().unwrap(), "12,345");
    assert_eq!((row("active"), row("depth")), (vec!["-2".into()], vec!["4.5".into()]));
    assert!(row("latency").join(" ").ends_with(" 3 1.5 ms 1.5 ms 1.5 ms 1.5 ms 1.5 ms"));
    assert!(!printed.contains('\x1b'), "{printed:?}");
}

#[test]
fn the_clients_own_metrics_are_shown_when_they_are_asked_for() {
    let registry = Arc::new(Registry::new());
    registry.counter("requests").register().unwrap();
    let (without, with) = (Paper::default(), Paper::default());
    client(&registry, Console::to(without.clone())).stop(PATIENCE);
    client(&registry, Console::to(with.clone()).with_own_metrics()).stop(PATIENCE);
    assert_eq!(names(&without.text()), ["requests"]);
    let text = with.text();
    let names = names(&text);
    assert!(names.contains(&"requests"));
    for own in ["quipu.flush.duration", "quipu.export.attempts{exporter=\"console\"}"] {
        assert!(names.contains(&own), "no {own} in {names:?}");
    }
}

#[test]
fn hostile_label_values_are_escaped_and_stay_on_their_lines() {
    let registry = Arc::new(Registry::new());
    let hostile = [
        "\x1b[31m",
        "\u{9b}2J",
        "a\nb\r\t\x08\x07\x7f",
        "\"} 1,000",
        "\u{202e}gnol",
        "\u{2028}\u{85}",
        "\\",
    ];
    for value in hostile {
        registry.counter("c").label("v", value).register().unwrap();
    }
    let paper = Paper::default();
    client(&registry, Console::to(paper.clone())).stop(PATIENCE);
    let printed = paper.text();
    let is_plain = |it: char| it == '\n' || it == ' ' || it.is_ascii_graphic();
    assert!(printed.chars().all(is_plain), "{printed:?}");
    let rows: Vec<_> = printed.lines().filter(|line| line.starts_with("c{v=\"")).collect();
    assert_eq!(rows.len(), hostile.len(), "{printed}");
    for row in [r#"c{v="\u{1b}[31m"} "#, r#"c{v="\"} 1,000"} "#, r#"c{v="\u{202e}gnol"} "#] {
        assert!(rows.iter().any(|it| it.starts_with(row)), "no {row} in {printed}");
    }
}

#[test]
fn a_table_that_could_not_be_printed_is_made_up_for_by_the_next() {
    let registry = Arc::new(Registry::new());
    let counter = registry.counter("c").register().unwrap();
    let paper = Paper::default();
    let client = client(&registry, Console::to(paper.clone()));
    let bytes = |registry: &Registry| {
        registry.snapshot().counter("quipu.export.bytes", &[("exporter", "console")])
    };
    paper.set_room(Some(0));
    counter.increment();
    assert_eq!(client.flush(PATIENCE).undelivered().count(), 1);
    assert_eq!((paper.text().as_str(), bytes(&registry)), ("", Some(0)));
    assert!(client.flush(PATIENCE).is_delivered());
    assert!(paper.text().contains("since the start"), "{}", paper.text());
    assert_eq!(bytes(&registry), Some(paper.text().len() as u64));
    client.flush(PATIENCE);
    assert!(paper.text().contains("the last "), "{}", paper.text());
}

#[cfg(unix)]
mod terminal {
    use super::*;
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::{FromRawFd, OwnedFd};
    use std::process::{Command, Stdio};

    /// Tells a child to print, and to which stream.
    const STREAM: &str = "QUIPU_TEST_CONSOLE";

    /// Both ends of a terminal that nobody sits at: the one that shows, and the one of programs.
    fn open_terminal() -> (File, OwnedFd) {
        let (mut shows, mut programs) = (-1, -1);
        let (name, settings, size) =
            (std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: both results outlive the call, and what is null is optional.
        let outcome = unsafe { libc::openpty(&mut shows, &mut programs, name, settings, size) };
        assert_eq!(outcome, 0, "{}", std::io::Error::last_os_error());
        // SAFETY: the call has opened it, and nobody else owns it.
        let shows = unsafe { File::from_raw_fd(shows) };
        // SAFETY: the same.
        let programs = unsafe { OwnedFd::from_raw_fd(programs) };
        (shows, programs)
    }

    /// The command that starts this test program again as one that prints to `stream`.
    fn printing(stream: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "terminal::colours_are_for_terminals_that_take_them"]);
        command.args(["--nocapture", "--test-threads=1", "--color=never"]);
        command.env(STREAM, stream).env_remove("NO_COLOR").env("TERM", "xterm");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// What a terminal shows of such a program.
    fn shown(stream: &str, variables: &[(&str, &str)]) -> String {
        let (mut shows, programs) = open_terminal();
        let mut command = printing(stream);
        command.envs(variables.iter().copied());
        match stream {
            "stdout" => command.stdout(programs),
            _ => command.stderr(programs),
        };
        let mut child = command.spawn().unwrap();
        // Its end of the terminal has to be the last one.
        drop(command);
        let mut shown = Vec::new();
        // On Linux the end comes as an error.
        let _ = shows.read_to_end(&mut shown);
        assert!(child.wait().unwrap().success());
        String::from_utf8(shown).unwrap()
    }

    /// What such a program prints into a pipe.
    fn piped(stream: &str) -> String {
        let mut command = printing(stream);
        let output = match stream {
            "stdout" => command.stdout(Stdio::piped()).output().unwrap().stdout,
            _ => command.stderr(Stdio::piped()).output().unwrap().stderr,
        };
        String::from_utf8(output).unwrap()
    }

    fn print(stream: &str) {
        // SAFETY: `alarm` only starts a timer; its signal ends the process.
        unsafe { libc::alarm(300) };
        let registry = Arc::new(Registry::new());
        registry.counter("c").label("v", "\x1b[32m").register().unwrap();
        let console = if stream == "stdout" { Console::stdout() } else { Console::stderr() };
        let client = client(&registry, console);
        client.capture_error(&std::io::Error::other("\x1b[33mhostile"), &[]);
        assert!(client.stop(PATIENCE).is_delivered());
    }

    #[test]
    #[cfg_attr(miri, ignore = "starts processes")]
    fn colours_are_for_terminals_that_take_them() {
        if let Ok(stream) = std::env::var(STREAM) {
            return print(&stream);
        }
        for stream in ["stdout", "stderr"] {
            let has_all = |text: &str| {
                let parts = ["error", ": \\u{1b}[33mhostile", "counter", "c{v=\"\\u{1b}[32m\"}"];
                parts.iter().all(|part| text.contains(part))
            };
            for colours in [&[][..], &[("NO_COLOR", "")], &[("TERM", "vt100")]] {
                let text = shown(stream, colours);
                assert!(has_all(&text), "{text}");
                for code in ["\x1b[1m", "\x1b[2m", "\x1b[1;31m"] {
                    assert!(text.contains(code), "{stream} {colours:?}: {text:?}");
                }
                assert_eq!(text.matches("\x1b[").count(), 2 * text.matches("\x1b[0m").count());
                assert!(!text.contains("\x1b[32m") && !text.contains("\x1b[33m"), "{text:?}");
            }
            let plain = [
                shown(stream, &[("NO_COLOR", "1")]),
                shown(stream, &[("TERM", "dumb")]),
                piped(stream),
            ];
            for text in plain {
                assert!(has_all(&text) && !text.contains('\x1b'), "{stream}: {text:?}");
            }
        }
    }
}
