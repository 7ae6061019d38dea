//! Typed programs, which the checker makes from scripts, and which a search generates and varies.

use super::ops::{self, Op, ParameterValue};
use super::span::Span;
use super::types::{Group, Over, Type, UnitKind};

/// A typed expression.
///
/// Two expressions are equal when they are the same formula, wherever they stand in a script.
#[derive(Clone, Debug)]
pub struct Expr {
    kind: ExprKind,
    ty: Type,
    span: Option<Span>,
    size: usize,
    depth: usize,
}

/// What an expression is made of.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// A constant.
    Number(f64),
    /// An operator on its operands, with all of its parameters in the catalogue's order.
    Call {
        /// The operator.
        op: Op,
        /// Its operands.
        operands: Vec<Expr>,
        /// Its parameters, defaults filled in.
        parameters: Vec<ParameterValue>,
    },
}

/// Why an expression cannot be built.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BuildError {
    /// The number of operands is wrong.
    #[error("`{}` takes {expected} operand{}, not {found}", op.name(), if *expected == 1 { "" } else { "s" })]
    OperandCount {
        /// The operator.
        op: Op,
        /// How many it takes.
        expected: usize,
        /// How many were given.
        found: usize,
    },
    /// The number of parameters is wrong, or one is outside its domain.
    #[error("parameter {index} of `{}` is missing or outside its domain", op.name())]
    Parameter {
        /// The operator.
        op: Op,
        /// Which parameter, from 0.
        index: usize,
    },
    /// An operand's type does not fit.
    #[error("operand {index} of `{}` cannot be a {found}", op.name())]
    OperandType {
        /// The operator.
        op: Op,
        /// Which operand, from 0.
        index: usize,
        /// Its type.
        found: Type,
    },
}

impl Expr {
    /// Returns a constant. Scripts can express only finite ones.
    pub const fn number(value: f64) -> Self {
        Self { kind: ExprKind::Number(value), ty: Type::Number, span: None, size: 1, depth: 1 }
    }

    /// Returns an operator applied to operands, with all of its parameters.
    ///
    /// # Errors
    /// Fails when operands or parameters do not fit the operator's row of the catalogue.
    pub fn call(
        op: impl Into<Op>,
        operands: Vec<Self>,
        parameters: Vec<ParameterValue>,
    ) -> Result<Self, BuildError> {
        let op = op.into();
        let row = op.info();
        if operands.len() != row.operands.len() {
            return Err(BuildError::OperandCount { op, expected: row.operands.len(), found: operands.len() });
        }
        let misfit =
            row.parameters.iter().enumerate().find(|(index, row)| {
                !parameters.get(*index).is_some_and(|setting| row.domain.holds(*setting))
            });
        if let Some((index, _)) = misfit {
            return Err(BuildError::Parameter { op, index });
        }
        if parameters.len() > row.parameters.len() {
            return Err(BuildError::Parameter { op, index: row.parameters.len() });
        }
        let types: Vec<Type> = operands.iter().map(Self::ty).collect();
        let ty = op.result_type(&types, over(op, &parameters)).map_err(|index| BuildError::OperandType {
            op,
            index,
            found: types[index],
        })?;
        let size = operands.iter().fold(1_usize, |size, operand| size.saturating_add(operand.size));
        let depth = 1 + operands.iter().map(|operand| operand.depth).max().unwrap_or(0);
        Ok(Self { kind: ExprKind::Call { op, operands, parameters }, ty, span: None, size, depth })
    }

    /// Returns an operator applied to operands, with its parameters' defaults.
    ///
    /// # Errors
    /// As [`Expr::call`]; also when a parameter has no default.
    pub fn apply(op: impl Into<Op>, operands: Vec<Self>) -> Result<Self, BuildError> {
        let op = op.into();
        let defaults = op.info().parameters.iter().map_while(|parameter| parameter.default).collect();
        Self::call(op, operands, defaults)
    }

    /// Returns the expression with the place it has in a script.
    pub const fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// Returns the expression without its places in a script, for use beside another script.
    pub fn without_spans(&self) -> Self {
        let mut bare = self.clone();
        bare.forget_spans();
        bare
    }

    fn forget_spans(&mut self) {
        self.span = None;
        if let ExprKind::Call { operands, .. } = &mut self.kind {
            operands.iter_mut().for_each(Self::forget_spans);
        }
    }

    /// Returns what the expression is made of.
    pub const fn kind(&self) -> &ExprKind {
        &self.kind
    }

    /// Returns the expression's type.
    pub const fn ty(&self) -> Type {
        self.ty
    }

    /// Returns where the expression stands in its script, if it came from one.
    pub const fn span(&self) -> Option<Span> {
        self.span
    }

    /// Returns the operator, or `None` for a constant.
    pub const fn op(&self) -> Option<Op> {
        match &self.kind {
            ExprKind::Number(_) => None,
            ExprKind::Call { op, .. } => Some(*op),
        }
    }

