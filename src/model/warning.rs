//! What is odd about a model folder that opens all the same.

use std::fmt;
use std::path::PathBuf;

/// Something about a model folder that may make its numbers other than its owner expects.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelWarning {
    /// `config.json` has keys that are neither read nor known to be harmless.
    UnknownKeys {
        /// The configuration file.
        path: PathBuf,
        /// The keys.
        keys: Vec<String>,
    },
    /// A key is not read because the family's class reads another one, and the two say different things.
    OtherKey {
        /// The configuration file.
        path: PathBuf,
        /// The key that is not read, and its value.
        key: String,
        /// What is used instead.
        used: String,
    },
    /// The folder has code of its own, which is not run.
    OwnCode {
        /// The configuration file.
        path: PathBuf,
        /// The class whose computation is used.
        class: String,
    },
    /// The language model lies in a model of a type that is not known.
    UnknownAround {
        /// The configuration file.
        path: PathBuf,
        /// The outer model type.
        model_type: String,
    },
    /// Tensors of the language model that its configuration has no use for.
    UnusedTensors {
        /// The file, or the folder where there are several.
        path: PathBuf,
        /// Their names; blocks of the same name are one, `model.layers.*`, with how many there are.
        names: Vec<(String, usize)>,
    },
    /// config.json says that the output embedding is the input's, and the file has another one, which is used.
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
    /// An adapter lies beside the weights, and is not applied.
    AdapterBeside {
        /// The adapter's configuration.
        path: PathBuf,
    },
}

impl ModelWarning {
    /// Returns every key or tensor that the warning is about, of which its message names the first few.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::UnknownKeys { keys, .. } => keys.clone(),
            Self::UnusedTensors { names, .. } => {
                names.iter().map(|(name, count)| counted(name, *count)).collect()
            }
            Self::OtherKey { key, .. } => vec![key.clone()],
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
                    "{}: {key} is not read, since the class of this family takes {used}",
                    path.display()
                )
            }
            Self::OwnCode { path, class } => write!(
                f,
                "{}: `auto_map` names code of the folder's own, which is not run; the model is computed as {class}",
                path.display()
            ),
            Self::UnknownAround { path, model_type } => write!(
                f,
                "{}: model_type `{model_type}` is not known; its language model is computed as it would be alone",
                path.display()
            ),
            Self::UnusedTensors { path, names } => {
                let count: usize = names.iter().map(|it| it.1).sum();
                let shown = list(names.iter().map(|(name, count)| match count {
                    1 => format!("`{name}`"),
                    _ => format!("`{name}` ({count})"),
                }));
                let tensors =
                    if count == 1 { "tensor that nothing uses" } else { "tensors that nothing uses" };
                write!(f, "{} holds {count} {tensors}: {shown}", path.display())
            }
            Self::HeadOfItsOwn { path, head, embedding } => write!(
                f,
                "{}: `{head}` differs from `{embedding}`, to which config.json ties it; it is used as it is",
                path.display()
            ),
            Self::StaleIndex { index } => write!(
                f,
                "model.safetensors is read; {} names other files, which are left aside",
                index.display()
            ),
            Self::AdapterBeside { path } => write!(
                f,
                "{} is an adapter's; it is not applied, and the weights beside it are read as they are",
                path.display()
            ),
        }
    }
}

fn are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// Returns the first few of many, and how many more there are.
fn list(all: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 6;
    let count = all.len();
    let first: Vec<String> = all.take(SHOWN).collect();
    match count > SHOWN {
        true => format!("{} and {} more", first.join(", "), count - SHOWN),
        false => first.join(", "),
    }
}
