//! The plan: a script as a graph of steps, split at its reductions into rounds.
//!
//! Equal sub-expressions become one step. A normaliser on a `Matrix`, `Input` or `Output` becomes the reductions that it
//! needs and the arithmetic around them. A reduction's round is one more than that of the deepest reduction inside it; it
//! belongs to a *read* of the weights, and shares that read with all reductions which need no more than what earlier reads
//! gave, or what the unit's own earlier rounds give while the unit is at hand.

use std::collections::HashMap;

use crate::lang::ops::{Class, Op, Setting};
use crate::lang::program::{Expr, ExprKind};
use crate::lang::types::Type;

/// The place of a step in its plan.
pub type StepId = usize;

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
    /// Whether `dsa::sanitize` follows, so that it may be NaN or infinite.
    pub may_be_not_finite: bool,
}

/// What a step computes.
#[derive(Clone, Debug, PartialEq)]
pub enum StepKind {
    /// A constant.
    Number(f64),
    /// A terminal; the target included, the score not: it is its metric.
    Terminal(Op),
    /// An elementwise operator.
    Map(Op, Vec<StepId>),
    /// A reduction of a unit's values, or within each linear.
    Reduce(Reduction, Over, StepId),
    /// An operator on each linear's matrix, and the mean over the unit's linears.
    MatrixReduce(Op, Vec<Setting>, StepId),
    /// The ranks of a unit's values among themselves.
    Ranks(StepId),
    /// An operator on the values of all units.
    Layerwise(Op, Vec<Setting>, StepId),
}

/// What a reduction collects.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reduction {
    /// The sum over n.
    Mean,
    /// The sum.
    Sum,
    /// The variance with n.
    Variance,
    /// Its root.
    StandardDeviation,
    /// The least value.
    Min,
    /// The greatest value.
    Max,
    /// The value at a share of the sorted values, interpolated.
    Quantile(f64),
    /// The lower median.
    Median,
    /// The sum of absolute values.
    L1,
    /// The root of the sum of squares.
    L2,
    /// The geometric mean through the protected logarithm.
    GeometricMean,
    /// The sum of -x ln x.
    Entropy,
    /// The fourth standardised moment.
    Kurtosis,
    /// The Gini coefficient of absolute values.
    Gini,
    /// The variance with n - 1.
    SampleVariance,
    /// Its root.
    SampleDeviation,
    /// The sum of what is not negative.
    SumNotNegative,
    /// The sum of -p ln of p clamped to [2^-23, 1 - 2^-23], over p >= 0; NaN without any.
    ClampedEntropy,
    /// The n-th root of the product, in the range of f32.
    Product,
}

impl Reduction {
    /// Returns whether all of a unit's values must be at hand at once.
    pub const fn needs_all_values(self) -> bool {
        matches!(self, Self::Quantile(_) | Self::Median | Self::Gini)
    }
}

/// What a reduction reduces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// All values of the unit.
    Unit,
    /// The inputs of each output.
    Inputs,
    /// The outputs of each input.
    Outputs,
}

