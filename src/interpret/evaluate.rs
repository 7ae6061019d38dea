//! Expressions to values: reads of the weights, and the layer stage between and after them.

use rayon::prelude::*;

use super::data::{ModelData, ProjectionKind};
use super::error::{InterpretError, NotFinite};
use super::layer::layerwise;
use super::matrix::{self, UnitValue};
use super::noise;
use super::plan::{Plan, StepId, StepKind};
use super::reduce::{self, Reduced};
use super::units::{self, Unit};
use crate::lang::ops::Op;
use crate::lang::print;
use crate::lang::program::Expr;
use crate::lang::scalar;
use crate::lang::types::{Type, UnitKind};

/// Units whose values are buffered whole are read one after another when they have more weights than this.
const LARGE_UNIT: u64 = 1 << 23;

/// What an evaluation needs beside the expressions.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The model.
    pub model: &'a ModelData<'a>,
    /// What gets one value.
    pub unit: UnitKind,
    /// What `score` stands for, a `Matrix`.
    pub metric: &'a Expr,
    /// What `target` stands for.
    pub target: f64,
}

/// The importances that an expression gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance {
    /// One for each unit.
    pub values: Vec<f64>,
    /// Whether they differ by no more than rounding, which says nothing.
    pub noise: bool,
}

impl Importance {
    /// Returns whether no unit is more important than another.
    pub fn is_constant(&self) -> bool {
        self.values.windows(2).all(|pair| pair[0] == pair[1])
    }
}

/// Evaluates expressions of type `Layer` or `Number` together, in as few reads of the weights as all of them need.
///
/// # Errors
/// Each expression fails on its own: on a value that is not finite, or a statistic that was not collected.
pub fn evaluate(expressions: &[&Expr], context: Context<'_>) -> Vec<Result<Importance, InterpretError>> {
    let plan = Plan::new(expressions.iter().copied(), context.metric);
    let known = match Known::compute(&plan, context) {
        Ok(known) => known,
        Err(error) => return expressions.iter().map(|_| Err(error.clone())).collect(),
    };
    plan.roots
        .iter()
        .map(|root| {
            known.check(&plan, context, *root)?;
            let values = known.layer(*root).to_vec();
            Ok(Importance { noise: noise::is_noise(&plan, &known, *root), values })
        })
        .collect()
}

/// Returns, for each linear, how many weights are among the `count` least values of an expression of type `Matrix`, over
/// all linears of all units.
///
/// # Errors
/// Fails on a value that is NaN, or a statistic that was not collected.
pub fn removed_by_threshold(
    expr: &Expr,
    context: Context<'_>,
    count: u64,
) -> Result<Vec<u64>, InterpretError> {
    let plan = Plan::new([expr], context.metric);
    let known = Known::compute(&plan, context)?;
    let root = plan.roots[0];
    known.check(&plan, context, root)?;
    let of_unit = |unit| known.with_ranks(&plan, context, unit);
    matrix::removed_by_threshold(&plan, context.model, &known.units, root, &of_unit, count)
}

/// The values of an expression of type `Matrix`, a linear at a time.
pub struct Scores<'a> {
    plan: Plan<'a>,
    known: Known,
    context: Context<'a>,
}

impl<'a> Scores<'a> {
    /// Computes what the values of all linears need.
    ///
    /// # Errors
    /// Fails on a statistic that was not collected, or a reduction that is not finite.
    pub fn new(expr: &'a Expr, context: Context<'a>) -> Result<Self, InterpretError> {
        let plan = Plan::new([expr], context.metric);
        let known = Known::compute(&plan, context)?;
        known.check(&plan, context, plan.roots[0])?;
        Ok(Self { plan, known, context })
    }

