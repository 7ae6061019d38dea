//! Converts `vocab.json` and `merges.txt`, the two files of OPT's tokenizer, to the form of `tokenizer.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

/// The two files.
pub(super) const VOCABULARY: &str = "vocab.json";
pub(super) const MERGES: &str = "merges.txt";

/// Returns a byte-level tokenizer in the form of `tokenizer.json`, made from the two files in `folder`.
/// `configuration`, the object in `tokenizer_config.json`, gives the special tokens and whether texts begin
/// with one.
///
/// # Errors
/// When a file cannot be read; the error names it.
pub(super) fn tokenizer(
    folder: &Path,
    configuration: &Map<String, Value>,
) -> Result<Value, (PathBuf, String)> {
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read_to_string(&path).map_err(|error| (path, error.to_string()))
    };
    let vocabulary: BTreeMap<String, u32> = serde_json::from_str(&read(VOCABULARY)?)
        .map_err(|error| (folder.join(VOCABULARY), error.to_string()))?;
    let text = read(MERGES)?;
    let merges: Vec<&str> =
        text.lines().filter(|line| !line.starts_with("#version") && !line.trim().is_empty()).collect();
    let special = special(configuration);
    let added: Vec<Value> = special
        .values()
        .filter_map(|content| Some((content, vocabulary.get(*content)?)))
        .map(|(content, id)| {
            json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                   "normalized": true, "special": true})
        })
        .collect();
    let flag = |key: &str| configuration.get(key) == Some(&Value::Bool(true));
    let begins = special.get("bos_token").filter(|_| flag("add_bos_token"));
    let begins = begins.and_then(|content| Some((*content, *vocabulary.get(*content)?)));
    Ok(json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": flag("add_prefix_space"), "trim_offsets": true, "use_regex": true},
        "post_processor": begins.map(|(content, id)| beginning_with(content, id)),
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "", "end_of_word_suffix": "",
                  "fuse_unk": false, "byte_fallback": false, "vocab": vocabulary, "merges": merges},
    }))
}

/// Returns the special tokens by role; a token is a string, or an object that holds one.
fn special(configuration: &Map<String, Value>) -> BTreeMap<&'static str, &str> {
    let roles = ["bos_token", "eos_token", "unk_token", "pad_token"];
    let text = |role: &str| {
        let value = configuration.get(role)?;
        value.as_str().or_else(|| value.get("content")?.as_str())
    };
    roles.into_iter().filter_map(|role| Some((role, text(role)?))).collect()
}

/// Returns a post-processor that puts a token before every text.
fn beginning_with(content: &str, id: u32) -> Value {
    let token = json!({"SpecialToken": {"id": content, "type_id": 0}});
    let part = |id: &str| json!({"Sequence": {"id": id, "type_id": 0}});
    json!({
        "type": "TemplateProcessing",
        "single": [token, part("A")],
        "pair": [token, part("A"), part("B")],
        "special_tokens": {content: {"id": content, "ids": [id], "tokens": [content]}},
    })
}
