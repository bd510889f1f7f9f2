//! Many series: what registering them takes, in time and memory, and what it takes to read them
//! after 1 to 64 threads, all alive at once, have recorded to each of them; and series that come
//! and go.
//!
//! Each measurement has a process of its own, so that memory which one leaves behind is no other's:
//! this program, with the case, `only` or `churn`, and what that asks for as its arguments.
//! Processes of all entrants take turns.
#![forbid(unsafe_code)]

mod churn;
mod report;
mod resident;
mod subjects;
mod taken;

use crate::report::grouped;
use crate::results::Results;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use subjects::{ENTRANTS, Entrant, MILLION, Shape};
use taken::Taken;

const SIZES: [usize; 4] = [100, 10_000, 100_000, MILLION];
const THREADS: [usize; 3] = [1, 8, 64];
/// Threads that a million series are measured with.
const THREADS_OF_A_MILLION: [usize; 1] = [8];

/// Processes for each measurement, or fewer if these have taken so long.
const PASSES: usize = 3;
const LONG: Duration = Duration::from_secs(2);

/// What a process is started for.
const ONLY: &str = "only";
const CHURN: &str = "churn";

/// An entrant with what its processes found.
struct Measured {
    entrant: &'static Entrant,
    threads: usize,
    processes: Vec<Taken>,
    elapsed: Duration,
}

pub fn run(arguments: &[String], results: &mut Results) -> Option<bool> {
    let numbers = match arguments {
        [first, rest @ ..] if first == ONLY => return only(rest),
        [first, rest @ ..] if first == CHURN => return Some(churn::run(number(rest)?)),
        numbers => numbers,
    };
    let (most, passes) = numbers.split_at(numbers.len().min(1));
    let most = crate::number(most)?.unwrap_or(SIZES[SIZES.len() - 1]);
    let passes = crate::number(passes)?.unwrap_or(PASSES);
    if most < SIZES[0] {
        return None;
    }
    report::introduce(passes);
    let sizes = SIZES.into_iter().filter(|&series| series <= most);
    let compare = |series| compare(series, passes, results);
    // Not `all`: what comes later is measured all the same.
    let agrees = sizes.map(compare).fold(true, |all, agrees| all & agrees);
    let arguments = [CHURN.into(), most.to_string()];
    Some(in_a_process(&arguments, Stdio::inherit()).0.success() && agrees)
}

fn number(arguments: &[String]) -> Option<usize> {
    crate::number(arguments)?
}

/// Writes a line of what was measured.
fn only(arguments: &[String]) -> Option<bool> {
    let [entrant, series, threads] = arguments else { return None };
    let entrant = ENTRANTS.iter().find(|one| one.name == entrant)?;
    let [series, threads] = [series, threads].map(|text| number(std::slice::from_ref(text)));
    let taken = Taken::of(entrant, &Shape::of(series?), threads?);
    let line = taken.as_ref().map(|taken| serde_json::to_string(taken).expect("plain data"));
    line.iter().for_each(|line| println!("{line}"));
    Some(taken.is_some())
}

fn compare(series: usize, passes: usize, results: &mut Results) -> bool {
    let threads: &[_] = if series < MILLION { &THREADS } else { &THREADS_OF_A_MILLION };
    let entrants = ENTRANTS.iter().filter(|entrant| entrant.sizes.include(series));
    let all = entrants.flat_map(|entrant| threads.iter().map(move |&threads| (entrant, threads)));
    let mut all: Vec<_> =
        all.map(|(entrant, threads)| Measured::none_of(entrant, threads)).collect();
    let mut order: Vec<_> = (0..all.len()).collect();
    let mut random = fastrand::Rng::with_seed(0);
    let mut agrees = true;
    for _ in 0..passes {
        random.shuffle(&mut order);
        for &at in &order {
            agrees &= all[at].add(series);
        }
    }
    all.retain(|measured| !measured.processes.is_empty());
    report::print(series, &all);
    report::add(series, &all, results);
    agrees
}

impl Measured {
    fn none_of(entrant: &'static Entrant, threads: usize) -> Self {
        Self { entrant, threads, processes: Vec::new(), elapsed: Duration::ZERO }
    }

    /// Adds what a process finds, unless that takes too long; false if that is wrong.
    fn add(&mut self, series: usize) -> bool {
        if self.elapsed >= LONG {
            return true;
        }
        let (name, threads) = (self.entrant.name, self.threads);
        let arguments = [ONLY.into(), name.into(), series.to_string(), threads.to_string()];
        let start = Instant::now();
        let (status, output) = in_a_process(&arguments, Stdio::piped());
        self.elapsed += start.elapsed();
        let taken = status.success().then(|| serde_json::from_str(&output).ok()).flatten();
        let is_right = taken.is_some();
        self.processes.extend(taken);
        if !is_right {
            let series = grouped(series as u64);
            println!(
                "WRONG: {name}, with {series} series and {threads} threads, has failed, or has not \
                 counted every record.\n"
            );
        }
        is_right
    }
}

fn in_a_process(arguments: &[String], stdout: Stdio) -> (ExitStatus, String) {
    let program = std::env::current_exe().expect("this program");
    let child = Command::new(program).arg("series").args(arguments).stdout(stdout).spawn();
    let output = child.and_then(|child| child.wait_with_output()).expect("it can be started");
    (output.status, String::from_utf8_lossy(&output.stdout).into_owned())
}
