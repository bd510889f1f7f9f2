//! What the command line and the environment ask for.

use std::str::FromStr;

pub struct Options {
    /// What bounds are multiplied by.
    pub slack: f64,
    pub best_of: u32,
    pub allow_undecided: bool,
}

impl Options {
    /// Reads the arguments and `QUIPU_GATES`; `None` if nothing is to be measured. Cargo passes
    /// `--bench` when it runs benches, and not when it tests them.
    pub fn read() -> Result<Option<Self>, String> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        if !arguments.iter().any(|argument| argument == "--bench")
            || arguments.iter().any(|argument| argument == "--test")
        {
            return Ok(None);
        }
        let environment = std::env::var("QUIPU_GATES").unwrap_or_default();
        let environment = environment.split_whitespace().map(str::to_owned);
        let mut options = Self { slack: 1.0, best_of: 1, allow_undecided: false };
        // Of two that contradict each other the last stands: the command line's.
        let mut all = environment.chain(arguments);
        while let Some(argument) = all.next() {
            match &*argument {
                "--slack" => options.slack = 1.0 + number::<f64>(&argument, all.next())?,
                "--best-of" => options.best_of = number::<u32>(&argument, all.next())?.max(1),
                "--allow-undecided" => options.allow_undecided = true,
                _ => {}
            }
        }
        if !(1.0..10.0).contains(&options.slack) {
            return Err("--slack is a share from 0 to 9, such as 0.30".into());
        }
        Ok(Some(options))
    }
}

fn number<T: FromStr>(argument: &str, value: Option<String>) -> Result<T, String> {
    let value = value.ok_or_else(|| format!("{argument} needs a number"))?;
    let number = value.parse();
    number.map_err(|_| format!("{argument} needs a number, not {value:?}"))
}
