//! All formulas of the full space up to a size.

use super::definition::Space;
use super::tidy::tidy;
use crate::lang::ops::{Class, Domain, Op, ParameterValue};
use crate::lang::program::{Expr, Script};
use crate::lang::types::{Over, Type, UnitKind};

impl Space {
    /// Returns every formula up to the space's maximum size, with constants and allocator parameters from
    /// grids; `None` if there are more than `most` trees of some size.
    pub fn trees(&self, constants: &[f64], windows: &[f64], most: usize) -> Option<Vec<Script>> {
        let mut scripts = Vec::new();
        for unit in &self.units {
            let by_size = self.by_size(*unit, constants, most)?;
            for allocator in self.allocators() {
                let row = allocator.info();
                let parameters: Vec<Vec<ParameterValue>> = match row.parameters {
                    [] => vec![Vec::new()],
                    [one] => {
                        let settings = windows.iter().map(|window| ParameterValue::Number(*window));
                        settings.filter(|it| one.domain.holds(*it)).map(|it| vec![it]).collect()
                    }
                    _ => Vec::new(),
                };
                let importances: Vec<Option<&Expr>> = match row.class {
                    Class::Allocator(Some(of_type)) => by_size
                        .iter()
                        .take(self.max_size.saturating_sub(1))
                        .flat_map(|it| it[of_type as usize].iter().map(Some))
                        .collect(),
                    _ => vec![None],
                };
                for importance in importances {
                    for parameters in &parameters {
                        let operands = importance.cloned().into_iter().collect();
                        let Ok(allocation) = Expr::call(allocator, operands, parameters.clone()) else {
                            continue;
                        };
                        let script = Script { metric: None, unit: Some(*unit), allocation: Some(allocation) };
                        scripts.push(tidy(script));
                        if scripts.len() > most {
                            return None;
                        }
                    }
                }
            }
        }
        Some(scripts)
    }

    /// Returns all trees, indexed by size minus 1 and by type.
    fn by_size(&self, unit: UnitKind, constants: &[f64], most: usize) -> Option<Vec<[Vec<Expr>; 5]>> {
        let productions = self.of_unit(unit);
        let types = [Type::Number, Type::Layer, Type::Input, Type::Output, Type::Matrix];
        let mut by_size: Vec<[Vec<Expr>; 5]> = Vec::new();
        for size in 1..self.max_size {
            let mut all: [Vec<Expr>; 5] = Default::default();
            if size == 1 {
                all[Type::Number as usize].extend(constants.iter().map(|value| Expr::number(*value)));
            }
            for of_type in types {
                for production in productions.of(of_type) {
                    for operands in choices(&production.operands, size - 1, &by_size) {
                        for parameters in parameters(production.op, production.over, constants) {
                            all[of_type as usize]
                                .extend(Expr::call(production.op, operands.clone(), parameters).ok());
                        }
                    }
                    if all[of_type as usize].len() > most {
                        return None;
                    }
                }
            }
            by_size.push(all);
        }
        Some(by_size)
    }
}

/// Returns all lists of operands of given types whose sizes add up to `size`.
fn choices(types: &[Type], size: usize, by_size: &[[Vec<Expr>; 5]]) -> Vec<Vec<Expr>> {
    let Some((last, before)) = types.split_last() else {
        return if size == 0 { vec![Vec::new()] } else { Vec::new() };
    };
    let mut all = Vec::new();
    for own in 1..=size {
        let Some(trees) = by_size.get(own - 1) else { break };
        let lists = choices(before, size - own, by_size);
        for list in &lists {
            for tree in &trees[*last as usize] {
                all.push(list.iter().cloned().chain([tree.clone()]).collect());
            }
        }
    }
    all
}

/// Returns the possible parameters of a call: the defaults, or the grid's constants where a parameter has no
/// default.
fn parameters(op: Op, over: Option<Over>, constants: &[f64]) -> Vec<Vec<ParameterValue>> {
    let mut all: Vec<Vec<ParameterValue>> = vec![Vec::new()];
    for parameter in op.info().parameters {
        let settings: Vec<ParameterValue> = match (parameter.name, over, parameter.default, parameter.domain)
        {
            ("over", Some(over), ..) => vec![ParameterValue::Word(over.name())],
            (_, _, Some(default), _) => vec![default],
            (_, _, None, Domain::Word(words)) => {
                words.iter().map(|word| ParameterValue::Word(word)).collect()
            }
            (_, _, None, domain) => constants
                .iter()
                .map(|value| ParameterValue::Number(*value))
                .filter(|it| domain.holds(*it))
                .collect(),
        };
        all = all
            .iter()
            .flat_map(|list| settings.iter().map(|it| list.iter().copied().chain([*it]).collect()))
            .collect();
    }
    all
}
