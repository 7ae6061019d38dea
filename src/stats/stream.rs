//! Moves the hidden states of all samples through the model, one block at a time.

use candle_core::{Device, Tensor};

use super::states::States;
use super::tokens::Tokens;
use crate::model::{Angles, Block, Checkpoint, Embedding, ModelError, Tap};

/// Number of tokens that go through a block together: enough to keep every core busy, few enough to keep
/// intermediate results small.
const BATCH_TOKENS: usize = 2048;
/// The same on a GPU, which has more cores and more to do between two products.
const BATCH_TOKENS_ON_DEVICE: usize = 8192;

/// Returns the number of windows of `length` tokens that go through a block together.
///
/// It depends only on the length and the kind of device, so results are the same on every machine.
pub fn batch_samples(length: usize, device: &Device) -> usize {
    let tokens = if device.is_cpu() { BATCH_TOKENS } else { BATCH_TOKENS_ON_DEVICE };
    (tokens / length.max(1)).max(1)
}

/// Returns how many bytes of hidden states may stay in memory if the work may take `memory` bytes: the rest
/// after a block, its intermediate results, and another `beside` bytes that the work holds.
///
/// Without a limit, the free memory counts; if the system does not report it, there is no bound.
pub fn room(checkpoint: &Checkpoint, tokens: &Tokens, memory: Option<u64>, beside: u64) -> u64 {
    let config = checkpoint.config();
    let batch = batch_samples(tokens.length(), &checkpoint.device()).min(tokens.samples()) * tokens.length();
    // Queries, keys, values and two copies; gate, up and their product.
    let between = 4 * batch as u64 * (8 * config.hidden + 3 * config.intermediate) as u64;
    let taken = checkpoint.block_bytes().max(checkpoint.head_bytes()) + between + beside;
    memory.or_else(|| checkpoint.free_memory()).map_or(u64::MAX, |memory| memory.saturating_sub(taken))
}

/// Returns the bytes that the hidden states of all tokens take before one block.
pub(super) fn state_bytes(checkpoint: &Checkpoint, tokens: &Tokens) -> u64 {
    4 * tokens.ids().len() as u64 * checkpoint.config().hidden as u64
}

/// The hidden states of every sample before some block.
///
/// Only one block's weights have to be in memory at a time: load it, [`observe`](Activations::observe) or
/// change it, [`advance`](Activations::advance), drop it. Hidden states that do not fit in memory wait in a
/// scratch file.
#[derive(Debug)]
pub struct Activations {
    states: States,
    angles: Angles,
}

impl Activations {
    /// Embeds tokens into the hidden states before block 0. If they take more than `room` bytes, they go to a
    /// scratch file ([`room`] says how many fit); the results are the same, bit for bit.
    ///
    /// # Errors
    /// When the model cannot take an id or the length, the device runs out of memory, or the disk is full.
    pub fn embed(
        checkpoint: &Checkpoint,
        tokens: &Tokens,
        device: &Device,
        room: u64,
    ) -> Result<Self, ModelError> {
        let embedding = Embedding::load(checkpoint, device)?;
        let (samples, length) = (tokens.samples(), tokens.length());
        let step = batch_samples(length, device);
        let mut states = States::new(state_bytes(checkpoint, tokens), room, device)?;
        for from in (0..samples).step_by(step) {
            states.push(embedding.run(tokens.part(from..samples.min(from + step)), length)?)?;
        }
        checkpoint.files().release(&checkpoint.layout().embedding);
        Ok(Self { states, angles: Angles::new(checkpoint, length, device)? })
    }

    /// Returns the hidden states, in consecutive batches `[samples, length, hidden]`.
    pub fn batches(&self) -> impl Iterator<Item = Result<Tensor, ModelError>> {
        (0..self.states.len()).map(|index| self.states.get(index))
    }

    /// Shows `tap` the input of every linear of `block`, and leaves the hidden states unchanged.
    ///
    /// # Errors
    /// When the tap or a tensor operation fails, or the scratch file cannot be read.
    pub fn observe(&self, block: &Block, tap: &mut Tap<'_>) -> Result<(), ModelError> {
        for batch in self.batches() {
            block.forward(&batch?, &self.angles, tap)?;
        }
        Ok(())
    }

    /// Moves the hidden states through `block`, and shows `tap` the inputs of its linears on the way.
    ///
    /// # Errors
    /// When the tap or a tensor operation fails, or the scratch file cannot be read or written.
    pub fn advance(&mut self, block: &Block, tap: &mut Tap<'_>) -> Result<(), ModelError> {
        self.advance_seen(block, tap, &mut |_, _| Ok(()))
    }

    /// Does the same, and shows `seen` the hidden states of each batch before and after the block.
    ///
    /// # Errors
    /// As [`Activations::advance`], and when `seen` fails.
    pub(super) fn advance_seen(
        &mut self,
        block: &Block,
        tap: &mut Tap<'_>,
        seen: &mut dyn FnMut(&Tensor, &Tensor) -> Result<(), ModelError>,
    ) -> Result<(), ModelError> {
        for index in 0..self.states.len() {
            let before = self.states.get(index)?;
            let next = block.forward(&before, &self.angles, tap)?;
            seen(&before, &next)?;
            self.states.set(index, next)?;
        }
        Ok(())
    }
}
