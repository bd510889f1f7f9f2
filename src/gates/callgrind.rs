//! Counts instructions with valgrind's tool callgrind.
//!
//! The program starts itself again under callgrind, which counts only inside of [`COUNTED`] and
//! writes what it has counted to a file whenever [`DUMPED`] returns. The child does an empty loop and
//! then each operation, N times and twice N times: the difference is that of N runs, whatever surrounds
//! them, and exact for code without branches. It says in a file of its own what N was.
//!
//! ```text
//! callgrind.out.1, .2    the empty loop, N and 2 N times
//! callgrind.out.3, .4    the first operation, and so on
//! runs                   N for each of them, a line each
//! ```

use super::instructions::Count;
use super::operation::{Loop, Operation};
use super::verdict::Obstacle;
use std::ffi::OsStr;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Says to a child where its files are.
const VARIABLE: &str = "QUIPU_GATES_COUNTED";
const COUNTED: &str = "*quipu_gates_counted*";
const DUMPED: &str = "*quipu_gates_dumped*";
const OUTPUT: &str = "callgrind.out";
const RUNS: &str = "runs";
/// A power of two, as most numbers of inputs are that an operation goes through: so many runs are the
/// same ones again.
const MOST_RUNS: u64 = 8_192;
/// How long N runs of an operation may take, under callgrind.
const LONGEST: Duration = Duration::from_secs(1);

/// The folder that this process, a child, is to count for.
pub(super) fn asked_for() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).map(PathBuf::from)
}

/// The child's part.
pub(super) fn count_here(
    folder: &Path,
    operations: &mut [&mut Operation<'_>],
) -> Result<(), String> {
    let mut text = String::new();
    let mut count = |operation: &mut Operation<'_>| {
        let runs = runs_of(operation, LONGEST);
        quipu_gates_dumped(operation.as_loop(), runs);
        quipu_gates_dumped(operation.as_loop(), 2 * runs);
        text += &format!("{runs}\n");
    };
    count(&mut Operation::from(|| ()));
    for operation in operations {
        count(operation);
    }
    fs::write(folder.join(RUNS), text).map_err(|error| format!("{}: {error}", folder.display()))
}

/// How many runs are to be counted; warms the operation up on the way.
fn runs_of(operation: &mut Operation<'_>, longest: Duration) -> u64 {
    let mut runs = 1;
    loop {
        let start = Instant::now();
        operation.run(runs);
        if runs == MOST_RUNS || start.elapsed() * 2 > longest {
            return runs;
        }
        runs *= 2;
    }
}

#[inline(never)]
fn quipu_gates_counted(work: &mut Loop<'_>, times: u64) {
    work(times);
    // Without anything after it, the call would be a jump, and callgrind would not see the return.
    black_box(());
}

#[inline(never)]
fn quipu_gates_dumped(work: &mut Loop<'_>, times: u64) {
    quipu_gates_counted(work, times);
    black_box(());
}

/// Has `how_many` operations counted by a child that is given the same arguments. Its files are left
/// in `keep`, if that is given.
pub(super) fn count(how_many: usize, keep: Option<&Path>) -> Result<Vec<Count>, Obstacle> {
    let Ok(version) = Command::new("valgrind").arg("--version").output() else {
        let why = "instructions are counted by valgrind, which is not installed";
        return Err(Obstacle::Missing(why.to_owned()));
    };
    if !version.status.success() {
        let why = format!("valgrind does not work here: {}", end_of(&version.stderr));
        return Err(Obstacle::Missing(why));
    }
    let folder = Folder::new(keep).map_err(Obstacle::Doubt)?;
    run_child(&folder.path).map_err(Obstacle::Doubt)?;
    let counts = read_counts(&folder.path, how_many).map_err(Obstacle::Doubt)?;
    if folder.is_kept {
        make_readable(&folder.path, 2 * (how_many + 1)).map_err(Obstacle::Doubt)?;
    }
    Ok(counts)
}

fn run_child(folder: &Path) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
    let with = |option: &str, value: &OsStr| {
        let mut option = std::ffi::OsString::from(option);
        option.push(value);
        option
    };
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        // Each file has to have its names by itself.
        .arg("--compress-strings=no")
        // Threads that wait for each other are not to starve.
        .arg("--fair-sched=try")
        .arg(with("--callgrind-out-file=", folder.join(OUTPUT).as_os_str()))
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(format!("--dump-after={DUMPED}"))
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(VARIABLE, folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("valgrind cannot be started: {error}"))?;
    if !output.status.success() {
        let (status, end) = (output.status, end_of(&output.stderr));
        return Err(format!("under valgrind the program ended with {status}: {end}"));
    }
    Ok(())
}

