//! The command line.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub const HELP: &str = "\
Serves the files of this checkout over HTTP on loopback, measured with quipu.

Usage: cargo run --release -p service -- [OPTIONS]

Options:
  --config FILE   where the metrics go, as JSON; variables such as OBSERVABILITY_PROVIDER win over
                  it [default: a table every 5 seconds]
  --backend ADDR  also sends what counters gain to a server at this address, which adds it up
  --listen ADDR   address and port to listen on, loopback only [default: 127.0.0.1:0,
                  which lets the system choose the port]
  --seconds N     stop after N seconds [default: run until Ctrl-C]
  --no-load       send no requests of its own
  --help          print this text

Ctrl-C or SIGTERM ends it: it answers what it has begun to answer, stops its workers, delivers its
metrics a last time, and compares the requests that it counted with those that its own clients
counted. It exits with 0 if they agree, with 1 if not or if it could not run, with 2 if the options
are wrong. A second Ctrl-C ends it at once. What goes wrong meanwhile is logged to the standard
error; RUST_LOG says how much.
";

#[derive(Debug, PartialEq)]
pub enum Command {
    Run(Options),
    Help,
}

#[derive(Debug, PartialEq)]
pub struct Options {
    /// The configuration that says where the metrics go.
    pub config: Option<PathBuf>,
    /// A server that metrics go to as well.
    pub backend: Option<SocketAddr>,
    pub listen: SocketAddr,
    /// For ever if absent.
    pub run_for: Option<Duration>,
    /// Whether the service sends itself requests.
    pub load: bool,
}

impl Default for Options {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { config: None, backend: None, listen, run_for: None, load: true }
    }
}

/// Reads the arguments, without the name of the program. An error says which is wrong, and why.
pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut options = Options::default();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let (name, inline) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (&*argument, None),
        };
        let mut value = |example: &str| {
            let value = inline.clone().or_else(|| arguments.next());
            value.ok_or_else(|| format!("{name} needs a value, such as {name} {example}"))
        };
        match name {
            "--config" => {
                options.config = Some(value("examples/service/development.json")?.into());
            }
            "--backend" => {
                options.backend = Some(address("--backend", &value("127.0.0.1:9000")?)?);
            }
            "--listen" => options.listen = loopback(&value("127.0.0.1:8080")?)?,
            "--seconds" => options.run_for = Some(seconds(&value("30")?)?),
            "--no-load" | "--help" | "-h" if inline.is_some() => {
                return Err(format!("{name} takes no value"));
            }
            "--no-load" => options.load = false,
            "--help" | "-h" => return Ok(Command::Help),
            _ => return Err(format!("unknown option {argument:?}")),
        }
    }
    Ok(Command::Run(options))
}

fn address(name: &str, text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("{name} {text:?} is not an address and a port, such as 127.0.0.1:8080")
    })
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address = address("--listen", text)?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(format!(
            "--listen {text:?} is open to other machines, which this service is not made for; \
             use a loopback address, such as 127.0.0.1:{}",
            address.port()
        ))
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if seconds >= 1 => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("--seconds {text:?} is not a whole number of seconds, 1 or more")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_read_in_both_spellings() {
        let expected = Command::Run(Options {
            config: Some("c.json".into()),
            backend: Some("127.0.0.1:82".parse().unwrap()),
            listen: "127.0.0.1:81".parse().unwrap(),
            run_for: Some(Duration::from_secs(7)),
            load: false,
        });
        let apart = parse_words(
            "--backend 127.0.0.1:82 --listen 127.0.0.1:81 --seconds 7 --no-load --config c.json",
        );
        assert_eq!(apart, Ok(expected));
        let inline = parse_words(
            "--config=c.json --no-load --seconds=7 --listen=127.0.0.1:81 --backend=127.0.0.1:82",
        );
        assert_eq!(
            inline,
            parse_words(
                "--backend 127.0.0.1:82 --listen 127.0.0.1:81 --seconds 7 --no-load --config c.json"
            )
        );
        assert_eq!(parse_words("").unwrap(), Command::Run(Options::default()));
        assert_eq!(parse_words("--seconds 7 --help").unwrap(), Command::Help);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, expected) in [
            ("--fast", "unknown option \"--fast\""),
            ("8080", "unknown option \"8080\""),
            ("--seconds", "--seconds needs a value"),
            ("--config", "--config needs a value, such as --config examples/service/"),
            ("--seconds 0", "1 or more"),
            ("--seconds soon", "\"soon\" is not a whole number"),
            ("--backend nowhere", "--backend \"nowhere\" is not an address and a port"),
            ("--listen 8080", "not an address and a port"),
            ("--listen 0.0.0.0:80", "use a loopback address, such as 127.0.0.1:80"),
            ("--no-load=yes", "--no-load takes no value"),
        ] {
            let fault = parse_words(line).unwrap_err();
            assert!(fault.contains(expected), "{line}: {fault}");
        }
    }
}
