//! Tells the program which compiler it is built by.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let rustc = std::env::var_os("RUSTC").expect("cargo says which");
    let output = Command::new(rustc).arg("--version").output().expect("rustc says its version");
    let version = String::from_utf8(output.stdout).expect("a version is text");
    println!("cargo::rustc-env=COMPARISON_RUSTC={}", version.trim());
}
