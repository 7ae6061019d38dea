//! Marginals of the weights at a pruned model's thresholds, by one forward and one backward pass through the
//! whole model.

use std::ops::Range;

use candle_core::{DType, Tensor, Var};

use super::band::BandSum;
use super::cancel::Cancel;
use super::error::TrialError;
use super::measurer::{ThresholdTask, WindowThresholds};
use super::order::with_numbers;
use super::ranks::Slopes;
use super::subject::Subject;
use super::text::Split;
use crate::measure::Reference;
use crate::model::{Block, GradientTap, Linear, LoadedLinear, ModelError, Tapped, no_tap};
use crate::prune::{PruneError, Share};

/// Maximum bytes of activations that may be held on a CPU for all blocks together; above that, the backward
/// pass runs each block again.
const HELD: u64 = 2 << 30;

/// Maximum number of windows that pass through a GPU's blocks together, because a single one does not keep it
/// busy.
const TOGETHER: usize = 8;

/// Returns the losses and the marginals at the thresholds, `[windows]`.
///
/// # Errors
/// When a tensor operation fails, a linear has no share, or the work was interrupted.
pub(super) fn thresholds(
    subject: &Subject,
    task: &ThresholdTask,
    kept: Option<&[Block]>,
    cancel: &Cancel,
) -> Result<Vec<WindowThresholds>, TrialError> {
    let Some(reference) = subject.reference(task.split) else { return Ok(Vec::new()) };
    let bands = bands(subject, task)?;
    let length = reference.tokens().length();
    let (room, together) = room(subject, length);
    let windows: Vec<usize> =
        task.windows.iter().copied().filter(|window| *window < reference.windows()).collect();
    let mut found = Vec::new();
    for windows in windows.chunks(together) {
        cancel.check()?;
        let holds = held_bytes(subject, length, windows.len(), kept.is_some()) <= room;
        found.extend(Pass { subject, reference, task, kept, bands: &bands, holds }.run(windows)?);
    }
    Ok(found)
}

/// Returns how many windows a task should have: as many as pass through a GPU's blocks together, or one on a
/// CPU, where each core takes its own tasks.
pub(super) fn windows_together(subject: &Subject) -> usize {
    let length = subject.reference(Split::Fitness).map_or(0, |reference| reference.tokens().length());
    room(subject, length).1
}

/// Returns the maximum bytes of activations for all blocks, and the number of windows that pass through the
/// blocks together.
///
/// It is based on the GPU's total memory, so that results do not depend on its other users.
fn room(subject: &Subject, length: usize) -> (u64, usize) {
    let checkpoint = subject.checkpoint();
    let Some((_, total)) = checkpoint.engine().memory().filter(|_| !checkpoint.device().is_cpu()) else {
        return (HELD, 1);
    };
    // Memory of one window in a block: activations, the gradient of the block's weights, and attention scores
    // in the backward pass.
    let scores = 16 * (checkpoint.config().heads * length * length) as u64;
    let window = 2 * step_bytes(subject, length) + 2 * checkpoint.block_bytes() + scores;
    let together = (total / 8 / window.max(1)).clamp(1, TOGETHER as u64);
    (total / 2, together as usize)
}

/// Returns the approximate bytes that a pass over some windows holds for all blocks: activations and, if
/// windows do not share them, masked weights.
fn held_bytes(subject: &Subject, length: usize, windows: usize, shared: bool) -> u64 {
    let weights = if shared { 0 } else { subject.checkpoint().block_bytes() };
    (step_bytes(subject, length) * windows as u64 + weights) * subject.blocks().len() as u64
}

/// Returns the approximate bytes of one block's activations for a window.
fn step_bytes(subject: &Subject, length: usize) -> u64 {
    let (checkpoint, config) = (subject.checkpoint(), subject.checkpoint().config());
    // Only candle's backward pass holds attention scores; on a GPU, it runs if they are capped.
    let capped = config.attention_softcap.is_some() && !checkpoint.device().is_cpu();
    let scores = if capped { 5 * config.heads * length } else { 0 };
    4 * (length * (20 * config.hidden + 6 * config.intermediate + scores)) as u64
}

