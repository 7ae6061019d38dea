//! Unusual things about a model folder that opens nevertheless.

use std::fmt;
use std::path::PathBuf;

/// Something about a model folder that may make its numbers differ from its owner's expectations.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ModelWarning {
    /// `config.json` has keys that are neither read nor known to be harmless.
    UnknownKeys {
        /// The configuration file.
        path: PathBuf,
        /// The keys.
        keys: Vec<String>,
    },
    /// A key is not read because the family's class reads another one, and the two have different values.
    OtherKey {
        /// The configuration file.
        path: PathBuf,
        /// The key that is not read, and its value.
        key: String,
        /// The key that is used instead, and its value.
        used: String,
    },
    /// A number that the family's class reads and does not use, or its default.
    NotApplied {
        /// The configuration file.
        path: PathBuf,
        /// The key.
        key: String,
        /// Its value.
        value: f64,
        /// The class.
        class: &'static str,
    },
    /// The folder has custom code, which is not run.
    OwnCode {
        /// The configuration file.
        path: PathBuf,
        /// The class whose computation is used.
        class: String,
    },
    /// The language model is part of a model of an unknown type.
    UnknownAround {
        /// The configuration file.
        path: PathBuf,
        /// The outer model type.
        model_type: String,
    },
    /// Tensors of the language model that its configuration does not use.
    UnusedTensors {
        /// The file, or the folder if there are several files.
        path: PathBuf,
        /// Their names. Tensors of all blocks share one name, `model.layers.*`, with their count.
        names: Vec<(String, usize)>,
    },
    /// config.json ties the output embedding to the input embedding, but the file has a different one, which
    /// is used.
    HeadOfItsOwn {
        /// The file.
        path: PathBuf,
        /// The output embedding.
        head: String,
        /// The input embedding.
        embedding: String,
    },
    /// `model.safetensors` is read, and an index beside it names other files.
    StaleIndex {
        /// The index.
        index: PathBuf,
    },
    /// A file beside the tokenizer names tokens that the tokenizer does not have.
    NoSuchTokens {
        /// The file that names them.
        path: PathBuf,
        /// The key in it; `None` if the whole file lists tokens.
        key: Option<String>,
        /// The tokens.
        tokens: Vec<String>,
        /// The tokenizer's tokens, with its file.
        among: &'static str,
    },
    /// A file beside `tokenizer.json` gives tokens other ids, or recognises them otherwise in a text.
    OtherTokens {
        /// The file.
        path: PathBuf,
        /// The key in it; `None` if the whole file lists tokens.
        key: Option<String>,
        /// The tokens.
        tokens: Vec<String>,
    },
    /// `tokenizer_config.json` and `tokenizer.json` disagree about a space before a text.
    OtherSpace {
        /// `tokenizer_config.json`.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// Whether it asks for a space.
        said: bool,
    },
    /// An adapter lies beside the weights; it is not applied.
    AdapterBeside {
        /// The adapter's configuration.
        path: PathBuf,
    },
}

impl ModelWarning {
    /// Returns every key or tensor that the warning concerns; its message names only the first few.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::UnknownKeys { keys, .. } => keys.clone(),
            Self::UnusedTensors { names, .. } => {
                names.iter().map(|(name, count)| counted(name, *count)).collect()
            }
            Self::OtherKey { key, .. } | Self::NotApplied { key, .. } => vec![key.clone()],
            Self::NoSuchTokens { tokens, .. } | Self::OtherTokens { tokens, .. } => tokens.clone(),
            Self::OtherSpace { key, .. } => vec![(*key).to_owned()],
            Self::HeadOfItsOwn { .. }
            | Self::OwnCode { .. }
            | Self::UnknownAround { .. }
            | Self::StaleIndex { .. }
            | Self::AdapterBeside { .. } => Vec::new(),
        }
    }
}

fn counted(name: &str, count: usize) -> String {
    match count {
        1 => name.to_owned(),
        _ => format!("{name} ({count})"),
    }
}

impl fmt::Display for ModelWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKeys { path, keys } => {
                let (keys, are) = (list(keys.iter().map(|it| format!("`{it}`"))), are(keys.len()));
                write!(f, "{}: {keys} {are} not read, and may change what the model computes", path.display())
            }
            Self::OtherKey { path, key, used } => {
                write!(
                    f,
                    "{}: {key} is not read, because the class of this family reads {used}",
                    path.display()
                )
            }
            Self::NotApplied { path, key, value, class } => {
                write!(
                    f,
                    "{}: `{key}` is {value}, but {class} does not use it; it is not applied",
                    path.display()
                )
            }
            Self::OwnCode { path, class } => write!(
                f,
                "{}: `auto_map` names custom code, which is not run; the model is computed as {class}",
                path.display()
            ),
            Self::UnknownAround { path, model_type } => write!(
                f,
                "{}: model_type `{model_type}` is unknown; its language model is run on its own",
                path.display()
            ),
            Self::UnusedTensors { path, names } => {
                let count: usize = names.iter().map(|it| it.1).sum();
                let shown = list(names.iter().map(|(name, count)| match count {
                    1 => format!("`{name}`"),
                    _ => format!("`{name}` ({count})"),
                }));
                let tensors = if count == 1 { "unused tensor" } else { "unused tensors" };
                write!(f, "{} holds {count} {tensors}: {shown}", path.display())
            }
            Self::HeadOfItsOwn { path, head, embedding } => write!(
                f,
                "{}: `{head}` differs from `{embedding}`, although config.json ties them; it is used as stored",
                path.display()
            ),
            Self::StaleIndex { index } => write!(
                f,
                "model.safetensors is read; {} names other files, which are ignored",
                index.display()
            ),
            Self::NoSuchTokens { path, key, tokens, among } => write!(
                f,
                "{}: {} {}, which {} not among {among}; allot adds no others",
                path.display(),
                named(key.as_deref()),
                quoted(tokens),
                are(tokens.len())
            ),
            Self::OtherTokens { path, key, tokens } => write!(
                f,
                "{}: {} {} with another id or other flags than tokenizer.json, which allot reads alone",
                path.display(),
                named(key.as_deref()),
                quoted(tokens)
            ),
            Self::OtherSpace { path, key, said } => write!(
                f,
                "{}: `{key}` asks for {} before a text, but tokenizer.json adds {}; allot reads tokenizer.json alone",
                path.display(),
                if *said { "a space" } else { "no space" },
                if *said { "none" } else { "one" }
            ),
            Self::AdapterBeside { path } => write!(
                f,
                "{} belongs to an adapter, which is not applied; the weights beside it are read unchanged",
                path.display()
            ),
        }
    }
}

/// Returns the subject and verb of a sentence about tokens.
fn named(key: Option<&str>) -> String {
    key.map_or_else(|| "the file names".to_owned(), |key| format!("`{key}` names"))
}

/// Returns tokens with their noun.
fn quoted(tokens: &[String]) -> String {
    let noun = if tokens.len() == 1 { "the token" } else { "the tokens" };
    format!("{noun} {}", list(tokens.iter().map(|token| format!("`{token}`"))))
}

fn are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// Returns the first few of many, and the number of the others.
fn list(all: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 6;
    let count = all.len();
    let first: Vec<String> = all.take(SHOWN).collect();
    match count > SHOWN {
        true => format!("{} and {} more", first.join(", "), count - SHOWN),
        false => first.join(", "),
    }
}
