//! A run of a bench: which gates are measured, in which order, and how often.

use super::callgrind;
use super::instructions::Counted;
use super::options::Options;
use super::tail::Samples;
use super::verdict::{Outcome, Verdict, conclusion, table};
use super::{Gate, json, ratio};
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

/// The exit code for arguments that cannot be read.
const REFUSED: u8 = 3;

pub(super) fn refuse(complaint: &str) -> ExitCode {
    eprintln!("{}: {complaint}", bench_name());
    ExitCode::from(REFUSED)
}

pub(super) fn run(gates: Vec<Gate<'_>>, options: &Options) -> ExitCode {
    let mut gates = match chosen(gates, options) {
        Ok(gates) => gates,
        Err(complaint) => return refuse(&complaint),
    };
    if let Some(folder) = callgrind::asked_for() {
        return match count_here(&mut gates, &folder) {
            Ok(()) => ExitCode::SUCCESS,
            Err(complaint) => refuse(&complaint),
        };
    }
    let bench = bench_name();
    if cfg!(debug_assertions) {
        eprintln!("{bench}: this is no optimised build: what it measures means nothing");
    }
    let verdicts = measure(&mut gates, options, &bench);
    let (complaints, mut code) = conclusion(&verdicts, options, &bench);
    eprint!("{complaints}");
    if let Some(path) = &options.json {
        if let Err(error) = fs::write(path, json::document(&bench, &verdicts)) {
            eprintln!("{bench}: --json {}: {error}", path.display());
            code = if code == 0 { REFUSED } else { code };
        }
    }
    ExitCode::from(code)
}

/// Those that `--only` names.
fn chosen<'a>(gates: Vec<Gate<'a>>, options: &Options) -> Result<Vec<Gate<'a>>, String> {
    for part in &options.only {
        if !gates.iter().any(|gate| gate.name().contains(&**part)) {
            let names: Vec<&str> = gates.iter().map(Gate::name).collect();
            return Err(format!("--only {part:?} is in none of the names: {}", names.join("; ")));
        }
    }
    Ok(gates.into_iter().filter(|gate| options.wants(gate.name())).collect())
}

