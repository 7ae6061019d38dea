//! The plan: a script as a graph of steps, split at its reductions into rounds.
//!
//! Equal sub-expressions become one step. A normaliser on a `Matrix`, `Input` or `Output` becomes the reductions that it
//! needs and the arithmetic around them. A reduction's round is one more than that of the deepest reduction inside it; it
//! belongs to a *read* of the weights, and shares that read with all reductions which need no more than what earlier reads
//! gave, or what the unit's own earlier rounds give while the unit is at hand.

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
    /// The step that gives each expression's value.
    pub roots: Vec<StepId>,
}

/// One step of a plan.
#[derive(Clone, Debug)]
pub struct Step<'a> {
    /// What it computes.
    pub kind: StepKind,
    /// What there is one value for.
    pub of_type: Type,
    /// The sub-expression that it stands for.
    pub origin: &'a Expr,
    /// The read of the weights during which its value comes to be known; 0 for what needs none.
    pub read: usize,
    /// Within that read, how many reductions come before it.
    pub round: usize,
    /// Names what it computes, the score as its metric: equal for equal steps of any two plans.
    pub digest: Digest,
    /// Whether it is to be computed.
    pub need: Need,
}

/// Whether a step is to be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It is.
    Computed,
    /// Its value is at hand already.
    Given,
    /// Nothing but given steps is made of it.
    Unused,
}

/// What a step computes.
#[derive(Clone, Debug, PartialEq)]
pub enum StepKind {
    /// A constant.
    Number(f64),
    /// A terminal; the target included, the score not: it is its metric.
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
    /// Leaves out what need not be computed when the values of some steps are at hand: `given` says of which.
    ///
    /// Steps keep their places; reads and rounds become as few as the rest needs.
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

    /// Returns how many rounds of reductions there are.
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

    /// Returns the steps with one value for each weight that a step's value is made of, itself included, in order.
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

    /// Returns the steps whose values must be finite for a root to have a value, in order: what the root is made of, but for
    /// what `dsa::sanitize` stands before.
    pub fn must_be_finite(&self, root: StepId) -> Vec<StepId> {
        self.below(root, |step| !matches!(step.kind, StepKind::Map(Elementwise::DsaSanitize, _)))
    }

    /// Returns the steps that a root is made of, itself included, in order; `descend` says whether to look below a step.
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

    /// Returns whether the step is a reduction of values that there is one of for each weight.
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

/// Returns the read of the weights, and the round in it, in which a step that uses earlier ones comes to be known.
fn place(steps: &[Step<'_>], kind: &StepKind) -> (usize, usize) {
    let operands = uses(kind);
    let places = operands.iter().map(|used| (steps[*used].read, steps[*used].round));
    let (read, round) = places.max().unwrap_or((0, 0));
    let of_weights = operands.first().is_some_and(|operand| steps[*operand].of_type == Type::Matrix);
    match kind {
        StepKind::Reduce(..) | StepKind::MatrixReduce(..) | StepKind::Ranks(_) if of_weights => {
            (read.max(1), round + 1)
        }
        // What mixes the units is known only when all of them have been read.
        StepKind::Layerwise(..) if read > 0 => (read + 1, 0),
        _ => (read, round),
    }
}