/// The bands of ranks around the thresholds of a linear.
struct Bands {
    /// Number of weights in each row's band, or in that of the whole matrix.
    counts: Vec<u64>,
    /// First rank and one past the last rank of each row, u32 `[2 * rows]`, if a GPU adds up the weights.
    on_gpu: Option<Tensor>,
}

/// Returns the bands of all linears, `[linears]`.
fn bands(subject: &Subject, task: &ThresholdTask) -> Result<Vec<Bands>, TrialError> {
    let linears = subject.checkpoint().linears().iter().enumerate();
    linears
        .map(|(place, linear)| {
            let share = share(task, place, &linear.module)?;
            let Some(ranges) = subject.order().ranges(linear, share, task.band) else {
                return Ok(Bands { counts: Vec::new(), on_gpu: None });
            };
            let ends = |range: &Range<u64>| [range.start as u32, range.end as u32];
            let of_row = |row: usize| ranges.get(row).or(ranges.first()).map_or([0, 0], ends);
            let flat: Vec<u32> = (0..linear.rows).flat_map(of_row).collect();
            let flat = Tensor::new(flat, &subject.checkpoint().device());
            Ok(Bands {
                counts: ranges.iter().map(|range| range.end - range.start).collect(),
                on_gpu: Some(flat.map_err(ModelError::at(&linear.module))?),
            })
        })
        .collect()
}

fn share<'a>(task: &'a ThresholdTask, place: usize, module: &str) -> Result<&'a Share, TrialError> {
    let missing = || PruneError::NotAllocated { module: module.to_owned() };
    Ok(task.model.shares.get(place).ok_or_else(missing)?)
}

/// A block after the forward pass over some windows.
struct Passed {
    /// What the backward pass finds at each of its linears.
    taps: Vec<GradientTap>,
    /// Its input.
    input: Var,
    /// Its output, which holds the computation graph.
    output: Tensor,
}

/// Requested sums of a linear, which stay on the GPU until all are fetched together.
struct Asked {
    place: usize,
    sums: Tensor,
}

/// One forward and backward pass over some windows.
struct Pass<'a> {
    subject: &'a Subject,
    reference: &'a Reference,
    task: &'a ThresholdTask,
    /// The masked blocks, if the windows of several tasks share them.
    kept: Option<&'a [Block]>,
    bands: &'a [Bands],
    /// Whether the activations of all blocks are held.
    holds: bool,
}

