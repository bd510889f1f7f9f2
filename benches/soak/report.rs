//! What is printed, and written for charts.

use super::backend::Books;
use super::options::Options;
use super::totals::{NAMES, Totals};
use super::verdict::{Outcome, Verdict, warm};
use super::window::{LEVELS, Window, median};
use crate::latency::{CELL, CELLS, COUNTER, HISTOGRAM, NOTHING};
use serde_json::json;
use std::io;
use std::process::ExitCode;

/// Parts of a run in the last table.
const PARTS: usize = 6;

pub fn head() {
    print!("{:>16}", "seconds");
    for level in &LEVELS {
        print!(" {:>11}", level.name);
    }
    println!(
        " {:>6} {:>9} {:>15} {:>15} {:>15} {:>15} {:>15}",
        "cores", "M rec/s", "p50/p9999 none", "cell", "shared cells", "counter", "histogram"
    );
}

/// A line about windows that follow each other.
pub fn line(label: &str, windows: &[Window], before: Option<&Window>) {
    let Some(last) = windows.last() else { return };
    print!("{label:>16}");
    for level in &LEVELS {
        print!(" {:>11.1}", median(windows, level.of));
    }
    let (records_before, at_before) =
        before.map_or((0, 0.0), |before| (before.work[0].1, before.at));
    let records = (last.work[0].1 - records_before) as f64 / (last.at - at_before) / 1e6;
    print!(" {:>6.2} {records:>9.1}", median(windows, |window| window.cores));
    for lane in [NOTHING, CELL, CELLS, COUNTER, HISTOGRAM] {
        let ns = |share: usize| median(windows, |window| window.latencies[lane][share] as f64);
        print!(" {:>7.0} {:>7.0}", ns(0), ns(2));
    }
    println!();
}

/// A table of the run in parts, what was done in it, and the verdicts.
pub fn table(windows: &[Window], books: &Books, recorded: &Totals) {
    println!("\nmedians of the windows, latencies in ns, memory in MiB");
    head();
    let size = windows.len().div_ceil(PARTS).max(1);
    for (number, part) in windows.chunks(size).enumerate() {
        let before = (number * size).checked_sub(1).map(|at| &windows[at]);
        let end = part.last().map_or(0.0, |last| last.at);
        let label = format!("{:.0}-{end:.0}", before.map_or(0.0, |before| before.at));
        line(&label, part, before);
    }
    let warm_up = windows.len() - warm(windows).len();
    println!("of {} windows the first {warm_up} are the warm-up", windows.len());
    if let Some(last) = windows.last() {
        let work: Vec<_> =
            last.work.iter().map(|(name, count)| format!("{count} {name}")).collect();
        println!("done: {}; at most {} shards", work.join(", "), last.shards);
    }
    println!("the collector: {:?}", books.answers);
    for (metric, name) in NAMES.iter().enumerate() {
        let (all, refused) = (recorded.get(metric), books.refused.get(metric));
        println!(
            "{name:<22} values {:>16} sum {:>22}; refused for good: sum {}",
            all.values, all.sum, refused.sum
        );
    }
}

pub fn verdicts(verdicts: &[Verdict], options: &Options) -> ExitCode {
    println!();
    for verdict in verdicts {
        let outcome = match verdict.outcome {
            Outcome::Held => "ok",
            Outcome::Undecided => "UNDECIDED",
            Outcome::Missed => "MISSED",
        };
        println!("{outcome:<10} {:<28} {}", verdict.name, verdict.why);
    }
    match verdicts.iter().map(|verdict| verdict.outcome).max() {
        Some(Outcome::Missed) => ExitCode::from(1),
        Some(Outcome::Undecided) if !options.allow_undecided => ExitCode::from(2),
        _ => ExitCode::SUCCESS,
    }
}

/// Writes all windows and verdicts, if they are asked for.
pub fn write_json(
    options: &Options,
    windows: &[Window],
    verdicts: &[Verdict],
    faults: &[String],
) -> io::Result<()> {
    let Some(path) = &options.json else { return Ok(()) };
    let document = json!({
        "cores_of_the_machine": std::thread::available_parallelism().map_or(0, usize::from),
        "warm_up_windows": windows.len() - warm(windows).len(),
        "windows": windows.iter().map(Window::json).collect::<Vec<_>>(),
        "verdicts": verdicts.iter().map(Verdict::json).collect::<Vec<_>>(),
        "faults": faults,
    });
    std::fs::write(path, document.to_string())
}
