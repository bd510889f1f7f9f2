//! The machine that a run is made on.

use serde::{Deserialize, Serialize};
use std::fs;
use std::process::Command;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// As it names itself, with family and model where the system tells them: a virtual machine's
    /// name is often no more than the maker's.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// The system and its release.
    pub system: String,
}

impl Machine {
    pub fn this() -> Self {
        Self {
            processor: linux_processor()
                .or_else(|| output("sysctl", &["-n", "machdep.cpu.brand_string"]))
                .or_else(|| std::env::var("PROCESSOR_IDENTIFIER").ok())
                .unwrap_or_else(|| std::env::consts::ARCH.into()),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            system: output("uname", &["-sr"]).unwrap_or_else(|| std::env::consts::OS.into()),
        }
    }
}

fn linux_processor() -> Option<String> {
    let about = fs::read_to_string("/proc/cpuinfo").ok()?;
    let value = |of: &str| {
        let mut lines = about.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.trim() == of).map(|(_, value)| value.trim().to_string())
    };
    // Arm's list has no name, but the number of the part.
    let name = value("model name").or_else(|| value("CPU part").map(|it| format!("Arm {it}")))?;
    let family = value("cpu family").map_or(String::new(), |it| format!(", family {it}"));
    let model = value("model").map_or(String::new(), |it| format!(", model {it}"));
    Some(format!("{name}{family}{model}"))
}

/// What a program prints, if it is there and succeeds.
pub fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_string())
}
