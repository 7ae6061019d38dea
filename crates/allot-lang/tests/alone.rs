//! The language reaches for nothing outside the program, so that it runs where there is no operating system. What it depends on, its
//! manifest says.

use std::path::{Path, PathBuf};

/// Modules of the standard library that reach outside the program.
const OUTSIDE: [&str; 6] = ["fs", "net", "process", "env", "io", "thread"];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the entry can be read").path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

/// Returns the modules of the standard library that code names, also within braces.
fn modules(code: &str) -> Vec<&str> {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let mut found = Vec::new();
    for (at, _) in code.match_indices("std::") {
        let rest = &code[at + "std::".len()..];
        let list = match rest.strip_prefix('{') {
            Some(list) => list.split(';').next().unwrap_or_default(),
            None => rest.split(|character| !is_word(character)).next().unwrap_or_default(),
        };
        found.extend(list.split(|character| !is_word(character)));
    }
    found
}

#[test]
fn the_language_reaches_for_nothing_outside() {
    let mut paths = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut paths);
    assert!(paths.len() > 15);
    for path in &paths {
        let source = std::fs::read_to_string(path).expect("the file can be read");
        let code: Vec<&str> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for module in modules(&code.join("\n")) {
            assert!(!OUTSIDE.contains(&module), "{}: std::{module}", path.display());
        }
    }
}