/// What callgrind and the child have left.
fn read_counts(folder: &Path, how_many: usize) -> Result<Vec<Count>, String> {
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let runs: Vec<f64> = read(RUNS)?.lines().filter_map(|line| line.parse().ok()).collect();
    if runs.len() != how_many + 1 {
        return Err(format!("the counting program did {} loops, not {}", runs.len(), how_many + 1));
    }
    let nothing = || "callgrind counted nothing: are the program's symbols stripped?".to_owned();
    if !folder.join(format!("{OUTPUT}.1")).exists() {
        return Err(nothing());
    }
    let mut means = Vec::new();
    for (at, runs) in runs.into_iter().enumerate() {
        let total = |part: usize| {
            let text = read(&format!("{OUTPUT}.{part}"))?;
            total(&text).ok_or_else(|| format!("{OUTPUT}.{part} of callgrind has no total"))
        };
        let (once, twice) = (total(2 * at + 1)?, total(2 * at + 2)?);
        if once == 0 {
            return Err(nothing());
        }
        means.push((twice as f64 - once as f64) / runs);
    }
    let count = |mean: &f64| Count { with_loop: *mean, the_loop: means[0] };
    Ok(means[1..].iter().map(count).collect())
}

/// Makes of the first `parts` files what callgrind_annotate can read.
fn make_readable(folder: &Path, parts: usize) -> Result<(), String> {
    for part in 1..=parts {
        let path = folder.join(format!("{OUTPUT}.{part}"));
        let text = fs::read_to_string(&path).map(|text| without_open_calls(&text));
        text.and_then(|text| fs::write(&path, text))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// The text of a file without the calls that had not returned when it was written. They are noted as
/// having happened 0 times, and callgrind_annotate takes their cost for that of the caller itself.
fn without_open_calls(text: &str) -> String {
    let mut lines = text.lines();
    let mut left = String::new();
    while let Some(line) = lines.next() {
        if line.starts_with("calls=0 ") {
            // What they have cost stands in the next line.
            lines.next();
        } else {
            left += line;
            left.push('\n');
        }
    }
    left
}

/// How to see which lines took the instructions of an operation, where `measure` is the command that
/// has it counted as the one with the number `at`.
pub(super) fn look(measure: &str, at: usize) -> String {
    let part = 2 * at + 4;
    format!("{measure} --counts counts, and then callgrind_annotate counts/{OUTPUT}.{part}")
}

/// The instructions of a file of callgrind's: `totals: 123`.
fn total(text: &str) -> Option<u64> {
    let totals = text.lines().rev().find_map(|line| line.strip_prefix("totals:"))?;
    totals.split_whitespace().next()?.parse().ok()
}

/// The last lines of what a program complained about.
fn end_of(complaints: &[u8]) -> String {
    let text = String::from_utf8_lossy(complaints);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}

/// Where callgrind writes to; unless it is to be kept, it is removed.
struct Folder {
    path: PathBuf,
    is_kept: bool,
}

impl Folder {
    fn new(keep: Option<&Path>) -> Result<Self, String> {
        let folder = match keep {
            Some(path) => Self { path: path.to_owned(), is_kept: true },
            None => {
                let name = format!("quipu-gates-{}", std::process::id());
                Self { path: std::env::temp_dir().join(name), is_kept: false }
            }
        };
        let path = &folder.path;
        fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.is_kept {
            // What cannot be removed is left to whoever clears the system's temporary folder.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// The rustc that compiled this program, such as `1.95.0`, as its object file says.
pub(super) fn compiler() -> Option<String> {
    let program = fs::read(std::env::current_exe().ok()?).ok()?;
    find_compiler(&program)
}

fn find_compiler(program: &[u8]) -> Option<String> {
    const MARK: &[u8] = b"rustc version ";
    let found = program.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK);
    for (at, _) in found {
        let rest = program[at + MARK.len()..].iter();
        let version = rest.take_while(|byte| byte.is_ascii_digit() || **byte == b'.');
        let version: String = version.map(|byte| char::from(*byte)).collect();
        // This file has the words as well, without a version.
        if version.split('.').filter(|part| !part.is_empty()).count() == 3 {
            return Some(version);
        }
    }
    None
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const FILE: &str = "# callgrind format\nversion: 1\npart: 3\n\n\
                        desc: Trigger: --dump-after=quipu_gates_dumped\n\nevents: Ir\n\
                        summary: 4018\n\nfn=(0) main\ncalls=1 0\n0 4018\n\ntotals: 4018\n";

    fn folder(name: &str, files: &[(&str, &str)]) -> Folder {
        let name = format!("quipu-gates-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        for (name, text) in files {
            fs::write(path.join(name), text).unwrap();
        }
        Folder { path, is_kept: false }
    }

    #[test]
    fn the_total_of_a_file_is_read() {
        assert_eq!(total(FILE), Some(4_018));
        assert_eq!(total("totals: 7 3 2\n"), Some(7));
        for text in ["", "summary: 3\n", "totals:\n", "totals: many\n"] {
            assert_eq!(total(text), None, "{text}");
        }
    }

    #[test]
    fn a_count_is_the_difference_between_once_and_twice_as_many_runs() {
        let files = [
            ("runs", "1000\n8\n"),
            ("callgrind.out.1", "totals: 2015\n"),
            ("callgrind.out.2", "totals: 4015\n"),
            ("callgrind.out.3", "totals: 100\n"),
            ("callgrind.out.4", "totals: 156\n"),
        ];
        let folder = folder("difference", &files);
        let counts = read_counts(&folder.path, 1).unwrap();
        assert_eq!((counts[0].with_loop, counts[0].the_loop), (7.0, 2.0));
        assert!(look("", 0).ends_with("callgrind.out.4"));
        let refusal = read_counts(&folder.path, 2).unwrap_err();
        assert_eq!(refusal, "the counting program did 2 loops, not 3");
    }

    #[test]
    fn calls_that_go_on_are_left_out_of_a_file() {
        let text = "fn=main\ncfn=a\ncalls=0 1 2\n0 4018\n\nfn=a\ncalls=1 3 4\n0 17\n5 4001\n";
        let left = "fn=main\ncfn=a\n\nfn=a\ncalls=1 3 4\n0 17\n5 4001\n";
        assert_eq!(without_open_calls(text), left);
    }

    #[test]
    fn what_is_missing_is_named() {
        let empty = folder("missing", &[]);
        assert!(read_counts(&empty.path, 0).unwrap_err().contains("runs"));
        let files =
            [("runs", "1\n"), ("callgrind.out.1", "totals: 0\n"), ("callgrind.out.2", FILE)];
        let idle = folder("idle", &files);
        assert!(read_counts(&idle.path, 0).unwrap_err().contains("stripped?"));
        fs::remove_file(idle.path.join("callgrind.out.2")).unwrap();
        assert!(read_counts(&idle.path, 0).unwrap_err().contains("callgrind.out.2"));
        fs::remove_file(idle.path.join("callgrind.out.1")).unwrap();
        assert!(read_counts(&idle.path, 0).unwrap_err().contains("stripped?"));
    }

    #[test]
    fn the_child_says_how_often_it_did_what() {
        let folder = folder("child", &[]);
        let mut runs = 0;
        let mut operation = Operation::from(|| runs += 1);
        count_here(&folder.path, &mut [&mut operation]).unwrap();
        drop(operation);
        let text = fs::read_to_string(folder.path.join(RUNS)).unwrap();
        let counted: Vec<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!(counted.len(), 2);
        // To find out how many, and then once and twice as many.
        assert_eq!(runs, 2 * counted[1] - 1 + 3 * counted[1]);
    }

    #[test]
    fn slow_operations_are_run_less_often() {
        let hour = Duration::from_secs(3_600);
        assert_eq!(runs_of(&mut Operation::from(|| ()), hour), MOST_RUNS);
        let moment = Duration::from_millis(1);
        assert_eq!(runs_of(&mut Operation::from(|| std::thread::sleep(moment)), moment), 1);
    }

    #[test]
    fn the_compiler_is_read_from_the_program() {
        let program = b"\x7fELF..rustc version \0 rustc version 1.95.0 (59807616e 2026-04-14)\0";
        assert_eq!(find_compiler(program).as_deref(), Some("1.95.0"));
        assert_eq!(find_compiler(b"rustc version 12"), None);
        assert_eq!(find_compiler(b""), None);
    }

    #[test]
    fn the_end_of_complaints_is_shown() {
        assert_eq!(end_of(b"1\n2\n\n3\n4\n5\n6\n"), "2\n3\n4\n5\n6");
        assert_eq!(end_of(b""), "");
    }
}