    /// Returns the operands; a constant has none.
    pub fn operands(&self) -> &[Self] {
        match &self.kind {
            ExprKind::Number(_) => &[],
            ExprKind::Call { operands, .. } => operands,
        }
    }

    /// Returns the parameters; a constant has none.
    pub fn parameters(&self) -> &[ParameterValue] {
        match &self.kind {
            ExprKind::Number(_) => &[],
            ExprKind::Call { parameters, .. } => parameters,
        }
    }

    /// Returns the constant's value, or `None` for a call.
    pub const fn as_number(&self) -> Option<f64> {
        match &self.kind {
            ExprKind::Number(value) => Some(*value),
            ExprKind::Call { .. } => None,
        }
    }

    /// Returns what a reduction reduces; `None` for any other expression.
    pub fn over(&self) -> Option<Over> {
        self.op().and_then(|op| over(op, self.parameters()))
    }

    /// Returns the number of operators and constants.
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Returns the length of the longest path to a leaf; 1 for a leaf.
    pub const fn depth(&self) -> usize {
        self.depth
    }

    /// Calls `visit` on the expression and all below it, operands first.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Self)) {
        for operand in self.operands() {
            operand.walk(visit);
        }
        visit(self);
    }

    /// Returns whether the expression has no terminal, so that its value is the same for every model.
    pub fn is_constant(&self) -> bool {
        !self.uses_any(Op::is_terminal)
    }

    /// Returns whether `op` occurs in the expression.
    pub fn uses(&self, op: Op) -> bool {
        self.uses_any(|here| here == op)
    }

    /// Returns whether an operator that `wanted` accepts occurs in the expression.
    pub fn uses_any(&self, wanted: impl Fn(Op) -> bool + Copy) -> bool {
        self.op().is_some_and(wanted) || self.operands().iter().any(|operand| operand.uses_any(wanted))
    }

    /// Returns the expression with `replace` applied to every operand, and checks the types again.
    ///
    /// # Errors
    /// As [`Expr::call`].
    pub fn map_operands(
        &self,
        mut replace: impl FnMut(&Self) -> Result<Self, BuildError>,
    ) -> Result<Self, BuildError> {
        match &self.kind {
            ExprKind::Number(_) => Ok(self.clone()),
            ExprKind::Call { op, operands, parameters } => {
                let operands = operands.iter().map(&mut replace).collect::<Result<_, _>>()?;
                let mut built = Self::call(*op, operands, parameters.clone())?;
                built.span = self.span;
                Ok(built)
            }
        }
    }
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (ExprKind::Number(a), ExprKind::Number(b)) => a.to_bits() == b.to_bits(),
            (
                ExprKind::Call { op: a, operands: xs, parameters: ps },
                ExprKind::Call { op: b, operands: ys, parameters: qs },
            ) => a == b && ps == qs && xs == ys,
            _ => false,
        }
    }
}

/// Returns what an operator with these parameters reduces; `None` unless it is a reduction.
pub(super) fn over(op: Op, parameters: &[ParameterValue]) -> Option<Over> {
    let Op::Reduction(reduction) = op else { return None };
    let place = reduction.info().parameters.iter().position(|parameter| parameter.name == "over")?;
    match parameters.get(place) {
        Some(ParameterValue::Word(word)) => word.parse().ok(),
        _ => None,
    }
}

/// How a script scores weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// The group over which a ratio is applied.
    pub per: Group,
    /// The score, a `Matrix`.
    pub score: Expr,
}

/// A checked script.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// How weights are scored; without one the pruning method decides.
    pub metric: Option<Metric>,
    /// What gets one ratio; without it the unit is the block, or the one that an option sets.
    pub unit: Option<UnitKind>,
    /// The allocation, of type [`Type::Sparsity`]; a script without one is a pruning method.
    pub allocation: Option<Expr>,
}

/// The outermost operator of an allocation, taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Allocating<'a> {
    /// The allocator.
    pub op: ops::Allocator,
    /// The importance; `None` for an allocator without one.
    pub importance: Option<&'a Expr>,
    /// Its parameters.
    pub parameters: &'a [ParameterValue],
}

impl Script {
    /// Returns whether the ratios depend on an operator; `metric` defines the score unless the script has its own.
    pub fn allocates_by(&self, op: Op, metric: &Metric) -> bool {
        let metric = self.metric.as_ref().unwrap_or(metric);
        self.allocation.as_ref().is_some_and(|allocation| {
            allocation.uses(op) || (allocation.uses(Op::Score) && metric.score.uses(op))
        })
    }

    /// Returns the allocation's outermost operator and what it is applied to.
    pub fn allocator(&self) -> Option<Allocating<'_>> {
        let allocation = self.allocation.as_ref()?;
        let Some(Op::Allocator(op)) = allocation.op() else { return None };
        Some(Allocating {
            op,
            importance: allocation.operands().first(),
            parameters: allocation.parameters(),
        })
    }
}
