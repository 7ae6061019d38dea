//! Names of scripts in tables: a file's name, with as much of its path as distinguishes it from the others.

use std::path::{Path, PathBuf};

use super::error::CliError;

/// Returns a unique name for each script. `names` are the names on the command line, and `files` the scripts' files.
///
/// # Errors
/// When the same script is named twice.
pub(in crate::cli) fn labels(names: &[String], files: &[Option<PathBuf>]) -> Result<Vec<String>, CliError> {
    let mut labels: Vec<String> = names.to_vec();
    for (label, file) in labels.iter_mut().zip(files) {
        if let Some(file) = file {
            *label = end(file, 1);
        }
    }
    let longest = files.iter().flatten().map(|file| file.components().count()).max().unwrap_or(0);
    for parts in 2..=longest {
        let alike = alike(&labels);
        for ((label, file), alike) in labels.iter_mut().zip(files).zip(alike) {
            if let Some(file) = file.as_ref().filter(|_| alike) {
                *label = end(file, parts);
            }
        }
    }
    // A file `owl.allot` next to the published `owl` keeps its extension.
    let alike_still = alike(&labels);
    for ((label, file), alike) in labels.iter_mut().zip(files).zip(alike_still) {
        if let Some(file) = file.as_ref().filter(|_| alike) {
            *label = file.display().to_string();
        }
    }
    match alike(&labels).iter().position(|alike| *alike) {
        Some(first) => Err(CliError::NamedTwice { name: labels.swap_remove(first) }),
        None => Ok(labels),
    }
}

/// Returns for each label whether another one is the same.
fn alike(labels: &[String]) -> Vec<bool> {
    labels.iter().map(|label| labels.iter().filter(|other| *other == label).count() > 1).collect()
}

/// Returns the last components of a path, without the extension of scripts.
fn end(path: &Path, parts: usize) -> String {
    let without = match path.extension() {
        Some(ending) if ending == "allot" => path.with_extension(""),
        _ => path.to_owned(),
    };
    let skipped = without.components().count().saturating_sub(parts);
    without.components().skip(skipped).collect::<PathBuf>().display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(given: &[&str]) -> Result<Vec<String>, String> {
        let names: Vec<String> = given.iter().map(|name| (*name).to_owned()).collect();
        let files: Vec<Option<PathBuf>> =
            given.iter().map(|name| name.contains('.').then(|| PathBuf::from(name))).collect();
        labels(&names, &files).map_err(|error| error.to_string())
    }

    #[test]
    fn no_two_names_are_alike() {
        let found = named(&["run1/best.allot", "run4/best.allot", "owl", "mine.allot"]);
        assert_eq!(found, Ok(["run1/best", "run4/best", "owl", "mine"].map(str::to_owned).to_vec()));
        let found = named(&["owl", "owl.allot"]);
        assert_eq!(found, Ok(["owl", "owl.allot"].map(str::to_owned).to_vec()));
        let found = named(&["a/x/best.allot", "b/x/best.allot", "c/best.allot"]);
        assert_eq!(found, Ok(["a/x/best", "b/x/best", "c/best"].map(str::to_owned).to_vec()));
        let found = named(&["best.allot", "run/best.allot", "best"]);
        assert_eq!(found, Ok(["best.allot", "run/best", "best"].map(str::to_owned).to_vec()));
        assert_eq!(named(&["owl", "owl"]), Err("`owl` is named twice".to_owned()));
        assert_eq!(named(&["a.allot", "a.allot"]), Err("`a.allot` is named twice".to_owned()));
    }
}
