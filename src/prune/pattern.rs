//! Where zeros may stand, and how many of them each linear gets.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use super::error::{PruneError, RowObstacle};
use crate::allocate::{Allocation, ProjectionAllocation, RowCounts, pruned_in_row};
use crate::kernels::select;
use crate::kernels::select::Least;
use crate::lang::types::Group;
use crate::model::Linear;

/// Where zeros may stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pattern {
    /// Anywhere.
    #[default]
    Unstructured,
    /// `n` of every `m` consecutive columns, in every linear.
    Fixed {
        /// How many of a group are pruned.
        n: usize,
        /// How many columns a group has.
        m: usize,
    },
    /// Some of every `m` consecutive columns; the allocation says how many in which linear.
    Mixed {
        /// How many columns a group has.
        m: usize,
    },
}

impl FromStr for Pattern {
    type Err = PruneError;

    /// Reads `unstructured`, `2:4` (two of every four are pruned, as in Wanda), or `n:4` for a mixed pattern.
    fn from_str(text: &str) -> Result<Self, PruneError> {
        let wrong = |problem: &'static str| PruneError::Pattern { text: text.to_owned(), problem };
        if text == "unstructured" {
            return Ok(Self::Unstructured);
        }
        let (n, m) = text.split_once(':').ok_or(wrong("has no `:`"))?;
        let m: usize = m.parse().map_err(|_| wrong("does not end in a whole number"))?;
        if m < 2 {
            return Err(wrong("has groups of fewer than two columns"));
        }
        if matches!(n, "n" | "N") {
            return Ok(Self::Mixed { m });
        }
        let n: usize = n.parse().map_err(|_| wrong("does not begin with a whole number or `n`"))?;
        if n == 0 || n >= m {
            return Err(wrong("does not prune some of a group and keep some"));
        }
        Ok(Self::Fixed { n, m })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unstructured => f.write_str("unstructured"),
            Self::Fixed { n, m } => write!(f, "{n}:{m}"),
            Self::Mixed { m } => write!(f, "n:{m}"),
        }
    }
}

impl Serialize for Pattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

crate::lang::schema_of_text!(
    Pattern,
    "Where zeros may stand: `unstructured`, `2:4` and its like, or `n:4` and its like."
);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// How a ratio becomes a number of weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Rounding {
    /// Exactly the allocation's counts; of equal scores the lower index is pruned first.
    #[default]
    Exact,
    /// As the published code rounds: rows lose `int(columns * s)`; a matrix, and SparseGPT's blocks of columns, lose all that is
    /// no larger than the score at place `int(count * s)`, so at least one more.
    Reference,
}

/// What one linear loses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Share {
    /// The ratio on budget, before whole weights.
    pub sparsity: f64,
    /// How many weights are pruned, exactly, where the pattern lets them stand anywhere.
    pub pruned: u64,
    /// How many of how many consecutive columns are pruned, when a pattern rules that.
    pub group: Option<(usize, usize)>,
    /// How many weights of each row are pruned, where rows have ratios of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowCounts>,
}

impl Share {
    /// Returns a share of a linear whose weights may stand anywhere.
    pub const fn new(sparsity: f64, pruned: u64) -> Self {
        Self { sparsity, pruned, group: None, rows: None }
    }

    /// Returns how many weights row `row` of `rows` loses, exactly.
    pub fn of_row(&self, row: usize, rows: usize) -> u64 {
        match &self.rows {
            Some(counts) => counts.counts().get(row).copied().map_or(0, u64::from),
            None => pruned_in_row(row as u64, rows as u64, self.pruned),
        }
    }
}

/// Returns what each linear loses, in the order of `linears`.
///
/// A mixed pattern gives each linear the number of its groups just below or above its share, above for those that are furthest
/// below, so that the total comes as close to the budget as single steps bring it. A fixed one leaves only the linears' names to the allocation.
///
/// Rows have counts in a share where the allocation has some that are not even.
///
/// # Errors
/// When the allocation is not one of exactly these linears, or rows have ratios of their own where a pattern rules how many go.
pub fn shares(
    linears: &[Linear],
    allocation: &Allocation,
    pattern: Pattern,
) -> Result<Vec<Share>, PruneError> {
    let shapes = linears.iter().map(|linear| (linear.module.as_str(), [linear.rows, linear.columns]));
    let mut shares = unstructured_shares(shapes, allocation)?;
    if pattern != Pattern::Unstructured && shares.iter().any(|share| share.rows.is_some()) {
        return Err(PruneError::Rows { obstacle: RowObstacle::Pattern });
    }
    match pattern {
        Pattern::Unstructured => {}
        Pattern::Fixed { n, m } => {
            for (share, linear) in shares.iter_mut().zip(linears) {
                share.group = Some((n, m));
                share.sparsity = n as f64 / m as f64;
                share.pruned = pruned_by_groups(linear, n, m);
            }
        }
        Pattern::Mixed { m } => mix(linears, &mut shares, m),
    }
    Ok(shares)
}

