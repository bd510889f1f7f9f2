//! Memory that a test reads while an exporter writes it, and that fails when it is told to.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

/// Clones are the same paper.
#[derive(Clone, Default)]
pub struct Paper(Arc<Mutex<Page>>);

#[derive(Default)]
struct Page {
    text: Vec<u8>,
    /// How many bytes it takes before it fails, once.
    room: Option<usize>,
}

impl Paper {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().text.clone()).unwrap()
    }

    /// Makes it fail once after so many bytes, or never.
    pub fn set_room(&self, room: Option<usize>) {
        self.0.lock().unwrap().room = room;
    }
}

impl Write for Paper {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let mut page = self.0.lock().unwrap();
        let taken = match page.room {
            None => text.len(),
            Some(0) => {
                page.room = None;
                return Err(io::Error::other("out of paper"));
            }
            Some(room) => room.min(text.len()),
        };
        page.room = page.room.map(|room| room - taken);
        page.text.extend_from_slice(&text[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
