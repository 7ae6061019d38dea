//! The named inputs of results, so that results made from different inputs are not mixed.

use std::fmt;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::checkpoint::Checkpoint;
use super::error::ModelError;
use super::hexadecimal::hexadecimal;
use super::precision::Precision;

/// A name and a value for each input that can change a number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Identity(Vec<(String, String)>);

/// The first input in which two identities differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The input's name.
    pub what: String,
    /// Its recorded value; `None` if it was not recorded.
    pub before: Option<String>,
    /// Its present value; `None` if the input no longer exists.
    pub now: Option<String>,
}

/// How a folder's recorded identity compares with the present one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The folder is empty or does not exist.
    Nothing,
    /// The same.
    Same,
    /// They differ.
    Other(Box<Difference>),
    /// The folder holds files, but no recorded identity.
    Unsaid,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, before, now } = self;
        match (before, now) {
            (Some(before), Some(now)) => write!(f, "{what} was {before} and is now {now}"),
            (Some(before), None) => write!(f, "{what} was {before} and is now missing"),
            (None, Some(now)) => write!(f, "{what} is {now}, and its earlier value is not recorded"),
            (None, None) => write!(f, "{what} differs"),
        }
    }
}

impl Identity {
    /// Adds an input.
    pub fn add(&mut self, what: impl Into<String>, value: impl Into<String>) {
        self.0.push((what.into(), value.into()));
    }

    /// Returns names and values, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(what, value)| (what.as_str(), value.as_str()))
    }

    /// Adds every input of another identity, each named as one `of` something.
    pub fn add_of(&mut self, of: &str, other: &Self) {
        self.0.extend(other.0.iter().map(|(what, value)| (format!("{what} of {of}"), value.clone())));
    }

    /// Compares the identity recorded in a folder's file of this name with this one.
    pub fn recorded_in(&self, folder: &Path, name: &str) -> Recorded {
        match fs::read(folder.join(name)) {
            Ok(bytes) => {
                // A file that cannot be parsed records no inputs.
                let before: Self = serde_json::from_slice(&bytes).unwrap_or_default();
                before.difference(self).map_or(Recorded::Same, |it| Recorded::Other(Box::new(it)))
            }
            Err(_) if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) => {
                Recorded::Unsaid
            }
            Err(_) => Recorded::Nothing,
        }
    }

    /// Returns the identity without one input.
    #[must_use]
    pub fn without(&self, what: &str) -> Self {
        Self(self.0.iter().filter(|(name, _)| name != what).cloned().collect())
    }

    /// Returns the identity with the names of its inputs changed: each mention of `from` becomes `to`.
    #[must_use]
    pub fn renamed(&self, from: &str, to: &str) -> Self {
        Self(self.0.iter().map(|(what, value)| (what.replace(from, to), value.clone())).collect())
    }

    /// Returns the first difference from the present identity `now`; inputs are matched by name.
    pub fn difference(&self, now: &Self) -> Option<Difference> {
        let find = |all: &Self, what: &str| {
            all.0.iter().find(|(name, _)| name == what).map(|(_, value)| value.clone())
        };
        let names = now.0.iter().chain(&self.0).map(|(what, _)| what);
        let differing = |what: &String| {
            let (before, now) = (find(self, what), find(now, what));
            (before != now).then(|| Difference { what: what.clone(), before, now })
        };
        names.into_iter().find_map(differing)
    }
}

/// Keys of `config.json` that describe the model's origin, not its computation.
const OF_ORIGIN: [&str; 2] = ["_name_or_path", "transformers_version"];

/// Keys of `tokenizer_config.json` that do not affect how text becomes tokens.
const OF_USE: [&str; 3] = ["chat_template", "name_or_path", "model_max_length"];

/// Longer values are replaced by their hash.
const LONGEST: usize = 60;

impl Checkpoint {
    /// Returns the settings of the model's computation, apart from its weights: each key of `config.json`.
    ///
    /// # Errors
    /// When the file can no longer be read.
    pub fn identity(&self) -> Result<Identity, ModelError> {
        let mut identity = Identity::default();
        for (key, value) in object(&self.folder().join("config.json"))?.unwrap_or_default() {
            if !OF_ORIGIN.contains(&key.as_str()) {
                identity.add(format!("`{key}` in config.json"), shown(&value));
            }
        }
        Ok(identity)
    }

