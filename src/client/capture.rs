//! Captured errors: what went wrong in the program, as a value of bounded size.
#![forbid(unsafe_code)]

use super::contained::{contained, panic_text};
use super::cut::cut;
use std::error::Error;
use std::fmt::{Display, Write};
use std::panic::PanicHookInfo;
use std::time::SystemTime;

const MAX_SOURCES: usize = 32;
const MAX_CONTEXT: usize = 64;
const MAX_TEXT_BYTES: usize = 8 * 1024;
/// All texts of one error.
const MAX_BYTES: usize = 64 * 1024;

/// An error or a panic of the program, as it was when it was captured; from
/// [`Client::capture_error`](crate::Client::capture_error) and
/// [`Client::capture_panics`](crate::Client::capture_panics).
///
/// Its size is bounded: texts are cut at 8 KiB each and 64 KiB together, chains at 32 sources, context
/// at 64 entries.
#[derive(Clone, Debug)]
pub struct CapturedError {
    time: SystemTime,
    is_panic: bool,
    messages: Vec<String>,
    context: Vec<(String, String)>,
    thread: Option<String>,
    location: Option<String>,
    backtrace: Option<String>,
}

impl CapturedError {
    pub(crate) fn of_error(error: &dyn Error, context: &[(&str, &dyn Display)]) -> Self {
        let mut texts = Texts::new();
        let mut messages = vec![texts.of(&error)];
        let mut source = error.source();
        while let Some(error) = source.filter(|_| messages.len() <= MAX_SOURCES) {
            messages.push(texts.of(&error));
            source = error.source();
        }
        let context = context.iter().take(MAX_CONTEXT);
        let context = context.map(|(key, value)| (texts.of(key), texts.of(value))).collect();
        Self { context, ..Self::now(false, messages) }
    }

    pub(super) fn of_panic(panic: &PanicHookInfo<'_>) -> Self {
        let mut texts = Texts::new();
        let message = panic_text(panic.payload()).unwrap_or("a panic without a message");
        let messages = vec![texts.of(&message)];
        let location = panic.location().map(|location| texts.of(&location));
        let backtrace = std::backtrace::Backtrace::capture();
        let has_backtrace = backtrace.status() == std::backtrace::BacktraceStatus::Captured;
        let backtrace = has_backtrace.then(|| texts.of(&backtrace));
        Self { location, backtrace, ..Self::now(true, messages) }
    }

    fn now(is_panic: bool, messages: Vec<String>) -> Self {
        Self {
            time: SystemTime::now(),
            is_panic,
            messages,
            context: Vec::new(),
            thread: std::thread::current().name().map(|name| Texts::new().of(&name)),
            location: None,
            backtrace: None,
        }
    }

    /// When it was captured.
    pub fn time(&self) -> SystemTime {
        self.time
    }

    /// Whether it was a panic.
    pub fn is_panic(&self) -> bool {
        self.is_panic
    }

    /// What it said.
    pub fn message(&self) -> &str {
        &self.messages[0]
    }

    /// What its sources said, from the outermost to the innermost.
    pub fn sources(&self) -> impl ExactSizeIterator<Item = &str> {
        self.messages[1..].iter().map(String::as_str)
    }

    /// What was captured beside it: keys and values.
    pub fn context(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.context.iter().map(|(key, value)| (&**key, &**value))
    }

    /// The name of the thread that captured it, if that has one.
    pub fn thread(&self) -> Option<&str> {
        self.thread.as_deref()
    }

    /// Where a panic happened: file, line and column.
    pub fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    /// The backtrace of a panic, if `RUST_BACKTRACE` asks for one.
    pub fn backtrace(&self) -> Option<&str> {
        self.backtrace.as_deref()
    }
}

/// Makes texts until their bound is reached.
struct Texts {
    room: usize,
}

impl Texts {
    fn new() -> Self {
        Self { room: MAX_BYTES }
    }

    /// What `value` shows, cut at the bound. One that panics instead is named as such: it is the
    /// program's code.
    fn of(&mut self, value: &dyn Display) -> String {
        let room = self.room.min(MAX_TEXT_BYTES);
        let mut text = Bounded { text: String::new(), room, is_cut: false };
        // An error means that the text is full, or that the value gave up.
        if contained(|| write!(text, "{value}")).is_err() {
            text.text += "(its text panicked)";
        }
        self.room = self.room.saturating_sub(text.text.len());
        text.text
    }
}

struct Bounded {
    text: String,
    room: usize,
    is_cut: bool,
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if self.is_cut {
            // The value goes on all the same.
            return Err(std::fmt::Error);
        }
        if text.len() <= self.room {
            self.room -= text.len();
            self.text += text;
            return Ok(());
        }
        self.text += cut(text, self.room);
        self.text += " ..";
        self.is_cut = true;
        Err(std::fmt::Error)
    }
}
