//! Checks that some crates are self-contained: they use no files, devices or network, and no library that does.

use crate::support::book;
use crate::support::source::{Source, Target};

/// Modules of the standard library that reach outside the program.
const OUTSIDE: [&str; 6] = ["fs", "net", "process", "env", "io", "thread"];

/// Libraries for tensors, models, files or a terminal.
const LIBRARIES: [&str; 16] = [
    "candle-core",
    "candle-nn",
    "clap",
    "comfy-table",
    "fancy-regex",
    "hf-hub",
    "indicatif",
    "memmap2",
    "rand",
    "safetensors",
    "serde_json",
    "signal-hook",
    "tempfile",
    "tokenizers",
    "ureq",
    "yaml-rust2",
];

#[test]
fn the_language_crate_is_self_contained() {
    assert_alone("allot-lang");
}

#[test]
fn the_core_crate_is_self_contained() {
    assert_alone("allot-core");
}

/// Fails if a package in `crates/` is not self-contained.
fn assert_alone(name: &str) {
    let manifest = book::read(&format!("crates/{name}/Cargo.toml"));
    for library in LIBRARIES {
        let named = manifest.lines().any(|line| line.split(['.', ' ', '=']).next() == Some(library));
        assert!(!named, "{name} depends on {library}");
    }
    let source = Source::get();
    let root = source.roots[&name.replace('-', "_")];
    let mut seen = 0;
    for file in &source.files {
        for used in file.uses.iter().filter(|used| source.root(used.module) == root) {
            seen += 1;
            // `std::env::consts` describes the compilation target, not the environment.
            let outside = used.path[0] == "std"
                && used.path.get(1).is_some_and(|it| OUTSIDE.contains(&it.as_str()))
                && used.path.get(2).is_none_or(|it| it != "consts");
            let path = used.path.join("::");
            assert!(!outside, "{}:{}: `{path}` reaches outside the program", file.path, used.line);
            // From this project, it may use only itself and other self-contained crates.
            if let Some(Target::Module(module) | Target::Item(module)) =
                source.resolve(used.module, &used.path)
            {
                let other = source.root(module);
                assert!(
                    other != source.roots["allot"],
                    "{}:{}: `{path}` is of the root package",
                    file.path,
                    used.line
                );
            }
        }
    }
    assert!(seen > 1000, "{name} is read");
}
