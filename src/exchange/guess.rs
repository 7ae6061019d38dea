//! Guesses the format of a file from its content.

use super::format::Format;
use super::{csv, evopress, npy};

impl Format {
    /// Returns the format that a file's content resembles, or `None` if it resembles none.
    pub fn guess(content: &[u8]) -> Option<Self> {
        if content.starts_with(npy::MAGIC) {
            return Some(Self::AlphaPruning);
        }
        let text = std::str::from_utf8(content).ok()?.trim_start();
        let line =
            text.lines().find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))?;
        match text.chars().next()? {
            '{' => Some(Self::Json),
            '[' => Some(Self::Dlp),
            _ if csv::is_header(line) => Some(Self::Csv),
            _ if evopress::is_level(line) => Some(Self::EvoPress),
            _ if text.contains("sparsity") && text.contains(':') => Some(Self::LlmCompressor),
            _ => None,
        }
    }
}
