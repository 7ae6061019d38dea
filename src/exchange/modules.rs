//! The names used by formats: a model's linears, its blocks, and the ratio of each.

use super::{ExchangeError, Format};
use crate::allocate::{Allocation, Bounds, Projection, Proposal, Unit, budget, mean_sparsity};
use crate::lang::types::UnitKind;

/// A linear of an allocation with its ratio.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LinearRatio {
    /// Its name, such as `model.layers.0.self_attn.q_proj`.
    pub(super) name: String,
    /// The block that it belongs to, from 0.
    pub(super) block: usize,
    /// Number of weights.
    pub(super) parameters: u64,
    /// The sparsity of its unit, before it is rounded to whole weights.
    pub(super) sparsity: f64,
}

/// A module's name, split at its block's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ModulePath<'a> {
    /// The part before the number, with the period: `model.layers.`.
    pub(super) before: &'a str,
    /// The number.
    pub(super) block: usize,
    /// The part after it, without the period: `self_attn.q_proj`.
    pub(super) below: &'a str,
}

/// Splits a module's name.
pub(super) fn place(name: &str) -> Result<ModulePath<'_>, ExchangeError> {
    let found = name.find("layers.").and_then(|at| {
        let (before, rest) = name.split_at(at + "layers.".len());
        let (number, below) = rest.split_once('.')?;
        Some(ModulePath { before, block: number.parse().ok()?, below })
    });
    found.ok_or_else(|| ExchangeError::NoBlock { module: name.to_owned() })
}

/// Returns an allocation's linears with their ratios, in its order, which is the model's.
///
/// # Errors
/// When a module's name does not give its block, or its rows have their own ratios, which a list of modules
/// cannot represent.
pub(super) fn linear_ratios(allocation: &Allocation) -> Result<Vec<LinearRatio>, ExchangeError> {
    let mut ratios = Vec::new();
    for unit in &allocation.units {
        for linear in &unit.projections {
            if linear.rows.as_ref().is_some_and(|rows| !rows.are_even()) {
                return Err(ExchangeError::Rows { module: linear.name.clone() });
            }
            ratios.push(LinearRatio {
                name: linear.name.clone(),
                block: place(&linear.name)?.block,
                parameters: linear.parameters,
                sparsity: unit.sparsity,
            });
        }
    }
    Ok(ratios)
}

/// Returns the linears of a model's blocks, in `named_modules()` order.
pub(super) fn linears(blocks: &[Unit]) -> impl Iterator<Item = &Projection> {
    blocks.iter().flat_map(|block| &block.projections)
}

/// Returns one ratio for each block, or `None` if a block has several.
pub(super) fn of_blocks(ratios: &[LinearRatio]) -> Option<Vec<f64>> {
    let of_block = |block: &[LinearRatio]| {
        block.iter().all(|linear| linear.sparsity == block[0].sparsity).then_some(block[0].sparsity)
    };
    ratios.chunk_by(|a, b| a.block == b.block).map(of_block).collect()
}

/// Returns one ratio for each block.
///
/// # Errors
/// When the linears of a block have different ratios.
pub(super) fn one_for_each_block(ratios: &[LinearRatio], format: Format) -> Result<Vec<f64>, ExchangeError> {
    if let Some(of_blocks) = of_blocks(ratios) {
        return Ok(of_blocks);
    }
    let differ =
        |pair: &&[LinearRatio]| pair[0].block == pair[1].block && pair[0].sparsity != pair[1].sparsity;
    match ratios.windows(2).find(differ) {
        Some([first, second]) => Err(ExchangeError::Unequal {
            format: format.name(),
            block: first.block,
            first: first.name.clone(),
            first_ratio: first.sparsity,
            second: second.name.clone(),
            second_ratio: second.sparsity,
        }),
        _ => Ok(Vec::new()),
    }
}

/// The ratios in a file: one for each block, or one for each linear.
#[derive(Clone, Debug, PartialEq)]
pub enum Ratios {
    /// One for each block.
    Blocks(Vec<f64>),
    /// One for each linear.
    Linears(Vec<f64>),
}

impl Ratios {
    /// Returns values as one for each block or one for each linear, whichever matches their number.
    ///
    /// # Errors
    /// When their number matches neither.
    pub(super) fn by_count(values: Vec<f64>, blocks: &[Unit]) -> Result<Self, ExchangeError> {
        let (blocks, linears) = (blocks.len(), linears(blocks).count());
        match values.len() {
            found if found == blocks => Ok(Self::Blocks(values)),
            found if found == linears => Ok(Self::Linears(values)),
            found => Err(ExchangeError::Count { found, blocks, linears }),
        }
    }
}

