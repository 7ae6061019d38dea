//! Records the commit that a release is built from, for `allot --version`.

use std::env;
use std::path::Path;
use std::process::Command;

/// The files that can change the recorded commit: the sources, and git's log of HEAD.
const WATCHED: [&str; 6] = ["Cargo.toml", "build.rs", "crates", "grammar", "src", ".git/logs/HEAD"];

fn main() {
    println!("cargo:rerun-if-env-changed=ALLOT_COMMIT");
    // A debug build does not ask git, as every commit would then compile it again.
    let asked = env::var("PROFILE").is_ok_and(|it| it == "release");
    let watched: &[&str] = if asked { &WATCHED } else { &["build.rs"] };
    for path in watched.iter().filter(|path| Path::new(path).exists()) {
        println!("cargo:rerun-if-changed={path}");
    }
    // A value set by a packager takes precedence over git's.
    if !asked || env::var_os("ALLOT_COMMIT").is_some() {
        return;
    }
    if let Some(commit) = commit() {
        println!("cargo:rustc-env=ALLOT_COMMIT={commit}");
    }
}

/// Returns the commit that is checked out, and whether files differ from it; `None` outside a checkout of this repository.
fn commit() -> Option<String> {
    let root = git(&["rev-parse", "--show-toplevel"])?;
    if Path::new(&root).canonicalize().ok()? != Path::new(".").canonicalize().ok()? {
        return None;
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    match git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty() {
        true => Some(commit),
        false => Some(format!("{commit}, with changes")),
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|it| it.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
