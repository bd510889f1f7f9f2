//! Runs a test in a process of its own: for what a process has only one of, such as the store with
//! its configuration, resource limits and the way it ends.
#![allow(unsafe_code)]

use std::process::Command;

const VARIABLE: &str = "QUIPU_TEST_IN_OWN_PROCESS";

/// Runs `body` in a child process, and returns what it wrote to its standard output.
///
/// `test` is the path of the calling test, which the child runs again, alone. Panics unless the
/// child has run the body and ended with code 0.
pub fn in_own_process(test: &str, body: impl FnOnce()) -> String {
    in_own_process_with(test, &[], body)
}

/// As [`in_own_process`], with these variables set in the child's environment from its start on.
pub fn in_own_process_with(test: &str, variables: &[(&str, &str)], body: impl FnOnce()) -> String {
    let started = format!("{test} has its own process");
    if std::env::var_os(VARIABLE).is_some() {
        end_if_it_hangs();
        println!("{started}");
        body();
        return String::new();
    }
    let program = std::env::current_exe().expect("a test knows its own file");
    // Where tests run under an emulator, so does the child.
    let mut arguments: Vec<_> = emulator().split_whitespace().map(Into::into).collect();
    arguments.push(program.into_os_string());
    let output = Command::new(&arguments[0])
        .args(&arguments[1..])
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(VARIABLE, "1")
        .envs(variables.iter().copied())
        .output()
        .expect("a test can be started again");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && stdout.contains(&started),
        "the process of {test}: {}\n{stdout}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    stdout
}

/// The command that cargo was told to run this architecture's programs with; empty if none.
pub fn emulator() -> String {
    let target = format!("CARGO_TARGET_{}_", std::env::consts::ARCH.to_uppercase());
    std::env::vars()
        .find(|(key, _)| key.starts_with(&target) && key.ends_with("_RUNNER"))
        .map_or_else(String::new, |(_, runner)| runner)
}

/// A child that hangs fails its test instead of hanging it too.
fn end_if_it_hangs() {
    #[cfg(unix)]
    {
        // SAFETY: `alarm` only starts a timer; its signal ends the process.
        unsafe { libc::alarm(300) };
    }
}
