//! The range of the rows' ratios, if rows have their own.

use super::number::{grouped, percent};
use crate::allocate::{Allocation, ProjectionAllocation, RowCounts};

/// A projection whose rows have their own ratios.
pub(super) struct Projection<'a> {
    pub(super) of: &'a ProjectionAllocation,
    pub(super) counts: &'a RowCounts,
}

impl Projection<'_> {
    /// Returns the number of weights in a row.
    pub(super) fn columns(&self) -> u64 {
        self.of.parameters / self.counts.counts().len().max(1) as u64
    }

    /// Returns a number of weights as a share of a row.
    pub(super) fn share(&self, count: u32) -> f64 {
        f64::from(count) / self.columns().max(1) as f64
    }

    /// Returns the realised ratios of the rows in ascending order.
    pub(super) fn sorted(&self) -> Vec<f64> {
        let mut shares: Vec<f64> = self.counts.counts().iter().map(|count| self.share(*count)).collect();
        shares.sort_by(f64::total_cmp);
        shares
    }

    /// Returns the number of rows that lose all of their weights.
    pub(super) fn dead(&self) -> usize {
        self.counts.dead(self.columns() as usize)
    }
}

/// Returns the projections of an allocation whose rows have their own ratios.
pub(super) fn projections(allocation: &Allocation) -> impl Iterator<Item = Projection<'_>> {
    let parts = allocation.units.iter().flat_map(|unit| &unit.projections);
    parts.filter_map(|of| Some(Projection { of, counts: of.rows.as_ref()? }))
}

/// Returns a sentence with the range of the rows' ratios and the number of rows that lose everything; `None`
/// if no row has its own ratio.
pub(super) fn line(allocation: &Allocation) -> Option<String> {
    let (mut count, mut dead) = (0, 0);
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    for projection in projections(allocation) {
        let sorted = projection.sorted();
        count += sorted.len();
        dead += projection.dead();
        least = sorted.first().map_or(least, |it| least.min(*it));
        most = sorted.last().map_or(most, |it| most.max(*it));
    }
    if count == 0 {
        return None;
    }
    let dead = if dead == 0 {
        String::new()
    } else {
        format!(", {} of them all their weights", grouped(dead as u64))
    };
    Some(format!("{} rows lose {} to {}{dead}", grouped(count as u64), percent(least, 2), percent(most, 2)))
}
