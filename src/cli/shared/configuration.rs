//! The configuration file: the user's defaults, as TOML. The environment overrides it, and the command line overrides the
//! environment.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::error::CliError;

/// The keys, each with its equivalent environment variable.
pub(in crate::cli) const KEYS: [(&str, &str); 5] = [
    ("device", "ALLOT_DEVICE"),
    ("precision", "ALLOT_PRECISION"),
    ("memory", "ALLOT_MEMORY"),
    ("threads", "ALLOT_THREADS"),
    ("color", "ALLOT_COLOR"),
];

/// The environment variable that names the file.
const FILE: &str = "ALLOT_CONFIG";

/// Returns the variables that the configuration file sets and the environment does not.
///
/// # Errors
/// When the file cannot be read or is malformed.
pub(in crate::cli) fn variables() -> Result<Vec<(&'static str, String)>, CliError> {
    let Some((path, named)) = file() else { return Ok(Vec::new()) };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        // Most users have no such file.
        Err(cause) if !named && cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(CliError::Read { path, cause }),
    };
    let set = parse(&path, &text)?;
    Ok(set.into_iter().filter(|(variable, _)| std::env::var_os(variable).is_none()).collect())
}

/// Returns the path of the file, and whether ALLOT_CONFIG names it.
fn file() -> Option<(PathBuf, bool)> {
    if let Some(path) = std::env::var_os(FILE) {
        return (!path.is_empty()).then(|| (PathBuf::from(path), true));
    }
    let folder = std::env::var_os("XDG_CONFIG_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")))?;
    Some((folder.join("allot").join("config.toml"), false))
}

/// Parses the file as TOML; values are strings and whole numbers.
fn parse(path: &Path, text: &str) -> Result<Vec<(&'static str, String)>, CliError> {
    let wrong = |at: Option<Range<usize>>, problem: String| {
        let before = text.get(..at.map_or(0, |it| it.start)).unwrap_or(text);
        CliError::Configuration { path: path.to_owned(), line: before.matches('\n').count() + 1, problem }
    };
    let table = DeTable::parse(text).map_err(|error| wrong(error.span(), error.message().to_owned()))?;
    let mut set = Vec::new();
    for (key, value) in table.get_ref() {
        let name = key.get_ref().as_ref();
        let known = KEYS.iter().find(|(known, _)| *known == name);
        let (_, variable) = known.ok_or_else(|| {
            let names = KEYS.map(|(name, _)| format!("`{name}`"));
            wrong(Some(key.span()), format!("there is no key `{name}`; the keys are {}", names.join(", ")))
        })?;
        let said = match value.get_ref() {
            DeValue::String(text) if text.is_empty() => {
                return Err(wrong(Some(value.span()), format!("`{name}` has no value")));
            }
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            _ => return Err(wrong(Some(value.span()), format!("`{name}` takes a string or a whole number"))),
        };
        set.push((value.span().start, *variable, said));
    }
    // In the order of the file.
    set.sort_unstable();
    Ok(set.into_iter().map(|(_, variable, value)| (variable, value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(&'static str, String)>, String> {
        parse(Path::new("c.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_and_values_follow_toml() {
        let set = read("# mine\ndevice = \"cuda:1\"\n\nthreads = 4  # of 8\n");
        assert_eq!(set, Ok(vec![("ALLOT_DEVICE", "cuda:1".to_owned()), ("ALLOT_THREADS", "4".to_owned())]));
        let set = read("device = \"a # b\"\nmemory = '64 \"GiB\"' # c\nprecision = \"b\\u0066\"\n");
        let values: Vec<String> = set.expect("a table").into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, ["a # b", "64 \"GiB\"", "bf"]);
    }

    #[test]
    fn mistakes_are_reported_with_their_line() {
        for (text, problem) in [
            ("device", "c.toml:1: "),
            ("\ndevise = 'cpu'", "c.toml:2: there is no key `devise`"),
            ("threads = 4\ndevice = \"cpu", "c.toml:2: "),
            ("device = cpu", "c.toml:1: "),
            ("device = ''", "c.toml:1: `device` has no value"),
            ("\n\n[device]\nname = 1", "c.toml:3: `device` takes a string or a whole number"),
            ("threads = 4\nthreads = 5", "c.toml:2: "),
            ("threads = 1.5", "c.toml:1: `threads` takes"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.starts_with(problem), "{text}: {error}");
        }
    }
}
