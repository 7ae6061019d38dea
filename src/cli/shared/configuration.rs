//! The configuration file: what one always says, as lines `key = value`. It stands behind the environment, and that behind the command
//! line.

use std::path::{Path, PathBuf};

use super::error::CliError;

/// The keys, each with the environment's variable that says the same.
pub(in crate::cli) const KEYS: [(&str, &str); 5] = [
    ("device", "ALLOT_DEVICE"),
    ("precision", "ALLOT_PRECISION"),
    ("memory", "ALLOT_MEMORY"),
    ("threads", "ALLOT_THREADS"),
    ("color", "ALLOT_COLOR"),
];

/// The variable that names the file.
const FILE: &str = "ALLOT_CONFIG";

/// Returns the variables that the configuration file sets, and the environment does not.
///
/// # Errors
/// When the file cannot be read, or a line of it is not one.
pub(in crate::cli) fn variables() -> Result<Vec<(&'static str, String)>, CliError> {
    let Some((path, named)) = file() else { return Ok(Vec::new()) };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        // Most people have none.
        Err(cause) if !named && cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(CliError::Read { path, cause }),
    };
    let set = parse(&path, &text)?;
    Ok(set.into_iter().filter(|(variable, _)| std::env::var_os(variable).is_none()).collect())
}

/// Returns where the file is, and whether somebody said so.
fn file() -> Option<(PathBuf, bool)> {
    if let Some(path) = std::env::var_os(FILE) {
        return (!path.is_empty()).then(|| (PathBuf::from(path), true));
    }
    let folder = std::env::var_os("XDG_CONFIG_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")))?;
    Some((folder.join("allot").join("config.toml"), false))
}

/// Reads lines of `key = value`; `#` begins a comment, and a value may stand in double quotes, as TOML has it.
fn parse(path: &Path, text: &str) -> Result<Vec<(&'static str, String)>, CliError> {
    let mut set = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let wrong = |problem| CliError::Configuration { path: path.to_owned(), line: number + 1, problem };
        let (key, value) = line.split_once('=').ok_or_else(|| wrong("a line is `key = value`".to_owned()))?;
        let (key, value) = (key.trim(), value.trim());
        let known = KEYS.iter().find(|(name, _)| *name == key);
        let (_, variable) = known.ok_or_else(|| {
            let names = KEYS.map(|(name, _)| format!("`{name}`"));
            wrong(format!("there is no key `{key}`; the keys are {}", names.join(", ")))
        })?;
        let value = match value.strip_prefix('"') {
            Some(rest) => {
                rest.strip_suffix('"').ok_or_else(|| wrong("a quote is never closed".to_owned()))?
            }
            None => value,
        };
        if value.is_empty() {
            return Err(wrong(format!("`{key}` has no value")));
        }
        set.push((*variable, value.to_owned()));
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_keys_and_values() {
        let read = |text: &str| parse(Path::new("c.toml"), text).map_err(|error| error.to_string());
        let set = read("# mine\ndevice = \"cuda:1\"\n\nthreads = 4  # of 8\n");
        assert_eq!(set, Ok(vec![("ALLOT_DEVICE", "cuda:1".to_owned()), ("ALLOT_THREADS", "4".to_owned())]));
        for (text, problem) in [
            ("device", "c.toml:1: a line is `key = value`"),
            ("\ndevise = cpu", "c.toml:2: there is no key `devise`"),
            ("device = \"cpu", "c.toml:1: a quote is never closed"),
            ("device =", "c.toml:1: `device` has no value"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.starts_with(problem), "{error}");
        }
    }
}
