//! BESA: allocation of sparsity within each block by gradients.
//!
//! Each projection, or each row, has a distribution over candidate rates, and its sparsity is the mean of that
//! distribution. Masks follow from ranks, with a straight-through gradient: the effect of removing a weight
//! on the block's output moves the rates that would remove it. Blocks are processed one after the other, and
//! each of them meets the target, so the method only allocates within blocks.

use super::error::{BaselineError, Obstacle};
use super::program::Baseline;
use crate::allocate::{Allocation, Bounds, Proposal, RowCounts, Rows, RowsOf, budget, units};
use crate::lang::types::UnitKind;
use crate::prune::{Pattern, Share};
use crate::trial::archive::Archive;
use crate::trial::error::TrialError;
use crate::trial::measurer::{Differentiated, MarginalTask, PrunedModel, ask};
use crate::trial::race::Race;
use crate::trial::text::Split;

/// Candidate rates: 0, 0.01, and so on to 1.
const RATES: usize = 101;

/// Number of windows that a block is optimised on, one per step.
pub const STEPS: usize = 128;

/// Adam's step size, and the weight of missing the target relative to the reconstruction error.
const STEP_SIZE: f64 = 1e-2;
const MISS: f64 = 5.0;

/// Optimises the sparsity of every projection, or of every row, and measures the allocation.
///
/// A block's input is the output of the pruned blocks before it, and its target is the dense block's output
/// on dense inputs. The loss is the squared error divided by the target's square, plus 5 ((s - S) / S)^2. The
/// windows are those of the fitness text, repeated when used up. Tokens are counted in whole passes through
/// the model, where a backward pass counts as two.
///
/// # Errors
/// When there are several targets, a pattern is requested, rows are asked for although the metric compares
/// weights over whole matrices, a model cannot run, or the work was interrupted.
///
/// # Source
/// BESA (ICLR 2024, arXiv 2402.16880), block-wise, with one rate per projection, or one per row (its
/// `blocksize` of 1). It differs in three ways: masks use the dense model's scores, Adam replaces Prodigy, and
/// the distribution is a softmax without the code's preceding sigmoid, which would keep the mean from reaching
/// high sparsities. At the end, each block is moved exactly onto the target.
pub fn search_besa(race: &mut Race<'_>, unit: UnitKind) -> Result<Archive, BaselineError> {
    let evaluator = race.evaluator();
    let by_row = unit == UnitKind::Row;
    let program = if by_row { Baseline::BesaRow } else { Baseline::Besa };
    let obstacle = |obstacle| BaselineError::Control { control: program.key(), obstacle };
    let target = evaluator.only_target().ok_or(obstacle(Obstacle::SeveralTargets))?;
    if evaluator.pattern != Pattern::Unstructured {
        return Err(obstacle(Obstacle::Pattern));
    }
    if !program.runs_within(evaluator.metric.per) {
        return Err(obstacle(Obstacle::Matrix));
    }
    let subject = evaluator.subject(target)?;
    let reference = subject.reference(Split::Fitness).ok_or(obstacle(Obstacle::NoFitnessText))?;
    let count = reference.windows();
    let data = subject.data()?;
    let all = Rows::of(&data);
    let mut shares: Vec<Share> = all.projections().iter().map(|_| Share::new(0.0, 0)).collect();
    let mut ratios: Vec<f64> = Vec::new();
    for block in 0..subject.blocks().len() {
        let places = subject.linears_of(block);
        let own = Parts { rows: Rows::new(all.projections()[places.clone()].to_vec()), by_row };
        let parameters = own.parameters();
        let mut rates = Rates::new(&parameters, target.sparsity);
        for step in 0..STEPS {
            evaluator.cancel.check().map_err(TrialError::from)?;
            shares[places.clone()].clone_from_slice(&own.shares(&rates.sparsities().collect::<Vec<_>>()));
            let window = step % count;
            let task = MarginalTask {
                model: PrunedModel { subject: target.subject, shares: shares.clone() },
                split: Split::Fitness,
                windows: window..window + 1,
                error: Differentiated::BlockError { block },
                parts: RATES - 1,
                rows: by_row,
            };
            let marginals = ask(evaluator.measurer.as_ref(), [task])?;
            let of_window = marginals.into_iter().flatten().next().unwrap_or_default();
            let worth = of_window.iter().flat_map(|linear| linear.chunks(RATES - 1));
            rates.descend(&worth.map(slopes).collect::<Vec<_>>(), target.sparsity);
        }
        let proposal = Proposal::Sparsity(rates.sparsities().collect());
        let sparsities = budget(&proposal, &parameters, target.sparsity, Bounds::default())?;
        shares[places].clone_from_slice(&own.shares(&sparsities));
        ratios.extend(sparsities);
    }
    race.spend((3 * STEPS + 2 * count) as u64 * reference.tokens().length() as u64);
    let allocation = match by_row {
        true => all.allocation(target.sparsity, None, &ratios)?,
        false => Allocation::new(target.sparsity, &units(&data, unit), None, &ratios)?,
    };
    Ok(race.conclude(evaluator.free_candidate(allocation)?)?)
}

/// What has its own rate in a block: each projection, or each row.
struct Parts {
    rows: Rows,
    by_row: bool,
}

impl Parts {
    fn parameters(&self) -> Vec<u64> {
        match self.by_row {
            true => self.rows.parameters(),
            false => self.rows.projections().iter().map(|it| (it.rows * it.columns) as u64).collect(),
        }
    }

