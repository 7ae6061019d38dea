//! Turns expressions into steps: equal ones become one step, and normalisers become reductions and arithmetic.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use super::{AcrossUnits, Digest, Need, Plan, Step, StepId, StepKind, place, uses};
use crate::kernels::reduction::Aggregate;
use crate::lang::ops::{self, Elementwise, Normaliser, Op, ParameterValue, Terminal};
use crate::lang::program::{Expr, ExprKind};
use crate::lang::types::{Over, Type};

impl<'a> Plan<'a> {
    /// Plans expressions together, so that they share common steps, with `metric` in place of the score.
    pub fn new(expressions: impl IntoIterator<Item = &'a Expr>, metric: &'a Expr) -> Self {
        let mut planner = Planner { metric, steps: Vec::new(), parts: Vec::new(), known: HashMap::new() };
        let roots = expressions.into_iter().map(|expr| planner.expr(expr)).collect();
        Self { steps: planner.steps, roots }
    }
}

struct Planner<'a> {
    metric: &'a Expr,
    steps: Vec<Step<'a>>,
    /// For each step, whether it is only a part of its origin's computation.
    parts: Vec<bool>,
    /// Steps by what they compute, so that equal ones are found.
    known: HashMap<Digest, StepId>,
}

impl<'a> Planner<'a> {
    fn expr(&mut self, expr: &'a Expr) -> StepId {
        let (op, operands, parameters) = match expr.kind() {
            ExprKind::Number(value) => return self.whole(StepKind::Number(*value), Type::Number, expr),
            ExprKind::Call { op, operands, parameters } => (*op, operands, parameters),
        };
        if op == Op::Score {
            return self.expr(self.metric);
        }
        let operands: Vec<StepId> = operands.iter().map(|operand| self.expr(operand)).collect();
        let of_type = expr.ty();
        let x = match (op, operands.first()) {
            (Op::Terminal(op), _) => return self.whole(StepKind::Terminal(op), of_type, expr),
            (Op::Elementwise(op), _) => return self.elementwise(op, &operands, expr),
            (_, Some(x)) => *x,
            // An allocator without an importance needs no plan.
            (_, None) => return self.whole(StepKind::Number(f64::NAN), Type::Number, expr),
        };
        match op {
            Op::Normaliser(op) if of_type == Type::Layer => {
                let op = AcrossUnits::Normaliser(op);
                self.whole(StepKind::Layerwise(op, Vec::new(), x), of_type, expr)
            }
            Op::Normaliser(op) => self.normaliser(op, x, expr),
            Op::Reduction(op) => self.reduction(op, parameters, expr.over().unwrap_or_default(), x, expr),
            Op::MatrixReduction(op) => {
                self.whole(StepKind::MatrixReduce(op, parameters.clone(), x), Type::Layer, expr)
            }
            Op::Layerwise(op) => {
                let op = AcrossUnits::Layerwise(op);
                self.whole(StepKind::Layerwise(op, parameters.clone(), x), Type::Layer, expr)
            }
            // An allocator is not a step: the plan is for its operand, and the checker accepts no allocator inside an expression.
            Op::Allocator(_) | Op::Terminal(_) | Op::Elementwise(_) => x,
        }
    }

    /// Adds an elementwise operator, and moves absolute values of matrices outwards.
    ///
    /// `abs(x) * y` with y >= 0 has the digits of `abs(x * y)`, and many operators absorb an outer `abs`: the logarithm of a
    /// Wanda score is then one pass over the product, without removing its sign.
    fn elementwise(&mut self, op: Elementwise, operands: &[StepId], origin: &'a Expr) -> StepId {
        if self.type_of(operands) != Type::Matrix {
            return self.map(op, operands, origin);
        }
        match *operands {
            [x] => match (op, self.absolute_of(x)) {
                (Elementwise::Absolute | Elementwise::Square | Elementwise::AbsoluteLogarithm, Some(x)) => {
                    self.map(op, &[x], origin)
                }
                (Elementwise::Logarithm, Some(x)) => self.map(Elementwise::AbsoluteLogarithm, &[x], origin),
                _ => self.map(op, operands, origin),
            },
            [x, y] if matches!(op, Elementwise::Multiply | Elementwise::Divide) => {
                let inner = match (self.absolute_of(x), self.absolute_of(y)) {
                    (Some(x), Some(y)) => Some([x, y]),
                    (Some(x), None) if self.is_not_negative(y) => Some([x, y]),
                    (None, Some(y)) if self.is_not_negative(x) => Some([x, y]),
                    _ => None,
                };
                match inner {
                    Some(inner) => {
                        let kind = StepKind::Map(op, inner.to_vec());
                        let signed = self.part(kind, Type::Matrix, origin);
                        self.map(Elementwise::Absolute, &[signed], origin)
                    }
                    None => self.map(op, operands, origin),
                }
            }
            _ => self.map(op, operands, origin),
        }
    }

