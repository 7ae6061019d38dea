//! `lang` stands alone: it uses nothing of the crate but itself, and no library that knows tensors, models or files.

use std::path::{Path, PathBuf};

/// What the language is made with.
const ALLOWED: [&str; 7] = ["pest", "pest_derive", "serde", "sha2", "std", "strsim", "thiserror"];

/// Modules of the standard library that reach outside the program.
const OUTSIDE: [&str; 6] = ["std::fs", "std::net", "std::process", "std::env", "std::io", "std::thread"];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the entry can be read").path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

/// Returns the code of a file without its comments and string literals, which may name anything.
fn code(source: &str) -> String {
    let mut out = String::new();
    for line in source.lines().filter(|line| !line.trim_start().starts_with("//")) {
        // Outside a string are the even pieces between quotes.
        for piece in line.replace("\\\"", "").replace("'\"'", "").split('"').step_by(2) {
            out.push_str(piece);
        }
        out.push('\n');
    }
    out
}

/// Returns the first segments of the paths in `code` that do not go on from another path.
fn roots(code: &str) -> Vec<(&str, &str)> {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let mut found = Vec::new();
    for (at, _) in code.match_indices("::") {
        let start = code[..at].rfind(|character| !is_word(character)).map_or(0, |before| before + 1);
        // `a::b::c` is one path, and `.parse::<T>()` is none.
        let goes_on = code[..start].ends_with("::") || code[at..].starts_with("::<");
        let root = &code[start..at];
        if !goes_on && root.starts_with(|first: char| first.is_lowercase()) {
            let end = code[at + 2..].find(|character| !is_word(character)).unwrap_or(0);
            found.push((root, &code[start..at + 2 + end]));
        }
    }
    found
}

/// Returns the libraries that the package depends on, as code names them.
fn libraries() -> Vec<String> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).expect("the manifest can be read");
    let entry = |line: &str| {
        let name = line.split_once('=')?.0.trim().replace('-', "_");
        name.chars().all(|character| character.is_alphanumeric() || character == '_').then_some(name)
    };
    manifest.lines().filter_map(entry).collect()
}

#[test]
fn the_language_knows_no_tensors_files_or_models() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lang");
    let mut paths = Vec::new();
    files(&root, &mut paths);
    assert!(paths.len() > 15, "the language is in {}", root.display());
    let modules: Vec<&str> =
        paths.iter().filter_map(|path| path.file_stem()?.to_str()).chain(["self", "super"]).collect();
    let libraries = libraries();
    assert!(libraries.iter().any(|library| library == "safetensors"), "the libraries are found");
    for path in &paths {
        let source = std::fs::read_to_string(path).expect("the file can be read");
        let code = code(&source);
        for (name, whole) in roots(&code) {
            let place = format!("{}: `{whole}`", path.display());
            assert!(!OUTSIDE.contains(&whole), "{place} reaches outside");
            match name {
                "crate" => assert_eq!(whole, "crate::lang", "{place}"),
                _ if libraries.iter().any(|library| library == name) => {
                    assert!(ALLOWED.contains(&name), "{place} is not for the language");
                }
                _ => {}
            }
        }
        for statement in code.lines().map(str::trim).filter_map(|line| line.strip_prefix("use ")) {
            let name = statement.split([':', ';', ' ']).next().unwrap_or_default();
            let inline = code.contains(&format!("mod {name} {{"));
            let known = ALLOWED.contains(&name) || name == "crate" || modules.contains(&name) || inline;
            assert!(known, "{}: `use {statement}`", path.display());
        }
    }
}
