//! Marginals of uniformly pruned models, as statistics: the rise of the loss for each additional pruned
//! weight of a linear.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::band::{Band, BandSum};
use super::cancel::Cancel;
use super::error::TrialError;
use super::measurer::{PrunedModel, ThresholdTask, WindowThresholds, ask};
use super::subject::Subject;
use super::subjects::Subjects;
use super::text::{Split, Texts};
use super::threads::Threads;
use crate::allocate::{Allocation, units};
use crate::interpret::marginal::metric_name;
use crate::lang::program::Metric;
use crate::lang::types::UnitKind;
use crate::measure::SlopeOf;
use crate::model::{Checkpoint, ModelError};
use crate::prune::{Method, Pattern, shares};
use crate::stats::{LinearMarginals, MarginalsOf, Statistics, Tokens};

/// Maximum increase of the sparsity when measuring the slopes of marginals.
const STEP: f64 = 0.05;

/// Number of windows measured between two progress reports.
const TOGETHER: usize = 16;

/// The requested marginals.
#[derive(Clone, Copy, Debug)]
pub struct WantedMarginals<'a> {
    /// The metric whose scores rank the weights.
    pub metric: &'a Metric,
    /// The sparsities of the uniformly pruned models.
    pub sparsities: &'a [f64],
    /// Whether to measure at a higher sparsity too, which gives the slopes.
    pub slopes: bool,
}

/// Adds missing marginals of all linears to statistics, measured on the windows that the statistics were
/// collected on: one forward and one backward pass through the pruned model per sparsity, and another such
/// pass for slopes.
///
/// The dense model's predictions on all windows and the whole model are held in memory. `progress` is called
/// with the finished share; an error from it ends the work.
///
/// # Errors
/// When a sparsity prunes nothing or everything, the metric has no value, the model cannot run, a marginal is
/// not finite, or the work was interrupted.
pub fn add_uniform_marginals(
    checkpoint: &Checkpoint,
    statistics: &mut Statistics,
    tokens: &Tokens,
    wanted: WantedMarginals<'_>,
    cancel: &Cancel,
    progress: &mut dyn FnMut(f64) -> Result<(), TrialError>,
) -> Result<(), TrialError> {
    let name = metric_name(&wanted.metric.score, wanted.metric.per);
    let missing = |sparsity: &&f64| !statistics.has_marginals(&name, **sparsity, wanted.slopes);
    let sparsities: Vec<f64> = wanted.sparsities.iter().filter(missing).copied().collect();
    if sparsities.is_empty() {
        return Ok(());
    }
    if let Some(sparsity) = sparsities.iter().find(|it| !(**it > 0.0 && **it < 1.0)) {
        return Err(TrialError::MarginalTarget { sparsity: *sparsity });
    }
    if tokens.length() < 2 {
        return Err(ModelError::Window { length: tokens.length() }.into());
    }
    progress(0.0)?;
    let texts = Texts { fitness: tokens.clone(), selection: None, report: None };
    let method = Method::Metric(wanted.metric.clone());
    let collected = Some(statistics.clone());
    let subject = Subject::new(checkpoint, collected, &method, Pattern::Unstructured, &texts, cancel)?;
    let subjects = Arc::new(Subjects::from(subject));
    let passes = sparsities.len() * (1 + usize::from(wanted.slopes));
    let mut work = Work {
        checkpoint,
        measurer: Threads::new(subjects, cancel.clone()),
        windows: tokens.samples(),
        passes,
        done: 0,
        progress,
    };
    for sparsity in sparsities {
        let beyond = wanted.slopes.then(|| sparsity + STEP.min((1.0 - sparsity) / 2.0));
        let at = work.measure(sparsity)?;
        let above = beyond.map(|beyond| work.measure(beyond)).transpose()?;
        let mut above = above.map(BTreeMap::into_values);
        let marginals = at.into_iter().map(|(module, windows)| {
            let beyond = above.as_mut().and_then(Iterator::next);
            (module, LinearMarginals { windows, beyond })
        });
        let marginals = marginals.collect();
        statistics.add_marginals(MarginalsOf { metric: name.clone(), sparsity, beyond }, marginals);
    }
    Ok(())
}

struct Work<'a, 'p> {
    checkpoint: &'a Checkpoint,
    measurer: Threads,
    windows: usize,
    passes: usize,
    /// Number of measured windows, over all passes.
    done: usize,
    progress: &'p mut dyn FnMut(f64) -> Result<(), TrialError>,
}

impl Work<'_, '_> {
    /// Returns the marginals of all linears at one sparsity, by module name, `[windows]`.
    fn measure(&mut self, sparsity: f64) -> Result<BTreeMap<String, Vec<f64>>, TrialError> {
        let linears = self.checkpoint.linears();
        let projections = units(&self.checkpoint.data()?, UnitKind::Projection);
        let ratios = vec![sparsity; projections.len()];
        let uniform = Allocation::new(sparsity, &projections, None, &ratios)?;
        let model = PrunedModel { subject: 0, shares: shares(linears, &uniform, Pattern::Unstructured)? };
        let mut all: BTreeMap<String, Vec<f64>> =
            linears.iter().map(|linear| (linear.module.clone(), Vec::new())).collect();
        let windows: Vec<usize> = (0..self.windows).collect();
        for together in windows.chunks(TOGETHER) {
            // One task per window keeps all cores busy; the answers come in order.
            let tasks = together.iter().map(|window| ThresholdTask {
                model: model.clone(),
                split: Split::Fitness,
                windows: vec![*window],
                of: SlopeOf::Divergence,
                band: Band::default(),
                rows: false,
            });
            let answers: Vec<WindowThresholds> = ask(&self.measurer, tasks)?.into_iter().flatten().collect();
            for (place, linear) in linears.iter().enumerate() {
                let Some(own) = all.get_mut(&linear.module) else { continue };
                for answer in &answers {
                    let value = answer.sums.get(place).map_or(f64::NAN, |sums| mean(sums));
                    if !value.is_finite() {
                        let module = linear.module.clone();
                        return Err(ModelError::Overflow { what: "marginals", module }.into());
                    }
                    own.push(value);
                }
            }
            self.done += together.len();
            (self.progress)(self.done as f64 / (self.passes * self.windows).max(1) as f64)?;
        }
        Ok(all)
    }
}

fn mean(sums: &[BandSum]) -> f64 {
    let (sum, weights) =
        sums.iter().fold((0.0, 0), |(sum, weights), it| (sum + it.sum, weights + it.weights));
    sum / weights as f64
}