impl Pass<'_> {
    fn run(&self, windows: &[usize]) -> Result<Vec<WindowThresholds>, TrialError> {
        let embedded: Result<Vec<_>, _> =
            windows.iter().map(|window| self.reference.embedded(*window..window + 1)).collect();
        let embedded = embedded?.concat();
        let mut hidden = Tensor::cat(&embedded, 0).map_err(ModelError::from)?;
        let blocks = self.subject.blocks().len();
        let (mut inputs, mut held) = (Vec::with_capacity(blocks), Vec::new());
        for index in 0..blocks {
            // Activations are the same whether held or recomputed, so the results are identical bit for bit.
            let passed = self.forward(index, &hidden)?;
            let next = passed.output.detach();
            inputs.push(std::mem::replace(&mut hidden, next));
            if self.holds {
                held.push(passed);
            }
        }
        let (mut losses, mut slopes) = (Vec::new(), Vec::new());
        for (place, window) in windows.iter().enumerate() {
            let own = hidden.narrow(0, place, 1).map_err(ModelError::from)?;
            let found = self.reference.slope(self.subject.head(), *window, &own, self.task.of)?;
            losses.push(found.loss);
            slopes.push(found.slope);
        }
        let mut slope = Tensor::cat(&slopes, 0).map_err(ModelError::from)?;
        let mut sums = vec![vec![Vec::new(); self.task.model.shares.len()]; windows.len()];
        let mut asked = Vec::new();
        for (index, input) in inputs.into_iter().enumerate().rev() {
            let passed = match held.pop() {
                Some(passed) => passed,
                None => self.forward(index, &input)?,
            };
            slope = self.back(index, &passed, &slope, &mut sums, &mut asked)?;
        }
        self.fetch(&asked, &mut sums)?;
        let all = losses.into_iter().zip(sums);
        Ok(all.map(|(loss, sums)| WindowThresholds { loss, sums }).collect())
    }

    fn forward(&self, index: usize, input: &Tensor) -> Result<Passed, TrialError> {
        let mut block = match self.kept.and_then(|kept| kept.get(index)) {
            Some(block) => block.clone(),
            None => self.subject.pruned_block(index, &self.task.model.shares)?,
        };
        let input = Var::from_tensor(input).map_err(ModelError::from)?;
        let taps = block.linears_mut().iter_mut().map(LoadedLinear::tap_gradient).collect();
        let output = block.forward(&input, self.reference.angles(), &mut no_tap())?;
        Ok(Passed { taps, input, output })
    }

    /// Runs the backward pass of a block: adds up its linears' bands, and returns the gradient with respect
    /// to its input.
    fn back(
        &self,
        index: usize,
        passed: &Passed,
        slope: &Tensor,
        sums: &mut [Vec<Vec<BandSum>>],
        asked: &mut Vec<Asked>,
    ) -> Result<Tensor, TrialError> {
        // A backward pass starts from ones, so the gradient of this product is the chain rule's: the gradient
        // from above times the block's own.
        let gradients = (&passed.output * slope).and_then(|it| it.backward()).map_err(ModelError::from)?;
        let dense = self.subject.block(index)?;
        let of_block = self.subject.linears_of(index).zip(passed.taps.iter().zip(dense.linears()));
        for (place, (tap, linear)) in of_block {
            let Linear { rows, columns, module, .. } = &linear.linear;
            let found = match tap.take() {
                Some(found) => found,
                None => untouched(sums.len(), (*rows, *columns), linear).map_err(ModelError::at(module))?,
            };
            if let Some(ranges) = self.bands.get(place).and_then(|bands| bands.on_gpu.as_ref()) {
                let gradient = found.gradient.transpose(1, 2).and_then(|it| it.matmul(&found.input));
                let gradient = gradient.map_err(ModelError::at(module))?;
                if let Some(sums) =
                    self.subject.order().around(place, [&gradient, linear.weight(), ranges])?
                {
                    asked.push(Asked { place, sums });
                    continue;
                }
            }
            for (window, sums) in sums.iter_mut().enumerate() {
                if let Some(sums) = sums.get_mut(place) {
                    *sums = self.joined(self.on_processor(place, linear, &found, window)?);
                }
            }
        }
        let slope = gradients.get(&passed.input).map(Tensor::detach);
        Ok(slope.map_or_else(|| passed.input.zeros_like(), Ok).map_err(ModelError::from)?)
    }

    /// Returns the sums over the bands of a linear's rows for one of the windows.
    fn on_processor(
        &self,
        place: usize,
        linear: &LoadedLinear,
        found: &Tapped,
        window: usize,
    ) -> Result<Vec<BandSum>, TrialError> {
        let module = &linear.linear.module;
        let numbers = |tensor: &Tensor| tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>();
        let of = |tensor: &Tensor| tensor.get(window).and_then(|it| numbers(&it));
        let (input, gradient) =
            of(&found.input).and_then(|it| Ok((it, of(&found.gradient)?))).map_err(ModelError::at(module))?;
        let (ranks, share) = (self.subject.ranks(place)?, share(self.task, place, module)?);
        let weight = linear.weight().to_dtype(DType::F32).map_err(ModelError::at(module))?;
        let sums = with_numbers(&weight, |weights| {
            let slopes = Slopes { input: &input, gradient: &gradient, weights };
            ranks.around(&slopes, share, self.task.band)
        });
        Ok(sums.map_err(ModelError::at(module))?)
    }

    /// Fetches all sums from the GPU at once, because each fetch waits for it.
    fn fetch(&self, asked: &[Asked], sums: &mut [Vec<Vec<BandSum>>]) -> Result<(), TrialError> {
        if asked.is_empty() {
            return Ok(());
        }
        let all: Vec<&Tensor> = asked.iter().map(|it| &it.sums).collect();
        let all: Vec<f64> = Tensor::cat(&all, 0).and_then(|it| it.to_vec1()).map_err(ModelError::from)?;
        let mut rest = all.as_slice();
        for Asked { place, sums: on_gpu } in asked {
            let (own, after) = rest.split_at(on_gpu.elem_count().min(rest.len()));
            rest = after;
            let counts = self.bands.get(*place).map_or(&[][..], |bands| &bands.counts);
            let rows = (own.len() / sums.len().max(1)).max(1);
            for (sums, own) in sums.iter_mut().zip(own.chunks(rows)) {
                let by_row = match counts {
                    // The whole matrix has a single band.
                    [weights] if rows > 1 => vec![BandSum { sum: own.iter().sum(), weights: *weights }],
                    _ => own.iter().zip(counts).map(|(&sum, &weights)| BandSum { sum, weights }).collect(),
                };
                if let Some(sums) = sums.get_mut(*place) {
                    *sums = self.joined(by_row);
                }
            }
        }
        Ok(())
    }

    /// Returns the rows' sums in the form that the task asks for.
    fn joined(&self, by_row: Vec<BandSum>) -> Vec<BandSum> {
        match self.task.rows {
            true => by_row,
            false => vec![by_row.into_iter().fold(BandSum::default(), add)],
        }
    }
}

