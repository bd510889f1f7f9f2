//! What the hot paths compile to, in a program of its own, optimised as a release is: no locked
//! instruction, no call but the one to a cold function, no way to panic.
#![cfg(not(loom))]

use std::path::Path;
use std::process::Command;

const PROGRAM: &str = r#"
use std::hint::black_box;

#[inline(never)]
#[unsafe(no_mangle)]
pub fn probe_counter_add(counter: &quipu::Counter, n: u64) {
    counter.add(n);
}

#[inline(never)]
#[unsafe(no_mangle)]
pub fn probe_up_down_counter_decrement(counter: &quipu::UpDownCounter) {
    counter.decrement();
}

#[inline(never)]
#[unsafe(no_mangle)]
pub fn probe_gauge_set(gauge: &quipu::Gauge, value: f64) {
    gauge.set(value);
}

#[inline(never)]
#[unsafe(no_mangle)]
pub fn probe_histogram_record(histogram: &quipu::Histogram, value: u64) {
    histogram.record(value);
}

quipu::label_values! {
    pub enum Method { Get = "GET", Post = "POST", Other = "other" }
}

type Family<M> = quipu::TypedFamily<M, (Method, bool, quipu::SmallInt<10>)>;

#[inline(never)]
#[unsafe(no_mangle)]
pub fn probe_typed_counter_add(
    family: &Family<quipu::Counter>,
    method: Method,
    cached: bool,
    shard: usize,
    n: u64,
) {
    family.with((method, cached, quipu::SmallInt::new(shard))).add(n);
}

#[inline(never)]
#[unsafe(no_mangle)]
pub fn probe_typed_gauge_set(
    family: &Family<quipu::Gauge>,
    method: Method,
    cached: bool,
    shard: usize,
    value: f64,
) {
    family.with((method, cached, quipu::SmallInt::new(shard))).set(value);
}

/// What the checks must find.
#[inline(never)]
#[unsafe(no_mangle)]
pub fn probe_of_everything_forbidden(values: &[std::sync::atomic::AtomicU64], index: usize) {
    values[index].fetch_add(1, std::sync::atomic::Ordering::Relaxed);
}

fn main() {
    let registry = quipu::registry();
    probe_counter_add(&registry.counter("a").register().unwrap(), black_box(1));
    probe_up_down_counter_decrement(&registry.up_down_counter("b").register().unwrap());
    probe_gauge_set(&registry.gauge("c").register().unwrap(), black_box(1.0));
    probe_histogram_record(&registry.histogram("d").register().unwrap(), black_box(1));
    let counters = registry.counter("e").typed_family(["method", "cached", "shard"]).register();
    probe_typed_counter_add(&counters.unwrap(), Method::Get, black_box(true), black_box(3), 1);
    let gauges = registry.gauge("f").typed_family(["method", "cached", "shard"]).register();
    probe_typed_gauge_set(&gauges.unwrap(), Method::Post, black_box(true), black_box(3), 1.0);
    black_box(Method::Other);
    probe_of_everything_forbidden(&[const { std::sync::atomic::AtomicU64::new(0) }], black_box(0));
}
"#;

/// Compiles the program, and returns its assembly.
fn assembly() -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("disassembly");
    std::fs::create_dir_all(folder.join("src")).unwrap();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = format!(
        "[package]\nname = \"probe\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [workspace]\n[dependencies]\nquipu = {{ path = {repository:?} }}\n"
    );
    std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    std::fs::write(folder.join("src/main.rs"), PROGRAM).unwrap();
    // The versions that the tests run with, which are there: nothing has to be fetched.
    std::fs::copy(repository.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();

    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = folder.join("target");
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(&folder)
        .args(["rustc", "--offline", "--release", "--target", &target, "--target-dir"])
        .arg(&output)
        .args(["--", "--emit=asm", "-Ccodegen-units=1"])
        // Those of the tests, such as a sanitizer's, are not those of a release.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    let built = cargo.output().expect("cargo runs the tests, so it can be run");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));

    let assembly = std::fs::read_dir(output.join(target).join("release/deps"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "s"))
        .max_by_key(|path| path.metadata().unwrap().modified().unwrap())
        .expect("rustc was asked for assembly");
    std::fs::read_to_string(assembly).unwrap()
}

/// The instructions of `function`.
fn instructions<'a>(assembly: &'a str, function: &str) -> Vec<&'a str> {
    let mut lines = assembly.lines().skip_while(|line| *line != format!("{function}:")).skip(1);
    let body = lines.by_ref().take_while(|line| !line.starts_with(".Lfunc_end"));
    let instructions = body.map(|line| line.split('#').next().unwrap_or(line).trim());
    let instructions: Vec<_> =
        instructions.filter(|line| !line.is_empty() && !line.starts_with('.')).collect();
    assert!(!instructions.is_empty(), "{function} is not in the assembly");
    instructions
}

/// Instructions that lock a cache line, or order anything.
fn is_locked(instruction: &str) -> bool {
    let word = instruction.split_whitespace().next().unwrap_or("");
    if cfg!(target_arch = "x86_64") {
        ["lock", "xchg", "mfence"].iter().any(|locked| word.starts_with(locked))
    } else {
        // Exclusive and atomic instructions, fences, and the calls that stand for them.
        let atomic = ["ldx", "ldax", "stx", "stlx", "ldadd", "swp", "cas", "ldar", "stlr", "dmb"];
        atomic.iter().any(|atomic| word.starts_with(atomic)) || instruction.contains("__aarch64_")
    }
}

/// Where a call, or a jump out of the function, leads.
fn leaves_for(instruction: &str) -> Option<&str> {
    let word = instruction.split_whitespace().next()?;
    let leaves = if cfg!(target_arch = "x86_64") {
        word.starts_with("call") || word.starts_with('j')
    } else {
        let branches = ["b", "bl", "br", "blr", "cbz", "cbnz", "tbz", "tbnz"];
        branches.contains(&word) || word.starts_with("b.")
    };
    let target = instruction.split_whitespace().next_back()?;
    (leaves && !target.starts_with(".L")).then_some(target)
}

fn check(assembly: &str, function: &str, cold: &[&str]) -> Result<(), String> {
    let instructions = instructions(assembly, function);
    let fault = |instruction: &&str| {
        let leaves = leaves_for(instruction);
        let to_the_cold = |target: &str| cold.iter().any(|name| target.contains(name));
        is_locked(instruction)
            || instruction.contains("panic")
            || leaves.is_some_and(|target| !to_the_cold(target))
    };
    match instructions.iter().find(|instruction| fault(instruction)) {
        Some(found) => Err(format!("`{found}` in {function}:\n{}", instructions.join("\n"))),
        None => Ok(()),
    }
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn hot_paths_have_no_lock_no_call_and_no_panic() {
    if !cfg!(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))) {
        eprintln!("SKIPPED: the instructions of this system are not known to this test");
        return;
    }
    let assembly = assembly();
    let checked = [
        check(&assembly, "probe_counter_add", &["add_cold"]),
        check(&assembly, "probe_up_down_counter_decrement", &["add_cold"]),
        check(&assembly, "probe_gauge_set", &[]),
        check(&assembly, "probe_typed_counter_add", &["add_cold"]),
        check(&assembly, "probe_typed_gauge_set", &[]),
        check(&assembly, "probe_histogram_record", &["record_cold", "record_wide", "widen"]),
    ];
    for result in checked {
        if let Err(fault) = result {
            panic!("{fault}");
        }
    }
    let forbidden = check(&assembly, "probe_of_everything_forbidden", &[]);
    assert!(forbidden.is_err(), "the checks find nothing:\n{assembly}");
}
