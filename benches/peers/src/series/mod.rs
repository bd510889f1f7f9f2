//! Many series: what registering them takes, in time and memory, and reading them, after one thread
//! has recorded to all of them and after eight have; and series that come and go.
//!
//! Each measurement has a process of its own, so that memory which one leaves behind is no other's:
//! this program, with the case, a subject or `churn`, and the number of series as its arguments.
#![forbid(unsafe_code)]

mod churn;
mod prometheus;
mod prometheus_client;
mod quipu;
mod resident;
mod stages;

use crate::labels::{self, Labels};
use crate::report::{Table, grouped};
use stages::Stages;
use std::process::{Command, ExitStatus, Stdio};

const SERIES: [usize; 3] = [10_000, 100_000, 1_000_000];
const MOST_HISTOGRAMS: usize = 100_000;
const CHURN: &str = "churn";

/// A library that has many series.
trait Subject: Sync {
    /// Records once to the series of each of the labels, which are all that were registered.
    fn touch(&self, labels: &[Labels]);

    /// Reads all series in the least way that the library has.
    fn read(&self);

    /// How many records there were.
    fn total(&self) -> u64;
}

struct Entry {
    name: &'static str,
    most: usize,
    /// With a series for each of the labels.
    make: fn(&[Labels]) -> Box<dyn Subject>,
}

const SUBJECTS: [Entry; 7] = [
    Entry {
        name: "quipu, counters of a family",
        most: usize::MAX,
        make: |labels| Box::new(quipu::OfFamily::new(labels)),
    },
    Entry {
        name: "quipu, counters registered",
        most: usize::MAX,
        make: |labels| Box::new(quipu::Counters::new(labels)),
    },
    Entry {
        name: "prometheus, counters",
        most: usize::MAX,
        make: |labels| Box::new(prometheus::Counters::new(labels)),
    },
    Entry {
        name: "prometheus-client, counters",
        most: usize::MAX,
        make: |labels| Box::new(prometheus_client::Counters::new(labels)),
    },
    Entry {
        name: "quipu, shared histograms",
        most: MOST_HISTOGRAMS,
        make: |labels| Box::new(quipu::SharedHistograms::new(labels)),
    },
    Entry {
        name: "prometheus, histograms",
        most: MOST_HISTOGRAMS,
        make: |labels| Box::new(prometheus::Histograms::new(labels)),
    },
    Entry {
        name: "prometheus-client, histograms",
        most: MOST_HISTOGRAMS,
        make: |labels| Box::new(prometheus_client::Histograms::new(labels)),
    },
];

pub fn run(arguments: &[String]) -> Option<bool> {
    if let [subject, series] = arguments {
        return only(subject, series.parse().ok().filter(|&series| series > 0)?);
    }
    let most = crate::number(arguments)?.unwrap_or(SERIES[SERIES.len() - 1]);
    if most < SERIES[0] {
        return None;
    }
    introduce();
    let sizes = SERIES.into_iter().filter(|&series| series <= most);
    // Not `all`: what comes later is measured all the same.
    let agrees = sizes.map(compare).fold(true, |all, agrees| all & agrees);
    Some(in_a_process(CHURN, most, Stdio::inherit()).0.success() && agrees)
}

/// What a process is started for.
fn only(subject: &str, series: usize) -> Option<bool> {
    if subject == CHURN {
        return Some(churn::run(series));
    }
    let entry = SUBJECTS.iter().find(|entry| entry.name == subject)?;
    let stages = Stages::measured(entry.make, &labels::known(series));
    stages.iter().for_each(|stages| println!("{stages}"));
    Some(stages.is_some())
}

fn introduce() {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "Series with the labels `method` and `route`, on {cores} cores; the least of a few processes.\n\
         Bytes of a series: of the process, and of quipu's store in it, when all are registered; of\n\
         the store for the first of {} threads that record to all of them, and for each other one;\n\
         of the process in the end. Reading: quipu's snapshot, what prometheus collects, and\n\
         prometheus-client's text, which it has nothing short of; after one thread has recorded to\n\
         all series, and after all threads have. Histograms of peers have {} bounds.\n",
        stages::THREADS,
        crate::buckets::BOUNDS.len(),
    );
}

fn compare(series: usize) -> bool {
    let title = format!("{} series", grouped(series as u64));
    let mut table = Table::new([
        &*title,
        "register, ms",
        "ns each",
        "bytes each",
        "of the store",
        "first thread",
        "each other",
        "in the end",
        "read, ms: 1 thread",
        "again",
        "8 threads",
        "again",
    ]);
    // A million take seconds, beside which what disturbs them is small.
    let processes = if series > MOST_HISTOGRAMS { 2 } else { 3 };
    let mut agrees = true;
    for entry in SUBJECTS.iter().filter(|entry| entry.most >= series) {
        let of_each = (0..processes).map(|_| {
            let (status, output) = in_a_process(entry.name, series, Stdio::piped());
            status.success().then(|| output.parse::<Stages>().ok()).flatten()
        });
        let Some(Some(least)) = of_each.reduce(|one, other| Some(one?.least(other?))) else {
            println!("WRONG: {} has failed, or has not counted every record.\n", entry.name);
            agrees = false;
            continue;
        };
        table.row(least.row(entry.name, series));
    }
    table.print();
    agrees
}

fn in_a_process(subject: &str, series: usize, stdout: Stdio) -> (ExitStatus, String) {
    let program = std::env::current_exe().expect("this program");
    let arguments = ["series", subject, &series.to_string()];
    let child = Command::new(program).args(arguments).stdout(stdout).spawn();
    let output = child.and_then(|child| child.wait_with_output()).expect("it can be started");
    (output.status, String::from_utf8_lossy(&output.stdout).into_owned())
}
