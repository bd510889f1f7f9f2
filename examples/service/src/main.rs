//! The service as a program: its arguments, and how it ends.

use service::options::{self, Command};
use service::telemetry::Plan;
use std::process::ExitCode;

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
            Ok(plan) => service::app::run(&options, plan),
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