/// Returns a gradient of 0, for a linear without influence on the loss.
fn untouched(
    windows: usize,
    (rows, columns): (usize, usize),
    linear: &LoadedLinear,
) -> candle_core::Result<Tapped> {
    let zeros = |width| Tensor::zeros((windows, 1, width), linear.weight().dtype(), linear.weight().device());
    Ok(Tapped { input: zeros(columns)?, gradient: zeros(rows)? })
}

fn add(a: BandSum, b: BandSum) -> BandSum {
    BandSum { sum: a.sum + b.sum, weights: a.weights + b.weights }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::SlopeOf;
    use crate::model::Checkpoint;
    use crate::prune::{Method, Pattern};
    use crate::stats::Tokens;
    use crate::trial::band::Band;
    use crate::trial::measurer::PrunedModel;
    use crate::trial::text::Texts;

    /// A GPU runs several windows through a block together; this does not change their results.
    #[test]
    fn windows_give_the_same_results_together_and_alone() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tiny-stories-12l");
        let checkpoint = Checkpoint::open(folder).expect("the bundled model opens");
        let ids = (0..3 * 40).map(|id| id * 7 % 2048).collect();
        let fitness = Tokens::new(ids, 40).expect("whole windows");
        let texts = Texts { fitness, selection: None, report: None };
        let cancel = Cancel::default();
        let (method, pattern) = (&Method::Magnitude, Pattern::Unstructured);
        let subject = Subject::new(&checkpoint, None, method, pattern, &texts, &cancel).expect("a subject");
        let half = |rows: usize, columns: usize| Share::new(0.5, (rows * columns / 2) as u64);
        let shares = checkpoint.linears().iter().map(|it| half(it.rows, it.columns)).collect();
        let task = ThresholdTask {
            model: PrunedModel { subject: 0, shares },
            split: Split::Fitness,
            windows: vec![2, 0],
            of: SlopeOf::Divergence,
            band: Band::default(),
            rows: false,
        };
        let alone = thresholds(&subject, &task, None, &cancel).expect("windows alone");
        let bands = bands(&subject, &task).expect("bands");
        for holds in [true, false] {
            let reference = subject.reference(Split::Fitness).expect("a text");
            let (subject, task, bands) = (&subject, &task, &bands);
            let pass = Pass { subject, reference, task, kept: None, bands, holds };
            let together = pass.run(&task.windows).expect("windows together");
            assert_eq!(together.len(), 2);
            for (together, alone) in together.iter().zip(&alone) {
                assert!((together.loss.kl / alone.loss.kl - 1.0).abs() < 1e-5);
                let sums = |of: &WindowThresholds| of.sums.iter().map(|it| it[0].sum).collect::<Vec<f64>>();
                let (found, wanted) = (sums(together), sums(alone));
                let size = wanted.iter().map(|it| it.abs()).fold(0.0, f64::max);
                let apart = found.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(size > 0.0 && apart < 1e-5 * size, "{apart} of {size}");
            }
        }
        assert_ne!(alone[0].loss, alone[1].loss);
    }
}
