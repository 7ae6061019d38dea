//! The hidden states of all samples, moved through the model one block at a time.

use candle_core::{Device, Tensor};

use super::tokens::Tokens;
use crate::model::{Angles, Block, Checkpoint, Embedding, ModelError, Tap};

/// Tokens that go through a block together: enough to keep every core busy, few enough for their intermediate results to be small.
const BATCH_TOKENS: usize = 2048;

/// Returns how many windows of `length` tokens go through a block together.
///
/// It depends on the length alone, so results are the same on every machine.
pub fn batch_samples(length: usize) -> usize {
    (BATCH_TOKENS / length.max(1)).max(1)
}

/// The hidden states before some block, of every sample.
///
/// Only one block's weights need be in memory at a time: load it, [`observe`](Activations::observe) or change it,
/// [`advance`](Activations::advance), drop it.
#[derive(Clone, Debug)]
pub struct Activations {
    batches: Vec<Tensor>,
    angles: Angles,
}

impl Activations {
    /// Embeds tokens: the hidden states before block 0.
    ///
    /// # Errors
    /// When an id or the length is not one the model can take, or the device has no room.
    pub fn embed(checkpoint: &Checkpoint, tokens: &Tokens, device: &Device) -> Result<Self, ModelError> {
        let embedding = Embedding::load(checkpoint, device)?;
        let (samples, length) = (tokens.samples(), tokens.length());
        let step = batch_samples(length);
        let batches = (0..samples)
            .step_by(step)
            .map(|from| embedding.run(tokens.part(from..samples.min(from + step)), length))
            .collect::<Result<_, _>>()?;
        Ok(Self { batches, angles: Angles::new(checkpoint.config(), length, device)? })
    }

    /// Returns the hidden states, in batches `[samples, length, hidden]`.
    pub fn batches(&self) -> &[Tensor] {
        &self.batches
    }

    /// Shows `tap` what every linear of `block` reads, and leaves the hidden states as they are.
    ///
    /// # Errors
    /// When the tap fails, or a tensor operation does.
    pub fn observe(&self, block: &Block, tap: &mut Tap<'_>) -> Result<(), ModelError> {
        for batch in &self.batches {
            block.forward(batch, &self.angles, tap)?;
        }
        Ok(())
    }

    /// Moves the hidden states through `block`, and shows `tap` what its linears read on the way.
    ///
    /// # Errors
    /// When the tap fails, or a tensor operation does.
    pub fn advance(&mut self, block: &Block, tap: &mut Tap<'_>) -> Result<(), ModelError> {
        for batch in &mut self.batches {
            *batch = block.forward(batch, &self.angles, tap)?;
        }
        Ok(())
    }
}
