//! Keeps the results of reductions, so that formulas that share a reduction read the weights for it once.
//!
//! A search evaluates many formulas over the same few reductions. Each result is kept under a hash of what it is computed from, so
//! importances, noise and errors are the same as without the cache, to the last bit and in any order.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::context::Context;
use super::finite;
use super::measured::metric_name;
use super::plan::{Need, Plan, StepId, StepKind};
use super::step_values::{Given, StepValues};
use crate::kernels::reduction::Reduced;
use crate::lang::ops::{Elementwise, Op, Terminal};
use crate::lang::types::{Type, UnitKind};
use crate::results::{Key, Reductions};

/// Returns the results of a plan's reductions that the cache has.
pub(super) fn find(cache: &Reductions, plan: &Plan<'_>, context: Context<'_>, units: usize) -> Given {
    let keys = keys(plan, context);
    let results = cache.results();
    let find = |(id, key): (StepId, Key)| {
        let found = results.get(&key).filter(|found| found.len() == units)?;
        Some((id, Arc::clone(found)))
    };
    keys.into_iter().filter_map(find).collect()
}

/// Keeps those results of a plan's reductions that are finite, like everything they are computed from.
pub(super) fn keep(cache: &Reductions, plan: &Plan<'_>, context: Context<'_>, known: &StepValues) {
    let mut sound: Vec<bool> = Vec::with_capacity(plan.steps.len());
    for (id, step) in plan.steps.iter().enumerate() {
        // A given result was finite when it was kept.
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
        // Where rows get the ratios, reductions are still over projections.
        UnitKind::Projection | UnitKind::Row => b"projection",
    };
    let mut of_target: Vec<bool> = Vec::with_capacity(plan.steps.len());
    // A terminal measured at a pruned model depends on the metric that chose the pruned weights, which its digest does not contain.
    let mut of_metric: Vec<bool> = Vec::with_capacity(plan.steps.len());
    let metric = || metric_name(context.metric, context.per);
    let mut keys = Vec::new();
    for (id, step) in plan.steps.iter().enumerate() {
        let (measured, own) = match step.kind {
            StepKind::Terminal(op) if Op::MEASURED.contains(&op.into()) => (true, true),
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
