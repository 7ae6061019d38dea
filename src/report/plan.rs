//! The evaluation plan of a script, as shown by `allot check --plan`.

use serde::Serialize;

use super::number::counted;
use crate::interpret::plan::{Plan, StepKind};
use crate::lang::print;
use crate::lang::program::{Metric, Script};
use crate::lang::types::{Over, Type};

/// The reads, rounds and reductions of a script's evaluation.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlanData {
    /// How many times all weights are read.
    pub reads: usize,
    /// Number of successive rounds of reductions.
    pub rounds: usize,
    /// The reductions, in the order of computation.
    pub reductions: Vec<ReductionData>,
}

/// A reduction of a plan.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReductionData {
    /// Round of the reduction, counted from 1.
    pub round: usize,
    /// Read of the weights that it belongs to, counted from 1; 0 if it needs none.
    pub read: usize,
    /// Name of the reduction.
    pub reduction: String,
    /// The sub-expression that it is computed for.
    pub expression: String,
    /// Memory that it needs in addition to its sums.
    pub buffer: &'static str,
}

/// Returns the plan of a script; `metric` defines the score of a script without its own.
pub fn plan(script: &Script, metric: &Metric) -> PlanData {
    let metric = script.metric.as_ref().unwrap_or(metric);
    let importance = script.allocator().and_then(|allocator| allocator.importance);
    let plan = Plan::new(importance, &metric.score);
    let rounds = plan.rounds_of_steps();
    let mut reductions: Vec<ReductionData> = plan
        .steps
        .iter()
        .zip(&rounds)
        .filter(|(step, _)| step.is_reduction())
        .map(|(step, round)| {
            let of_weights = step.needs_weights(&plan);
            let (reduction, buffer) = match &step.kind {
                StepKind::Reduce(reduction, over, _) => {
                    let buffer = match over {
                        Over::Unit if !reduction.needs_all_values() => "none",
                        _ => "one unit",
                    };
                    (format!("{reduction:?}"), buffer)
                }
                StepKind::MatrixReduce(op, ..) => (op.name().to_owned(), "one unit, and one matrix in f64"),
                _ => ("ranks".to_owned(), "one unit"),
            };
            ReductionData {
                round: *round,
                read: if of_weights { step.read } else { 0 },
                reduction,
                expression: print::expr(step.origin),
                buffer: if of_weights { buffer } else { "none" },
            }
        })
        .collect();
    reductions.sort_by_key(|reduction| reduction.round);
    // An allocator on a Matrix counts its values in three more reads.
    let threshold = plan.roots.iter().any(|root| plan.steps[*root].of_type == Type::Matrix);
    PlanData {
        reads: plan.reads() + if threshold { 3 } else { 0 },
        rounds: rounds.into_iter().max().unwrap_or(0),
        reductions,
    }
}

/// Returns a plan as text.
pub fn text(file: &str, plan: &PlanData) -> String {
    let mut out = format!(
        "{file}: {}, {}\n",
        counted(plan.rounds, "round"),
        counted(plan.reads, "read of the weights")
    );
    for reduction in &plan.reductions {
        let read = match reduction.read {
            0 => "no read".to_owned(),
            read => format!("read {read}"),
        };
        out.push_str(&format!(
            "  round {}, {read}: {} for `{}`; buffer: {}\n",
            reduction.round, reduction.reduction, reduction.expression, reduction.buffer
        ));
    }
    out
}