    /// Returns the values of a linear of the model, `[rows, columns]`.
    ///
    /// # Errors
    /// Fails on a statistic that was not collected, or a value that is not finite.
    pub fn linear(&self, linear: usize) -> Result<Vec<f32>, InterpretError> {
        let Some(unit) = self.known.units.iter().position(|unit| unit.linears.contains(&linear)) else {
            return Err(InterpretError::NoLinears);
        };
        let known = self.known.with_ranks(&self.plan, self.context, unit)?;
        let root = self.plan.roots[0];
        let values =
            matrix::values(&self.plan, self.context.model, &self.known.units, unit, linear, root, &known)?;
        if values.iter().any(|x| !x.is_finite()) {
            let found = matrix::first_not_finite(
                &self.plan,
                self.context.model,
                &self.known.units,
                unit,
                root,
                &known,
            );
            if let Some(found) = found {
                return Err(InterpretError::NotFinite(Box::new(found)));
            }
        }
        Ok(values)
    }
}

/// What is known of a plan's steps, for all units.
pub(super) struct Known {
    units: Vec<Unit>,
    /// For each step, its number in each unit.
    layers: Vec<Vec<f64>>,
    /// For each reduction, what it is in each unit.
    reduced: Vec<Vec<Reduced>>,
    /// For each step with a value for each channel, its values in each linear.
    channels: Vec<Vec<Vec<f64>>>,
}

/// The results of one unit, before they are put with the others'.
type OfUnit = Vec<(StepId, UnitValue)>;

impl Known {
    /// Returns a step's number in each unit.
    pub(super) fn layer(&self, step: StepId) -> &[f64] {
        &self.layers[step]
    }

    /// Returns what a reduction is in each unit.
    pub(super) fn reduced(&self, step: StepId) -> &[Reduced] {
        &self.reduced[step]
    }

    fn compute(plan: &Plan<'_>, context: Context<'_>) -> Result<Self, InterpretError> {
        let units = units::units(context.model, context.unit);
        if units.is_empty() {
            return Err(InterpretError::NoLinears);
        }
        let steps = plan.steps.len();
        let linears = context.model.linears.len();
        let mut known = Self {
            layers: vec![Vec::new(); steps],
            reduced: vec![Vec::new(); steps],
            channels: vec![vec![Vec::new(); linears]; steps],
            units,
        };
        let last = plan.steps.iter().map(|step| step.read).max().unwrap_or(0);
        for read in 0..=last {
            for (id, step) in plan.steps.iter().enumerate() {
                if step.read == read && step.round == 0 {
                    known.step(plan, context, id)?;
                }
            }
            let rounds = plan.steps.iter().filter(|step| step.read == read).map(|step| step.round).max();
            let rounds = rounds.unwrap_or(0);
            if rounds > 0 {
                known.read(plan, context, read, rounds)?;
            }
        }
        Ok(known)
    }

    /// Computes a step for all units at once.
    fn step(&mut self, plan: &Plan<'_>, context: Context<'_>, id: StepId) -> Result<(), InterpretError> {
        if let StepKind::Layerwise(op, parameters, x) = &plan.steps[id].kind {
            self.layers[id] = layerwise(*op, parameters, &self.layers[*x]);
            return Ok(());
        }
        if plan.steps[id].of_type == Type::Matrix {
            return Ok(());
        }
        for unit in 0..self.units.len() {
            let value = Overlay::none(self).step(plan, context, unit, id)?;
            self.keep(unit, id, value);
        }
        Ok(())
    }

    /// Runs the rounds of one read of the weights, unit by unit.
    fn read(
        &mut self,
        plan: &Plan<'_>,
        context: Context<'_>,
        read: usize,
        rounds: usize,
    ) -> Result<(), InterpretError> {
        let buffers = plan.steps.iter().any(|step| {
            step.needs_weights(plan)
                && !matches!(&step.kind, StepKind::Reduce(reduction, super::plan::Over::Unit, _) if !reduction.needs_all_values())
        });
        let large = self.units.iter().any(|unit| unit.parameters > LARGE_UNIT);
        let one = |unit: usize| self.unit(plan, context, read, rounds, unit);
        let results: Vec<Result<OfUnit, InterpretError>> = if buffers && large {
            (0..self.units.len()).map(one).collect()
        } else {
            (0..self.units.len()).into_par_iter().map(one).collect()
        };
        for (unit, values) in results.into_iter().enumerate() {
            for (step, value) in values? {
                self.keep(unit, step, value);
            }
        }
        Ok(())
    }

