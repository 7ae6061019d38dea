//! Marginals of uniformly pruned models, as statistics: the rise of the loss for each additional pruned
//! weight of a linear.

use std::collections::BTreeMap;

use super::band::{Band, BandSum};
use super::error::TrialError;
use super::measurer::{PrunedModel, ThresholdTask, WindowThresholds, ask};
use super::measuring::Work;
use super::text::Split;
use crate::allocate::{Allocation, units};
use crate::lang::types::UnitKind;
use crate::measure::SlopeOf;
use crate::model::ModelError;
use crate::prune::{Pattern, shares};

/// Number of windows measured between two progress reports.
const TOGETHER: usize = 16;

/// Returns the number of passes through a block that each window takes: forward, backward at twice the cost,
/// and the head as one block.
pub(super) fn passes(blocks: usize) -> u64 {
    3 * (blocks as u64 + 1)
}

/// Returns the marginals of all linears at one sparsity, by module name, `[windows]`.
pub(super) fn marginals(
    work: &mut Work<'_, '_>,
    sparsity: f64,
) -> Result<BTreeMap<String, Vec<f64>>, TrialError> {
    let subjects = work.subjects();
    let subject = subjects.first();
    let checkpoint = subject.checkpoint();
    let linears = checkpoint.linears();
    let projections = units(&checkpoint.data()?, UnitKind::Projection);
    let ratios = vec![sparsity; projections.len()];
    let uniform = Allocation::new(sparsity, &projections, None, &ratios)?;
    let model = PrunedModel { subject: 0, shares: shares(linears, &uniform, Pattern::Unstructured)? };
    let mut all: BTreeMap<String, Vec<f64>> =
        linears.iter().map(|linear| (linear.module.clone(), Vec::new())).collect();
    let windows: Vec<usize> = (0..subject.windows(Split::Fitness)).collect();
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
        let answers: Vec<WindowThresholds> = ask(work.measurer(), tasks)?.into_iter().flatten().collect();
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
        work.advance(together.len() as u64 * passes(subject.blocks().len()))?;
    }
    Ok(all)
}

fn mean(sums: &[BandSum]) -> f64 {
    let (sum, weights) =
        sums.iter().fold((0.0, 0), |(sum, weights), it| (sum + it.sum, weights + it.weights));
    sum / weights as f64
}
