//! Runs as files: what was measured, where, when, and of which versions.
#![forbid(unsafe_code)]

mod machine;
mod versions;

use crate::results::Results;
pub use machine::Machine;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;
use std::{fmt, fs, io};

/// The format of the files. It changes when a field is renamed, removed or means something else.
pub const FORMAT: u32 = 1;

/// What a file holds: `{"format": 1, "runs": [..]}`.
///
/// A run that was just made is alone in its file; runs read from several files are in one together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Runs {
    /// [`FORMAT`], or what it was when the file was written.
    pub format: u32,
    pub runs: Vec<Run>,
}

/// A call of this program, and all that it found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// When it began: UTC, as RFC 3339 has it, in whole seconds.
    pub date: String,
    /// The program and its arguments, as they were typed.
    pub command: String,
    pub machine: Machine,
    /// What `rustc --version` said when this program was built.
    pub rustc: String,
    /// quipu, and everything else that this program depends on directly: the version of each.
    pub versions: BTreeMap<String, String>,
    /// The commit of quipu, with ` and changes` after it where files differ from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// `findings` and `gaps`, which stand beside the other fields.
    #[serde(flatten)]
    pub results: Results,
}

impl Run {
    /// A run that begins now, on this machine.
    pub fn new() -> Self {
        let arguments = std::env::args().skip(1);
        let command: Vec<_> = std::iter::once("quipu-peers".into()).chain(arguments).collect();
        Self {
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            command: command.join(" "),
            machine: Machine::this(),
            rustc: env!("COMPARISON_RUSTC").into(),
            versions: versions::direct(),
            commit: versions::commit(),
            results: Results::default(),
        }
    }

    /// `YYYY-MM-DD`.
    pub fn day(&self) -> &str {
        self.date.split('T').next().unwrap_or(&self.date)
    }
}

impl Runs {
    pub fn new(runs: Vec<Run>) -> Self {
        Self { format: FORMAT, runs }
    }

    /// The runs of all files, in their order.
    pub fn read(files: &[impl AsRef<Path>]) -> Result<Self, Unreadable> {
        let mut runs = Vec::new();
        for file in files {
            let file = file.as_ref();
            let of = |cause: Cause| Unreadable { file: file.display().to_string(), cause };
            let text = fs::read_to_string(file).map_err(|error| of(Cause::File(error)))?;
            runs.extend(Self::parse(&text).map_err(of)?.runs);
        }
        Ok(Self::new(runs))
    }

    fn parse(text: &str) -> Result<Self, Cause> {
        /// Whatever else there is.
        #[derive(Deserialize)]
        struct Format {
            format: Option<u32>,
        }
        // Before the rest, which need not be what it is now.
        let Format { format } = serde_json::from_str(text).map_err(Cause::Json)?;
        if format != Some(FORMAT) {
            return Err(Cause::Format(format));
        }
        serde_json::from_str(text).map_err(Cause::Json)
    }

    pub fn write(&self, file: &Path) -> io::Result<()> {
        let mut json = serde_json::to_string_pretty(self).expect("plain data");
        json.push('\n');
        fs::write(file, json)
    }
}

/// Why a file of runs cannot be read.
#[derive(Debug)]
pub struct Unreadable {
    file: String,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    File(io::Error),
    Json(serde_json::Error),
    /// It has another format, or none.
    Format(Option<u32>),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: ", self.file)?;
        match &self.cause {
            Cause::File(error) => write!(out, "{error}"),
            Cause::Json(error) => write!(out, "not a run: {error}"),
            Cause::Format(None) => write!(
                out,
                "it says no format, and this program reads format {FORMAT}: measure again"
            ),
            Cause::Format(Some(format)) => write!(
                out,
                "it has format {format}, and this program reads format {FORMAT}: measure again, or \
                 draw it with the program that wrote it"
            ),
        }
    }
}

impl std::error::Error for Unreadable {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::samples;

    #[test]
    fn runs_are_read_as_they_were_written() {
        let file = std::env::temp_dir().join(format!("quipu-peers-{}.json", std::process::id()));
        let runs = Runs::new(vec![samples::run(), Run::new()]);
        runs.write(&file).unwrap();
        let read = Runs::read(&[&file, &file]).unwrap();
        fs::remove_file(&file).unwrap();
        assert!(read.runs == [&runs.runs[..], &runs.runs[..]].concat());
    }

    #[test]
    fn another_format_is_refused_and_named() {
        let refusal = |text: &str| {
            let cause = Runs::parse(text).unwrap_err();
            Unreadable { file: "old.json".into(), cause }.to_string()
        };
        let old = refusal(r#"{"format": 0, "header": {}}"#);
        assert!(old.starts_with("old.json: it has format 0, and this program reads format 1"));
        assert!(refusal(r#"{"findings": []}"#).contains("says no format"));
        assert!(refusal("[").contains("not a run"));
    }

    #[test]
    fn a_run_says_where_and_of_what_it_is() {
        let run = Run::new();
        assert!(run.date.ends_with('Z') && run.day().len() == 10, "{}", run.date);
        assert!(run.rustc.starts_with("rustc "), "{}", run.rustc);
        assert!(run.machine.cores > 0 && !run.machine.processor.is_empty());
        assert_eq!(run.versions["prometheus"], "0.14.0");
        assert!(run.versions.contains_key("quipu"));
    }
}
