//! A comparison of two allocations: the differences of their formulas, and the ratios of each unit.

use serde::Serialize;

use super::TableOptions;
use super::grid::{Field, Flexible, Grid, Line};
use super::number::percent;
use super::table::without_shared;
use crate::allocate::{Allocation, rank_correlation};
use crate::lang::difference::Difference;

/// The realised ratios of two allocations of one model.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SideBySide {
    /// Names of the two allocations.
    pub names: [String; 2],
    /// The units, or the projections if the two allocations have different units.
    pub units: Vec<UnitPair>,
    /// Spearman's rank correlation of the ratios; absent if one of the allocations is uniform.
    pub rank_correlation: Option<f64>,
    /// Share of all weights that would be pruned elsewhere: half the sum of the differences.
    pub moved: f64,
}

/// The ratios of one unit in two allocations.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnitPair {
    /// Name of the unit.
    pub name: String,
    /// Number of weights in the unit.
    pub params: u64,
    /// Realised sparsities of the unit in the first and the second allocation.
    pub sparsities: [f64; 2],
}

impl SideBySide {
    /// Compares two allocations of one model.
    pub fn new(names: [String; 2], first: &Allocation, second: &Allocation) -> Self {
        let same = first.units.len() == second.units.len()
            && first.units.iter().zip(&second.units).all(|(a, b)| a.name == b.name);
        // Equality is decided on the ratios before rounding to whole weights; after rounding, hardly any are
        // equal.
        let asked = |of: &Allocation| -> Vec<f64> {
            let ratios = of.units.iter().map(|unit| (unit.sparsity, unit.projections.len()));
            ratios.flat_map(|(ratio, count)| vec![ratio; if same { 1 } else { count }]).collect()
        };
        let parts = |of: &Allocation| -> Vec<(String, u64, u64)> {
            let units = of.units.iter();
            match same {
                true => units.map(|unit| (unit.name.clone(), unit.parameters, unit.pruned)).collect(),
                false => units
                    .flat_map(|unit| &unit.projections)
                    .map(|it| (it.name.clone(), it.parameters, it.pruned))
                    .collect(),
            }
        };
        let share = |pruned: u64, all: u64| pruned as f64 / all.max(1) as f64;
        let (left, right) = (parts(first), parts(second));
        let moved: u64 = left.iter().zip(&right).map(|((_, _, a), (_, _, b))| a.abs_diff(*b)).sum();
        let units: Vec<UnitPair> = left
            .into_iter()
            .zip(right)
            .map(|((name, params, a), (_, _, b))| UnitPair {
                name,
                params,
                sparsities: [share(a, params), share(b, params)],
            })
            .collect();
        Self {
            names,
            rank_correlation: rank_correlation(&asked(first), &asked(second)),
            moved: share(moved, 2 * first.parameters()),
            units,
        }
    }
}

/// Returns the differences between two scripts, the lines of each side with its mark; ends with a newline.
pub fn formulas(differences: &[Difference]) -> String {
    if differences.is_empty() {
        return "the scripts are the same\n".to_owned();
    }
    let blocks = differences.iter().map(|it| {
        let side = |mark: &str, text: &str| -> String {
            text.lines().map(|line| format!("{mark} {line}\n")).collect()
        };
        format!("{}{}", side("-", &it.first), side("+", &it.second))
    });
    blocks.collect::<Vec<_>>().join("\n")
}

/// Returns the ratios side by side and their similarity; ends with a newline.
pub fn table(ratios: &SideBySide, options: &TableOptions) -> String {
    let names: Vec<&str> = ratios.units.iter().map(|unit| unit.name.as_str()).collect();
    let rows = ratios.units.iter().zip(without_shared(&names)).map(|(unit, name)| {
        let [first, second] = unit.sparsities;
        let difference = format!("{:+.2}", 100.0 * (second - first)).replace('-', "−");
        let cells = [name, percent(first, 2), percent(second, 2), difference];
        Line { class: "unit", cells: cells.map(Field::new).to_vec() }
    });
    let [first, second] = ratios.names.clone();
    let grid = Grid {
        head: vec!["unit".to_owned(), first, second, "difference".to_owned()],
        numbers: vec![false, true, true, true],
        rows: rows.collect(),
        flexible: Flexible::Name(0),
    };
    let correlation = ratios.rank_correlation.map_or_else(
        || "no rank correlation: one of the two is uniform".to_owned(),
        |it| format!("rank correlation {it:.3}").replace('-', "−"),
    );
    let moved = percent(ratios.moved, 2);
    format!(
        "{}{correlation}; the two differ in where they prune {moved} of all weights\n",
        grid.text(options)
    )
}
