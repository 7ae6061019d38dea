//! Text and tokens, as commands take them.

use std::path::PathBuf;

use crate::stats::Source;

/// What a command reads.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(in crate::cli) struct TextArguments {
    /// Text files: plain text, or JSON lines with a `text` field; packed by gzip or zstd or not
    #[arg(long, value_name = "FILE", num_args = 1..)]
    text: Vec<PathBuf>,
    /// Ready token ids of shape [samples, length]
    #[arg(long, value_name = "FILE.safetensors:NAME")]
    tokens: Option<String>,
}

/// What a command measures on.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct WindowArguments {
    #[command(flatten)]
    text: TextArguments,
    /// How many tokens a window of the text has (default: 2048, or the model's context where that is shorter)
    #[arg(long, value_parser = super::values::count)]
    pub(in crate::cli) length: Option<usize>,
    /// The most windows that are measured
    #[arg(long, value_parser = super::values::count)]
    pub(in crate::cli) limit: Option<usize>,
}

impl WindowArguments {
    /// Returns where the tokens come from.
    pub(in crate::cli) fn source(&self) -> Source {
        self.text.source()
    }
}

impl TextArguments {
    /// Returns where the tokens come from.
    pub(in crate::cli) fn source(&self) -> Source {
        match &self.tokens {
            Some(tokens) => Source::Tokens(tokens.as_str().into()),
            None => Source::Text(self.text.clone()),
        }
    }
}