    fn unit(
        &self,
        plan: &Plan<'_>,
        context: Context<'_>,
        read: usize,
        rounds: usize,
        unit: usize,
    ) -> Result<OfUnit, InterpretError> {
        let mut overlay = Overlay { known: self, local: Some((unit, vec![None; plan.steps.len()])) };
        for round in 1..=rounds {
            let here = |id: &StepId| plan.steps[*id].read == read && plan.steps[*id].round == round;
            let of_weights: Vec<StepId> =
                (0..plan.steps.len()).filter(here).filter(|id| plan.steps[*id].needs_weights(plan)).collect();
            if !of_weights.is_empty() {
                let values = matrix::run(plan, context.model, &self.units, unit, &of_weights, &overlay)?;
                for (step, value) in of_weights.iter().zip(values) {
                    overlay.keep(*step, value);
                }
            }
            for id in (0..plan.steps.len()).filter(here) {
                let step = &plan.steps[id];
                if step.needs_weights(plan) || step.of_type == Type::Matrix {
                    continue;
                }
                let value = overlay.step(plan, context, unit, id)?;
                overlay.keep(id, value);
            }
        }
        Ok(overlay.into_values())
    }

    /// Returns what is known, and the ranks of a unit's weights, which are too large to keep for all units.
    fn with_ranks(
        &self,
        plan: &Plan<'_>,
        context: Context<'_>,
        unit: usize,
    ) -> Result<Overlay<'_>, InterpretError> {
        let mut overlay = Overlay { known: self, local: Some((unit, vec![None; plan.steps.len()])) };
        for id in 0..plan.steps.len() {
            if matches!(plan.steps[id].kind, StepKind::Ranks(_)) && plan.steps[id].needs_weights(plan) {
                for value in matrix::run(plan, context.model, &self.units, unit, &[id], &overlay)? {
                    overlay.keep(id, value);
                }
            }
        }
        Ok(overlay)
    }

    fn keep(&mut self, unit: usize, step: StepId, value: UnitValue) {
        match value {
            UnitValue::One(reduced) => {
                let units = self.units.len();
                self.layers[step].resize(units, f64::NAN);
                self.layers[step][unit] = reduced.value;
                self.reduced[step].resize(units, Reduced::default());
                self.reduced[step][unit] = reduced;
            }
            UnitValue::Channels(linears) => {
                for (linear, values) in self.units[unit].linears.iter().zip(linears) {
                    self.channels[step][*linear] = values;
                }
            }
            // Ranks serve the unit's own later rounds; `with_ranks` computes them anew.
            UnitValue::Weights(_) => {}
        }
    }

    /// Fails when a step, or one that it is made of, is not finite where it should be; blames the deepest.
    fn check(&self, plan: &Plan<'_>, context: Context<'_>, root: StepId) -> Result<(), InterpretError> {
        let mut below = vec![false; plan.steps.len()];
        below[root] = true;
        for id in (0..=root).rev() {
            if below[id] {
                for used in plan.uses(id) {
                    below[used] = true;
                }
            }
        }
        for id in (0..=root).filter(|id| below[*id] && !plan.steps[*id].may_be_not_finite) {
            let found = match plan.steps[id].of_type {
                Type::Matrix => None,
                Type::Input | Type::Output => self.units.iter().position(|unit| {
                    unit.linears
                        .iter()
                        .any(|linear| self.channels[id][*linear].iter().any(|x| !x.is_finite()))
                }),
                _ => self.layers[id].iter().position(|value| !value.is_finite()),
            };
            if let Some(unit) = found {
                return Err(InterpretError::NotFinite(Box::new(self.blame(plan, context, id, unit))));
            }
        }
        Ok(())
    }

    /// Says where a step's value in a unit stops being finite.
    fn blame(&self, plan: &Plan<'_>, context: Context<'_>, id: StepId, unit: usize) -> NotFinite {
        let step = &plan.steps[id];
        let overlay = Overlay::none(self);
        if step.needs_weights(plan) {
            let operand = plan.uses(id)[0];
            let ranked = plan
                .matrix_steps_of(&[operand])
                .iter()
                .any(|id| matches!(plan.steps[*id].kind, StepKind::Ranks(_)));
            if !ranked
                && let Some(found) =
                    matrix::first_not_finite(plan, context.model, &self.units, unit, operand, &overlay)
            {
                return found;
            }
        }
        let numbers = |id: StepId| match plan.steps[id].of_type {
            Type::Number | Type::Layer => self.layers[id].get(unit).copied(),
            _ => None,
        };
        let operands = plan
            .uses(id)
            .into_iter()
            .filter_map(|operand| Some((print::expr(plan.steps[operand].origin), numbers(operand)?)))
            .collect();
        NotFinite {
            expression: print::expr(step.origin),
            span: step.origin.span(),
            unit: self.units[unit].name.clone(),
            weight: None,
            value: numbers(id).unwrap_or(f64::NAN),
            operands,
        }
    }
}