/// Returns what each of some linears, given by name and `[rows, columns]`, loses where its weights may stand anywhere.
///
/// # Errors
/// When the allocation is not one of exactly these linears.
pub(super) fn unstructured_shares<'a>(
    linears: impl Iterator<Item = (&'a str, [usize; 2])>,
    allocation: &Allocation,
) -> Result<Vec<Share>, PruneError> {
    let mut by_name = BTreeMap::new();
    for unit in &allocation.units {
        for projection in &unit.projections {
            by_name.insert(projection.name.as_str(), (unit, projection));
        }
    }
    let mut shares = Vec::new();
    for (name, shape) in linears {
        let (unit, projection) =
            by_name.remove(name).ok_or_else(|| PruneError::NotAllocated { module: name.to_owned() })?;
        let (allocated, found) = (projection.parameters, shape[0] as u64 * shape[1] as u64);
        if allocated != found {
            return Err(PruneError::OtherSize { module: name.to_owned(), allocated, found });
        }
        let rows = row_counts(name, shape, projection)?;
        shares.push(Share { rows, ..Share::new(unit.sparsity, projection.pruned) });
    }
    match by_name.first_key_value() {
        Some((name, _)) => Err(PruneError::NoSuchLinear { module: (*name).to_owned() }),
        None => Ok(shares),
    }
}

/// Returns the counts of a linear's rows, where they are not what its own count gives them.
fn row_counts(
    module: &str,
    shape: [usize; 2],
    projection: &ProjectionAllocation,
) -> Result<Option<RowCounts>, PruneError> {
    let Some(rows) = &projection.rows else { return Ok(None) };
    let wrong = |problem| Err(PruneError::RowCounts { module: module.to_owned(), problem });
    let counts = rows.counts();
    if counts.len() != shape[0] {
        return wrong(format!("it has counts for {} rows, and there are {}", counts.len(), shape[0]));
    }
    if let Some(row) = counts.iter().position(|count| *count as usize > shape[1]) {
        return wrong(format!("row {row} loses {} of {} weights", counts[row], shape[1]));
    }
    if rows.total() != projection.pruned {
        return wrong(format!("its rows lose {} weights, and all of it {}", rows.total(), projection.pruned));
    }
    Ok((!rows.are_even()).then(|| rows.clone()))
}

/// Refuses rows with ratios of their own where a metric or rounding has no place for them; `per` is what the metric compares.
///
/// # Errors
/// When the metric compares the weights of a whole matrix, or the rounding is the published one.
pub fn check_rows(allocation: &Allocation, per: Group, rounding: Rounding) -> Result<(), PruneError> {
    let parts = allocation.units.iter().flat_map(|unit| &unit.projections);
    let mut rows = parts.filter_map(|part| part.rows.as_ref());
    let obstacle = match (per, rounding) {
        (Group::Matrix, _) => RowObstacle::Matrix,
        (Group::Row, Rounding::Reference) => RowObstacle::Rounding,
        (Group::Row, Rounding::Exact) => return Ok(()),
    };
    match rows.any(|rows| !rows.are_even()) {
        true => Err(PruneError::Rows { obstacle }),
        false => Ok(()),
    }
}

