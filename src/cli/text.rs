//! Text and tokens, as commands take them.

use std::path::PathBuf;

use crate::stats::Source;

/// What a command reads.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct TextArguments {
    /// Text files: plain text, or JSONL with a `text` field
    #[arg(long, value_name = "FILE", num_args = 1..)]
    text: Vec<PathBuf>,
    /// Ready token ids of shape [samples, length]
    #[arg(long, value_name = "FILE.safetensors:NAME")]
    tokens: Option<String>,
}

impl TextArguments {
    /// Returns where the tokens come from.
    pub(super) fn source(&self) -> Source {
        match &self.tokens {
            Some(tokens) => Source::Tokens(tokens.clone()),
            None => Source::Text(self.text.clone()),
        }
    }
}

/// Reads a number of bytes, such as `8GiB` or `500MB`.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.find(|character: char| !(character.is_ascii_digit() || character == '.'));
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let factor: f64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "kb" => 1e3,
        "m" | "mib" => 1024.0 * 1024.0,
        "mb" => 1e6,
        "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "gb" => 1e9,
        _ => return Err("write a number and a unit, such as `8GiB` or `500MB`".to_owned()),
    };
    match number.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok((number * factor) as u64),
        _ => Err("write a number and a unit, such as `8GiB` or `500MB`".to_owned()),
    }
}
