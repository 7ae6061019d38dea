//! Compares a tokenizer with the files beside it: tokens and settings there that allot does not use.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::merges::VOCABULARY;
use super::tokenizer_keys::{CONFIGURATION, Flags, NamedToken, TokenizerKeys};
use super::warning::ModelWarning;

/// The tokenizer's file.
const FILE: &str = "tokenizer.json";

/// The parts of `tokenizer.json` that the files beside it may contradict.
#[derive(Deserialize)]
struct TokenizerFile {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
}

#[derive(Deserialize)]
struct AddedToken {
    id: u64,
    content: String,
    #[serde(flatten)]
    flags: Flags,
}

/// Returns warnings about tokens and settings beside a folder's tokenizer that allot does not use. A folder
/// whose files cannot be read gives none: opening the tokenizer reports that.
pub(super) fn warnings(folder: &Path) -> Vec<ModelWarning> {
    let Ok(keys) = TokenizerKeys::read(folder) else { return Vec::new() };
    let tokens = keys.tokens();
    if tokens.is_empty() && keys.class().is_none() && keys.flag("add_prefix_space").is_none() {
        return Vec::new();
    }
    let object = |name: &str| fs::read(folder.join(name)).ok();
    if let Some(text) = object(FILE) {
        let Ok(file) = serde_json::from_slice::<TokenizerFile>(&text) else { return Vec::new() };
        let mut all = other_tokens(folder, &tokens, &file);
        all.extend(other_space(folder, &keys, &file));
        return all;
    }
    let Some(text) = object(VOCABULARY) else { return Vec::new() };
    let Ok(vocabulary) = serde_json::from_slice::<BTreeMap<String, u64>>(&text) else { return Vec::new() };
    let missing = tokens.iter().filter(|token| !vocabulary.contains_key(&token.content));
    grouped(folder, missing, |path, key, tokens| ModelWarning::NoSuchTokens {
        path,
        key,
        tokens,
        among: "the tokens of vocab.json",
    })
}

/// Returns warnings about tokens that `tokenizer.json` does not add, or adds with other ids or flags.
fn other_tokens(folder: &Path, tokens: &[NamedToken], file: &TokenizerFile) -> Vec<ModelWarning> {
    let added: BTreeMap<&str, &AddedToken> =
        file.added_tokens.iter().map(|token| (token.content.as_str(), token)).collect();
    // Without a normaliser there is only one text in which to look for tokens.
    let of = |flags: Flags| Flags { normalized: flags.normalized && !file.normalizer.is_null(), ..flags };
    let differs = |token: &&NamedToken| {
        let Some(found) = added.get(token.content.as_str()) else { return false };
        // Only a token with an id is described in full.
        token.id.is_some_and(|id| id != found.id)
            || token.id.is_some() && token.flags.is_some_and(|flags| of(flags) != of(found.flags))
    };
    let missing = tokens.iter().filter(|token| !added.contains_key(token.content.as_str()));
    let mut all = grouped(folder, missing, |path, key, tokens| ModelWarning::NoSuchTokens {
        path,
        key,
        tokens,
        among: "the added tokens of tokenizer.json",
    });
    all.extend(grouped(folder, tokens.iter().filter(differs), |path, key, tokens| {
        ModelWarning::OtherTokens { path, key, tokens }
    }));
    all
}

/// Makes a warning for each key that names some of the tokens.
fn grouped<'a>(
    folder: &Path,
    tokens: impl Iterator<Item = &'a NamedToken>,
    warning: impl Fn(PathBuf, Option<String>, Vec<String>) -> ModelWarning,
) -> Vec<ModelWarning> {
    let mut groups: BTreeMap<(&str, &Option<String>), BTreeSet<&str>> = BTreeMap::new();
    for token in tokens {
        groups.entry((token.file, &token.key)).or_default().insert(&token.content);
    }
    let texts = |tokens: BTreeSet<&str>| tokens.into_iter().map(str::to_owned).collect();
    groups
        .into_iter()
        .map(|((file, key), tokens)| warning(folder.join(file), key.clone(), texts(tokens)))
        .collect()
}

/// Returns a warning if the class that transformers would make puts a space before a text, and
/// `tokenizer.json` does not, or the other way round.
fn other_space(folder: &Path, keys: &TokenizerKeys, file: &TokenizerFile) -> Option<ModelWarning> {
    let adds = adds_space(&file.normalizer) || adds_space(&file.pre_tokenizer);
    let class = keys.class().unwrap_or_default();
    let byte_level = file.pre_tokenizer.to_string().contains("\"ByteLevel\"");
    let (key, said) = match (class, keys.flag("add_prefix_space")) {
        // These read the file as it is; LLaMA's class does so if the file is byte-level.
        ("PreTrainedTokenizer" | "TokenizersBackend", _) => return None,
        ("LlamaTokenizer", _) if byte_level => return None,
        (_, Some(said)) => ("add_prefix_space", said),
        // The class builds its own parts, without a space unless told otherwise.
        ("GPT2Tokenizer", None) => ("tokenizer_class", false),
        (_, None) => return None,
    };
    (said != adds).then(|| ModelWarning::OtherSpace { path: folder.join(CONFIGURATION), key, said })
}

/// Returns whether a normaliser or a pre-tokeniser puts a space before a text.
fn adds_space(part: &Value) -> bool {
    let flag = |key: &str| part.get(key).and_then(Value::as_bool);
    let inner = ["normalizers", "pretokenizers"].into_iter().filter_map(|key| part.get(key)?.as_array());
    match part.get("type").and_then(Value::as_str) {
        Some("Prepend") => true,
        Some("ByteLevel") => flag("add_prefix_space").unwrap_or(false),
        Some("Metaspace") => match part.get("prepend_scheme").and_then(Value::as_str) {
            Some(scheme) => scheme != "never",
            None => flag("add_prefix_space").unwrap_or(true),
        },
        _ => inner.flatten().any(adds_space),
    }
}