/// Chooses the number of each group that is pruned, linear by linear.
fn mix(linears: &[Linear], shares: &mut [Share], m: usize) {
    let target: u64 = shares.iter().map(|share| share.pruned).sum();
    // What each linear loses at the numbers below and above its share, and whether it takes the one above.
    let mut choices: Vec<(usize, [u64; 2], bool)> = Vec::with_capacity(shares.len());
    let mut below = Vec::with_capacity(shares.len());
    for (share, linear) in shares.iter().zip(linears) {
        let fits = |n: &usize| pruned_by_groups(linear, *n, m) <= share.pruned;
        let n = (0..=m).rev().find(fits).unwrap_or(0);
        let [low, high] = [n, (n + 1).min(m)].map(|n| pruned_by_groups(linear, n, m));
        below.push((share.pruned - low) as f64 / (high - low).max(1) as f64);
        choices.push((n, [low, high], false));
    }
    let mut total: u64 = choices.iter().map(|(_, [low, _], _)| low).sum();
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by(|a, b| below[*b].total_cmp(&below[*a]));
    // First those that are furthest below, then any single change that still brings the total closer; the total's distance falls
    // with every change, so this ends.
    let mut changed = true;
    while changed {
        changed = false;
        for &index in &order {
            let (_, [low, high], raised) = &mut choices[index];
            let (from, to) = if *raised { (*high, *low) } else { (*low, *high) };
            let moved = total - from + to;
            if moved.abs_diff(target) < total.abs_diff(target) {
                (total, *raised, changed) = (moved, !*raised, true);
            }
        }
    }
    for (share, (n, [low, high], raised)) in shares.iter_mut().zip(choices) {
        share.group = Some((if raised { n + 1 } else { n }, m));
        share.pruned = if raised { high } else { low };
    }
}

/// Returns how many weights of a linear are pruned when `n` of every `m` columns are.
fn pruned_by_groups(linear: &Linear, n: usize, m: usize) -> u64 {
    let columns = linear.columns;
    let in_row = columns / m * n + in_group(Rounding::Exact, n, m, columns % m);
    (linear.rows * in_row) as u64
}

/// Returns how many of a group of `width` columns are pruned, where whole groups have `m` and lose `n`.
///
/// A narrower group at the end of a row loses its share, rounded down; as published it loses all it has up to `n`.
pub(crate) fn in_group(rounding: Rounding, n: usize, m: usize, width: usize) -> usize {
    match rounding {
        Rounding::Exact => n * width / m.max(1),
        Rounding::Reference => n.min(width),
    }
}

/// Returns which of a linear's least scores are marked, `shape` being its `[rows, columns]`.
///
/// A pattern's groups lie within rows, so with one it does not matter what a ratio is applied to; nor with counts of rows.
pub fn wanted(shape: [usize; 2], per: Group, share: &Share, rounding: Rounding) -> Least {
    let [rows, columns] = shape;
    if let (None, Some(rows)) = (share.group, &share.rows) {
        return Least::OfRows(rows.counts().to_vec());
    }
    match (share.group, per, rounding) {
        (Some((n, m)), ..) => Least::OfGroups {
            size: m,
            count: in_group(rounding, n, m, m),
            last: in_group(rounding, n, m, columns % m.max(1)),
        },
        (None, Group::Row, _) => {
            Least::OfRows((0..rows).map(|row| in_row(shape, row, share, rounding) as u32).collect())
        }
        (None, Group::Matrix, Rounding::Exact) => Least::OfAll(share.pruned as usize),
        (None, Group::Matrix, Rounding::Reference) => Least::UpTo(place(rows * columns, share.sparsity)),
    }
}

/// Returns the marks of the least scores of one linear, `[rows, columns]`, true where a weight is pruned.
pub fn least(scores: &[f32], columns: usize, per: Group, share: &Share, rounding: Rounding) -> super::Mask {
    let shape = [scores.len().checked_div(columns).unwrap_or(0), columns];
    super::Mask::new(columns, select::least(scores, shape, &wanted(shape, per, share, rounding)))
}

/// Returns what [`least`] does within rows, of scores that `score(row, scores)` writes a row at a time.
///
/// `shape` is `[rows, columns]`. The scores of the whole matrix are never held, which saves both time and a matrix in f32.
pub fn least_of_rows(
    shape: [usize; 2],
    score: impl Fn(usize, &mut [f32]) + Sync,
    share: &Share,
    rounding: Rounding,
) -> super::Mask {
    let wanted = wanted(shape, Group::Row, share, rounding);
    super::Mask::new(shape[1], select::least_by_row(shape, score, &wanted))
}

/// Returns how many weights of a row are pruned.
fn in_row([rows, columns]: [usize; 2], row: usize, share: &Share, rounding: Rounding) -> usize {
    match rounding {
        Rounding::Exact => share.of_row(row, rows) as usize,
        Rounding::Reference => place(columns, share.sparsity),
    }
}

/// Returns `int(count * sparsity)`, as Python computes it.
pub(super) fn place(count: usize, sparsity: f64) -> usize {
    (count as f64 * sparsity) as usize
}