/// What is known of all units, and of the one at hand what its own rounds gave so far.
struct Overlay<'k> {
    known: &'k Known,
    local: Option<(usize, Vec<Option<UnitValue>>)>,
}

impl<'k> Overlay<'k> {
    const fn none(known: &'k Known) -> Self {
        Self { known, local: None }
    }

    fn local(&self, step: StepId) -> Option<&UnitValue> {
        self.local.as_ref().and_then(|(_, values)| values[step].as_ref())
    }

    fn keep(&mut self, step: StepId, value: UnitValue) {
        if let Some((_, values)) = &mut self.local {
            values[step] = Some(value);
        }
    }

    fn into_values(self) -> OfUnit {
        let values = self.local.map(|(_, values)| values).unwrap_or_default();
        values.into_iter().enumerate().filter_map(|(step, value)| Some((step, value?))).collect()
    }

    /// Computes a step that needs no weights, in one unit.
    fn step(
        &self,
        plan: &Plan<'_>,
        context: Context<'_>,
        unit: usize,
        id: StepId,
    ) -> Result<UnitValue, InterpretError> {
        use matrix::Known as _;
        let of_unit = &self.known.units[unit];
        let channelwise = matches!(plan.steps[id].of_type, Type::Input | Type::Output);
        Ok(match &plan.steps[id].kind {
            StepKind::Number(value) => one(*value),
            StepKind::Terminal(op) => terminal(*op, plan.steps[id].origin, context, of_unit)?,
            StepKind::Map(op, operands) if channelwise => UnitValue::Channels(
                of_unit
                    .linears
                    .iter()
                    .enumerate()
                    .map(|(place, linear)| {
                        let vectors: Vec<Option<&[f64]>> = operands
                            .iter()
                            .map(|operand| match plan.steps[*operand].of_type {
                                Type::Input | Type::Output => {
                                    Some(self.channels(*operand, unit, place, *linear))
                                }
                                _ => None,
                            })
                            .collect();
                        let length = vectors.iter().flatten().map(|values| values.len()).max().unwrap_or(0);
                        (0..length)
                            .map(|channel| {
                                let operands: Vec<f64> = operands
                                    .iter()
                                    .zip(&vectors)
                                    .map(|(operand, vector)| match vector {
                                        Some(values) => values[channel],
                                        None => self.number(*operand, unit),
                                    })
                                    .collect();
                                scalar::apply(*op, &operands).unwrap_or(f64::NAN)
                            })
                            .collect()
                    })
                    .collect(),
            ),
            StepKind::Map(op, operands) => {
                let operands: Vec<f64> = operands.iter().map(|operand| self.number(*operand, unit)).collect();
                one(scalar::apply(*op, &operands).unwrap_or(f64::NAN))
            }
            StepKind::Reduce(reduction, _, x) => {
                UnitValue::One(reduce::reduce_doubles(*reduction, &self.all_channels(*x, unit)))
            }
            StepKind::Ranks(x) => {
                let mut ranks = reduce::ranks(&self.all_channels(*x, unit)).into_iter();
                let linears = of_unit.linears.iter().enumerate();
                UnitValue::Channels(
                    linears
                        .map(|(place, linear)| {
                            let length = self.channels(*x, unit, place, *linear).len();
                            ranks.by_ref().take(length).collect()
                        })
                        .collect(),
                )
            }
            StepKind::MatrixReduce(..) | StepKind::Layerwise(..) => one(f64::NAN),
        })
    }