    /// Returns the operand of a step that is the absolute value of a matrix.
    fn absolute_of(&self, step: StepId) -> Option<StepId> {
        match &self.steps[step].kind {
            StepKind::Map(Elementwise::Absolute, operands) if self.type_of(operands) == Type::Matrix => {
                operands.first().copied()
            }
            _ => None,
        }
    }

    /// Returns whether a step's values are certainly not below 0; they may be NaN.
    fn is_not_negative(&self, step: StepId) -> bool {
        match &self.steps[step].kind {
            StepKind::Number(value) => value.is_sign_positive(),
            StepKind::Terminal(
                Terminal::InputNorm | Terminal::Parameters | Terminal::FanIn | Terminal::FanOut,
            ) => true,
            StepKind::Map(
                Elementwise::Absolute | Elementwise::Square | Elementwise::Exponential | Elementwise::Sigmoid,
                _,
            ) => true,
            StepKind::Map(
                Elementwise::Add | Elementwise::Multiply | Elementwise::Divide | Elementwise::SquareRoot,
                operands,
            ) => operands.iter().all(|operand| self.is_not_negative(*operand)),
            StepKind::Reduce(Aggregate::L1 | Aggregate::L2 | Aggregate::Variance, ..) => true,
            StepKind::Reduce(Aggregate::StandardDeviation | Aggregate::GeometricMean, ..) => true,
            StepKind::Reduce(
                Aggregate::Mean | Aggregate::Sum | Aggregate::Min | Aggregate::Max | Aggregate::Median,
                _,
                x,
            ) => self.is_not_negative(*x),
            _ => false,
        }
    }

    fn type_of(&self, operands: &[StepId]) -> Type {
        operands
            .iter()
            .fold(Type::Number, |joined, operand| joined.join(self.steps[*operand].of_type).unwrap_or(joined))
    }

    /// Adds an elementwise operator whose value is that of its origin.
    fn map(&mut self, op: Elementwise, operands: &[StepId], origin: &'a Expr) -> StepId {
        self.whole(StepKind::Map(op, operands.to_vec()), self.type_of(operands), origin)
    }

    /// Adds an elementwise operator that the computation of its origin needs.
    fn map_part(&mut self, op: Elementwise, operands: &[StepId], origin: &'a Expr) -> StepId {
        self.part(StepKind::Map(op, operands.to_vec()), self.type_of(operands), origin)
    }

    /// Adds a reduction that the computation of its origin needs.
    fn reduce_part(&mut self, reduction: Aggregate, x: StepId, origin: &'a Expr) -> StepId {
        self.part(StepKind::Reduce(reduction, Over::Unit, x), Type::Layer, origin)
    }

    fn normaliser(&mut self, op: Normaliser, x: StepId, origin: &'a Expr) -> StepId {
        match op {
            Normaliser::ZScore | Normaliser::DsaNormalize => {
                let mean = self.reduce_part(Aggregate::Mean, x, origin);
                let deviation = if op == Normaliser::ZScore {
                    Aggregate::StandardDeviation
                } else {
                    Aggregate::NormalisingDeviation
                };
                let deviation = self.reduce_part(deviation, x, origin);
                let centred = self.map_part(Elementwise::Subtract, &[x, mean], origin);
                self.map(Elementwise::Divide, &[centred, deviation], origin)
            }
            Normaliser::MinMax | Normaliser::DsaMinMax => {
                let least = self.reduce_part(Aggregate::Min, x, origin);
                let greatest = self.reduce_part(Aggregate::Max, x, origin);
                let mut range = self.map_part(Elementwise::Subtract, &[greatest, least], origin);
                if op == Normaliser::DsaMinMax {
                    let little = self.part(StepKind::Number(1e-9), Type::Number, origin);
                    range = self.map_part(Elementwise::Add, &[range, little], origin);
                }
                let above = self.map_part(Elementwise::Subtract, &[x, least], origin);
                self.map(Elementwise::Divide, &[above, range], origin)
            }
            Normaliser::Softmax => {
                let greatest = self.reduce_part(Aggregate::Max, x, origin);
                let below = self.map_part(Elementwise::Subtract, &[x, greatest], origin);
                let power = self.map_part(Elementwise::Exponential, &[below], origin);
                let sum = self.reduce_part(Aggregate::Sum, power, origin);
                self.map(Elementwise::Divide, &[power, sum], origin)
            }
            Normaliser::Center => {
                let mean = self.reduce_part(Aggregate::Mean, x, origin);
                self.map(Elementwise::Subtract, &[x, mean], origin)
            }
            Normaliser::Ranks => {
                let of_type = self.steps[x].of_type;
                self.whole(StepKind::Ranks(x), of_type, origin)
            }
        }
    }

