//! A real HTTP service that is measured with quipu.
//!
//! It serves the files of this checkout on loopback, sends itself requests as its users would,
//! prints a table of its metrics every five seconds, and at its end compares what its metrics say
//! with what its clients saw.

mod app;
mod corpus;
mod failure;
mod index;
mod ingest;
mod load;
mod metrics;
mod observe;
mod options;
mod routes;
mod signals;
mod totals;

use options::Command;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = std::env::args_os().skip(1);
    let outcome = match options::parse(arguments.map(|it| it.to_string_lossy().into_owned())) {
        Ok(Command::Help) => {
            print!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Ok(Command::Run(options)) => app::run(&options),
        Err(fault) => {
            eprintln!("service: {fault}; --help lists the options");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("service: {error}");
            ExitCode::FAILURE
        }
    }
}