    /// Returns the inputs of tokenisation: a hash of each tokenizer file in the folder.
    ///
    /// # Errors
    /// When one of the files cannot be read.
    pub fn tokenizer_identity(&self) -> Result<Identity, ModelError> {
        let mut identity = Identity::default();
        for name in
            ["tokenizer.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt"]
        {
            if let Some(bytes) = content(&self.folder().join(name))? {
                identity.add(name, hash(&bytes));
            }
        }
        let mut said = object(&self.folder().join("tokenizer_config.json"))?.unwrap_or_default();
        said.retain(|key, _| !OF_USE.contains(&key.as_str()));
        if !said.is_empty() {
            identity.add("tokenizer_config.json", hash(canonical(&Value::Object(said)).as_bytes()));
        }
        Ok(identity)
    }

    /// Returns the device and the precision of the model, as text.
    pub fn place(&self) -> String {
        let precision = match self.precision() {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
        };
        let device = self.engine().gpu().unwrap_or_else(|| "the processor".to_owned());
        format!("{device} in {precision}")
    }
}

/// Returns a file's bytes if it exists.
fn content(path: &Path) -> Result<Option<Vec<u8>>, ModelError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ModelError::Read { path: path.to_owned(), source }),
    }
}

/// Returns the object of a JSON file if it exists; a value that is not an object counts as empty.
fn object(path: &Path) -> Result<Option<Map<String, Value>>, ModelError> {
    let content = content(path)?;
    Ok(content.map(|bytes| serde_json::from_slice(&bytes).unwrap_or_default()))
}

/// Returns a value as text, or as its hash if it is long.
fn shown(value: &Value) -> String {
    let text = canonical(value);
    if text.chars().count() > LONGEST { hash(text.as_bytes()) } else { text }
}

fn hash(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Returns a JSON value as a text that is independent of key order and of number notation.
fn canonical(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => value.to_string(),
        // 10000 and 10000.0 are the same number; whole numbers beyond 2^53 stay as they are.
        Value::Number(number) => match number.as_f64() {
            Some(float) if float.abs() < 9e15 => float.to_string(),
            _ => number.to_string(),
        },
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> =
                map.iter().filter(|(key, _)| !OF_ORIGIN.contains(&key.as_str())).collect();
            entries.sort_by_key(|(key, _)| *key);
            let entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("{key}:{}", canonical(value))).collect();
            format!("{{{}}}", entries.join(","))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parts: &[(&str, &str)]) -> Identity {
        let mut identity = Identity::default();
        parts.iter().for_each(|(what, value)| identity.add(*what, *value));
        identity
    }

    #[test]
    fn difference_is_found_by_name_whatever_the_order() {
        let before = of(&[("a", "1"), ("b", "2"), ("c", "3")]);
        assert_eq!(before.difference(&of(&[("c", "3"), ("a", "1"), ("b", "2")])), None);
        let text = |now: &[(&str, &str)]| before.difference(&of(now)).map(|it| it.to_string());
        assert_eq!(text(&[("a", "1"), ("b", "5"), ("c", "3")]).as_deref(), Some("b was 2 and is now 5"));
        // An input that is removed or added in the middle is not mistaken for its neighbour.
        assert_eq!(text(&[("a", "1"), ("c", "3")]).as_deref(), Some("b was 2 and is now missing"));
        let more = text(&[("a", "1"), ("x", "7"), ("b", "2"), ("c", "3")]);
        assert_eq!(more.as_deref(), Some("x is 7, and its earlier value is not recorded"));
    }

    #[test]
    fn configuration_is_the_same_however_it_is_written() {
        let value = |text: &str| serde_json::from_str::<Value>(text).map(|it| canonical(&it)).ok();
        let plain = value(r#"{"rope_theta":10000,"eps":1e-5,"scaling":{"type":"yarn","factor":4.0}}"#);
        let other = value(
            r#"{"scaling":{"factor":4,"transformers_version":"5","type":"yarn"},"eps":0.00001,"rope_theta":10000.0}"#,
        );
        assert!(plain.is_some() && plain == other, "{plain:?} {other:?}");
        assert_ne!(plain, value(r#"{"rope_theta":10000,"eps":1e-5,"scaling":{"type":"yarn","factor":4.5}}"#));
    }
}