    /// Returns the shares of the block's linears when each part loses its ratio.
    fn shares(&self, ratios: &[f64]) -> Vec<Share> {
        let whole = |ratio: f64, weights: usize| (ratio * weights as f64).round();
        if !self.by_row {
            let projections = self.rows.projections().iter().zip(ratios);
            let share =
                |(it, ratio): (&RowsOf, &f64)| Share::new(*ratio, whole(*ratio, it.rows * it.columns) as u64);
            return projections.map(share).collect();
        }
        let projections = self.rows.projections().iter().zip(self.rows.split(ratios));
        let share = |(it, ratios): (&RowsOf, &[f64])| {
            let counts: Vec<u32> = ratios.iter().map(|ratio| whole(*ratio, it.columns) as u32).collect();
            let counts = RowCounts::from(counts);
            let mean = ratios.iter().sum::<f64>() / ratios.len().max(1) as f64;
            Share { rows: Some(counts.clone()), ..Share::new(mean, counts.total()) }
        };
        projections.map(share).collect()
    }
}

/// Returns the change of the error when all weights up to each rate are removed, `[rates]`, from the
/// marginals of the weights between adjacent rates.
fn slopes(worth: &[f64]) -> Vec<f64> {
    // A rate removes all ranks below it.
    let mut sum = 0.0;
    let below = worth.iter().map(|presence| {
        sum -= presence;
        sum
    });
    std::iter::once(0.0).chain(below).collect()
}

/// The distributions over rates of a block's projections or rows, as logits, with Adam's moments.
struct Rates {
    parameters: Vec<f64>,
    logits: Vec<[f64; RATES]>,
    means: Vec<[f64; RATES]>,
    squares: Vec<[f64; RATES]>,
    steps: i32,
}

impl Rates {
    /// Starts every part with the broadest distribution whose mean is the target.
    fn new(parameters: &[u64], target: f64) -> Self {
        let tilted = |tilt: f64| std::array::from_fn(|place| tilt * rate(place));
        let (mut low, mut high) = (-1e4, 1e4);
        for _ in 0..100 {
            let middle = 0.5 * (low + high);
            match mean(&softmax(&tilted(middle))) < target {
                true => low = middle,
                false => high = middle,
            }
        }
        let count = parameters.len();
        Self {
            parameters: parameters.iter().map(|it| *it as f64).collect(),
            logits: vec![tilted(0.5 * (low + high)); count],
            means: vec![[0.0; RATES]; count],
            squares: vec![[0.0; RATES]; count],
            steps: 0,
        }
    }

    /// Returns the sparsity of each part.
    fn sparsities(&self) -> impl Iterator<Item = f64> + '_ {
        self.logits.iter().map(|logits| mean(&softmax(logits)).clamp(0.0, 1.0))
    }

    /// Takes one step of Adam; `slopes` is `[parts][rates]`.
    fn descend(&mut self, slopes: &[Vec<f64>], target: f64) {
        let all: f64 = self.parameters.iter().sum();
        let share: f64 =
            self.sparsities().zip(&self.parameters).map(|(it, size)| it * size).sum::<f64>() / all;
        let miss = 2.0 * MISS * (share - target) / (target * target).max(1e-12);
        self.steps += 1;
        let (early, late) = (1.0 - 0.9_f64.powi(self.steps), 1.0 - 0.999_f64.powi(self.steps));
        let projections = self.logits.iter_mut().zip(&mut self.means).zip(&mut self.squares);
        for (((logits, means), squares), (slopes, size)) in
            projections.zip(slopes.iter().zip(&self.parameters))
        {
            let shares = softmax(logits);
            let slope = |place: usize| slopes[place] + miss * size / all * rate(place);
            let middle: f64 = (0..RATES).map(|place| shares[place] * slope(place)).sum();
            for place in 0..RATES {
                let gradient = shares[place] * (slope(place) - middle);
                means[place] = 0.9 * means[place] + 0.1 * gradient;
                squares[place] = 0.999 * squares[place] + 0.001 * gradient * gradient;
                let step = means[place] / early / ((squares[place] / late).sqrt() + 1e-8);
                logits[place] -= STEP_SIZE * step;
            }
        }
    }
}

fn rate(place: usize) -> f64 {
    place as f64 / (RATES - 1) as f64
}

fn softmax(logits: &[f64; RATES]) -> [f64; RATES] {
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers = logits.map(|it| (it - most).exp());
    let sum: f64 = powers.iter().sum();
    powers.map(|it| it / sum)
}

fn mean(shares: &[f64; RATES]) -> f64 {
    shares.iter().enumerate().map(|(place, share)| share * rate(place)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_start_at_the_target_and_follow_the_slopes() {
        for target in [0.05, 0.5, 0.7, 0.95] {
            let rates = Rates::new(&[10, 30], target);
            assert!(rates.sparsities().all(|it| (it - target).abs() < 1e-9), "{target}");
        }
        // Removing weights of the first hurts, and removing those of the second does not: sparsity moves, and
        // the target holds approximately.
        let mut rates = Rates::new(&[100, 100], 0.7);
        let hurts: Vec<f64> = (0..RATES).map(|place| 0.5 * rate(place)).collect();
        for _ in 0..STEPS {
            rates.descend(&[hurts.clone(), vec![0.0; RATES]], 0.7);
        }
        let found: Vec<f64> = rates.sparsities().collect();
        assert!(found[0] < 0.65 && found[1] > found[0] + 0.05, "{found:?}");
        assert!((0.5 * (found[0] + found[1]) - 0.7).abs() < 0.05, "{found:?}");
    }
}
