//! A regular file that batches of whole lines are appended to.
//!
//! One exporter of one process writes it; anybody may read, rename, delete or truncate it meanwhile.
//! What holds:
//!
//! - A batch that was acknowledged is in the file once. Of one that failed nothing stays: the file
//!   is cut back to where the batch began, at the latest before the next one.
//! - An end that is no whole line, or that has a NUL in it, comes from a process that was killed in
//!   the middle of a write, or from a machine that lost power. It is cut off when the file is opened;
//!   what comes before stays as it is.
//! - Before each batch the path is looked up: where it names another file by now, or none, that one
//!   is written. Every write goes to the end of the file as it is then, so that one truncated
//!   meanwhile has no hole.
//!
//! Nothing is synced: what was acknowledged outlives the process, and not always a loss of power.
#![forbid(unsafe_code)]

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// How much is read at a time in search of the last whole line.
const BLOCK_BYTES: usize = 64 * 1024;

pub(super) struct LogFile {
    /// Absolute, so that it means the same after a change of the working directory.
    path: PathBuf,
    /// What every such file begins with: something else is somebody else's file.
    first_byte: u8,
    file: File,
    identity: Option<(u64, u64)>,
    torn: Option<Torn>,
}

/// A batch that failed and is still to be cut off.
struct Torn {
    /// How long the file was before it.
    length: u64,
    /// How much of it was written.
    written: u64,
}

impl LogFile {
    /// Opens the file, or creates it, and cuts off an end that is no whole line.
    ///
    /// # Errors
    ///
    /// The system's, and an error if the file is not a regular one or begins with something else
    /// than `first_byte`: such a file is not touched. All name the path.
    pub(super) fn open(path: &Path, first_byte: u8) -> io::Result<Self> {
        let path = std::path::absolute(path).map_err(|e| at_path("open", path, &e))?;
        let (file, identity) = open_whole(&path, first_byte)?;
        Ok(Self { path, first_byte, file, identity, torn: None })
    }

    /// Appends `text`, without the `header` bytes that it begins with unless the file is empty.
    /// Returns how many bytes that were.
    ///
    /// # Errors
    ///
    /// The system's, with the path. Then nothing of `text` stays in the file.
    pub(super) fn append(&mut self, text: &[u8], header: usize) -> io::Result<usize> {
        self.reopen_if_replaced()?;
        let length = self.cut_torn().map_err(|e| at_path("truncate", &self.path, &e))?;
        let text = if length == 0 { text } else { &text[header..] };
        let (written, outcome) = write_counted(&mut &self.file, text);
        if let Err(error) = outcome {
            self.torn = Some(Torn { length, written: written as u64 });
            // If this fails as well, the next batch begins with it.
            let _ = self.cut_torn();
            return Err(at_path("write to", &self.path, &error));
        }
        Ok(written)
    }

    fn reopen_if_replaced(&mut self) -> io::Result<()> {
        match std::fs::metadata(&self.path) {
            Ok(named) if self.identity.is_some() && identity(&named) == self.identity => Ok(()),
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(at_path("look up", &self.path, &error))
            }
            _ => {
                // Nobody comes back to the old file: what cannot be cut off it now stays there.
                let _ = self.cut_torn();
                (self.file, self.identity) = open_whole(&self.path, self.first_byte)?;
                self.torn = None;
                Ok(())
            }
        }
    }

    /// Cuts off what is there of a batch that failed; returns the length of the file.
    fn cut_torn(&mut self) -> io::Result<u64> {
        let mut length = self.file.metadata()?.len();
        if let Some(torn) = &self.torn {
            // Somebody may have truncated the file since: it must not be made longer again.
            let whole = torn.length.min(length.saturating_sub(torn.written));
            if whole < length {
                self.file.set_len(whole)?;
                length = whole;
            }
            self.torn = None;
        }
        Ok(length)
    }
}

