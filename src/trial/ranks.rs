//! Ranks of weights by their scores, computed once; after that, a mask takes one comparison per weight.

use std::ops::Range;

use rayon::prelude::*;

use super::band::{Band, BandSum};
use crate::lang::types::Group;
use crate::prune::{Share, in_group};

/// Number of weights from which a mask is made on all cores.
const LARGE: usize = 1 << 20;

/// The ranks of one linear's weights, `[rows, columns]`, within the groups to which a ratio applies.
///
/// Of two equal scores, the one with the lower index has the lower rank, as in
/// [`least`](crate::prune::least).
#[derive(Clone, Debug)]
pub struct Ranks {
    columns: usize,
    places: Places,
}

#[derive(Clone, Debug)]
enum Places {
    /// Within each row, or within each group of that many columns of a row.
    Narrow(Vec<u16>, Option<usize>),
    /// The same, for rows too wide for 16 bits.
    Wide(Vec<u32>, Option<usize>),
    /// Within the whole matrix.
    Matrix(Vec<u32>),
}

impl Ranks {
    /// Ranks the scores of one linear, `[rows, columns]`; with `group`, within each run of that many
    /// consecutive columns.
    pub fn new(scores: &[f32], columns: usize, per: Group, group: Option<usize>) -> Self {
        let columns = columns.max(1);
        let places = match (group, per) {
            (None, Group::Matrix) => Places::Matrix(places(scores)),
            _ => {
                let width = group.unwrap_or(columns).max(1);
                let of_row = |row: &[f32]| row.chunks(width).flat_map(places).collect::<Vec<u32>>();
                let wide: Vec<u32> = scores.par_chunks(columns).flat_map_iter(of_row).collect();
                match width <= usize::from(u16::MAX) + 1 {
                    true => Places::Narrow(wide.into_iter().map(|place| place as u16).collect(), group),
                    false => Places::Wide(wide, group),
                }
            }
        };
        Self { columns, places }
    }

    /// Takes ranks within rows, or within each run of that many consecutive columns.
    pub(super) fn of_places(places: Vec<u16>, columns: usize, group: Option<usize>) -> Self {
        Self { columns: columns.max(1), places: Places::Narrow(places, group) }
    }

    /// Takes ranks within the whole matrix.
    pub(super) fn of_matrix(places: Vec<u32>, columns: usize) -> Self {
        Self { columns: columns.max(1), places: Places::Matrix(places) }
    }

    /// Returns `weights`, `[rows, columns]`, with those pruned by a share set to 0.
    pub fn masked(&self, weights: &[f32], share: &Share) -> Vec<f32> {
        match &self.places {
            Places::Narrow(places, group) => self.by_row(places, *group, weights, share),
            Places::Wide(places, group) => self.by_row(places, *group, weights, share),
            Places::Matrix(places) if share.rows.is_some() => self.of_rows(places, weights, share),
            Places::Matrix(places) => {
                let mut masked = vec![0.0; weights.len()];
                let parts = masked.par_chunks_mut(LARGE).zip(weights.par_chunks(LARGE));
                parts.zip(places.par_chunks(LARGE)).for_each(|((masked, weights), places)| {
                    keep(masked, weights, places, share.pruned as u32);
                });
                masked
            }
        }
    }

    /// Returns the weights with each row's count removed, in the order of the whole matrix's ranks.
    fn of_rows(&self, places: &[u32], weights: &[f32], share: &Share) -> Vec<f32> {
        let rows = weights.len() / self.columns;
        let mut masked = vec![0.0; weights.len()];
        let lines = masked.chunks_mut(self.columns).zip(weights.chunks(self.columns));
        for (row, ((masked, weights), places)) in lines.zip(places.chunks(self.columns)).enumerate() {
            let pruned = share.of_row(row, rows) as usize;
            let mut sorted = places.to_vec();
            sorted.sort_unstable();
            if let Some(first) = sorted.get(pruned) {
                keep(masked, weights, places, *first);
            }
        }
        masked
    }

