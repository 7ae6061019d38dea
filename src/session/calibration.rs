//! The text that statistics are collected on.

use std::path::PathBuf;

use crate::model::Checkpoint;
use crate::stats::{Source, TextError, Tokens};

/// The calibration windows of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calibration {
    /// The text, or token ids.
    pub source: Source,
    /// Number of windows drawn from a text, or taken from token ids.
    pub samples: usize,
    /// Number of tokens per window of a text; `None` for 2048, or the model's context if that is shorter.
    pub length: Option<usize>,
    /// Seed that draws the windows from a text.
    pub seed: u64,
    /// Number of bytes that collecting may use before activations go to a scratch file; `None` for the free
    /// memory.
    pub memory: Option<u64>,
}

impl Calibration {
    /// Returns the field's default for a text: 128 windows, drawn with seed 0.
    pub fn on(text: impl Into<PathBuf>) -> Self {
        Self::of(Source::Text(vec![text.into()]))
    }

    /// Returns the field's default for a source: 128 windows, drawn with seed 0.
    pub const fn of(source: Source) -> Self {
        Self { source, samples: 128, length: None, seed: 0, memory: None }
    }

    /// Draws the windows.
    ///
    /// # Errors
    /// When the text cannot be read, is shorter than a window, or a window is longer than the model's context.
    pub fn draw(&self, checkpoint: &Checkpoint) -> Result<Tokens, TextError> {
        self.source.draw(checkpoint, self.samples, self.length, self.seed)
    }
}
