//! Statistics that are measured on pruned models: marginals of uniformly pruned ones, and the damage of units
//! that are pruned alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::cancel::Cancel;
use super::damage::{self, damages};
use super::error::TrialError;
use super::measuring::Work;
use super::subject::Subject;
use super::subjects::Subjects;
use super::text::Texts;
use super::uniform_marginals::{self, marginals};
use crate::interpret::measured::metric_name;
use crate::lang::program::Metric;
use crate::lang::types::UnitKind;
use crate::model::{Checkpoint, ModelError};
use crate::prune::{Method, Pattern};
use crate::stats::{DamageOf, LinearMarginals, MarginalsOf, Statistics, Tokens};

/// Maximum increase of the sparsity when measuring the slopes of marginals.
const STEP: f64 = 0.05;

/// What is measured on pruned models.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The metric whose scores rank the weights.
    pub metric: &'a Metric,
    /// The sparsities of the pruned models or units.
    pub sparsities: &'a [f64],
    /// Whether to measure marginals.
    pub marginals: bool,
    /// Whether to measure marginals at a higher sparsity too, which gives their slopes.
    pub slopes: bool,
    /// The units whose damage is measured; rows have that of their projection.
    pub damages: &'a [UnitKind],
}

/// Seconds spent on what was measured; the preparation counts for each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seconds {
    /// On marginals and their slopes.
    pub marginals: f64,
    /// On the damage of blocks, and on that of single linears.
    pub damages: BTreeMap<UnitKind, f64>,
}

impl Seconds {
    /// Adds those of another model.
    pub(super) fn add(&mut self, other: &Self) {
        self.marginals += other.marginals;
        for (kind, seconds) in &other.damages {
            *self.damages.entry(*kind).or_default() += seconds;
        }
    }
}

/// Returns the number of forward passes of the whole model that take as long as measuring the damage of all
/// units.
pub(super) fn passes_of_damages(checkpoint: &Checkpoint, kind: UnitKind) -> f64 {
    damage::passes(checkpoint, kind) as f64 / (checkpoint.config().blocks + 1) as f64
}

/// What is missing at one sparsity.
struct Missing {
    sparsity: f64,
    marginals: bool,
    /// Whether blocks, and whether single linears.
    damages: Vec<UnitKind>,
}

/// Adds what is missing to statistics, measured on the windows that the statistics were collected on.
///
/// Marginals take one forward and one backward pass through the pruned model per sparsity, and another such
/// pass for slopes. The damage of each unit takes a forward pass from its block on.
///
/// The dense model's predictions on all windows and the whole model are held in memory, and for damages the
/// hidden states of all windows. `progress` is called with the finished share; an error from it ends the work.
///
/// # Errors
/// When marginals are wanted at a sparsity that prunes nothing or everything, the metric has no value, the
/// model cannot run, a value is not finite, or the work was interrupted.
pub fn add_measured(
    checkpoint: &Checkpoint,
    statistics: &mut Statistics,
    tokens: &Tokens,
    wanted: Wanted<'_>,
    cancel: &Cancel,
    progress: &mut dyn FnMut(f64) -> Result<(), TrialError>,
) -> Result<Seconds, TrialError> {
    let begun = Instant::now();
    let mut seconds = Seconds::default();
    let name = metric_name(&wanted.metric.score, wanted.metric.per);
    let missing = wanted.missing_in(statistics, &name);
    if missing.is_empty() {
        return Ok(seconds);
    }
    let bare = missing.iter().find(|it| it.marginals && !(it.sparsity > 0.0 && it.sparsity < 1.0));
    if let Some(Missing { sparsity, .. }) = bare {
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
    let of_marginals = (1 + u64::from(wanted.slopes)) * uniform_marginals::passes(subject.blocks().len());
    let all: u64 = missing
        .iter()
        .map(|it| {
            let damages: u64 = it.damages.iter().map(|kind| damage::passes(checkpoint, *kind)).sum();
            damages + if it.marginals { of_marginals } else { 0 }
        })
        .sum();
    let subjects = Arc::new(Subjects::from(subject));
    let mut work = Work::new(subjects, cancel, all * tokens.samples() as u64, progress);
    let prepared = begun.elapsed().as_secs_f64();
    for Missing { sparsity, marginals, damages: kinds } in missing {
        if marginals {
            let begun = Instant::now();
            add_marginals(&mut work, statistics, (&name, sparsity), wanted.slopes)?;
            let before = if seconds.marginals == 0.0 { prepared } else { seconds.marginals };
            seconds.marginals = before + begun.elapsed().as_secs_f64();
        }
        for kind in kinds {
            let begun = Instant::now();
            let of_blocks = kind == UnitKind::Block;
            let found = damages(&mut work, sparsity, kind)?;
            statistics.add_damages(DamageOf { metric: name.clone(), sparsity, of_blocks }, found);
            *seconds.damages.entry(kind).or_insert(prepared) += begun.elapsed().as_secs_f64();
        }
    }
    Ok(seconds)
}

impl Wanted<'_> {
    fn missing_in(&self, statistics: &Statistics, metric: &str) -> Vec<Missing> {
        let at = |sparsity: f64| {
            let mut damages: Vec<UnitKind> = Vec::new();
            for kind in self.damages {
                let kind = kind.of_layer();
                let known = statistics.has_damage(metric, sparsity, kind == UnitKind::Block);
                if !known && !damages.contains(&kind) {
                    damages.push(kind);
                }
            }
            let marginals = self.marginals || self.slopes;
            let marginals = marginals && !statistics.has_marginals(metric, sparsity, self.slopes);
            Missing { sparsity, marginals, damages }
        };
        let all = self.sparsities.iter().map(|sparsity| at(*sparsity));
        all.filter(|it| it.marginals || !it.damages.is_empty()).collect()
    }
}

/// Measures the marginals at a sparsity, and at a higher one for slopes.
fn add_marginals(
    work: &mut Work<'_, '_>,
    statistics: &mut Statistics,
    (metric, sparsity): (&str, f64),
    slopes: bool,
) -> Result<(), TrialError> {
    let beyond = slopes.then(|| sparsity + STEP.min((1.0 - sparsity) / 2.0));
    let at = marginals(work, sparsity)?;
    let above = beyond.map(|beyond| marginals(work, beyond)).transpose()?;
    let mut above = above.map(|it| it.into_values());
    let found = at.into_iter().map(|(module, windows)| {
        let beyond = above.as_mut().and_then(Iterator::next);
        (module, LinearMarginals { windows, beyond })
    });
    let found = found.collect();
    statistics.add_marginals(MarginalsOf { metric: metric.to_owned(), sparsity, beyond }, found);
    Ok(())
}