    fn all_channels(&self, step: StepId, unit: usize) -> Vec<f64> {
        use matrix::Known as _;
        let linears = self.known.units[unit].linears.iter().enumerate();
        linears.flat_map(|(place, linear)| self.channels(step, unit, place, *linear)).copied().collect()
    }
}

impl matrix::Known for Overlay<'_> {
    fn number(&self, step: StepId, unit: usize) -> f64 {
        match self.local(step) {
            Some(UnitValue::One(reduced)) => reduced.value,
            _ => self.known.layers[step].get(unit).copied().unwrap_or(f64::NAN),
        }
    }

    fn channels(&self, step: StepId, _unit: usize, place: usize, linear: usize) -> &[f64] {
        match self.local(step) {
            Some(UnitValue::Channels(linears)) => &linears[place],
            _ => &self.known.channels[step][linear],
        }
    }

    fn weights(&self, step: StepId, place: usize) -> &[f32] {
        match self.local(step) {
            Some(UnitValue::Weights(linears)) => &linears[place],
            _ => &[],
        }
    }
}

fn one(value: f64) -> UnitValue {
    UnitValue::One(Reduced { value, ..Reduced::default() })
}

/// Returns the value of a terminal that there is not one of for each weight.
fn terminal(op: Op, origin: &Expr, context: Context<'_>, unit: &Unit) -> Result<UnitValue, InterpretError> {
    use ProjectionKind::{Down, Gate, Key, Out, Query, Up, Value};
    let model = context.model;
    let linear = &model.linears[unit.linears[0]];
    let projection_only = |value: usize| match context.unit {
        UnitKind::Projection => Ok(one(value as f64)),
        UnitKind::Block => Err(InterpretError::NeedsProjection { op, span: origin.span() }),
    };
    let share = |kinds: &[ProjectionKind]| Ok(one(unit.share(kinds)));
    match op {
        Op::Target => Ok(one(context.target)),
        Op::Depth if model.blocks <= 1 => Ok(one(0.0)),
        Op::Depth => Ok(one(unit.block as f64 / (model.blocks - 1) as f64)),
        Op::Parameters => Ok(one(unit.parameters as f64)),
        Op::FanIn => projection_only(linear.columns),
        Op::FanOut => projection_only(linear.rows),
        Op::Attention => share(&[Query, Key, Value, Out]),
        Op::Mlp => share(&[Gate, Up, Down]),
        Op::Query => share(&[Query]),
        Op::Key => share(&[Key]),
        Op::Value => share(&[Value]),
        Op::Out => share(&[Out]),
        Op::Gate => share(&[Gate]),
        Op::Up => share(&[Up]),
        Op::Down => share(&[Down]),
        Op::ReconstructionError => {
            let mut sum = 0.0;
            for linear in unit.linears.iter().map(|linear| &model.linears[*linear]) {
                sum += linear.reconstruction_error.ok_or_else(|| InterpretError::NotCollected {
                    op,
                    span: origin.span(),
                    linear: linear.name.clone(),
                })?;
            }
            Ok(one(sum / unit.linears.len() as f64))
        }
        _ => {
            let linears = unit.linears.iter().map(|linear| {
                let linear = &model.linears[*linear];
                let (collected, root) = match op {
                    Op::InputNorm => (&linear.second_moment, true),
                    _ => (&linear.hessian_diagonal, false),
                };
                let name = || linear.name.clone();
                match collected {
                    None => Err(InterpretError::NotCollected { op, span: origin.span(), linear: name() }),
                    Some(values) if values.len() != linear.columns => Err(InterpretError::WrongLength {
                        op,
                        linear: name(),
                        found: values.len(),
                        expected: linear.columns,
                    }),
                    Some(values) if root => Ok(values.iter().map(|x| f64::from(*x).sqrt()).collect()),
                    Some(values) => Ok(values.iter().map(|x| f64::from(*x)).collect()),
                }
            });
            Ok(UnitValue::Channels(linears.collect::<Result<_, _>>()?))
        }
    }
}
