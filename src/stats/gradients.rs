//! Squared gradients of the loss (Pruner-Zero), by one sweep forward and one back that recomputes a block at a time.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor, Var};

use super::tokens::Tokens;
use crate::model::{Angles, Block, Checkpoint, Embedding, Head, ModelError, no_tap};

/// What gradients are multiplied by before they are squared, so that 16 bits can hold them (Pruner-Zero's choice).
pub const GRADIENT_SCALE: f64 = 100.0;

/// Returns, for each block linear by module name, the root of the sum over samples of (100 * gradient) squared,
/// `[rows, columns]` row-major; the loss is the mean over each sample's predicted tokens.
///
/// One block's weights and gradients are held at a time, and the hidden states before every block:
/// `4 * blocks * tokens * hidden` bytes. `progress` is called with the blocks done, out of twice their number.
///
/// # Errors
/// When the tokens do not fit the model, a tensor cannot be read, or the device has no room.
pub fn gradients(
    checkpoint: &Checkpoint,
    tokens: &Tokens,
    device: &Device,
    progress: &mut dyn FnMut(usize),
) -> Result<BTreeMap<String, Vec<f32>>, ModelError> {
    let (samples, length) = (tokens.samples(), tokens.length());
    if length < 2 {
        return Err(ModelError::Window { length });
    }
    let blocks = checkpoint.config().blocks;
    let angles = Angles::new(checkpoint.config(), length, device)?;
    let embedding = Embedding::load(checkpoint, device)?;
    let mut hidden: Vec<Tensor> = (0..samples)
        .map(|sample| embedding.run(tokens.part(sample..sample + 1), length))
        .collect::<Result<_, _>>()?;
    let mut inputs = Vec::with_capacity(blocks);
    for index in 0..blocks {
        let block = Block::stream(checkpoint, index, device)?;
        let next = hidden
            .iter()
            .map(|input| block.forward(input, &angles, &mut no_tap()))
            .collect::<Result<_, _>>()?;
        inputs.push(std::mem::replace(&mut hidden, next));
        progress(index + 1);
    }
    let head = Head::load(checkpoint, device)?;
    let mut slopes: Vec<Tensor> = hidden
        .iter()
        .enumerate()
        .map(|(sample, hidden)| loss_slope(&head, hidden, tokens.part(sample..sample + 1)))
        .collect::<Result<_, _>>()?;
    drop(head);
    let mut all = BTreeMap::new();
    for (index, inputs) in inputs.into_iter().enumerate().rev() {
        let block = Block::stream(checkpoint, index, device)?;
        all.append(&mut through_block(block, inputs, &angles, &mut slopes)?);
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
    inputs: Vec<Tensor>,
    angles: &Angles,
    slopes: &mut [Tensor],
) -> Result<BTreeMap<String, Vec<f32>>, ModelError> {
    let mut variables = Vec::new();
    for linear in block.linears_mut() {
        let variable = Var::from_tensor(linear.weight())?;
        linear.set_weight(variable.as_tensor().clone())?;
        variables.push((linear.linear.module.clone(), variable));
    }
    let mut sums: Vec<Option<Tensor>> = vec![None; variables.len()];
    for (input, slope) in inputs.into_iter().zip(slopes) {
        let input = Var::from_tensor(&input)?;
        let output = block.forward(&input, angles, &mut no_tap())?;
        // The gradient of this sum is the chain rule's: what comes from above, times the block's own.
        let gradients = (output * &*slope)?.sum_all()?.backward()?;
        *slope = slope_of(&gradients, &input)?;
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
            roots.insert(module, sum.sqrt()?.flatten_all()?.to_vec1()?);
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
