//! What the weights at the thresholds of a pruned model are worth: one pass forward and one back through the whole model.

use candle_core::{DType, Tensor, Var};

use super::band::BandSum;
use super::cancel::Cancel;
use super::error::TrialError;
use super::measurer::{ThresholdTask, WindowThresholds};
use super::subject::Subject;
use crate::measure::Reference;
use crate::model::{ModelError, no_tap};
use crate::prune::PruneError;

/// How many bytes the steps of all blocks may take together, so that the way back need not run the blocks again.
const HELD: u64 = 2 << 30;

/// A block that ran forward on one window.
struct Passed {
    /// Its linears' weights without the pruned ones.
    weights: Vec<Var>,
    /// What it read.
    input: Var,
    /// What it gave, which knows the steps that led to it.
    output: Tensor,
}

/// Returns what the weights at the thresholds are worth, `[windows]`.
///
/// # Errors
/// When a tensor operation fails, a linear has no share, or something asked to stop.
pub(super) fn thresholds(
    subject: &Subject,
    task: &ThresholdTask,
    cancel: &Cancel,
) -> Result<Vec<WindowThresholds>, TrialError> {
    let Some(reference) = subject.reference(task.split) else { return Ok(Vec::new()) };
    let end = task.windows.end.min(reference.windows());
    (task.windows.start..end)
        .map(|window| {
            cancel.check()?;
            of_window(subject, reference, task, window)
        })
        .collect()
}

fn of_window(
    subject: &Subject,
    reference: &Reference,
    task: &ThresholdTask,
    window: usize,
) -> Result<WindowThresholds, TrialError> {
    let mut hidden =
        reference.embedded(window..window + 1)?.into_iter().next().ok_or(ModelError::Window { length: 0 })?;
    let blocks = subject.blocks().len();
    let holds = step_bytes(subject, reference.tokens().length()) * blocks as u64 <= HELD;
    let (mut inputs, mut held) = (Vec::with_capacity(blocks), Vec::new());
    for index in 0..blocks {
        // The steps are those of the way back whether they are held or done again, so the results are the same, bit for bit.
        let passed = forward(subject, reference, task, index, &hidden)?;
        let next = passed.output.detach();
        inputs.push(std::mem::replace(&mut hidden, next));
        if holds {
            held.push(passed);
        }
    }
    let found = reference.slope(subject.head(), window, &hidden, task.of)?;
    let mut slope = found.slope;
    let mut sums = vec![Vec::new(); task.model.shares.len()];
    for (index, input) in inputs.into_iter().enumerate().rev() {
        let passed = match held.pop() {
            Some(passed) => passed,
            None => forward(subject, reference, task, index, &input)?,
        };
        slope = back(subject, task, index, &passed, &slope, &mut sums)?;
    }
    Ok(WindowThresholds { loss: found.loss, sums })
}

/// Returns how many bytes the steps of one block take on a window, roughly.
fn step_bytes(subject: &Subject, length: usize) -> u64 {
    let config = subject.checkpoint().config();
    let channels = 20 * config.hidden + 6 * config.intermediate + 5 * config.heads * length;
    4 * (length * channels) as u64
}

fn forward(
    subject: &Subject,
    reference: &Reference,
    task: &ThresholdTask,
    index: usize,
    input: &Tensor,
) -> Result<Passed, TrialError> {
    let mut block = subject.pruned_block(index, &task.model.shares)?;
    let input = Var::from_tensor(input).map_err(ModelError::from)?;
    let mut weights = Vec::new();
    for linear in block.linears_mut() {
        let variable = Var::from_tensor(linear.weight()).map_err(ModelError::from)?;
        linear.set_weight(variable.as_tensor().clone())?;
        weights.push(variable);
    }
    let output = block.forward(&input, reference.angles(), &mut no_tap())?;
    Ok(Passed { weights, input, output })
}

/// Goes back through a block: fills in the sums of its linears, and returns the gradient with respect to what it read.
fn back(
    subject: &Subject,
    task: &ThresholdTask,
    index: usize,
    passed: &Passed,
    slope: &Tensor,
    sums: &mut [Vec<BandSum>],
) -> Result<Tensor, TrialError> {
    // The gradient of this sum is the chain rule's: what comes from above, times the block's own.
    let gradients =
        (&passed.output * slope).and_then(|it| it.sum_all()?.backward()).map_err(ModelError::from)?;
    let dense = subject.block(index)?;
    let of_block = subject.linears_of(index).zip(passed.weights.iter().zip(dense.linears()));
    for (place, (weight, linear)) in of_block {
        let missing = || PruneError::NotAllocated { module: linear.linear.module.clone() };
        let share = task.model.shares.get(place).ok_or_else(missing)?;
        let worth: Vec<f32> = match gradients.get(weight) {
            Some(gradient) => (gradient * linear.weight())
                .and_then(|it| it.neg()?.flatten_all()?.to_dtype(DType::F32)?.to_vec1())
                .map_err(ModelError::at(&linear.linear.module))?,
            None => vec![0.0; linear.linear.rows * linear.linear.columns],
        };
        let by_row = subject.ranks(place)?.around(&worth, share, task.band);
        let found = if task.rows { by_row } else { vec![by_row.into_iter().fold(BandSum::default(), add)] };
        if let Some(sums) = sums.get_mut(place) {
            *sums = found;
        }
    }
    let slope = gradients.get(&passed.input).map(Tensor::detach);
    Ok(slope.map_or_else(|| passed.input.zeros_like(), Ok).map_err(ModelError::from)?)
}

fn add(a: BandSum, b: BandSum) -> BandSum {
    BandSum { sum: a.sum + b.sum, weights: a.weights + b.weights }
}
