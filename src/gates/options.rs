//! What the command line and the environment ask for.

use std::path::PathBuf;
use std::str::FromStr;

/// Where arguments can be given as well.
const VARIABLE: &str = "QUIPU_GATES";

const KNOWN: &str = "--slack SHARE, --best-of N, --only NAME, --allow-undecided, --deny-skipped, \
                     --json FILE and --counts FOLDER";

/// What a run is for.
#[derive(Debug)]
pub(super) enum Task {
    /// To measure, which `cargo bench` asks for.
    Measure(Options),
    /// To do each operation once, and see that it can be done.
    Try,
    /// To do nothing: somebody lists tests.
    Nothing,
}

#[derive(Debug)]
pub(super) struct Options {
    /// What bounds on times are multiplied by.
    pub slack: f64,
    pub best_of: u32,
    pub allow_undecided: bool,
    pub deny_skipped: bool,
    /// Parts of names; none means all gates.
    pub only: Vec<String>,
    pub json: Option<PathBuf>,
    /// Where the files with counted instructions are kept.
    pub counts: Option<PathBuf>,
}

impl Task {
    /// Reads the process's arguments and environment.
    pub(super) fn read() -> Result<Self, String> {
        let environment = std::env::var_os(VARIABLE).unwrap_or_default();
        let arguments = std::env::args_os().skip(1);
        let arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
        Self::parse(&environment.to_string_lossy(), arguments.collect())
    }

    /// Cargo passes `--bench` when it runs benches, and not when it tests them.
    pub(super) fn parse(environment: &str, arguments: Vec<String>) -> Result<Self, String> {
        let has = |wanted| arguments.iter().any(|argument| argument == wanted);
        if !has("--bench") || has("--test") {
            return Ok(if has("--list") { Self::Nothing } else { Self::Try });
        }
        let environment = environment.split_whitespace().map(str::to_owned);
        let mut options = Options::default();
        // Of two that contradict each other the last stands: the command line's.
        let mut all = environment.chain(arguments);
        while let Some(argument) = all.next() {
            match &*argument {
                "--bench" => {}
                "--slack" => options.slack = 1.0 + number::<f64>(&argument, all.next())?,
                "--best-of" => options.best_of = number::<u32>(&argument, all.next())?,
                "--allow-undecided" => options.allow_undecided = true,
                "--deny-skipped" => options.deny_skipped = true,
                "--only" => options.only.push(value(&argument, "a part of a name", all.next())?),
                "--json" => options.json = Some(value(&argument, "a file", all.next())?.into()),
                "--counts" => {
                    options.counts = Some(value(&argument, "a folder", all.next())?.into())
                }
                _ => {
                    return Err(format!("{argument:?} is none of {KNOWN}"));
                }
            }
        }
        if !(1.0..10.0).contains(&options.slack) {
            return Err("--slack is a share from 0 to 9, such as 0.30".into());
        }
        if options.best_of == 0 {
            return Err("--best-of is at least 1".into());
        }
        Ok(Self::Measure(options))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            slack: 1.0,
            best_of: 1,
            allow_undecided: false,
            deny_skipped: false,
            only: Vec::new(),
            json: None,
            counts: None,
        }
    }
}

impl Options {
    pub(super) fn wants(&self, gate: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| gate.contains(&**part))
    }
}

fn value(argument: &str, what: &str, value: Option<String>) -> Result<String, String> {
    match value {
        Some(value) if !value.is_empty() && !value.starts_with("--") => Ok(value),
        _ => Err(format!("{argument} needs {what}")),
    }
}

fn number<T: FromStr>(argument: &str, value: Option<String>) -> Result<T, String> {
    let value = value.ok_or_else(|| format!("{argument} needs a number"))?;
    let number = value.parse();
    number.map_err(|_| format!("{argument} needs a number, not {value:?}"))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn parse(environment: &str, arguments: &str) -> Result<Task, String> {
        Task::parse(environment, arguments.split_whitespace().map(str::to_owned).collect())
    }

    fn options(environment: &str, arguments: &str) -> Options {
        match parse(environment, arguments).unwrap() {
            Task::Measure(options) => options,
            task => panic!("{task:?}"),
        }
    }

    #[test]
    fn only_cargo_bench_measures() {
        assert!(matches!(parse("", ""), Ok(Task::Try)));
        assert!(matches!(parse("", "--bench --test"), Ok(Task::Try)));
        assert!(matches!(parse("", "--nocapture some_test"), Ok(Task::Try)));
        assert!(matches!(parse("", "--list --format terse"), Ok(Task::Nothing)));
        assert!(matches!(parse("", "--bench"), Ok(Task::Measure(_))));
    }

    #[test]
    fn all_options_are_read() {
        let read = options(
            "",
            "--slack 0.30 --best-of 3 --allow-undecided --deny-skipped --only add --only set \
             --json verdicts.json --counts counts --bench",
        );
        assert!((read.slack - 1.3).abs() < 1e-9);
        assert_eq!(read.best_of, 3);
        assert!(read.allow_undecided && read.deny_skipped);
        assert_eq!(read.only, ["add", "set"]);
        assert_eq!(read.json, Some("verdicts.json".into()));
        assert_eq!(read.counts, Some("counts".into()));
        let none = options("", "--bench");
        assert_eq!((none.slack, none.best_of), (1.0, 1));
        assert!(!none.allow_undecided && !none.deny_skipped);
    }

    #[test]
    fn the_command_line_wins_over_the_environment() {
        let read = options("--slack 0.5 --best-of 2", "--bench --slack 0.1");
        assert!((read.slack - 1.1).abs() < 1e-9);
        assert_eq!(read.best_of, 2);
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_what_to_write() {
        for (arguments, complaint) in [
            ("--slack", "--slack needs a number"),
            ("--slack much", "not \"much\""),
            ("--slack -0.1", "from 0 to 9"),
            ("--slack 9", "from 0 to 9"),
            ("--slack NaN", "from 0 to 9"),
            ("--best-of 0", "at least 1"),
            ("--best-of 1.5", "not \"1.5\""),
            ("--only", "--only needs a part of a name"),
            ("--json --allow-undecided", "--json needs a file"),
            ("--slak 0.3", "\"--slak\" is none of --slack"),
            ("counter", "\"counter\" is none of --slack"),
        ] {
            let refusal = parse("", &format!("--bench {arguments}")).unwrap_err();
            assert!(refusal.contains(complaint), "{arguments}: {refusal}");
            let refusal = parse(arguments, "--bench").unwrap_err();
            assert!(refusal.contains(complaint), "QUIPU_GATES={arguments}: {refusal}");
        }
    }

    #[test]
    fn a_gate_is_wanted_if_its_name_contains_one_of_the_parts() {
        let read = options("", "--bench --only add --only set");
        assert!(read.wants("counter add") && read.wants("gauge set"));
        assert!(!read.wants("histogram record"));
        assert!(options("", "--bench").wants("anything"));
    }
}