/// A child's part, under callgrind.
fn count_here(gates: &mut [Gate<'_>], folder: &Path) -> Result<(), String> {
    let operations = gates.iter_mut().filter_map(|gate| match gate {
        Gate::Instructions(counted) => Some(&mut counted.operation),
        _ => None,
    });
    callgrind::count_here(folder, &mut operations.collect::<Vec<_>>())
}

/// Measures as often as it is asked to, until every gate has held once; the best of each counts.
fn measure(gates: &mut [Gate<'_>], options: &Options, bench: &str) -> Vec<Verdict> {
    let mut verdicts: Vec<Option<Verdict>> = vec![None; gates.len()];
    for attempt in 1..=options.best_of {
        measure_open(gates, &mut verdicts, options, bench);
        let best: Vec<Verdict> = verdicts.iter().flatten().cloned().collect();
        println!("\nmeasurement {attempt}; the best of each gate so far, times in ns");
        print!("{}", table(&best));
        if !gates.iter().zip(&verdicts).any(|(gate, verdict)| is_open(gate, verdict.as_ref())) {
            break;
        }
    }
    verdicts.into_iter().flatten().collect()
}

/// Whether another measurement could make a difference: a count is the same each time.
fn is_open(gate: &Gate<'_>, verdict: Option<&Verdict>) -> bool {
    match (gate, verdict) {
        (_, None) => true,
        (Gate::Instructions(_), Some(_)) => false,
        (_, Some(verdict)) => verdict.outcome() != Outcome::Held,
    }
}

fn measure_open(
    gates: &mut [Gate<'_>],
    verdicts: &mut [Option<Verdict>],
    options: &Options,
    bench: &str,
) {
    let slack = options.slack;
    let look = |gate: &str| format!("cargo bench --bench {bench} -- --only {gate:?}");
    let mut found: Vec<(usize, Verdict)> = Vec::new();
    if verdicts.iter().all(Option::is_none) {
        found.extend(counts(gates, options, &look));
    }

    let (mut places, mut contests) = (Vec::new(), Vec::new());
    let open = |at: usize, gate: &Gate<'_>| is_open(gate, verdicts[at].as_ref());
    for (at, gate) in gates.iter_mut().enumerate() {
        if !open(at, gate) {
            continue;
        }
        if let Gate::Ratio(contest) = gate {
            places.push(at);
            contests.push(contest);
        }
    }
    let start = Instant::now();
    let ratios = ratio::measure(&mut contests, slack, look, &|| start.elapsed());
    found.extend(places.into_iter().zip(ratios));

    let mut samples = Samples::new();
    for (at, gate) in gates.iter_mut().enumerate() {
        if !open(at, gate) {
            continue;
        }
        match gate {
            Gate::Tail(trial) => found.push((at, trial.measure(&mut samples, slack, look))),
            Gate::Slowdown(pair) => found.push((at, pair.measure(slack, look))),
            Gate::Ratio(_) | Gate::Instructions(_) => {}
        }
    }
    for (at, verdict) in found {
        match &mut verdicts[at] {
            Some(best) => best.keep_better(verdict),
            none => *none = Some(verdict),
        }
    }
}

/// The verdicts on instructions, with their places among the gates.
fn counts(
    gates: &[Gate<'_>],
    options: &Options,
    look: &dyn Fn(&str) -> String,
) -> Vec<(usize, Verdict)> {
    let counted = gates.iter().enumerate().filter_map(|(at, gate)| match gate {
        Gate::Instructions(counted) => Some((at, counted)),
        _ => None,
    });
    let counted: Vec<(usize, &Counted<'_>)> = counted.collect();
    if counted.is_empty() {
        return Vec::new();
    }
    let rustc = callgrind::compiler();
    let counts = callgrind::count(counted.len(), options.counts.as_deref());
    let verdict = |(number, (at, gate)): (usize, &(usize, &Counted<'_>))| {
        let count = counts.as_ref().map(|counts| counts[number]);
        // Its number among those that the command has counted.
        let before = counted[..number].iter().filter(|(_, other)| other.gate.contains(&gate.gate));
        let look = callgrind::look(&look(&gate.gate), before.count());
        (*at, gate.verdict(count, look, rustc.as_deref(), std::env::consts::ARCH))
    };
    counted.iter().enumerate().map(verdict).collect()
}

/// The target's name: the program's, without the hash that Cargo adds.
fn bench_name() -> String {
    let program = std::env::current_exe().unwrap_or_default();
    let stem = program.file_stem().unwrap_or_default().to_string_lossy();
    without_hash(&stem).to_owned()
}

fn without_hash(stem: &str) -> &str {
    match stem.rsplit_once('-') {
        Some((name, hash)) if hash.len() == 16 && u64::from_str_radix(hash, 16).is_ok() => name,
        _ => stem,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::Gates;
    use super::*;
    use std::time::Duration;

    fn gates() -> Vec<Gate<'static>> {
        let mut gates = Gates::new();
        gates.ratio("counter add", || ()).over(|| ()).at_most(1.0);
        gates.tail("p99 of counter add", || ()).quantile(0.99).at_most(Duration::ZERO);
        gates.instructions("gauge set", || ()).at_most(0);
        gates.gates
    }

    fn names_of(only: &[&str]) -> Result<Vec<String>, String> {
        let only = only.iter().map(|part| (*part).to_owned()).collect();
        let options = Options { only, ..Options::default() };
        Ok(chosen(gates(), &options)?.iter().map(|gate| gate.name().to_owned()).collect())
    }

    #[test]
    fn only_the_named_gates_are_measured() {
        assert_eq!(names_of(&[]).unwrap().len(), 3);
        assert_eq!(names_of(&["counter add"]).unwrap(), ["counter add", "p99 of counter add"]);
        assert_eq!(names_of(&["set", "p99"]).unwrap(), ["p99 of counter add", "gauge set"]);
        let refusal = names_of(&["set", "sett"]).unwrap_err();
        assert!(refusal.contains("\"sett\""), "{refusal}");
        assert!(refusal.ends_with("counter add; p99 of counter add; gauge set"), "{refusal}");
    }

    #[test]
    fn what_has_held_and_what_was_counted_is_not_measured_again() {
        let gates = gates();
        let bound = super::super::verdict::Bound::AtMost(1.0);
        let unit = super::super::verdict::Unit::Times;
        let obstacle = super::super::verdict::Obstacle::Missing(String::new());
        let missed = Verdict::of_none("any", "any", (bound, unit), obstacle.clone());
        let missed = Verdict { measured: 2.0, obstacle: None, ..missed };
        let held = Verdict { measured: 1.0, ..missed.clone() };
        let open = |at: usize, verdict| is_open(&gates[at], verdict);
        assert!((0..3).all(|at| open(at, None)));
        assert!(open(0, Some(&missed)) && open(1, Some(&missed)));
        assert!(!open(2, Some(&missed)));
        assert!((0..3).all(|at| !open(at, Some(&held))));
    }

    #[test]
    fn the_name_of_a_bench_has_no_hash() {
        assert_eq!(without_hash("hot_path-0123456789abcdef"), "hot_path");
        assert_eq!(without_hash("hot-path"), "hot-path");
        assert_eq!(without_hash("hot_path"), "hot_path");
    }
}