/// An allocation that was read, with the original mean of its ratios.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The allocation, on an exact budget.
    pub allocation: Allocation,
    /// The unit with one ratio: the block, if all of its linears have the same ratio.
    pub unit: UnitKind,
    /// The mean sparsity of the ratios as they were read, by parameters.
    pub read: f64,
}

/// Returns the allocation for ratios that were read, for a model with these blocks, whose linears are in
/// `named_modules()` order.
///
/// The target is `target`, or else the ratios' mean by parameters, to 12 decimals. Ratios that miss it are
/// moved onto the budget by one additive constant, within 0 and 1.
///
/// # Errors
/// When the number of ratios does not match the model, or a ratio or the target is not between 0 and 1.
pub fn allocation(blocks: &[Unit], ratios: &Ratios, target: Option<f64>) -> Result<Imported, ExchangeError> {
    let (values, names): (_, Vec<&str>) = match ratios {
        Ratios::Blocks(values) => (values, blocks.iter().map(|block| block.name.as_str()).collect()),
        Ratios::Linears(values) => (values, linears(blocks).map(|linear| linear.name.as_str()).collect()),
    };
    if values.len() != names.len() {
        let (found, linears) = (values.len(), linears(blocks).count());
        return Err(ExchangeError::Count { found, blocks: blocks.len(), linears });
    }
    if let Some(index) = values.iter().position(|ratio| !(0.0..=1.0).contains(ratio)) {
        return Err(ExchangeError::Ratio { module: names[index].to_owned(), ratio: values[index] });
    }
    // If the linears of a block have the same ratio, the block is the unit.
    let (unit, values) = match ratios {
        Ratios::Blocks(values) => (UnitKind::Block, values.clone()),
        Ratios::Linears(values) => match grouped(blocks, values) {
            Some(values) => (UnitKind::Block, values),
            None => (UnitKind::Projection, values.clone()),
        },
    };
    let units: Vec<Unit> = match unit {
        UnitKind::Block => blocks.to_vec(),
        UnitKind::Projection | UnitKind::Row => {
            let unit =
                |linear: &Projection| Unit { name: linear.name.clone(), projections: vec![linear.clone()] };
            linears(blocks).map(unit).collect()
        }
    };
    let parameters: Vec<u64> = units.iter().map(Unit::parameters).collect();
    let read = mean_sparsity(&values, &parameters)?;
    let target = target.unwrap_or((read * 1e12).round() / 1e12);
    let sparsity = budget(&Proposal::Sparsity(values), &parameters, target, Bounds::default())?;
    let allocation = Allocation::new(target, &units, None, &sparsity)?;
    Ok(Imported { allocation, unit, read })
}

/// Returns one ratio for each block if its linears all have the same ratio.
fn grouped(blocks: &[Unit], values: &[f64]) -> Option<Vec<f64>> {
    let mut start = 0;
    let mut ratios = Vec::new();
    for block in blocks {
        let of_block = values.get(start..start + block.projections.len())?;
        let first = of_block.first()?;
        if of_block.iter().any(|ratio| ratio != first) {
            return None;
        }
        ratios.push(*first);
        start += block.projections.len();
    }
    Some(ratios)
}

/// Returns named ratios in the model's order.
///
/// # Errors
/// When a linear has no ratio or two, or a ratio belongs to another model.
pub(super) fn by_name(named: Vec<(String, f64)>, blocks: &[Unit]) -> Result<Ratios, ExchangeError> {
    let mut ratios = std::collections::BTreeMap::new();
    for (name, ratio) in named {
        if ratios.insert(name.clone(), ratio).is_some() {
            return Err(ExchangeError::Twice { module: name });
        }
    }
    let mut values = Vec::new();
    for linear in linears(blocks) {
        let ratio = ratios.remove(&linear.name);
        values.push(ratio.ok_or_else(|| ExchangeError::NoRatio { module: linear.name.clone() })?);
    }
    match ratios.pop_first() {
        Some((module, _)) => Err(ExchangeError::NoSuchModule { module }),
        None => Ok(Ratios::Linears(values)),
    }
}
