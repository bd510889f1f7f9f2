//! Where exporters of text write their lines: a file that takes a batch in whole or not at all, or a
//! stream, of which nothing can be taken back.
#![forbid(unsafe_code)]

use super::log_file::{LogFile, at_path, write_counted};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Names of streams that may lead to a regular file, which others write as well.
const STREAMS: [&str; 4] = ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc"];

pub(super) struct Lines(Destination);

enum Destination {
    File(LogFile),
    Stream(Stream),
}

struct Stream {
    out: Out,
    has_header: bool,
    /// Whether a batch that failed left an unfinished line.
    mid_line: bool,
}

enum Out {
    Stdout,
    Writer(Box<dyn Write + Send>),
    Special(PathBuf, std::fs::File),
}

impl Lines {
    /// The standard output, locked while a batch is written.
    pub(super) fn stdout() -> Self {
        Self::stream(Out::Stdout)
    }

    pub(super) fn to(out: impl Write + Send + 'static) -> Self {
        Self::stream(Out::Writer(Box::new(out)))
    }

    /// The file at `path`, whose first byte is `first_byte` if it has any; devices and pipes are
    /// streams.
    ///
    /// # Errors
    ///
    /// As those of [`LogFile::open`].
    pub(super) fn file(path: &Path, first_byte: u8) -> io::Result<Self> {
        let is_special = std::fs::metadata(path).is_ok_and(|named| !named.is_file());
        if !is_special && !STREAMS.iter().any(|stream| path.starts_with(stream)) {
            return Ok(Self(Destination::File(LogFile::open(path, first_byte)?)));
        }
        let file = OpenOptions::new().append(true).open(path);
        let file = file.map_err(|error| at_path("open", path, &error))?;
        Ok(Self::stream(Out::Special(path.to_owned(), file)))
    }

    fn stream(out: Out) -> Self {
        Self(Destination::Stream(Stream { out, has_header: false, mid_line: false }))
    }

    /// Writes `text`, which is whole lines. The `header` bytes that it begins with are left out
    /// unless nothing is before them. Returns how many bytes were written.
    ///
    /// # Errors
    ///
    /// The system's. A file then has nothing of `text`. A stream may have some: an unfinished line
    /// is ended when the next batch comes.
    pub(super) fn append(&mut self, text: &[u8], header: usize) -> io::Result<usize> {
        match &mut self.0 {
            Destination::File(file) => file.append(text, header),
            Destination::Stream(stream) => stream.append(text, header),
        }
    }
}

impl Stream {
    fn append(&mut self, text: &[u8], header: usize) -> io::Result<usize> {
        let text = if self.has_header { &text[header..] } else { text };
        match &mut self.out {
            Out::Stdout => write_batch(&mut io::stdout().lock(), &mut self.mid_line, text),
            Out::Writer(out) => write_batch(&mut **out, &mut self.mid_line, text),
            Out::Special(path, file) => write_batch(file, &mut self.mid_line, text)
                .map_err(|error| at_path("write to", path, &error)),
        }?;
        self.has_header = true;
        Ok(text.len())
    }
}

fn write_batch(out: &mut dyn Write, mid_line: &mut bool, text: &[u8]) -> io::Result<()> {
    if *mid_line {
        write_counted(out, b"\n").1?;
        *mid_line = false;
    }
    let (written, outcome) = write_counted(out, text);
    *mid_line = text[..written].last().is_some_and(|&last| last != b'\n');
    outcome?;
    out.flush()
}
