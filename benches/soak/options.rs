//! What the command line asks for.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

const DEFAULT: Duration = Duration::from_secs(20);

pub struct Options {
    pub duration: Duration,
    pub json: Option<PathBuf>,
    /// Bytes to leak for each label set that was removed.
    pub leak: usize,
    pub allow_undecided: bool,
}

impl Options {
    /// `None` if nothing is to be run. Cargo passes `--bench` when it runs benches, and not when it
    /// tests them.
    pub fn read() -> Result<Option<Self>, String> {
        if !std::env::args().any(|argument| argument == "--bench") {
            return Ok(None);
        }
        let mut arguments = std::env::args().skip(1);
        let mut options = Self { duration: DEFAULT, json: None, leak: 0, allow_undecided: false };
        while let Some(argument) = arguments.next() {
            match &*argument {
                "--bench" => {}
                "--minutes" => options.duration = time(&argument, arguments.next(), 60.0)?,
                "--seconds" => options.duration = time(&argument, arguments.next(), 1.0)?,
                "--json" => options.json = Some(value(&argument, arguments.next())?),
                "--leak" => options.leak = value(&argument, arguments.next())?,
                "--allow-undecided" => options.allow_undecided = true,
                _ => return Err(format!("{argument:?} is not known")),
            }
        }
        Ok(Some(options))
    }
}

fn time(argument: &str, given: Option<String>, unit: f64) -> Result<Duration, String> {
    let number: f64 = value(argument, given)?;
    let time = Duration::try_from_secs_f64(number * unit);
    time.map_err(|_| format!("{argument} needs a time, not {number}"))
}

fn value<T: FromStr>(argument: &str, given: Option<String>) -> Result<T, String> {
    let given = given.ok_or_else(|| format!("{argument} needs a value"))?;
    given.parse().map_err(|_| format!("{argument} cannot be {given:?}"))
}