impl<'a> Plan<'a> {
    /// Plans expressions together, so that they share what they have in common, with `metric` for their score.
    pub fn new(expressions: impl IntoIterator<Item = &'a Expr>, metric: &'a Expr) -> Self {
        let mut planner = Planner { metric, steps: Vec::new(), known: HashMap::new() };
        let roots = expressions.into_iter().map(|expr| planner.expr(expr)).collect();
        let mut plan = Self { steps: planner.steps, roots };
        plan.mark_sanitized();
        plan
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

    /// Marks what only `dsa::sanitize` uses, directly or not.
    fn mark_sanitized(&mut self) {
        let mut bare = vec![false; self.steps.len()];
        for root in &self.roots {
            bare[*root] = true;
        }
        for id in (0..self.steps.len()).rev() {
            let stops = matches!(self.steps[id].kind, StepKind::Map(Op::DsaSanitize, _));
            if bare[id] && !stops {
                for used in self.uses(id) {
                    bare[used] = true;
                }
            }
            self.steps[id].may_be_not_finite = !bare[id];
        }
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

struct Planner<'a> {
    metric: &'a Expr,
    steps: Vec<Step<'a>>,
    /// Steps by what they compute, so that equal ones are one.
    known: HashMap<String, StepId>,
}

impl<'a> Planner<'a> {
    fn expr(&mut self, expr: &'a Expr) -> StepId {
        let (op, operands, parameters) = match expr.kind() {
            ExprKind::Number(value) => return self.step(StepKind::Number(*value), Type::Number, expr),
            ExprKind::Call { op, operands, parameters } => (*op, operands, parameters),
        };
        if op == Op::Score {
            return self.expr(self.metric);
        }
        let operands: Vec<StepId> = operands.iter().map(|operand| self.expr(operand)).collect();
        let of_type = expr.of_type();
        match (op.info().class, &operands[..]) {
            (Class::Terminal(of_type), _) => self.step(StepKind::Terminal(op), of_type, expr),
            (Class::Elementwise, _) => self.step(StepKind::Map(op, operands), of_type, expr),
            (Class::Normaliser, &[x]) if of_type == Type::Layer => {
                self.step(StepKind::Layerwise(op, Vec::new(), x), of_type, expr)
            }
            (Class::Normaliser, &[x]) => self.normaliser(op, x, expr),
            (Class::Reduction, &[x]) => {
                let over = match expr.over() {
                    Some("inputs") => Over::Inputs,
                    Some("outputs") => Over::Outputs,
                    _ => Over::Unit,
                };
                self.reduction(op, parameters, over, x, expr)
            }
            (Class::MatrixReduction, &[x]) => {
                self.step(StepKind::MatrixReduce(op, parameters.clone(), x), Type::Layer, expr)
            }
            (Class::Layerwise, &[x]) => {
                self.step(StepKind::Layerwise(op, parameters.clone(), x), Type::Layer, expr)
            }
            // An allocator is no step: the plan is of its operand, and the checker lets none stand inside.
            _ => self.step(StepKind::Map(op, operands), of_type, expr),
        }
    }

    fn map(&mut self, op: Op, operands: &[StepId], origin: &'a Expr) -> StepId {
        let of_type = operands.iter().fold(Type::Number, |joined, operand| {
            joined.join(self.steps[*operand].of_type).unwrap_or(joined)
        });
        self.step(StepKind::Map(op, operands.to_vec()), of_type, origin)
    }

    fn reduce(&mut self, reduction: Reduction, x: StepId, origin: &'a Expr) -> StepId {
        self.step(StepKind::Reduce(reduction, Over::Unit, x), Type::Layer, origin)
    }

    fn normaliser(&mut self, op: Op, x: StepId, origin: &'a Expr) -> StepId {
        match op {
            Op::ZScore | Op::DsaNormalize => {
                let mean = self.reduce(Reduction::Mean, x, origin);
                let deviation = match op {
                    Op::ZScore => Reduction::StandardDeviation,
                    _ => Reduction::SampleDeviation,
                };
                let deviation = self.reduce(deviation, x, origin);
                let centred = self.map(Op::Subtract, &[x, mean], origin);
                self.map(Op::Divide, &[centred, deviation], origin)
            }
            Op::MinMax | Op::DsaMinMax => {
                let least = self.reduce(Reduction::Min, x, origin);
                let greatest = self.reduce(Reduction::Max, x, origin);
                let mut range = self.map(Op::Subtract, &[greatest, least], origin);
                if op == Op::DsaMinMax {
                    let little = self.step(StepKind::Number(1e-9), Type::Number, origin);
                    range = self.map(Op::Add, &[range, little], origin);
                }
                let above = self.map(Op::Subtract, &[x, least], origin);
                self.map(Op::Divide, &[above, range], origin)
            }
            Op::Softmax => {
                let greatest = self.reduce(Reduction::Max, x, origin);
                let below = self.map(Op::Subtract, &[x, greatest], origin);
                let power = self.map(Op::Exponential, &[below], origin);
                let sum = self.reduce(Reduction::Sum, power, origin);
                self.map(Op::Divide, &[power, sum], origin)
            }
            Op::Center => {
                let mean = self.reduce(Reduction::Mean, x, origin);
                self.map(Op::Subtract, &[x, mean], origin)
            }
            _ => {
                let of_type = self.steps[x].of_type;
                self.step(StepKind::Ranks(x), of_type, origin)
            }
        }
    }

    fn reduction(
        &mut self,
        op: Op,
        parameters: &[Setting],
        over: Over,
        x: StepId,
        origin: &'a Expr,
    ) -> StepId {
        let reduction = match op {
            Op::Mean => Reduction::Mean,
            Op::Sum => Reduction::Sum,
            Op::Variance => Reduction::Variance,
            Op::StandardDeviation => Reduction::StandardDeviation,
            Op::Min => Reduction::Min,
            Op::Max => Reduction::Max,
            Op::Median => Reduction::Median,
            Op::Quantile => {
                Reduction::Quantile(parameters.first().and_then(|setting| setting.number()).unwrap_or(0.5))
            }
            Op::L1 => Reduction::L1,
            Op::L2 => Reduction::L2,
            Op::GeometricMean => Reduction::GeometricMean,
            Op::Entropy => Reduction::Entropy,
            Op::Kurtosis => Reduction::Kurtosis,
            Op::Gini => Reduction::Gini,
            Op::DsaVariance => Reduction::SampleVariance,
            Op::DsaStandardDeviation => Reduction::SampleDeviation,
            Op::DsaGeometricMean => Reduction::Product,
            _ => {
                // dsa::entropy, the catalogue's last reduction: of shares of the sum.
                let sum = self.reduce(Reduction::SumNotNegative, x, origin);
                let share = self.map(Op::Divide, &[x, sum], origin);
                return self.reduce(Reduction::ClampedEntropy, share, origin);
            }
        };
        let of_type = match over {
            Over::Unit => Type::Layer,
            Over::Inputs => Type::Output,
            Over::Outputs => Type::Input,
        };
        self.step(StepKind::Reduce(reduction, over, x), of_type, origin)
    }

    /// Adds a step, or finds the one that computes the same.
    fn step(&mut self, kind: StepKind, of_type: Type, origin: &'a Expr) -> StepId {
        let key = match &kind {
            StepKind::Number(value) => format!("number {:016x}", value.to_bits()),
            kind => format!("{kind:?}"),
        };
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let (mut read, mut round) = uses(&kind)
            .into_iter()
            .map(|used| (self.steps[used].read, self.steps[used].round))
            .max()
            .unwrap_or((0, 0));
        let of_weights =
            uses(&kind).first().is_some_and(|operand| self.steps[*operand].of_type == Type::Matrix);
        match &kind {
            StepKind::Reduce(..) | StepKind::MatrixReduce(..) | StepKind::Ranks(_) if of_weights => {
                read = read.max(1);
                round += 1;
            }
            // What mixes the units is known only when all of them have been read.
            StepKind::Layerwise(..) if read > 0 => {
                read += 1;
                round = 0;
            }
            _ => {}
        }
        let id = self.steps.len();
        self.steps.push(Step { kind, of_type, origin, read, round, may_be_not_finite: false });
        self.known.insert(key, id);
        id
    }
}
