//! Tokens that the files beside a tokenizer name: `tokenizer_config.json`, `special_tokens_map.json` and
//! `added_tokens.json`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// The files. If the first has [`DECODER`], transformers reads neither of the others.
pub(super) const CONFIGURATION: &str = "tokenizer_config.json";
const NAMES: &str = "special_tokens_map.json";
const ADDED: &str = "added_tokens.json";

/// The key that lists added tokens by id.
const DECODER: &str = "added_tokens_decoder";

/// The settings beside a tokenizer. Objects of files that do not exist or do not count are empty.
#[derive(Debug, Default)]
pub(super) struct TokenizerKeys {
    configuration: Map<String, Value>,
    names: Map<String, Value>,
    added: Map<String, Value>,
}

/// A token that one of the files names.
#[derive(Clone, Debug)]
pub(super) struct NamedToken {
    /// The file.
    pub(super) file: &'static str,
    /// The key in it; `None` if the whole file lists tokens.
    pub(super) key: Option<String>,
    /// The token's text.
    pub(super) content: String,
    /// Its id, if the file gives one.
    pub(super) id: Option<u64>,
    /// How it is recognised in a text, if the file says so.
    pub(super) flags: Option<Flags>,
}

/// How an added token is recognised in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub(super) struct Flags {
    /// Only as a whole word.
    pub(super) single_word: bool,
    /// With the spaces to its left.
    pub(super) lstrip: bool,
    /// With the spaces to its right.
    pub(super) rstrip: bool,
    /// In the normalised text.
    pub(super) normalized: bool,
}

impl TokenizerKeys {
    /// Reads the files of a folder.
    ///
    /// # Errors
    /// When one of them counts and is not a JSON object; the error names it.
    pub(super) fn read(folder: &Path) -> Result<Self, (PathBuf, String)> {
        let object = |name: &str| -> Result<Map<String, Value>, (PathBuf, String)> {
            let path = folder.join(name);
            let Ok(text) = fs::read(&path) else { return Ok(Map::new()) };
            serde_json::from_slice(&text).map_err(|error| (path, error.to_string()))
        };
        let configuration = object(CONFIGURATION)?;
        if configuration.contains_key(DECODER) {
            return Ok(Self { configuration, ..Self::default() });
        }
        Ok(Self { configuration, names: object(NAMES)?, added: object(ADDED)? })
    }

    /// Returns whether a setting of `tokenizer_config.json` is on or off, if it says so.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.configuration.get(key).and_then(Value::as_bool)
    }

    /// Returns the class that `tokenizer_config.json` names, without `Fast` at its end.
    pub(super) fn class(&self) -> Option<&str> {
        let class = self.configuration.get("tokenizer_class")?.as_str()?;
        Some(class.strip_suffix("Fast").unwrap_or(class))
    }

    /// Returns the token with a role such as `bos_token`.
    pub(super) fn role(&self, role: &str) -> Option<&str> {
        content(self.names.get(role).or_else(|| self.configuration.get(role))?)
    }

    /// Returns every token that the files name, in their order.
    pub(super) fn tokens(&self) -> Vec<NamedToken> {
        let mut all = Vec::new();
        for (file, object) in [(CONFIGURATION, &self.configuration), (NAMES, &self.names)] {
            for (key, value) in object {
                let values: Vec<(Option<u64>, &Value)> = match (key.as_str(), value) {
                    (DECODER, Value::Object(tokens)) => {
                        tokens.iter().map(|(id, token)| (id.parse().ok(), token)).collect()
                    }
                    ("additional_special_tokens" | "extra_special_tokens", Value::Array(tokens)) => {
                        tokens.iter().map(|token| (None, token)).collect()
                    }
                    ("additional_special_tokens" | "extra_special_tokens", Value::Object(tokens)) => {
                        tokens.values().map(|token| (None, token)).collect()
                    }
                    // A key such as `add_bos_token` names no token.
                    (key, value) if key.ends_with("_token") && !key.starts_with("add_") => {
                        vec![(None, value)]
                    }
                    _ => Vec::new(),
                };
                all.extend(values.into_iter().filter_map(|(id, value)| {
                    let content = content(value)?.to_owned();
                    let flags =
                        value.is_object().then(|| serde_json::from_value(value.clone()).ok()).flatten();
                    Some(NamedToken { file, key: Some(key.clone()), content, id, flags })
                }));
            }
        }
        all.extend(self.added.iter().map(|(content, id)| NamedToken {
            file: ADDED,
            key: None,
            content: content.clone(),
            id: id.as_u64(),
            flags: None,
        }));
        all
    }
}

/// Returns a token's text, which is a string or lies in an object; an empty one is not a token.
fn content(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("content")?.as_str()).filter(|text| !text.is_empty())
}