    /// Returns the sums of `values`, `[rows, columns]`, over each of `buckets` equal parts of the ranks, the
    /// lowest ranks first.
    pub fn sums(&self, values: &[f32], buckets: usize) -> Vec<f64> {
        let mut sums = vec![0.0; buckets];
        let mut add = |place: usize, width: usize, value: f32| {
            let bucket = (place * buckets / width.max(1)).min(buckets.saturating_sub(1));
            if let Some(sum) = sums.get_mut(bucket) {
                *sum += f64::from(value);
            }
        };
        let width = |group: &Option<usize>| group.unwrap_or(self.columns);
        match &self.places {
            Places::Narrow(places, group) => {
                places
                    .iter()
                    .zip(values)
                    .for_each(|(place, value)| add(usize::from(*place), width(group), *value));
            }
            Places::Wide(places, group) => {
                places
                    .iter()
                    .zip(values)
                    .for_each(|(place, value)| add(*place as usize, width(group), *value));
            }
            Places::Matrix(places) => {
                places
                    .iter()
                    .zip(values)
                    .for_each(|(place, value)| add(*place as usize, places.len(), *value));
            }
        }
        sums
    }

    /// Returns the same sums for each row, `[rows * buckets]`; empty if the ranks are not those of whole rows.
    pub fn sums_of_rows(&self, values: &[f32], buckets: usize) -> Vec<f64> {
        let place: Box<dyn Fn(usize) -> usize + Sync> = match &self.places {
            Places::Narrow(places, None) => Box::new(|at| usize::from(places[at])),
            Places::Wide(places, None) => Box::new(|at| places[at] as usize),
            _ => return Vec::new(),
        };
        let columns = self.columns.max(1);
        let mut sums = vec![0.0; values.len() / columns * buckets];
        let rows = sums.par_chunks_mut(buckets.max(1)).zip(values.par_chunks(columns));
        rows.enumerate().for_each(|(row, (sums, values))| {
            for (column, value) in values.iter().enumerate() {
                let bucket = place(row * columns + column) * buckets / columns;
                if let Some(sum) = sums.get_mut(bucket) {
                    *sum += f64::from(*value);
                }
            }
        });
        sums
    }

    /// Returns the sums of `values`, `[rows, columns]`, over the weights in a band around the threshold of a
    /// share: one per row, or a single one if a ratio applies to the whole matrix. Ranks within groups of
    /// columns have no band.
    pub fn around(&self, values: &[f32], share: &Share, band: Band) -> Vec<BandSum> {
        match &self.places {
            Places::Narrow(_, Some(_)) | Places::Wide(_, Some(_)) => Vec::new(),
            Places::Narrow(places, None) => self.around_rows(places, values, share, band),
            Places::Wide(places, None) => self.around_rows(places, values, share, band),
            Places::Matrix(places) => {
                let range = band.around(share.pruned, places.len() as u64);
                let parts = places.par_chunks(LARGE).zip(values.par_chunks(LARGE));
                let sums: Vec<f64> =
                    parts.map(|(places, values)| sum_within(places, values, &range)).collect();
                vec![BandSum { sum: sums.iter().sum(), weights: range.end - range.start }]
            }
        }
    }

    fn around_rows<T: RankNumber>(
        &self,
        places: &[T],
        values: &[f32],
        share: &Share,
        band: Band,
    ) -> Vec<BandSum> {
        let rows = places.len() / self.columns;
        let lines = places.par_chunks(self.columns).zip(values.par_chunks(self.columns));
        let of_row = |(row, (places, values)): (usize, (&[T], &[f32]))| {
            let pruned = share.of_row(row, rows);
            let range = band.around(pruned, self.columns as u64);
            BandSum { sum: sum_within(places, values, &range), weights: range.end - range.start }
        };
        lines.enumerate().map(of_row).collect()
    }

