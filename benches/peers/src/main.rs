//! quipu beside its peers, each doing the same work in the same process, or in processes of their
//! own where memory is measured.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml` measures everything, and draws a
//! page and charts of it; `-- CASE` measures one case, and `-- --help` lists them.

mod allocations;
mod arguments;
mod buckets;
mod caches;
mod charts;
mod cold;
mod comparison;
mod crew;
mod exposition;
mod facade;
mod fence;
mod idle;
mod labels;
mod libraries;
mod lookups;
mod measure;
mod page;
mod quantity;
mod records;
mod report;
mod results;
mod runs;
mod scrape;
mod series;

use arguments::Task;
use results::Results;
use runs::{Run, Runs, Unreadable};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

struct Case {
    name: &'static str,
    arguments: &'static str,
    what: &'static str,
    /// The arguments with which it is soon done.
    quick: &'static [&'static str],
    run: Measure,
}

/// Measures as the arguments say, or as suits it; true if the results are what was recorded. `None`
/// if it does not understand the arguments.
type Measure = fn(arguments: &[String], results: &mut Results) -> Option<bool>;

const CASES: [Case; 7] = [
    Case {
        name: "records",
        arguments: "[ROUNDS]",
        what: "what a service does on its hot path",
        quick: &["3"],
        run: |arguments, results| Some(records::run(number(arguments)?, results)),
    },
    Case {
        name: "cold",
        arguments: "[ROUNDS]",
        what: "records to metrics that were not used for a while",
        quick: &["5"],
        run: cold::run,
    },
    Case {
        name: "idle",
        arguments: "[BURSTS]",
        what: "the first records after a pause",
        quick: &["50"],
        run: |arguments, results| Some(idle::run(number(arguments)?, results)),
    },
    Case {
        name: "scrape",
        arguments: "[ROUNDS]",
        what: "a snapshot and its text",
        quick: &["10"],
        run: |arguments, results| Some(scrape::run(number(arguments)?, results)),
    },
    Case {
        name: "lookups",
        arguments: "[ROUNDS]",
        what: "records through labels that are known only at run time",
        quick: &["1"],
        run: |arguments, results| Some(lookups::run(number(arguments)?, results)),
    },
    Case {
        name: "facade",
        arguments: "[ROUNDS]",
        what: "the macros of the crate metrics, by its exporter and by quipu",
        quick: &["2"],
        run: |arguments, results| Some(facade::run(number(arguments)?, results)),
    },
    Case {
        name: "series",
        arguments: "[MOST [PASSES]]",
        what: "registering, reading and removing series, up to so many (100 at least)",
        quick: &["10000", "1"],
        run: series::run,
    },
];

fn main() -> ExitCode {
    let task = Task::parse(std::env::args().skip(1).collect());
    let done = match task {
        Some(Task::Everything { is_quick, folder }) => everything(is_quick, &folder),
        Some(Task::Case { name, arguments, file }) => one(&name, &arguments, file.as_deref()),
        Some(Task::Page { files, folder }) => page(&files, &folder).map(Some),
        None => Ok(None),
    };
    match done {
        Ok(Some(true)) => ExitCode::SUCCESS,
        Ok(Some(false)) => ExitCode::FAILURE,
        Ok(None) => {
            usage();
            ExitCode::from(2)
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn usage() {
    eprintln!(
        "usage: quipu-peers [--quick] [--out FOLDER]   everything; page and charts go there\n\
         \x20      quipu-peers page FILE.. FOLDER         page and charts of such runs, once more\n\
         \x20      quipu-peers CASE [--json FILE]         where CASE is one of:"
    );
    for Case { name, arguments, what, .. } in CASES {
        eprintln!("  {:<18} {what}", format!("{name} {arguments}"));
    }
}

/// Every case, whatever becomes of the others; what is found is written after each.
fn everything(is_quick: bool, folder: &Path) -> Result<Option<bool>, Failure> {
    let file = folder.join(page::RUNS);
    std::fs::create_dir_all(folder).map_err(Failure::of(folder))?;
    let mut runs = Runs::new(vec![Run::new()]);
    let mut is_right = true;
    for case in &CASES {
        println!("== {}\n", case.name);
        let quick = case.quick.iter().map(ToString::to_string);
        let arguments: Vec<_> = quick.filter(|_| is_quick).collect();
        let results = &mut runs.runs[0].results;
        is_right &= (case.run)(&arguments, results).expect("a case knows its arguments");
        runs.write(&file).map_err(Failure::of(&file))?;
    }
    draw(&runs, folder)?;
    Ok(Some(is_right))
}

fn one(name: &str, arguments: &[String], file: Option<&Path>) -> Result<Option<bool>, Failure> {
    let Some(case) = CASES.iter().find(|case| case.name == name) else { return Ok(None) };
    let mut run = Run::new();
    let is_right = (case.run)(arguments, &mut run.results);
    if let (Some(file), Some(_)) = (file, is_right) {
        Runs::new(vec![run]).write(file).map_err(Failure::of(file))?;
    }
    Ok(is_right)
}

fn page(files: &[PathBuf], folder: &Path) -> Result<bool, Failure> {
    draw(&Runs::read(files)?, folder)?;
    Ok(true)
}

fn draw(runs: &Runs, folder: &Path) -> Result<(), Failure> {
    for warning in page::draw(runs, folder).map_err(Failure::of(folder))? {
        eprintln!("WARNING: {warning}");
    }
    println!("Page and charts are in {}.", folder.display());
    Ok(())
}

/// What a case is told, if it is told anything: a number above 0.
fn number(arguments: &[String]) -> Option<Option<usize>> {
    match arguments {
        [] => Some(None),
        [number] => Some(Some(number.parse().ok().filter(|&number| number > 0)?)),
        _ => None,
    }
}

/// Why files could not be read or written.
enum Failure {
    Runs(Unreadable),
    File(PathBuf, io::Error),
}

impl Failure {
    fn of(file: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::File(file.into(), error)
    }
}

impl From<Unreadable> for Failure {
    fn from(cause: Unreadable) -> Self {
        Self::Runs(cause)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Runs(cause) => write!(out, "{cause}"),
            Self::File(file, error) => write!(out, "{}: {error}", file.display()),
        }
    }
}
