//! Captured errors and panics as lines of JSON and on the console: all that is known of them is
//! there, and nothing in their texts gets out of its place.
#![cfg(not(loom))]
#![allow(unsafe_code)]

mod paper;
mod process;

use paper::Paper;
use process::in_own_process;
use quipu::{Client, Console, JsonLines, Registry};
use serde_json::{Value, json};
use std::error::Error;
use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::Duration;

/// Such a client flushes when it is told to, and never by itself.
const NEVER: Duration = Duration::from_secs(100_000);

/// Longer than any delivery here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Texts that would be something else if they were taken literally.
const HOSTILE: [&str; 10] = [
    "",
    "\"",
    "\\u001b[31m",
    "\"}\n{\"kind\":\"error\",\"message\":\"forged\"}",
    "\n!! 00:00:00 UTC error: forged\n",
    "\x1b[2J\x1b]0;title\x07",
    "\u{9b}31m\u{90}q\u{9c}",
    "\r\x08\x0b\x0c\x7f\0\t",
    "\u{202e}gnol\u{2066}\u{200f}\u{feff}",
    "\u{2028}\u{2029}\u{85}",
];

/// An error with a source for each text after the first.
fn chain(texts: &[&'static str]) -> Box<Link> {
    let link = |source, text: &&'static str| Some(Box::new(Link { text, source }));
    texts.iter().rev().fold(None, link).expect("there is a text")
}

#[derive(Debug)]
struct Link {
    text: &'static str,
    source: Option<Box<Link>>,
}

impl Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl Error for Link {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// A client, and what it wrote as JSON and to the console.
struct Capturing {
    client: Client,
    json: Paper,
    console: Paper,
}

impl Capturing {
    fn new() -> Self {
        let (json, console) = (Paper::default(), Paper::default());
        let client = Client::builder()
            .registry(Arc::new(Registry::new()))
            .flush_interval(NEVER)
            .backoff(NEVER..=NEVER)
            .exporter(JsonLines::to(json.clone()))
            .exporter(Console::to(console.clone()))
            .start()
            .unwrap();
        Self { client, json, console }
    }

    /// The lines of captured errors, and what the console printed of them.
    fn stop(self) -> (Vec<Value>, String) {
        let report = self.client.stop(PATIENCE);
        assert!(report.is_delivered(), "{report}");
        let lines = self.json.text();
        let lines = lines.split_terminator('\n').map(|line| serde_json::from_str(line).unwrap());
        let is_error = |line: &Value| line["kind"] == "error" || line["kind"] == "panic";
        let text = self.console.text();
        let end = text.find("-- ").expect("the table comes after errors");
        (lines.filter(is_error).collect(), text[..end].to_owned())
    }
}

/// Whether a terminal would do something with it other than to show it; the end of a line aside.
fn is_obeyed(character: char) -> bool {
    let is_bidirectional = ['\u{200e}', '\u{200f}'].contains(&character)
        || ('\u{202a}'..='\u{202e}').contains(&character)
        || ('\u{2066}'..='\u{2069}').contains(&character);
    character.is_control() && character != '\n' || is_bidirectional
}

#[test]
fn an_error_is_one_line_of_json_with_all_that_is_known() {
    let capturing = Capturing::new();
    let error = chain(&["query failed", "connection lost", "reset by peer"]);
    let client = capturing.client.clone();
    let thread = std::thread::Builder::new().name("worker-3".into());
    let captured = thread.spawn(move || {
        client.capture_error(&*error, &[("query", &"SELECT 1"), ("attempt", &3)]);
    });
    captured.unwrap().join().unwrap();
    let (lines, printed) = capturing.stop();
    let time = lines[0]["time"].as_str().unwrap();
    let expected = json!({"kind": "error", "time": time, "message": "query failed",
        "sources": ["connection lost", "reset by peer"], "thread": "worker-3",
        "context": {"query": "SELECT 1", "attempt": "3"}});
    assert_eq!(lines, [expected]);
    assert_eq!(
        printed,
        format!(
            "!! {} UTC error: query failed\n   because: connection lost\n   because: reset by \
             peer\n   in thread worker-3\n   query = SELECT 1\n   attempt = 3\n",
            &time[11..19]
        )
    );
}

#[test]
fn an_error_without_circumstances_has_no_empty_fields() {
    let capturing = Capturing::new();
    let client = capturing.client.clone();
    // A thread that was not named.
    std::thread::spawn(move || client.capture_error(&fmt::Error, &[])).join().unwrap();
    let (lines, printed) = capturing.stop();
    let message = fmt::Error.to_string();
    let expected = json!({"kind": "error", "time": lines[0]["time"], "message": message,
        "sources": []});
    assert_eq!(lines, [expected]);
    assert!(printed.ends_with(&format!(" UTC error: {message}\n")), "{printed}");
    assert_eq!(printed.lines().count(), 1);
}

#[test]
fn hostile_texts_come_back_from_json_as_they_were() {
    let capturing = Capturing::new();
    let error = chain(&HOSTILE);
    let context = HOSTILE.each_ref().map(|text| (*text, text as &dyn Display));
    for _ in 0..2 {
        capturing.client.capture_error(&*error, &context);
    }
    let json = capturing.json.clone();
    let (lines, _) = capturing.stop();
    assert_eq!(lines.len(), 2);
    for line in lines {
        assert_eq!(line["message"], HOSTILE[0]);
        assert_eq!(line["sources"], json!(HOSTILE[1..]));
        let context: serde_json::Map<_, _> =
            HOSTILE.iter().map(|text| (text.to_string(), json!(text))).collect();
        assert_eq!(line["context"], Value::Object(context));
    }
    // Whoever looks at the file with a pager is not to be attacked by C0 either.
    assert!(!json.text().contains(|it: char| it < ' ' && it != '\n'));
}

#[test]
fn hostile_texts_on_the_console_are_escaped_and_stay_on_their_lines() {
    let capturing = Capturing::new();
    let error = chain(&HOSTILE);
    let client = capturing.client.clone();
    let thread = std::thread::Builder::new().name("\x1b[31mred\n".into());
    let captured = thread.spawn(move || {
        let context = HOSTILE.each_ref().map(|text| (*text, text as &dyn Display));
        client.capture_error(&*error, &context);
    });
    captured.unwrap().join().unwrap();
    let (_, printed) = capturing.stop();
    assert!(!printed.contains(is_obeyed), "{printed:?}");
    let lines: Vec<_> = printed.lines().collect();
    // Message, sources, thread, context.
    assert_eq!(lines.len(), 1 + (HOSTILE.len() - 1) + 1 + HOSTILE.len(), "{printed}");
    let beginnings = lines.iter().map(|line| line.get(..3)).collect::<Vec<_>>();
    assert_eq!(beginnings[0], Some("!! "));
    assert!(beginnings[1..].iter().all(|it| *it == Some("   ")), "{printed}");
    assert!(lines.contains(&r"   in thread \u{1b}[31mred\n"), "{printed}");
    assert!(lines.contains(&r"   because: \u{1b}[2J\u{1b}]0;title\u{7}"), "{printed}");
    assert!(lines.contains(&r#"   " = ""#), "{printed}");
}

#[test]
fn a_panic_is_passed_on_with_its_place_by_both() {
    in_own_process("a_panic_is_passed_on_with_its_place_by_both", || {
        let capturing = Capturing::new();
        capturing.client.capture_panics();
        let thread = std::thread::Builder::new().name("doomed".into());
        let line = line!() + 1;
        let panicking = || panic!("index {} out\n of \x1b[1mbounds", 7);
        assert!(thread.spawn(panicking).unwrap().join().is_err());
        let (lines, printed) = capturing.stop();
        assert_eq!(lines.len(), 1);
        assert_eq!((&lines[0]["kind"], &lines[0]["sources"]), (&json!("panic"), &json!([])));
        assert_eq!(lines[0]["message"], "index 7 out\n of \x1b[1mbounds");
        assert_eq!(lines[0]["thread"], "doomed");
        let location = lines[0]["location"].as_str().unwrap();
        assert!(location.starts_with(&format!("{}:{line}:", file!())), "{location}");
        assert!(lines[0].get("context").is_none());
        assert!(!printed.contains(is_obeyed), "{printed:?}");
        let expected = format!(
            " UTC panic: index 7 out\\n of \\u{{1b}}[1mbounds\n   at {location}\n   in thread \
             doomed\n"
        );
        assert!(printed[3 + 8..].starts_with(&expected), "{printed}");
    });
}

#[test]
fn errors_that_could_not_be_written_come_again_with_the_next_flush() {
    let capturing = Capturing::new();
    capturing.json.set_room(Some(0));
    capturing.console.set_room(Some(0));
    let error = chain(&["first"]);
    capturing.client.capture_error(&*error, &[]);
    // Each exporter fails once, for the errors or for the snapshot, whichever it comes to first.
    let report = capturing.client.flush(PATIENCE);
    assert_eq!(report.exporters.iter().map(|it| it.failures).collect::<Vec<_>>(), [1, 1]);
    let console = capturing.console.clone();
    let (lines, _) = capturing.stop();
    assert_eq!(lines.len(), 1);
    assert_eq!(console.text().matches(" error: first\n").count(), 1, "{}", console.text());
}
