//! A table for spreadsheets and scripts: one line for each linear.
//!
//! `module,block,parameters,pruned,sparsity`: the sparsity is the unit's, before it is rounded to whole
//! weights; pruned is in whole weights.

use std::fmt::Write as _;

use super::modules::{LinearRatio, Ratios, by_name, linear_ratios};
use super::{ExchangeError, Format};
use crate::allocate::{Allocation, Unit};

/// Returns the table of an allocation, with a header.
///
/// # Errors
/// When a module's name does not give its block.
pub fn write(allocation: &Allocation) -> Result<String, ExchangeError> {
    let mut text = "module,block,parameters,pruned,sparsity\n".to_owned();
    let pruned = allocation.units.iter().flat_map(|unit| &unit.projections).map(|it| it.pruned);
    for (linear, pruned) in linear_ratios(allocation)?.iter().zip(pruned) {
        let LinearRatio { name, block, parameters, sparsity } = linear;
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name},{block},{parameters},{pruned},{sparsity}");
    }
    Ok(text)
}

/// Returns whether a line is the header of such a table: it has the columns module and sparsity.
pub(super) fn is_header(line: &str) -> bool {
    let has = |name: &str| line.split(',').any(|cell| cell.trim() == name);
    has("module") && has("sparsity")
}

/// Reads a table: the columns `module` and `sparsity` are required, in any position; others are ignored.
///
/// # Errors
/// When the header lacks these columns, a line lacks their cells, or the modules are not the model's.
pub fn read(text: &str, blocks: &[Unit]) -> Result<Ratios, ExchangeError> {
    let wrong = |problem: String| ExchangeError::malformed(Format::Csv, problem);
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let header = lines.next().map_or("", |(_, line)| line);
    let column = |name: &str| header.split(',').position(|cell| cell.trim() == name);
    let (Some(name_at), Some(ratio_at)) = (column("module"), column("sparsity")) else {
        return Err(wrong("its first line must name the columns `module` and `sparsity`".to_owned()));
    };
    let mut named = Vec::new();
    for (index, line) in lines {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let ratio = cells.get(ratio_at).and_then(|cell| cell.parse::<f64>().ok());
        let (Some(name), Some(ratio)) = (cells.get(name_at), ratio) else {
            return Err(wrong(format!("line {} has no module and sparsity: `{line}`", index + 1)));
        };
        named.push(((*name).to_owned(), ratio));
    }
    by_name(named, blocks)
}
