//! Where zeros may lie, and how many of them each linear gets.

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

/// Where zeros may lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pattern {
    /// Anywhere.
    #[default]
    Unstructured,
    /// `n` of every `m` consecutive columns, in every linear.
    Fixed {
        /// Number of pruned columns in a group.
        n: usize,
        /// Number of columns in a group.
        m: usize,
    },
    /// Some of every `m` consecutive columns; the allocation decides how many in each linear.
    Mixed {
        /// Number of columns in a group.
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
            return Err(wrong("must prune some columns of a group and keep others"));
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
    "Where zeros may lie: `unstructured`, a fixed pattern such as `2:4`, or a mixed one such as `n:4`."
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
    /// Exactly the allocation's counts; among equal scores the lower index is pruned first.
    #[default]
    Exact,
    /// As in the published code: rows lose `int(columns * s)` weights; a matrix, and SparseGPT's blocks of
    /// columns, lose every weight whose score does not exceed the one at position `int(count * s)`, so at
    /// least one more.
    Reference,
}

/// The weights that one linear loses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Share {
    /// The ratio on budget, before it is rounded to whole weights.
    pub sparsity: f64,
    /// The exact number of pruned weights, if the pattern does not restrict where they lie.
    pub pruned: u64,
    /// Numbers of pruned and of consecutive columns in a group, if there is a pattern.
    pub group: Option<(usize, usize)>,
    /// Number of pruned weights in each row, if rows have their own ratios.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowCounts>,
}

impl Share {
    /// Returns the share of a linear whose zeros may lie anywhere.
    pub const fn new(sparsity: f64, pruned: u64) -> Self {
        Self { sparsity, pruned, group: None, rows: None }
    }

    /// Returns exactly how many weights row `row` of `rows` loses.
    pub fn of_row(&self, row: usize, rows: usize) -> u64 {
        match &self.rows {
            Some(counts) => counts.counts().get(row).copied().map_or(0, u64::from),
            None => pruned_in_row(row as u64, rows as u64, self.pruned),
        }
    }
}

/// Returns what each linear loses, in the order of `linears`.
///
/// A mixed pattern gives each linear the number per group just below or above its share. Linears furthest
/// below their share get the higher number, so that the total comes as close to the budget as single steps
/// allow. A fixed pattern uses only the linears' names from the allocation.
///
/// A share has counts of rows if the allocation has uneven ones.
///
/// # Errors
/// When the allocation is not for exactly these linears, or rows have their own ratios although a pattern
/// fixes their counts.
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

/// Returns what each linear, given by name and `[rows, columns]`, loses if its zeros may lie anywhere.
///
/// # Errors
/// When the allocation is not for exactly these linears.
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

/// Returns the counts of a linear's rows, unless they follow from the linear's own count.
fn row_counts(
    module: &str,
    shape: [usize; 2],
    projection: &ProjectionAllocation,
) -> Result<Option<RowCounts>, PruneError> {
    let Some(rows) = &projection.rows else { return Ok(None) };
    let wrong = |problem| Err(PruneError::RowCounts { module: module.to_owned(), problem });
    let counts = rows.counts();
    if counts.len() != shape[0] {
        return wrong(format!("it has counts for {} rows, but the linear has {}", counts.len(), shape[0]));
    }
    if let Some(row) = counts.iter().position(|count| *count as usize > shape[1]) {
        return wrong(format!("row {row} loses {} of {} weights", counts[row], shape[1]));
    }
    if rows.total() != projection.pruned {
        return wrong(format!(
            "its rows lose {} weights, but the linear loses {}",
            rows.total(),
            projection.pruned
        ));
    }
    Ok((!rows.are_even()).then(|| rows.clone()))
}

/// Refuses rows with their own ratios if a metric or rounding does not support them; `per` is the group in
/// which the metric compares.
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

/// Chooses the number of pruned columns in each group, linear by linear.
fn mix(linears: &[Linear], shares: &mut [Share], m: usize) {
    let target: u64 = shares.iter().map(|share| share.pruned).sum();
    // What each linear loses at the numbers below and above its share, and whether it takes the higher one.
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
    // First the linears furthest below their share, then any single change that still brings the total
    // closer; each change reduces the total's distance, so this ends.
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

/// Returns how many weights of a linear are pruned if `n` of every `m` columns are.
fn pruned_by_groups(linear: &Linear, n: usize, m: usize) -> u64 {
    let columns = linear.columns;
    let in_row = columns / m * n + in_group(Rounding::Exact, n, m, columns % m);
    (linear.rows * in_row) as u64
}

/// Returns how many of a group of `width` columns are pruned, if whole groups have `m` and lose `n`.
///
/// A narrower group at the end of a row loses its share, rounded down; as published, it loses all of its
/// columns up to `n`.
pub(crate) fn in_group(rounding: Rounding, n: usize, m: usize, width: usize) -> usize {
    match rounding {
        Rounding::Exact => n * width / m.max(1),
        Rounding::Reference => n.min(width),
    }
}

/// Returns which of a linear's lowest scores are marked; `shape` is its `[rows, columns]`.
///
/// A pattern's groups lie within rows, so with a pattern or with counts of rows, `per` does not matter.
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

/// Returns the marks of the lowest scores of one linear, `[rows, columns]`, true for a pruned weight.
pub fn least(scores: &[f32], columns: usize, per: Group, share: &Share, rounding: Rounding) -> super::Mask {
    let shape = [scores.len().checked_div(columns).unwrap_or(0), columns];
    super::Mask::new(columns, select::least(scores, shape, &wanted(shape, per, share, rounding)))
}

/// Returns the same as [`least`] within rows, for scores that `score(row, scores)` writes one row at a time.
///
/// `shape` is `[rows, columns]`. The scores of the whole matrix are never held, which saves time and a matrix
/// in f32.
pub fn least_of_rows(
    shape: [usize; 2],
    score: impl Fn(usize, &mut [f32]) + Sync,
    share: &Share,
    rounding: Rounding,
) -> super::Mask {
    let wanted = wanted(shape, Group::Row, share, rounding);
    super::Mask::new(shape[1], select::least_by_row(shape, score, &wanted))
}

/// Returns the number of pruned weights in a row.
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
