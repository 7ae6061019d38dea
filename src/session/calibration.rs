//! The text that statistics are collected on.

use std::path::PathBuf;

use crate::model::Checkpoint;
use crate::stats::{Source, TextError, Tokens};

/// The windows that a model is calibrated on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calibration {
    /// The text, or ready token ids.
    pub source: Source,
    /// How many windows are drawn from a text, or taken of ready ids.
    pub samples: usize,
    /// How many tokens a window of a text has; `None` for 2048, or the model's context where that is shorter.
    pub length: Option<usize>,
    /// The seed by which windows are drawn from a text.
    pub seed: u64,
    /// How many bytes collecting may take before activations go to a scratch file; `None` for what is free.
    pub memory: Option<u64>,
}

impl Calibration {
    /// Returns the field's default on a text: 128 windows, drawn with seed 0.
    pub fn on(text: impl Into<PathBuf>) -> Self {
        Self::of(Source::Text(vec![text.into()]))
    }

    /// Returns the field's default on a source: 128 windows, drawn with seed 0.
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