    fn reduction(
        &mut self,
        op: ops::Reduction,
        parameters: &[ParameterValue],
        over: Over,
        x: StepId,
        origin: &'a Expr,
    ) -> StepId {
        let reduction = match op {
            ops::Reduction::Mean => Aggregate::Mean,
            ops::Reduction::Sum => Aggregate::Sum,
            ops::Reduction::Variance => Aggregate::Variance,
            ops::Reduction::StandardDeviation => Aggregate::StandardDeviation,
            ops::Reduction::Min => Aggregate::Min,
            ops::Reduction::Max => Aggregate::Max,
            ops::Reduction::Median => Aggregate::Median,
            ops::Reduction::Quantile => {
                Aggregate::Quantile(parameters.first().and_then(|setting| setting.number()).unwrap_or(0.5))
            }
            ops::Reduction::L1 => Aggregate::L1,
            ops::Reduction::L2 => Aggregate::L2,
            ops::Reduction::GeometricMean => Aggregate::GeometricMean,
            ops::Reduction::Entropy => Aggregate::Entropy,
            ops::Reduction::Kurtosis => Aggregate::Kurtosis,
            ops::Reduction::Gini => Aggregate::Gini,
            ops::Reduction::DsaVariance => Aggregate::SampleVariance,
            ops::Reduction::DsaStandardDeviation => Aggregate::SampleDeviation,
            ops::Reduction::DsaGeometricMean => Aggregate::Product,
            ops::Reduction::DsaEntropy => {
                // The entropy is that of each value's share of the sum.
                let sum = self.reduce_part(Aggregate::SumNotNegative, x, origin);
                let share = self.map_part(Elementwise::Divide, &[x, sum], origin);
                let kind = StepKind::Reduce(Aggregate::ClampedEntropy, Over::Unit, share);
                return self.whole(kind, Type::Layer, origin);
            }
        };
        let of_type = match over {
            Over::Unit => Type::Layer,
            Over::Inputs => Type::Output,
            Over::Outputs => Type::Input,
        };
        self.whole(StepKind::Reduce(reduction, over, x), of_type, origin)
    }

    /// Adds a step whose value is that of its origin, or finds the one that computes the same.
    fn whole(&mut self, kind: StepKind, of_type: Type, origin: &'a Expr) -> StepId {
        let id = self.part(kind, of_type, origin);
        if std::mem::replace(&mut self.parts[id], false) {
            // An error should quote the expression with this value, not one that only needs it.
            self.steps[id].origin = origin;
        }
        id
    }

    /// Adds a step that the computation of its origin needs, or finds the one that computes the same.
    fn part(&mut self, kind: StepKind, of_type: Type, origin: &'a Expr) -> StepId {
        let digest = self.digest(&kind);
        if let Some(known) = self.known.get(&digest) {
            return *known;
        }
        let (read, round) = place(&self.steps, &kind);
        let id = self.steps.len();
        self.steps.push(Step { kind, of_type, origin, read, round, digest, need: Need::Computed });
        self.parts.push(true);
        self.known.insert(digest, id);
        id
    }

    fn digest(&self, kind: &StepKind) -> Digest {
        let head = match kind {
            StepKind::Number(value) => format!("number {:016x}", value.to_bits()),
            StepKind::Terminal(op) => format!("terminal {}", op.name()),
            StepKind::Map(op, _) => format!("map {}", op.name()),
            StepKind::Reduce(reduction, over, _) => format!("reduce {reduction:?} {over:?}"),
            StepKind::MatrixReduce(op, parameters, _) => format!("matrix {} {parameters:?}", op.name()),
            StepKind::Ranks(_) => "ranks".to_owned(),
            StepKind::Layerwise(op, parameters, _) => format!("layer {} {parameters:?}", op.name()),
        };
        let mut operands: Vec<&Digest> =
            uses(kind).into_iter().map(|used| &self.steps[used].digest).collect();
        // A sum and a product have the same digits with their operands swapped.
        if matches!(kind, StepKind::Map(Elementwise::Add | Elementwise::Multiply, _)) {
            operands.sort_unstable();
        }
        let mut hash = Sha256::new();
        hash.update(head.as_bytes());
        for operand in operands {
            hash.update(operand);
        }
        hash.finalize().into()
    }
}
