//! The plan: a script as a graph of steps, split at its reductions into rounds.
//!
//! Equal sub-expressions become one step. A normaliser on a `Matrix`, `Input` or `Output` becomes the reductions that it
//! needs and the arithmetic around them. A reduction's round is one more than that of the deepest reduction inside it. It
//! belongs to a *read* of the weights, and shares that read with all reductions that need only results of earlier reads, or
//! of earlier rounds of the same unit.

mod planner;

use crate::kernels::reduction::Aggregate;
use crate::lang::ops::{Elementwise, Layerwise, MatrixReduction, Normaliser, ParameterValue, Terminal};
use crate::lang::program::Expr;
use crate::lang::types::{Over, Type};

/// The place of a step in its plan.
pub type StepId = usize;

/// SHA-256 of what a step computes, its operands included.
pub type Digest = [u8; 32];

/// A script as steps, each after those that it uses.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// The steps.
    pub steps: Vec<Step<'a>>,
    /// For each expression, the step with its value.
    pub roots: Vec<StepId>,
}

/// One step of a plan.
#[derive(Clone, Debug)]
pub struct Step<'a> {
    /// What it computes.
    pub kind: StepKind,
    /// The type of its value.
    pub of_type: Type,
    /// The sub-expression that it stands for.
    pub origin: &'a Expr,
    /// The read of the weights that makes its value known; 0 if it needs none.
    pub read: usize,
    /// Within that read, how many reductions come before it.
    pub round: usize,
    /// Names what it computes, with the metric in place of the score: equal for equal steps of any two plans.
    pub digest: Digest,
    /// Whether it must be computed.
    pub need: Need,
}

/// Whether a step must be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It must be computed.
    Computed,
    /// Its value is already known.
    Given,
    /// No step that must be computed uses it.
    Unused,
}

/// What a step computes.
#[derive(Clone, Debug, PartialEq)]
pub enum StepKind {
    /// A constant.
    Number(f64),
    /// A terminal, including the target, but not the score, which is replaced by its metric.
    Terminal(Terminal),
    /// An elementwise operator.
    Map(Elementwise, Vec<StepId>),
    /// A reduction of a unit's values, or within each linear.
    Reduce(Aggregate, Over, StepId),
    /// An operator on each linear's matrix, and the mean over the unit's linears.
    MatrixReduce(MatrixReduction, Vec<ParameterValue>, StepId),
    /// The ranks of a unit's values among themselves.
    Ranks(StepId),
    /// An operator on the values of all units.
    Layerwise(AcrossUnits, Vec<ParameterValue>, StepId),
}

/// An operator on the values of all units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcrossUnits {
    /// A normaliser, of one number for each unit.
    Normaliser(Normaliser),
    /// A layer operator.
    Layerwise(Layerwise),
}

impl AcrossUnits {
    /// Returns the operator's name in scripts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normaliser(op) => op.name(),
            Self::Layerwise(op) => op.name(),
        }
    }
}

impl<'a> Plan<'a> {
    /// Leaves out what need not be computed when the values of some steps are known, as `given` says.
    ///
    /// Steps keep their places; the remaining steps are assigned to as few reads and rounds as they need.
    pub fn give(&mut self, given: impl Fn(StepId) -> bool) {
        let mut used = vec![false; self.steps.len()];
        for root in &self.roots {
            used[*root] = true;
        }
        for id in (0..self.steps.len()).rev() {
            let need = match (used[id], given(id)) {
                (false, _) => Need::Unused,
                (true, true) => Need::Given,
                (true, false) => Need::Computed,
            };
            self.steps[id].need = need;
            if need == Need::Computed {
                for operand in self.uses(id) {
                    used[operand] = true;
                }
            }
        }
        for id in 0..self.steps.len() {
            let (read, round) = match self.steps[id].need {
                Need::Computed => place(&self.steps, &self.steps[id].kind),
                Need::Given | Need::Unused => (0, 0),
            };
            (self.steps[id].read, self.steps[id].round) = (read, round);
        }
    }

    /// Returns the steps that a step uses.
    pub fn uses(&self, step: StepId) -> Vec<StepId> {
        uses(&self.steps[step].kind)
    }

    /// Returns how many times all weights are read.
    pub fn reads(&self) -> usize {
        self.steps.iter().filter(|step| step.needs_weights(self)).map(|step| step.read).max().unwrap_or(0)
    }

