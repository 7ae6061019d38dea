//! What reductions gave, kept: formulas that share reductions read the weights for each of them once.
//!
//! A search evaluates ever new formulas over the same few reductions. Each result is kept under a hash of what it is made of,
//! so the importances, whether they are noise, and the errors are those without the cache, to the last bit and in any order.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::context::Context;
use super::finite;
use super::marginal::metric_name;
use super::plan::{Need, Plan, StepId, StepKind};
use super::step_values::{Given, StepValues};
use crate::kernels::reduction::Reduced;
use crate::lang::ops::{Elementwise, Terminal};
use crate::lang::types::{Type, UnitKind};
use crate::results::{Key, Reductions};

/// Returns the results of those of a plan's reductions that are known.
pub(super) fn find(cache: &Reductions, plan: &Plan<'_>, context: Context<'_>, units: usize) -> Given {
    let keys = keys(plan, context);
    let results = cache.results();
    let find = |(id, key): (StepId, Key)| {
        let found = results.get(&key).filter(|found| found.len() == units)?;
        Some((id, Arc::clone(found)))
    };
    keys.into_iter().filter_map(find).collect()
}

/// Keeps the results of a plan's reductions, those that are finite and made of what is.
pub(super) fn keep(cache: &Reductions, plan: &Plan<'_>, context: Context<'_>, known: &StepValues) {
    let mut sound: Vec<bool> = Vec::with_capacity(plan.steps.len());
    for (id, step) in plan.steps.iter().enumerate() {
        // What is given was sound when it was kept.
        sound.push(match (step.need, &step.kind) {
            (Need::Given | Need::Unused, _) => true,
            (_, StepKind::Map(Elementwise::DsaSanitize, _)) => finite::is_finite(plan, known, id),
            _ => plan.uses(id).iter().all(|used| sound[*used]) && finite::is_finite(plan, known, id),
        });
    }
    let count = |need: Need| {
        let steps = plan.steps.iter().filter(|step| step.need == need && is_kept(&step.kind, step.of_type));
        steps.count() as u64
    };
    let found = count(Need::Given);
    cache.count(found + count(Need::Computed), found);
    let new: Vec<(Key, Arc<[Reduced]>)> = keys(plan, context)
        .into_iter()
        .filter(|(id, _)| plan.steps[*id].need == Need::Computed && sound[*id])
        .map(|(id, key)| (key, known.reduced(id).into()))
        .collect();
    cache.results().extend(new);
}

/// Returns whether a step's results are kept.
const fn is_kept(kind: &StepKind, of_type: Type) -> bool {
    matches!(kind, StepKind::Reduce(..) | StepKind::MatrixReduce(..)) && matches!(of_type, Type::Layer)
}

/// Returns the names of the plan's reductions that are kept, in order.
fn keys(plan: &Plan<'_>, context: Context<'_>) -> Vec<(StepId, Key)> {
    let unit: &[u8] = match context.unit {
        UnitKind::Block => b"block",
        // Where rows get the ratios, a reduction is still of a projection.
        UnitKind::Projection | UnitKind::Row => b"projection",
    };
    let mut of_target: Vec<bool> = Vec::with_capacity(plan.steps.len());
    // What is measured at a pruned model depends on what chose its weights, which such a terminal does not say.
    let mut of_metric: Vec<bool> = Vec::with_capacity(plan.steps.len());
    let metric = || metric_name(context.metric, context.per);
    let mut keys = Vec::new();
    for (id, step) in plan.steps.iter().enumerate() {
        let (measured, own) = match step.kind {
            StepKind::Terminal(Terminal::Marginal | Terminal::MarginalSlope) => (true, true),
            StepKind::Terminal(Terminal::Target) => (false, true),
            _ => (false, false),
        };
        of_metric.push(measured || plan.uses(id).iter().any(|used| of_metric[*used]));
        of_target.push(own || plan.uses(id).iter().any(|used| of_target[*used]));
        if is_kept(&step.kind, step.of_type) {
            let mut hash = Sha256::new_with_prefix(step.digest);
            hash.update(unit);
            if of_target[id] {
                hash.update(context.target.to_bits().to_le_bytes());
            }
            if of_metric[id] {
                hash.update(metric());
            }
            keys.push((id, hash.finalize().into()));
        }
    }
    keys
}
