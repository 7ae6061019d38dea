//! The table of an allocation's marginal damage.

use super::TableOptions;
use super::grid::{Field, Flexible, Grid, Line};
use super::number::{grouped, percent, significant};
use super::table::without_shared;
use crate::descent::flatness::Flatness;

/// Returns a table of units with their marginal damage, and a summary; ends with a newline.
pub fn text(flatness: &Flatness, options: &TableOptions) -> String {
    let mut sizes: Vec<f64> = flatness.units.iter().map(|it| it.marginal.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let middle = sizes.get(sizes.len() / 2).copied().unwrap_or(0.0);
    let names: Vec<&str> = flatness.units.iter().map(|it| it.name.as_str()).collect();
    let rows = flatness.units.iter().zip(without_shared(&names)).map(|(unit, name)| {
        let cells = [
            name,
            percent(unit.sparsity, 2),
            significant(unit.marginal, 3),
            unit.error.map_or_else(|| "–".to_owned(), |it| significant(it, 2)),
            significant(unit.marginal / middle, 2),
        ];
        Line { class: "unit", cells: cells.map(Field::new).to_vec() }
    });
    let head = ["unit", "sparsity", "marginal", "±", "of median"];
    let grid = Grid {
        head: head.map(str::to_owned).to_vec(),
        numbers: vec![false, true, true, true, true],
        rows: rows.collect(),
        flexible: Flexible::Name(0),
    };
    format!("{}{}", grid.text(options), summary(flatness))
}

fn summary(flatness: &Flatness) -> String {
    let agreement =
        |reliability: Option<f64>| reliability.map_or_else(|| "–".to_owned(), |it| significant(it, 2));
    let mut lines = format!(
        "marginal: first-order rise of the loss in nats per million additional pruned weights; ±: its standard error over windows\n\
         unevenness {} (interquartile range over median size; flat is stationary), reliability {}\n",
        significant(flatness.unevenness, 2),
        agreement(flatness.reliability),
    );
    if let Some(rows) = &flatness.rows {
        lines.push_str(&format!(
            "rows within projections: unevenness {}, reliability {}\n",
            significant(rows.unevenness, 2),
            agreement(rows.reliability),
        ));
    }
    lines.push_str(&format!(
        "loss {:.4} nats, {} tokens; a backward pass counts as two forward passes\n",
        flatness.loss,
        grouped(flatness.tokens)
    ));
    lines
}