    /// Returns the number of rounds of reductions.
    pub fn rounds(&self) -> usize {
        self.rounds_of_steps().into_iter().max().unwrap_or(0)
    }

    /// Returns each step's round: how many reductions lie on the longest path to it, itself included.
    pub fn rounds_of_steps(&self) -> Vec<usize> {
        let mut rounds = Vec::with_capacity(self.steps.len());
        for (id, step) in self.steps.iter().enumerate() {
            let below = self.uses(id).into_iter().map(|used| rounds[used]).max().unwrap_or(0);
            rounds.push(below + usize::from(step.is_reduction()));
        }
        rounds
    }

    /// Returns the per-weight steps from which some steps are computed, these included, in order.
    pub fn matrix_steps_of(&self, roots: &[StepId]) -> Vec<StepId> {
        let mut wanted = vec![false; self.steps.len()];
        for root in roots {
            wanted[*root] = true;
        }
        for id in (0..self.steps.len()).rev() {
            if wanted[id]
                && self.steps[id].of_type == Type::Matrix
                && !matches!(self.steps[id].kind, StepKind::Ranks(_))
            {
                for used in self.uses(id) {
                    wanted[used] = true;
                }
            }
        }
        (0..self.steps.len()).filter(|id| wanted[*id] && self.steps[*id].of_type == Type::Matrix).collect()
    }

    /// Returns the steps whose values must be finite for a root to have a value, in order: all steps below the root, except those
    /// below `dsa::sanitize`.
    pub fn must_be_finite(&self, root: StepId) -> Vec<StepId> {
        self.below(root, |step| !matches!(step.kind, StepKind::Map(Elementwise::DsaSanitize, _)))
    }

    /// Returns the steps from which a root is computed, itself included, in order; `descend` says whether to look below a step.
    pub fn below(&self, root: StepId, descend: impl Fn(&Step<'_>) -> bool) -> Vec<StepId> {
        let mut found = Vec::new();
        let mut seen = vec![false; root + 1];
        let mut left = vec![root];
        while let Some(step) = left.pop() {
            if !std::mem::replace(&mut seen[step], true) {
                found.push(step);
                if descend(&self.steps[step]) {
                    left.extend(self.uses(step));
                }
            }
        }
        found.sort_unstable();
        found
    }
}

impl Step<'_> {
    /// Returns whether the step reduces a unit's values.
    pub const fn is_reduction(&self) -> bool {
        matches!(self.kind, StepKind::Reduce(..) | StepKind::MatrixReduce(..) | StepKind::Ranks(_))
    }

    /// Returns whether the step is a reduction of per-weight values.
    pub fn needs_weights(&self, plan: &Plan<'_>) -> bool {
        match self.kind {
            StepKind::Reduce(_, _, operand)
            | StepKind::MatrixReduce(_, _, operand)
            | StepKind::Ranks(operand) => plan.steps[operand].of_type == Type::Matrix,
            _ => false,
        }
    }
}

fn uses(kind: &StepKind) -> Vec<StepId> {
    match kind {
        StepKind::Number(_) | StepKind::Terminal(_) => Vec::new(),
        StepKind::Map(_, operands) => operands.clone(),
        StepKind::Reduce(_, _, operand)
        | StepKind::MatrixReduce(_, _, operand)
        | StepKind::Ranks(operand)
        | StepKind::Layerwise(_, _, operand) => vec![*operand],
    }
}

/// Returns the read of the weights, and the round in it, that makes the value of a step known.
fn place(steps: &[Step<'_>], kind: &StepKind) -> (usize, usize) {
    let operands = uses(kind);
    let places = operands.iter().map(|used| (steps[*used].read, steps[*used].round));
    let (read, round) = places.max().unwrap_or((0, 0));
    let of_weights = operands.first().is_some_and(|operand| steps[*operand].of_type == Type::Matrix);
    match kind {
        StepKind::Reduce(..) | StepKind::MatrixReduce(..) | StepKind::Ranks(_) if of_weights => {
            (read.max(1), round + 1)
        }
        // An operator across units needs all units to have been read.
        StepKind::Layerwise(..) if read > 0 => (read + 1, 0),
        _ => (read, round),
    }
}
