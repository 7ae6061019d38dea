//! Productions: the operators that can produce a value of each type.

use crate::lang::ops::{Class, Op};
use crate::lang::types::{Over, Type, UnitKind};

/// The types that formulas are built from.
const SHAPES: [Type; 5] = [Type::Number, Type::Layer, Type::Input, Type::Output, Type::Matrix];

/// An operator with certain operand types.
#[derive(Clone, Debug)]
pub(super) struct Production {
    /// The operator.
    pub(super) op: Op,
    /// Types of its operands.
    pub(super) operands: Vec<Type>,
    /// The `over` of a reduction.
    pub(super) over: Option<Over>,
    /// Relative frequency with which it is drawn.
    pub(super) weight: f64,
    /// Minimum depth of a tree with this root.
    pub(super) depth: usize,
    /// Minimum size of such a tree.
    pub(super) size: usize,
}

/// All productions of a space, by the type they produce (Montana's type possibility tables, 1995).
#[derive(Clone, Debug)]
pub(super) struct Productions {
    by_type: [Vec<Production>; SHAPES.len()],
}

impl Productions {
    /// Returns the productions of some operators for a unit.
    pub(super) fn new(operators: &[Op], unit: UnitKind) -> Self {
        let mut all: Vec<(Type, Production)> = Vec::new();
        for op in operators.iter().copied() {
            let row = op.info();
            if matches!(row.class, Class::Allocator(_)) || is_senseless(op, unit) {
                continue;
            }
            for over in overs(op) {
                for operands in combinations(row.operands.len()) {
                    let Ok(result) = op.result_type(&operands, over) else { continue };
                    let weight = weight(op, result, &operands, over);
                    // Numbers are drawn, not computed.
                    if weight > 0.0 && (result != Type::Number || operands.is_empty()) {
                        all.push((result, Production { op, operands, over, weight, depth: 0, size: 0 }));
                    }
                }
            }
        }
        // Minimum depths and sizes: lowered until nothing changes.
        let mut least: [Option<(usize, usize)>; SHAPES.len()] = [None; SHAPES.len()];
        least[Type::Number as usize] = Some((1, 1));
        loop {
            let mut changed = false;
            for (result, production) in &mut all {
                let mut below = production.operands.iter().map(|it| least[*it as usize]);
                let below = below.try_fold((0, 0), |(deepest, sum): (usize, usize), operand| {
                    operand.map(|(depth, size)| (deepest.max(depth), sum.saturating_add(size)))
                });
                let Some((depth, size)) = below.map(|(depth, size)| (depth + 1, size.saturating_add(1)))
                else {
                    continue;
                };
                (production.depth, production.size) = (depth, size);
                let known = &mut least[*result as usize];
                let better = known.map_or((depth, size), |(deep, large)| (depth.min(deep), size.min(large)));
                if *known != Some(better) {
                    *known = Some(better);
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        let mut by_type: [Vec<Production>; SHAPES.len()] = Default::default();
        for (result, production) in all.into_iter().filter(|(_, it)| it.depth > 0) {
            by_type[result as usize].push(production);
        }
        Self { by_type }
    }

    /// Returns the productions of a type.
    pub(super) fn of(&self, of_type: Type) -> &[Production] {
        self.by_type.get(of_type as usize).map_or(&[], Vec::as_slice)
    }

    /// Returns the minimum depth of a tree of a type; `None` if the space has no such tree.
    pub(super) fn least_depth(&self, of_type: Type) -> Option<usize> {
        match of_type {
            Type::Number => Some(1),
            _ => self.of(of_type).iter().map(|it| it.depth).min(),
        }
    }

    /// Returns the minimum size of a tree of a type; `None` if the space has no such tree.
    pub(super) fn least_size(&self, of_type: Type) -> Option<usize> {
        match of_type {
            Type::Number => Some(1),
            _ => self.of(of_type).iter().map(|it| it.size).min(),
        }
    }

    /// Returns whether an operator can produce a value per unit.
    pub(super) fn gives_layer(&self, op: Op) -> bool {
        self.of(Type::Layer).iter().any(|it| it.op == op)
    }
}

/// Returns whether an operator cannot tell units apart: all blocks contain the same share of each kind of
/// projection, and each block is its own mean.
const fn is_senseless(op: Op, unit: UnitKind) -> bool {
    let of_projections = matches!(
        op,
        Op::FanIn
            | Op::FanOut
            | Op::Attention
            | Op::Mlp
            | Op::Query
            | Op::Key
            | Op::Value
            | Op::Out
            | Op::Gate
            | Op::Up
            | Op::Down
            | Op::BlockMean
    );
    of_projections && matches!(unit, UnitKind::Block)
}

/// Returns the possible `over` values of a reduction.
fn overs(op: Op) -> Vec<Option<Over>> {
    let row = op.info();
    let over = row.parameters.iter().find(|parameter| parameter.name == "over");
    match (row.class, over) {
        (Class::Reduction, Some(_)) => Over::ALL.map(Some).to_vec(),
        _ => vec![None],
    }
}

/// Returns all combinations of operand types.
fn combinations(operands: usize) -> Vec<Vec<Type>> {
    (0..operands).fold(vec![Vec::new()], |all, _| {
        let with = |before: &Vec<Type>| {
            let before = before.clone();
            SHAPES.map(|shape| before.iter().copied().chain([shape]).collect::<Vec<Type>>())
        };
        all.iter().flat_map(with).collect()
    })
}

/// Returns the relative frequency of a production; 0 if it is never drawn.
///
/// Formulas that tell units apart are sums and products of unit features, so arithmetic on layers is
/// frequent. A reduction reads every weight, so its operands stay simple.
fn weight(op: Op, result: Type, operands: &[Type], over: Option<Over>) -> f64 {
    let row = op.info();
    let numbers = operands.iter().filter(|it| **it == Type::Number).count();
    let layers = result == Type::Layer;
    match row.class {
        Class::Terminal(_) => match op {
            Op::Score => 6.0,
            Op::Gradient => 4.0,
            Op::Depth => 5.0,
            Op::Target => 0.2,
            Op::Parameters | Op::FanIn | Op::FanOut => 0.7,
            _ => 1.5,
        },
        Class::Elementwise => {
            let often = match op {
                Op::Add | Op::Subtract | Op::Multiply => 3.0,
                Op::Divide => 1.2,
                Op::Where => 0.15,
                Op::Power => 0.2,
                Op::Minimum | Op::Maximum => 0.5,
                Op::Less | Op::Greater => 0.4,
                Op::LessEqual | Op::GreaterEqual => 0.05,
                Op::Negate => 0.1,
                _ if layers => 0.12,
                _ => 0.3,
            };
            match (operands.len(), layers, numbers) {
                (_, _, all) if all == operands.len() => 0.0,
                (1, ..) => often,
                (2, true, _) => often,
                (2, false, 1) => 0.2 * often,
                // Two values per weight, or one per weight and one per unit or channel.
                (2, false, _) if operands.contains(&Type::Matrix) => 0.06 * often,
                (2, false, _) => 0.02 * often,
                (_, true, _) if operands[0] != Type::Number => 0.2 * often,
                _ => 0.0,
            }
        }
        Class::Normaliser if layers => 0.4,
        Class::Normaliser => 0.1,
        Class::Reduction if over.is_some_and(Over::is_within_linears) => 0.1,
        Class::Reduction if operands == [Type::Matrix] => 1.0,
        Class::Reduction => 0.15,
        Class::MatrixReduction => 0.02,
        Class::Layerwise => 0.2,
        Class::Allocator(_) => 0.0,
    }
}
