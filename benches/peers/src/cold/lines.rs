//! The lines of a cache that one cold record touches, counted by valgrind's callgrind: it simulates
//! caches whose size does not depend on the machine, and counts only what happens inside of
//! [`record_alone`].
//!
//! Each entrant has a process of its own, which is this program with [`CASE`], its name and a kind.
#![forbid(unsafe_code)]

use super::{DRAWN, ENTRANTS, KINDS, Kind, Metrics, NOTHING};
use crate::caches::Walk;
use crate::measure::Spread;
use crate::report::Table;
use crate::results::{Finding, Results};
use std::hint::black_box;
use std::io::ErrorKind;
use std::process::{Command, Stdio};

/// What such a process is told first.
pub const CASE: &str = "lines";

/// Bytes, ways and bytes of a line: of the data cache, the instruction cache and the one behind
/// both.
const CACHES: [&str; 3] = ["--D1=32768,8,64", "--I1=32768,8,64", "--LL=1048576,16,64"];
/// More than all of these.
const WALK_BYTES: usize = 2 << 20;

/// The next metric of which nothing is in the lines of the first.
const FIRST_OF_OTHERS: usize = 64;

/// What is counted of a record, or of all of them.
#[derive(Clone, Copy)]
struct Counted {
    lines: u64,
    instructions: u64,
}

/// Why nothing was counted.
enum Failure {
    NoValgrind,
    Other(String),
}

/// The process of an entrant. `None` if there is no such entrant or kind.
pub fn alone(name: &str, kind: &str) -> Option<bool> {
    let entrant = ENTRANTS.iter().find(|entrant| entrant.name == name)?;
    let (kind, _) = KINDS.into_iter().find(|(_, name)| *name == kind)?;
    let Ok(metrics) = (entrant.metrics)(kind) else { return Some(false) };
    let everyone: Vec<_> = (0..kind.metrics() as u16).collect();
    (metrics.record)(&everyone);
    let walk = Walk::of(WALK_BYTES);
    let others = everyone.into_iter().skip(FIRST_OF_OTHERS);
    for at in fastrand::Rng::with_seed(4).choose_multiple(others, DRAWN) {
        (metrics.settle)();
        walk.walk();
        (metrics.record)(&[0]);
        use_stack();
        record_alone(&metrics, at);
    }
    Some(true)
}

#[inline(never)]
fn record_alone(metrics: &Metrics, at: u16) {
    (metrics.record)(&[at]);
}

/// Brings more of the stack back than a record takes, however that lies in lines.
#[inline(never)]
fn use_stack() {
    black_box([0_u8; 4_096]);
}

/// False if something failed; not if there is no valgrind.
pub fn count(results: &mut Results) -> bool {
    println!(
        "Lines of 64 bytes that are in no cache when a cold record asks for them, and its\n\
         instructions: callgrind's counts for {DRAWN} records, less those of the loop alone.\n\
         Before each comes the walk, and then a record to another metric, which brings back what\n\
         all share.\n"
    );
    // Not `all`: what comes later is counted all the same.
    KINDS.iter().fold(true, |is_right, &(kind, name)| is_right & count_kind(kind, name, results))
}

fn count_kind(kind: Kind, name: &str, results: &mut Results) -> bool {
    let case = format!("cold lines, {name}");
    let mut table = Table::new([&case, "lines", "instructions"]);
    let base = match counted(ENTRANTS[NOTHING].name, name) {
        Ok(base) => base,
        Err(Failure::NoValgrind) => {
            println!("SKIPPED: there is no valgrind, so no lines of a {name} are counted.\n");
            results.gap(&case, "all", "there is no valgrind");
            return true;
        }
        Err(Failure::Other(why)) => {
            println!("WRONG: {why}\n");
            return false;
        }
    };
    let mut is_right = true;
    for (at, entrant) in ENTRANTS.iter().enumerate() {
        if at == NOTHING || (entrant.metrics)(kind).is_err() {
            continue;
        }
        match counted(entrant.name, name) {
            Ok(all) => {
                let of_one = |all: u64, base| all.saturating_sub(base) * 1_000 / DRAWN as u64;
                let lines = of_one(all.lines, base.lines);
                let instructions = of_one(all.instructions, base.instructions);
                let [of_lines, of_instructions] =
                    [lines, instructions].map(|count| format!("{:.1}", count as f64 / 1_000.0));
                table.row([entrant.name.into(), of_lines, of_instructions]);
                let who = (entrant.name, entrant.role);
                let spread = Spread::of([lines]);
                results.findings.push(Finding::new(&*case, who, 1, ("count", 1_000.0), spread));
            }
            Err(Failure::NoValgrind) => unreachable!("it was there"),
            Err(Failure::Other(why)) => {
                println!("WRONG: {}: {why}\n", entrant.name);
                is_right = false;
            }
        }
    }
    table.print();
    is_right
}

fn counted(name: &str, kind: &str) -> Result<Counted, Failure> {
    let other = |error: std::io::Error| Failure::Other(error.to_string());
    let file = std::env::temp_dir().join(format!("quipu-peers.{}.callgrind", std::process::id()));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--cache-sim=yes", "--toggle-collect=*record_alone*"])
        .args(CACHES)
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(std::env::current_exe().map_err(other)?)
        .args(["cold", CASE, name, kind])
        .stdout(Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => Failure::NoValgrind,
            _ => other(error),
        })?;
    let counts = std::fs::read_to_string(&file).unwrap_or_default();
    drop(std::fs::remove_file(&file));
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::Other(format!("{}: {why}", output.status)));
    }
    parsed(&counts).ok_or_else(|| Failure::Other("callgrind has counted nothing".into()))
}

/// The totals of what callgrind writes, by the names of its events; zeros at the end are left out.
fn parsed(counts: &str) -> Option<Counted> {
    let line = |start| counts.lines().find_map(|line| line.strip_prefix(start));
    let names = || line("events:").map(str::split_whitespace);
    let totals: Vec<_> = line("totals:")?.split_whitespace().collect();
    let total = |name| -> Option<u64> {
        let at = names()?.position(|event| event == name)?;
        totals.get(at).map_or(Some(0), |total| total.parse().ok())
    };
    let lines = total("D1mr")? + total("D1mw")?;
    Some(Counted { lines, instructions: total("Ir")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_that_miss_are_added() {
        let counts = "events: Ir Dr Dw I1mr D1mr D1mw\nfn=(1)\n1 2 3\ntotals: 90 9 8 7 6 50\n";
        let Counted { lines, instructions } = parsed(counts).expect("it has all events");
        assert_eq!((lines, instructions), (56, 90));
        let counts = "events: Ir D1mr D1mw\ntotals: 90 3\n";
        assert_eq!(parsed(counts).map(|counted| counted.lines), Some(3));
        assert!(parsed("events: Ir\ntotals: 90\n").is_none());
    }
}
