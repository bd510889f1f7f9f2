//! Which versions are compared.

use super::machine::output;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    #[serde(default)]
    dependencies: Vec<String>,
}

/// The versions of what this program depends on directly.
pub fn direct() -> BTreeMap<String, String> {
    let lock: Lock = toml::from_str(include_str!("../../Cargo.lock")).expect("cargo wrote it");
    let mut packages = lock.package.iter();
    let this = packages.find(|package| package.name == env!("CARGO_PKG_NAME"));
    let dependencies = &this.expect("the lock file is this package's").dependencies;
    let version = |dependency: &String| {
        // The version is there as well if there are several.
        let (name, version) = dependency.split_once(' ').unwrap_or((dependency, ""));
        let is_it = |one: &&Package| {
            one.name == name && (version.is_empty() || version.starts_with(&one.version))
        };
        let package = lock.package.iter().find(is_it).expect("all packages are listed");
        (name.to_string(), package.version.clone())
    };
    dependencies.iter().map(version).collect()
}

/// The commit that this package is of, if it was built in a clone.
pub fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        output("git", &[&["-C", env!("CARGO_MANIFEST_DIR")], arguments].concat())
    };
    let commit = git(&["rev-parse", "--short=10", "HEAD"])?;
    let changes = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changes.is_empty() { commit } else { commit + " and changes" })
}
