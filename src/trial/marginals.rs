//! Marginals of a pruned model's weights, computed by backward passes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use candle_core::{DType, Tensor, Var};

use super::error::TrialError;
use super::measurer::{Differentiated, MarginalTask, WindowMarginals};
use super::subject::Subject;
use super::text::Split;
use crate::measure::Reference;
use crate::model::{Angles, Block, ModelError, no_tap};
use crate::prune::Share;

/// The block inputs of the last task, kept for the next task, which usually concerns the same block or the
/// next one.
///
/// This cache saves time and changes no answer.
#[derive(Debug, Default)]
pub(super) struct Entrances(Mutex<Entrance>);

#[derive(Debug, Default)]
struct Entrance {
    /// The index of the model, and the text.
    of: Option<(usize, Split)>,
    block: usize,
    /// The shares pruned from the linears before the block.
    before: Vec<Share>,
    windows: BTreeMap<usize, Window>,
}

/// The state of a window at a block.
#[derive(Clone, Debug)]
struct Window {
    /// The block's input given that the blocks before it are pruned.
    input: Tensor,
    /// The dense block's output on dense inputs.
    target: Tensor,
}

/// Returns the marginals of a task's windows.
///
/// # Errors
/// When a tensor operation fails, or a linear has no share.
pub(super) fn marginals(
    subject: &Subject,
    task: &MarginalTask,
    entrances: &Entrances,
) -> Result<Vec<WindowMarginals>, TrialError> {
    let Some(reference) = subject.reference(task.split) else { return Ok(Vec::new()) };
    let Differentiated::BlockError { block } = task.error;
    let masked = subject.pruned_block(block, &task.model.shares)?;
    let end = task.windows.end.min(reference.windows());
    (task.windows.start..end)
        .map(|window| {
            let window = entrances.window(subject, reference, task, block, window)?;
            of_window(subject, block, masked.clone(), reference.angles(), &window, (task.parts, task.rows))
        })
        .collect()
}

impl Entrances {
    /// Clears the cache.
    pub(super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Entrance::default();
    }

    /// Returns a window at a block, with the blocks before it pruned.
    fn window(
        &self,
        subject: &Subject,
        reference: &Reference,
        task: &MarginalTask,
        block: usize,
        window: usize,
    ) -> Result<Window, TrialError> {
        let mut entrance = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shares = &task.model.shares;
        let before = &shares[..subject.linears_of(block).start.min(shares.len())];
        let of = Some((task.model.subject, task.split));
        if entrance.of != of || entrance.block > block || !before.starts_with(&entrance.before) {
            *entrance = Entrance { of, block, before: before.to_vec(), windows: BTreeMap::new() };
        }
        while entrance.block < block {
            let masked = subject.pruned_block(entrance.block, shares)?;
            let dense = subject.block(entrance.block + 1)?;
            for window in entrance.windows.values_mut() {
                window.go_on(&masked, dense, reference.angles())?;
            }
            entrance.block += 1;
        }
        entrance.before = before.to_vec();
        if let Some(known) = entrance.windows.get(&window) {
            return Ok(known.clone());
        }
        let found = Window::new(subject, reference, shares, block, window)?;
        entrance.windows.insert(window, found.clone());
        Ok(found)
    }
}

impl Window {
    /// Runs a window through the blocks before a given one.
    fn new(
        subject: &Subject,
        reference: &Reference,
        shares: &[Share],
        block: usize,
        window: usize,
    ) -> Result<Self, TrialError> {
        let embedded = reference.embedded(window..window + 1)?;
        let input = embedded.into_iter().next().ok_or(ModelError::Window { length: 0 })?;
        let angles = reference.angles();
        let target = subject.block(0)?.forward(&input, angles, &mut no_tap())?;
        let mut found = Self { input, target };
        for before in 0..block {
            let masked = subject.pruned_block(before, shares)?;
            found.go_on(&masked, subject.block(before + 1)?, angles)?;
        }
        Ok(found)
    }

    /// Moves on to the next block: the input through the pruned block, the target through the next dense one.
    fn go_on(&mut self, pruned: &Block, next: &Block, angles: &Angles) -> Result<(), ModelError> {
        self.target = next.forward(&self.target, angles, &mut no_tap())?;
        self.input = pruned.forward(&self.input, angles, &mut no_tap())?;
        Ok(())
    }
}

/// Returns the marginals of a block's error on one window, `[linears of the block][parts]`, or `[rows * parts]` for
/// each linear.
fn of_window(
    subject: &Subject,
    index: usize,
    mut block: Block,
    angles: &Angles,
    window: &Window,
    (parts, rows): (usize, bool),
) -> Result<WindowMarginals, TrialError> {
    let mut variables = Vec::new();
    for linear in block.linears_mut() {
        let variable = Var::from_tensor(linear.weight()).map_err(ModelError::from)?;
        linear.set_weight(variable.as_tensor().clone())?;
        variables.push(variable);
    }
    let output = block.forward(&window.input, angles, &mut no_tap())?;
    let target = &window.target;
    let gradients = (|| {
        let error = (output - target)?.sqr()?.sum_all()?;
        (error / target.sqr()?.sum_all()?)?.backward()
    })()
    .map_err(ModelError::from)?;
    let dense = subject.block(index)?;
    variables
        .iter()
        .zip(dense.linears())
        .zip(subject.linears_of(index))
        .map(|((variable, linear), place)| {
            let sums = if rows { linear.linear.rows } else { 1 };
            let Some(gradient) = gradients.get(variable) else { return Ok(vec![0.0; sums * parts]) };
            // The change of the error if the mask let slightly more of a weight through.
            let presence: Vec<f32> = (gradient * linear.weight())
                .and_then(|it| it.flatten_all()?.to_dtype(DType::F32)?.to_vec1())
                .map_err(ModelError::from)?;
            let ranks = subject.ranks(place)?;
            Ok(if rows { ranks.sums_of_rows(&presence, parts) } else { ranks.sums(&presence, parts) })
        })
        .collect()
}
