//! Options for the text or tokens that a command reads.

use std::path::PathBuf;

use crate::stats::Source;

/// The text or tokens that a command reads.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(in crate::cli) struct TextArguments {
    /// Text files: plain text, or JSON lines with a field `text`; files may be compressed with gzip, zstd or bzip2
    #[arg(long, value_name = "FILE", num_args = 1..)]
    text: Vec<PathBuf>,
    /// Token ids of shape [samples, length], instead of a text
    #[arg(long, value_name = "FILE.safetensors:NAME")]
    tokens: Option<String>,
}

/// The windows that a command measures on.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct WindowArguments {
    #[command(flatten)]
    text: TextArguments,
    /// Length of a window of the text in tokens (default: 2048, or the model's context if that is shorter)
    #[arg(long, value_parser = super::values::count)]
    pub(in crate::cli) length: Option<usize>,
    /// Largest number of windows to measure (default: all)
    #[arg(long, value_parser = super::values::count)]
    pub(in crate::cli) limit: Option<usize>,
}

impl WindowArguments {
    /// Returns the source of the tokens.
    pub(in crate::cli) fn source(&self) -> Source {
        self.text.source()
    }
}

impl TextArguments {
    /// Returns the source of the tokens.
    pub(in crate::cli) fn source(&self) -> Source {
        match &self.tokens {
            Some(tokens) => Source::Tokens(tokens.as_str().into()),
            None => Source::Text(self.text.clone()),
        }
    }
}
