//! What single records take, from the median to the slowest, while the machine is disturbed.
//!
//! ```text
//! cargo bench --bench disturbance
//! cargo bench --bench disturbance -- --seconds 2 --json disturbance.json
//! ```
//!
//! Each row is a disturbance, and has two million samples at least of an addition to a random one
//! of 1,000 counters and of a record to one of 100 histograms, each between two readings of the
//! clock. Beside them, in the same loop, stands the machine's own noise: two readings with nothing
//! between, an addition to a thread-local cell, and one to plain cells that are as many as the
//! histograms'. The last two lines of a row are what quipu takes over the worst of those. What each
//! row means is in `docs/soak.md`.
//!
//! - `--seconds 12` is the least time for a row; one with too few samples by then takes longer.
//! - `--json FILE` writes what is printed.
//!
//! No bounds: those are `cargo bench --bench gates`. Exits with 1 if a count was not exact in the
//! end, with 3 for arguments it cannot read.

#[path = "disturbance/bed.rs"]
mod bed;
#[path = "disturbance/disturbers.rs"]
mod disturbers;
#[allow(dead_code, reason = "each bench uses a part of it")]
#[path = "parts/floor.rs"]
mod floor;
#[allow(dead_code, reason = "each bench uses a part of it")]
#[path = "parts/latency.rs"]
mod latency;
#[allow(dead_code, reason = "each bench uses a part of it")]
#[path = "parts/numbers.rs"]
mod numbers;
#[path = "disturbance/table.rs"]
mod table;

use bed::Bed;
use disturbers::Disturber;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Threads on however few cores there are.
const CROWD: usize = 200;

type Make = for<'b> fn(&'b Bed) -> Disturber<'b>;

/// A name, what goes on beside, in a thread each, and how many threads record.
type Row = (&'static str, &'static [Make], usize);

const ROWS: [Row; 9] = [
    ("nothing", &[], 1),
    ("memory streamed over", &[disturbers::stream], 1),
    ("pages touched and freed", &[disturbers::pages], 1),
    ("both of them", &[disturbers::stream, disturbers::pages], 1),
    ("snapshots flat out", &[disturbers::snapshots], 1),
    ("scrapes flat out", &[disturbers::scrapes], 1),
    ("registries that come and go", &[disturbers::registries], 1),
    ("label sets that come and go", &[disturbers::label_sets], 1),
    ("200 recording threads", &[], CROWD),
];

fn main() -> ExitCode {
    let options = match Options::read() {
        Ok(Some(options)) => options,
        // `cargo test --benches` only wants to see that it starts.
        Ok(None) => return ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("disturbance: {complaint}");
            return ExitCode::from(3);
        }
    };
    let bed = Bed::new();
    let mut rows = Vec::new();
    for (name, disturbers, threads) in ROWS {
        let disturbers = disturbers.iter().map(|make| make(&bed)).collect();
        let sampled = bed.sample(disturbers, threads, options.seconds);
        rows.push(table::print(name, threads, &sampled));
    }
    bed.check_totals();
    if let Some(path) = &options.json {
        if let Err(error) = std::fs::write(path, table::document(rows)) {
            eprintln!("disturbance: {}: {error}", path.display());
            return ExitCode::from(3);
        }
    }
    match bed.faults() {
        0 => {
            println!("\nall counts are exact");
            ExitCode::SUCCESS
        }
        faults => {
            eprintln!("\n{faults} counts are wrong");
            ExitCode::from(1)
        }
    }
}

struct Options {
    seconds: Duration,
    json: Option<PathBuf>,
}

impl Options {
    /// `None` if nothing is to be measured: cargo passes `--bench` when it runs benches.
    fn read() -> Result<Option<Self>, String> {
        if !std::env::args().any(|argument| argument == "--bench") {
            return Ok(None);
        }
        let mut arguments = std::env::args().skip(1);
        let mut options = Self { seconds: Duration::from_secs(12), json: None };
        while let Some(argument) = arguments.next() {
            match &*argument {
                "--bench" => {}
                "--seconds" => {
                    let seconds = arguments.next().and_then(|seconds| seconds.parse().ok());
                    let seconds = seconds.and_then(|it| Duration::try_from_secs_f64(it).ok());
                    options.seconds = seconds.ok_or("--seconds needs a number of seconds")?;
                }
                "--json" => {
                    let path = arguments.next().ok_or("--json needs the name of a file")?;
                    options.json = Some(path.into());
                }
                _ => return Err(format!("{argument:?} is not known")),
            }
        }
        Ok(Some(options))
    }
}
