//! The reference data and the bundled model.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Returns a file or folder of reference data, or prints why the test is skipped.
pub fn reference(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reference").join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} does not exist", path.display());
    None
}

/// Returns the folder of the bundled model.
pub fn bundled() -> PathBuf {
    // Executables that were built on another machine get its path from ALLOT_BUNDLED.
    let told = std::env::var_os("ALLOT_BUNDLED").map(PathBuf::from);
    told.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tiny-stories-12l"))
}

/// Returns a copy of a model folder whose config.json is the file `config` of the original.
pub fn with_config(folder: &Path, config: &str) -> TempDir {
    let copy = TempDir::new().unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with("model") {
            fs::copy(entry.path(), copy.path().join(name)).unwrap();
        }
    }
    fs::copy(folder.join(config), copy.path().join("config.json")).unwrap();
    copy
}
