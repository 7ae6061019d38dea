//! Squared gradients of the loss (Pruner-Zero), from one forward sweep and one backward sweep that recomputes
//! a block at a time.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var};

use super::calibrate::finite;
use super::states::States;
use super::stream::{room, state_bytes};
use super::tokens::Tokens;
use crate::model::{Angles, Block, Checkpoint, Embedding, Head, ModelError, no_tap};

/// The factor that multiplies gradients before they are squared, so that 16 bits can hold them (Pruner-Zero's
/// choice).
pub const GRADIENT_SCALE: f64 = 100.0;

/// Returns, for each block linear by module name, the root of the sum over samples of (100 * gradient) squared,
/// `[rows, columns]` row-major; the loss is the mean over each sample's predicted tokens.
///
/// `progress` is called with the number of finished blocks, out of twice the number of blocks.
///
/// # Errors
/// When the tokens do not fit the model, a tensor cannot be read, the device runs out of memory, or the disk
/// is full.
pub fn gradients(
    checkpoint: &Checkpoint,
    tokens: &Tokens,
    device: &Device,
    progress: &mut dyn FnMut(usize),
) -> Result<BTreeMap<String, Vec<f32>>, ModelError> {
    gradients_within(checkpoint, tokens, device, None, progress)
}

/// Returns the same as [`gradients`], using at most `memory` bytes (`None` for all free memory).
///
/// One block's weights and gradients are held at a time. The hidden states before every block take
/// `4 * blocks * tokens * hidden` bytes; if they do not fit, they go to scratch files.
///
/// # Errors
/// As [`gradients`].
pub fn gradients_within(
    checkpoint: &Checkpoint,
    tokens: &Tokens,
    device: &Device,
    memory: Option<u64>,
    progress: &mut dyn FnMut(usize),
) -> Result<BTreeMap<String, Vec<f32>>, ModelError> {
    let (samples, length) = (tokens.samples(), tokens.length());
    if length < 2 {
        return Err(ModelError::Window { length });
    }
    let blocks = checkpoint.config().blocks;
    let angles = Angles::new(checkpoint, length, device)?;
    let embedding = Embedding::load(checkpoint, device)?;
    let linears = checkpoint.linears().iter().map(|it| 4 * (it.rows * it.columns) as u64).sum::<u64>();
    // Memory also holds a block's gradients, their squares, and the results for all blocks.
    let room = room(checkpoint, tokens, memory, 2 * checkpoint.block_bytes() + linears);
    let all_bytes = (blocks + 1) as u64 * state_bytes(checkpoint, tokens);
    let states = || States::new(all_bytes, room, device);
    let mut hidden = states()?;
    for sample in 0..samples {
        hidden.push(embedding.run(tokens.part(sample..sample + 1), length)?)?;
    }
    let mut inputs = Vec::with_capacity(blocks);
    for index in 0..blocks {
        let block = Block::load(checkpoint, index, device)?;
        let mut next = states()?;
        for sample in 0..samples {
            next.push(block.forward(&hidden.get(sample)?, &angles, &mut no_tap())?)?;
        }
        inputs.push(std::mem::replace(&mut hidden, next));
        progress(index + 1);
    }
    let head = Head::load(checkpoint, device)?;
    // The hidden states are not needed again from here on, and the gradients take their place.
    let mut slopes = hidden;
    for sample in 0..samples {
        let slope = loss_slope(&head, &slopes.get(sample)?, tokens.part(sample..sample + 1))?;
        slopes.set(sample, slope)?;
    }
    drop(head);
    let mut all = BTreeMap::new();
    for (index, inputs) in inputs.into_iter().enumerate().rev() {
        let block = Block::load(checkpoint, index, device)?;
        all.append(&mut through_block(block, &inputs, &angles, &mut slopes)?);
        progress(2 * blocks - index);
    }
    Ok(all)
}

/// Returns the gradient of a sample's mean loss with respect to its last hidden states.
fn loss_slope(head: &Head, hidden: &Tensor, ids: &[u32]) -> Result<Tensor, ModelError> {
    let (_, length, width) = hidden.dims3()?;
    let variable = Var::from_tensor(hidden)?;
    let kept = variable.narrow(1, 0, length - 1)?;
    let logits = head.run(&kept.reshape((length - 1, width))?)?;
    let targets = Tensor::from_slice(&ids[1..], length - 1, hidden.device())?;
    let loss = candle_nn::loss::cross_entropy(&logits, &targets)?;
    slope_of(&loss.backward()?, &variable)
}

/// Replaces the gradients after a block by those before it, and returns those of its weights.
fn through_block(
    mut block: Block,
    inputs: &States,
    angles: &Angles,
    slopes: &mut States,
) -> Result<BTreeMap<String, Vec<f32>>, ModelError> {
    let mut variables = Vec::new();
    for linear in block.linears_mut() {
        let variable = Var::from_tensor(linear.weight())?;
        linear.set_weight(variable.as_tensor().clone())?;
        variables.push((linear.linear.module.clone(), variable));
    }
    let mut sums: Vec<Option<Tensor>> = vec![None; variables.len()];
    for sample in 0..inputs.len() {
        let input = Var::from_tensor(&inputs.get(sample)?)?;
        let output = block.forward(&input, angles, &mut no_tap())?;
        // By the chain rule, the gradient of this sum is the gradient from above times the block's own.
        let gradients = (output * slopes.get(sample)?)?.sum_all()?.backward()?;
        slopes.set(sample, slope_of(&gradients, &input)?)?;
        for (sum, (_, variable)) in sums.iter_mut().zip(&variables) {
            let squares = (slope_of(&gradients, variable)? * GRADIENT_SCALE)?.sqr()?;
            *sum = Some(match sum.take() {
                Some(sum) => (sum + squares)?,
                None => squares,
            });
        }
    }
    let mut roots = BTreeMap::new();
    for ((module, _), sum) in variables.into_iter().zip(sums) {
        if let Some(sum) = sum {
            let gradients: Vec<f32> = sum.sqrt()?.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?;
            finite("gradients", &module, &gradients)?;
            roots.insert(module, gradients);
        }
    }
    Ok(roots)
}

fn slope_of(gradients: &candle_core::backprop::GradStore, variable: &Var) -> Result<Tensor, ModelError> {
    Ok(match gradients.get(variable) {
        Some(slope) => slope.detach(),
        None => variable.zeros_like()?,
    })
}
