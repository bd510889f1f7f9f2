//! Running `wrk` (<https://github.com/wg/wrk>), and reading what it prints.

use std::fmt;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::{Command, ExitCode};

pub const ARGUMENTS: [&str; 4] = ["-t1", "-c16", "-d5s", "--latency"];
pub const SECONDS: u64 = 5;

pub struct Seen {
    pub requests_per_second: f64,
    /// With their units, as printed.
    pub p50: String,
    pub p99: String,
    /// With its head.
    pub body_bytes: f64,
}

pub enum Failure {
    NotInstalled,
    /// What it printed.
    NotClean(String),
}

impl Failure {
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::NotInstalled => 2,
            Self::NotClean(_) => 1,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled => write!(
                f,
                "NOTHING WAS MEASURED: wrk is not installed; on Debian: apt-get install wrk"
            ),
            Self::NotClean(said) => write!(f, "not all requests were answered with 200:\n{said}"),
        }
    }
}

/// Asks for 5 seconds without a pause.
pub fn run(address: SocketAddr, is_gzip: bool) -> Result<Seen, Failure> {
    let mut wrk = Command::new("wrk");
    wrk.args(ARGUMENTS).arg(format!("http://{address}/metrics"));
    if is_gzip {
        wrk.args(["-H", "Accept-Encoding: gzip"]);
    }
    let output = wrk.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::NotInstalled,
        _ => Failure::NotClean(error.to_string()),
    })?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    match read(&said) {
        Some(seen) if output.status.success() => Ok(seen),
        _ => Err(Failure::NotClean(said)),
    }
}

/// `None` if there were errors, or none of what is looked for.
///
/// ```text
///      50%    1.23ms
///      99%    4.56ms
///   7890 requests in 5.10s, 12.34MB read
/// Requests/sec:   1547.06
/// ```
fn read(said: &str) -> Option<Seen> {
    if said.contains("Socket errors") || said.contains("Non-2xx") {
        return None;
    }
    let after = |word: &str| {
        let mut lines = said.lines().map(str::trim);
        lines.find_map(|line| line.strip_prefix(word)).map(|rest| rest.trim().to_owned())
    };
    let count = said.lines().find_map(|line| line.trim().split_once(" requests in "))?;
    let (_, read) = count.1.split_once(", ")?;
    let requests: f64 = count.0.parse().ok()?;
    Some(Seen {
        requests_per_second: after("Requests/sec:")?.parse().ok()?,
        p50: after("50%")?,
        p99: after("99%")?,
        body_bytes: bytes(read.strip_suffix(" read")?)? / requests,
    })
}

/// `12.34MB`, in powers of 1,024.
fn bytes(text: &str) -> Option<f64> {
    let at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(at);
    let power = ["B", "KB", "MB", "GB", "TB"].iter().position(|it| *it == unit)?;
    Some(number.parse::<f64>().ok()? * 1_024_f64.powi(power as i32))
}
