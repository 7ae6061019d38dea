//! A folder in which commands run, and the files that they write there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The bundled model's folder.
pub const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tiny-stories-12l");

/// A folder in which commands run.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn allot(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_allot"));
        command.current_dir(self.0.path()).args(arguments).stdin(Stdio::null()).env("ALLOT_NO_PROGRESS", "1");
        command
    }

    /// Runs a command that must succeed, and returns its output.
    pub fn run(&self, mut command: Command) -> Output {
        let output = command.output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// Returns the content of every file in a folder, by path.
    pub fn files(&self, folder: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        fn walk(folder: &Path, root: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for entry in fs::read_dir(folder).expect("a folder").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    walk(&path, root, files);
                } else {
                    let name = path.strip_prefix(root).expect("below it").to_owned();
                    files.insert(name, fs::read(&path).expect("readable"));
                }
            }
        }
        let root = self.path(folder);
        let mut files = BTreeMap::new();
        walk(&root, &root, &mut files);
        assert!(files.len() > 3, "{folder} holds {:?}", files.keys());
        files
    }

    /// Asserts that two folders hold the same files with the same bytes.
    pub fn same(&self, one: &str, other: &str) {
        let (one, other) = (self.files(one), self.files(other));
        assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
        for (name, bytes) in &one {
            assert!(*bytes == other[name], "{} differs", name.display());
        }
    }
}
