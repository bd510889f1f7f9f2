//! The documented rules for text, written a second time.

use std::io;
use std::sync::{Arc, Mutex};

/// "A letter, then letters, digits and `_.-/`, 255 bytes at most"; label keys "are the same, or begin
/// with an underscore".
pub fn is_identifier(text: &str) -> bool {
    let mut characters = text.chars();
    matches!(characters.next(), Some('a'..='z' | 'A'..='Z' | '_'))
        && characters
            .all(|c| matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '.' | '-' | '/'))
        && text.len() <= 255
}

/// "Any text without NUL, up to 4,096 bytes".
pub fn is_label_value(text: &str) -> bool {
    text.len() <= 4096 && !text.contains('\0')
}

/// Whether a terminal shows it from left to right, in one line, and does nothing else.
pub fn is_plain(text: &str) -> bool {
    let obeyed = |c: char| {
        let turns_around = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}');
        let isolates = matches!(c, '\u{2066}'..='\u{2069}' | '\u{61c}');
        c.is_control() || turns_around || isolates || matches!(c, '\u{2028}' | '\u{2029}')
    };
    !text.chars().any(obeyed)
}

/// What an exporter writes to.
#[derive(Clone, Default)]
pub struct Screen(Arc<Mutex<Vec<u8>>>);

impl Screen {
    pub fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap();
        std::str::from_utf8(&bytes).unwrap().lines().map(str::to_owned).collect()
    }
}

impl io::Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