    fn by_row<T: RankNumber>(
        &self,
        places: &[T],
        group: Option<usize>,
        weights: &[f32],
        share: &Share,
    ) -> Vec<f32> {
        let columns = self.columns;
        let rows = weights.len() / columns;
        let mut masked = vec![0.0; weights.len()];
        let some = (LARGE / columns).max(1);
        let parts = masked.par_chunks_mut(some * columns).zip(weights.par_chunks(some * columns));
        parts.zip(places.par_chunks(some * columns)).enumerate().for_each(
            |(part, ((masked, weights), places))| {
                let lines = masked.chunks_mut(columns).zip(weights.chunks(columns));
                for (line, ((masked, weights), places)) in lines.zip(places.chunks(columns)).enumerate() {
                    let row = part * some + line;
                    match (group, share.group) {
                        (Some(width), Some((n, m))) => {
                            let groups = masked.chunks_mut(width).zip(weights.chunks(width));
                            for ((masked, weights), places) in groups.zip(places.chunks(width)) {
                                let pruned = in_group(crate::prune::Rounding::Exact, n, m, weights.len());
                                keep(masked, weights, places, T::new(pruned as u64));
                            }
                        }
                        _ => {
                            let pruned = share.of_row(row, rows);
                            if pruned < columns as u64 {
                                keep(masked, weights, places, T::new(pruned));
                            }
                        }
                    }
                }
            },
        );
        masked
    }
}

/// An integer that stores a rank within a group.
trait RankNumber: Copy + PartialOrd + Send + Sync {
    /// Converts a rank, which must fit.
    fn new(place: u64) -> Self;

    /// Returns the rank.
    fn number(self) -> u64;
}

impl RankNumber for u16 {
    fn new(place: u64) -> Self {
        place as Self
    }

    fn number(self) -> u64 {
        self.into()
    }
}

impl RankNumber for u32 {
    fn new(place: u64) -> Self {
        place as Self
    }

    fn number(self) -> u64 {
        self.into()
    }
}

/// Returns the sum of the values whose ranks lie in a range.
fn sum_within<T: RankNumber>(places: &[T], values: &[f32], range: &Range<u64>) -> f64 {
    let pairs = places.iter().zip(values);
    pairs.filter(|(place, _)| range.contains(&place.number())).map(|(_, value)| f64::from(*value)).sum()
}

/// Copies the weights that are not among the first `pruned` of their group; the others stay 0.
fn keep<T: RankNumber>(masked: &mut [f32], weights: &[f32], places: &[T], pruned: T) {
    for ((masked, weight), place) in masked.iter_mut().zip(weights).zip(places) {
        *masked = if *place < pruned { 0.0 } else { *weight };
    }
}

/// Returns the rank of each score, counted from 0.
fn places(scores: &[f32]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    // -0 and 0 count as equal, and callers refuse NaN.
    order.sort_by(|a, b| scores[*a as usize].total_cmp(&scores[*b as usize]).then(a.cmp(b)));
    let mut places = vec![0; scores.len()];
    for (place, index) in order.into_iter().enumerate() {
        places[index as usize] = place as u32;
    }
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::prune::{Rounding, least};

    proptest! {
        #[test]
        fn masks_by_ranks_and_by_selection_are_equal(
            values in prop::collection::vec(-3i32..4, 1..200),
            columns in 1usize..14,
            pruned in 0.0f64..=1.0,
            pattern in prop::option::of((0usize..=4, 2usize..=5)),
            whole in any::<bool>(),
        ) {
            let rows = values.len() / columns;
            let scores: Vec<f32> = values[..rows * columns].iter().map(|it| *it as f32 / 2.0 + 0.25).collect();
            let weights: Vec<f32> = (1..=scores.len()).map(|it| it as f32).collect();
            let per = if whole { Group::Matrix } else { Group::Row };
            let group = pattern.map(|(n, m)| (n.min(m), m));
            let pruned = (pruned * scores.len() as f64) as u64;
            let share = Share { group, ..Share::new(0.5, pruned) };
            let mask = least(&scores, columns, per, &share, Rounding::Exact);
            let expected: Vec<f32> =
                weights.iter().zip(mask.pruned()).map(|(weight, pruned)| if *pruned { 0.0 } else { *weight }).collect();
            let ranks = Ranks::new(&scores, columns, per, group.map(|it| it.1));
            prop_assert_eq!(ranks.masked(&weights, &share), expected);
        }
    }
}
