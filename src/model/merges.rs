//! Converts `vocab.json` and `merges.txt`, the two files of OPT's tokenizer, to the form of `tokenizer.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::tokenizer_keys::{CONFIGURATION, Flags, TokenizerKeys};

/// The two files.
pub(super) const VOCABULARY: &str = "vocab.json";
pub(super) const MERGES: &str = "merges.txt";

/// The token of every role that the files do not name, in the class that transformers uses.
const DEFAULT: &str = "<|endoftext|>";

/// Returns a byte-level tokenizer in the form of `tokenizer.json`, made from the two files in `folder`. `keys`,
/// the files beside them, give the special tokens and whether texts begin or end with one.
///
/// # Errors
/// When a file cannot be read, or a text needs a token that the vocabulary lacks; the error names the file.
pub(super) fn tokenizer(folder: &Path, keys: &TokenizerKeys) -> Result<Value, (PathBuf, String)> {
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read_to_string(&path).map_err(|error| (path, error.to_string()))
    };
    let vocabulary: BTreeMap<String, u32> = serde_json::from_str(&read(VOCABULARY)?)
        .map_err(|error| (folder.join(VOCABULARY), error.to_string()))?;
    let text = read(MERGES)?;
    let merges: Vec<&str> =
        text.lines().filter(|line| !line.starts_with("#version") && !line.trim().is_empty()).collect();
    let around = |setting: &str, role: &str| -> Result<Option<(String, u32)>, (PathBuf, String)> {
        if keys.flag(setting) != Some(true) {
            return Ok(None);
        }
        let content = keys.role(role).unwrap_or(DEFAULT);
        let lacks = || format!("has no token `{content}`, but {CONFIGURATION} says `{setting}`: true");
        let id = vocabulary.get(content).ok_or_else(|| (folder.join(VOCABULARY), lacks()))?;
        Ok(Some((content.to_owned(), *id)))
    };
    let (first, last) = (around("add_bos_token", "bos_token")?, around("add_eos_token", "eos_token")?);
    let spaced = keys.flag("add_prefix_space") == Some(true);
    Ok(json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added(keys, &vocabulary), "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": spaced, "trim_offsets": true, "use_regex": true},
        "post_processor": post_processor(first, last),
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "", "end_of_word_suffix": "",
                  "fuse_unk": false, "byte_fallback": false, "vocab": vocabulary, "merges": merges},
    }))
}

/// Returns the tokens that are recognised in a text: those of the vocabulary that the files beside it name.
fn added(keys: &TokenizerKeys, vocabulary: &BTreeMap<String, u32>) -> Vec<Value> {
    let mut tokens: BTreeMap<String, Option<Flags>> = BTreeMap::new();
    for token in keys.tokens() {
        let flags = tokens.entry(token.content).or_default();
        *flags = flags.or(token.flags);
    }
    if ["bos_token", "eos_token", "unk_token"].iter().any(|role| keys.role(role).is_none()) {
        tokens.entry(DEFAULT.to_owned()).or_default();
    }
    let found = tokens.into_iter().filter_map(|(content, flags)| {
        let id = *vocabulary.get(&content)?;
        let Flags { single_word, lstrip, rstrip, .. } = flags.unwrap_or_default();
        Some((id, json!({"id": id, "content": content, "single_word": single_word, "lstrip": lstrip, "rstrip": rstrip,
                         "normalized": true, "special": true})))
    });
    found.collect::<BTreeMap<u32, Value>>().into_values().collect()
}

/// Returns a post-processor that puts a token before every text, one after it, or both.
fn post_processor(first: Option<(String, u32)>, last: Option<(String, u32)>) -> Value {
    if first.is_none() && last.is_none() {
        return Value::Null;
    }
    let part = |id: &str| json!({"Sequence": {"id": id, "type_id": 0}});
    let token = |token: &Option<(String, u32)>| {
        token.as_ref().map(|(content, _)| json!({"SpecialToken": {"id": content, "type_id": 0}}))
    };
    let around = |parts: Vec<Value>| -> Vec<Value> {
        token(&first).into_iter().chain(parts).chain(token(&last)).collect()
    };
    let special: Map<String, Value> = [&first, &last]
        .into_iter()
        .flatten()
        .map(|(content, id)| (content.clone(), json!({"id": content, "ids": [id], "tokens": [content]})))
        .collect();
    json!({
        "type": "TemplateProcessing",
        "single": around(vec![part("A")]),
        "pair": around(vec![part("A"), part("B")]),
        "special_tokens": special,
    })
}
