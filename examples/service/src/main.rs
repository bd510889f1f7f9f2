//! A real HTTP service that is measured with quipu.
//!
//! It serves the files of this checkout on loopback, sends itself requests as its users would,
//! delivers its metrics as it is configured to, every five seconds as a table if it is not, and at its
//! end compares what its metrics say with what its clients saw.

mod app;
mod archive;
mod backend;
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
mod telemetry;
mod totals;

use options::Command;
use std::process::ExitCode;
use telemetry::Plan;

fn main() -> ExitCode {
    // What quipu has to say, and the service, unless RUST_LOG says otherwise.
    let level = env_logger::Env::default().default_filter_or("info");
    env_logger::Builder::from_env(level).init();

    let arguments = std::env::args_os().skip(1);
    let outcome = match options::parse(arguments.map(|it| it.to_string_lossy().into_owned())) {
        Ok(Command::Help) => {
            print!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Ok(Command::Run(options)) => match Plan::read(options.config.as_deref()) {
            Ok(plan) => app::run(&options, plan),
            Err(fault) => {
                eprintln!("service: --config: {fault}");
                return ExitCode::from(2);
            }
        },
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