/// Writes `text`; returns how many bytes were taken, whatever the outcome.
pub(super) fn write_counted(out: &mut dyn Write, text: &[u8]) -> (usize, io::Result<()>) {
    let mut rest = text;
    let outcome = loop {
        if rest.is_empty() {
            break Ok(());
        }
        match out.write(rest) {
            Ok(0) => break Err(ErrorKind::WriteZero.into()),
            Ok(taken) => rest = &rest[taken..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    (text.len() - rest.len(), outcome)
}

/// An error that says what was to be done to which file.
pub(super) fn at_path(act: &str, path: &Path, error: &io::Error) -> io::Error {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let missing = directory.filter(|it| error.kind() == ErrorKind::NotFound && !it.exists());
    let cause = match missing {
        Some(directory) => format!("its directory {} does not exist", directory.display()),
        None => error.to_string(),
    };
    io::Error::new(error.kind(), format!("cannot {act} {}: {cause}", path.display()))
}

/// Opens or creates the file, and leaves only whole lines in it.
fn open_whole(path: &Path, first_byte: u8) -> io::Result<(File, Option<(u64, u64)>)> {
    let open = || {
        if std::fs::metadata(path).is_ok_and(|named| !named.is_file()) {
            return Err(io::Error::other("it is not a regular file"));
        }
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let metadata = file.metadata()?;
        let length = metadata.len();
        if let Some(found) = foreign_first_byte(&file, first_byte)? {
            let [found, expected] = [found, first_byte].map(|byte| byte.escape_ascii().to_string());
            let fault = format!("it begins with '{found}', not with '{expected}': another file?");
            return Err(io::Error::new(ErrorKind::InvalidData, fault));
        }
        let whole = end_of_whole_lines(&file, length)?;
        if whole < length {
            file.set_len(whole)?;
        }
        Ok((file, identity(&metadata)))
    };
    open().map_err(|error| at_path("open", path, &error))
}

/// What tells a file from every other that exists; `None` where std cannot tell, and where a file is
/// therefore opened anew for each batch.
fn identity(metadata: &Metadata) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Some((metadata.dev(), metadata.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        None
    }
}

/// The byte that the file begins with, if it is neither `expected` nor one that a loss of power can
/// leave behind.
fn foreign_first_byte(mut file: &File, expected: u8) -> io::Result<Option<u8>> {
    let mut first = [expected];
    // An empty file leaves it as it is.
    let _ = file.read(&mut first)?;
    Ok(Some(first[0]).filter(|&found| found != expected && found != 0))
}

/// The end of the last line that has its newline and no NUL.
fn end_of_whole_lines(mut file: &File, length: u64) -> io::Result<u64> {
    let mut block = vec![0; BLOCK_BYTES.min(length as usize)];
    let mut at = length;
    // The end of a line that has shown no NUL so far.
    let mut end = None;
    while at > 0 {
        let size = at.min(block.len() as u64);
        at -= size;
        let block = &mut block[..size as usize];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(block)?;
        for (offset, byte) in block.iter().enumerate().rev() {
            match (byte, end) {
                (b'\n', Some(end)) => return Ok(end),
                (b'\n', None) => end = Some(at + offset as u64 + 1),
                (0, _) => end = None,
                _ => {}
            }
        }
    }
    Ok(end.unwrap_or(0))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::fs;

    /// A path for one test, free when it begins and when it ends.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let name = format!("quipu-log-file-{}-{name}", std::process::id());
            let place = Self(std::env::temp_dir().join(name));
            let _ = fs::remove_file(&place.0);
            place
        }

        fn holds(&self) -> String {
            String::from_utf8(fs::read(&self.0).unwrap()).unwrap()
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "writes files")]
    fn an_end_that_is_no_whole_line_is_cut_off() {
        let place = Place::new("torn");
        let long = format!("{{{}", "x".repeat(2 * BLOCK_BYTES));
        let cases = [
            ("", ""),
            ("{", ""),
            ("\0\0", ""),
            ("\0\0\n", ""),
            ("{1\n", "{1\n"),
            ("{1\n{2", "{1\n"),
            ("{1\n{2\n", "{1\n{2\n"),
            ("{1\n\0\0\0", "{1\n"),
            ("{1\n{2\0\0\0", "{1\n"),
            ("{1\n{2\n{\0\0}\n{4", "{1\n{2\n"),
            ("{1\n\0\0\n\0\n", "{1\n"),
            ("{1\n\0\n{3\n", "{1\n\0\n{3\n"),
            (&format!("{long}\n{long}"), &format!("{long}\n")),
            (&format!("{{\n{long}\0{long}\n"), "{\n"),
        ];
        for (found, whole) in cases {
            fs::write(&place.0, found).unwrap();
            let mut file = LogFile::open(&place.0, b'{').unwrap();
            assert_eq!(place.holds(), whole, "of {found:.20?}");
            file.append(b"{new\n", 0).unwrap();
            assert_eq!(place.holds(), format!("{whole}{{new\n"));
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "writes files")]
    fn a_header_stands_in_a_file_once() {
        let place = Place::new("header");
        let text = b"#header\n#line\n";
        let mut file = LogFile::open(&place.0, b'#').unwrap();
        assert_eq!(file.append(text, 8).unwrap(), 14);
        assert_eq!(file.append(text, 8).unwrap(), 6);
        drop(file);
        let mut file = LogFile::open(&place.0, b'#').unwrap();
        file.append(text, 8).unwrap();
        assert_eq!(place.holds(), "#header\n#line\n#line\n#line\n");
        OpenOptions::new().write(true).open(&place.0).unwrap().set_len(0).unwrap();
        file.append(text, 8).unwrap();
        assert_eq!(place.holds(), "#header\n#line\n");
        fs::remove_file(&place.0).unwrap();
        file.append(text, 8).unwrap();
        assert_eq!(place.holds(), "#header\n#line\n");
    }

    #[test]
    #[cfg_attr(miri, ignore = "writes files")]
    fn a_batch_that_could_not_be_cut_off_is_cut_off_before_the_next() {
        let place = Place::new("late");
        let mut file = LogFile::open(&place.0, b'{').unwrap();
        file.append(b"{1\n", 0).unwrap();
        file.append(b"{half", 0).unwrap();
        file.torn = Some(Torn { length: 3, written: 5 });
        file.append(b"{2\n", 0).unwrap();
        assert_eq!(place.holds(), "{1\n{2\n");
    }

    #[test]
    #[cfg_attr(miri, ignore = "writes files")]
    fn cutting_off_never_lengthens_a_file_that_was_truncated_meanwhile() {
        let place = Place::new("shrunk");
        let mut file = LogFile::open(&place.0, b'{').unwrap();
        file.append(b"{1\n{2\n{3\n", 0).unwrap();
        file.torn = Some(Torn { length: 9, written: 4 });
        OpenOptions::new().write(true).open(&place.0).unwrap().set_len(0).unwrap();
        file.append(b"{4\n", 0).unwrap();
        assert_eq!(place.holds(), "{4\n");

        // Truncated after the batch had begun: what is there is the batch's alone.
        fs::write(&place.0, "{5").unwrap();
        file.torn = Some(Torn { length: 9, written: 2 });
        file.append(b"{6\n", 0).unwrap();
        assert_eq!(place.holds(), "{6\n");
    }
}
