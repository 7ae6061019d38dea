//! The ratios of rows, if rows have their own: by projection, and row by row.

use super::grid::{Field, Flexible, Grid, Line};
use super::number::{grouped, percent};
use super::row_range::{Projection, projections};
use super::table::{TableOptions, without_shared};
use crate::allocate::Allocation;

/// Returns a table of the distribution of row ratios in each projection; ends with a newline.
///
/// For an even count, the median is the lower one. If no row has its own ratio, a sentence says so.
pub fn by_projection(allocation: &Allocation, options: &TableOptions) -> String {
    let all: Vec<Projection<'_>> = projections(allocation).collect();
    if all.is_empty() {
        return "each row loses its projection's ratio\n".to_owned();
    }
    let names: Vec<&str> = all.iter().map(|it| it.of.name.as_str()).collect();
    let rows = all.iter().zip(without_shared(&names)).map(|(projection, name)| {
        let sorted = projection.sorted();
        let at = |place: usize| sorted.get(place).map_or_else(String::new, |it| percent(*it, 2));
        let last = sorted.len().saturating_sub(1);
        let cells = [
            name,
            grouped(sorted.len() as u64),
            at(0),
            at(last / 2),
            at(last),
            grouped(projection.dead() as u64),
        ];
        Line { class: "unit", cells: cells.map(Field::new).to_vec() }
    });
    let head = ["projection", "rows", "lowest", "median", "highest", "all pruned"];
    Grid {
        head: head.map(str::to_owned).to_vec(),
        numbers: vec![false, true, true, true, true, true],
        rows: rows.collect(),
        flexible: Flexible::Name(0),
    }
    .text(options)
}

/// Returns a table of each row's ratio in the first projection whose name is `module` or ends with it; ends
/// with a newline.
///
/// `None` if there is no such projection whose rows have their own ratios.
pub fn of_module(allocation: &Allocation, module: &str, options: &TableOptions) -> Option<String> {
    let is_it = |it: &Projection<'_>| {
        let name = &it.of.name;
        name == module || name.strip_suffix(module).is_some_and(|before| before.ends_with('.'))
    };
    let projection = projections(allocation).find(is_it)?;
    let columns = grouped(projection.columns());
    let rows = projection.counts.counts().iter().enumerate().map(|(row, count)| {
        let share = percent(projection.share(*count), 2);
        let cells = [row.to_string(), grouped(u64::from(*count)), columns.clone(), share];
        Line { class: "row", cells: cells.map(Field::new).to_vec() }
    });
    let head = [projection.of.name.as_str(), "pruned", "of", "sparsity"];
    Some(
        Grid {
            head: head.map(str::to_owned).to_vec(),
            numbers: vec![true; 4],
            rows: rows.collect(),
            flexible: Flexible::Name(0),
        }
        .text(options),
    )
}
