//! Ranks of weights by their scores, computed once; after that, a mask takes one comparison per weight.

use std::ops::Range;

use rayon::prelude::*;

use super::band::{Band, BandSum};
use crate::lang::types::Group;
use crate::model::{Goal, product};
use crate::prune::{Share, in_group};

/// Number of weights from which a mask is made on all cores.
const LARGE: usize = 1 << 20;

/// Number of weights whose gradient is computed at a time, so that it stays in a core's cache; it takes at
/// least [`FEWEST`] rows, because each product arranges the input anew.
const IN_CACHE: usize = 1 << 17;
const FEWEST: usize = 64;

/// Number of independent sums.
const LANES: usize = 8;

/// A linear's weights, and what a backward pass over one window found at it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slopes<'a> {
    /// The linear's input, `[length, columns]`.
    pub(super) input: &'a [f32],
    /// The gradient with respect to its output, `[length, rows]`.
    pub(super) gradient: &'a [f32],
    /// The dense weights, `[rows, columns]`.
    pub(super) weights: &'a [f32],
}

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

    /// Returns minus the sums of the gradient times the weight over the weights in a band around the threshold
    /// of a share: one per row, or a single one if a ratio applies to the whole matrix. Ranks within groups of
    /// columns have no band.
    pub(super) fn around(&self, slopes: &Slopes<'_>, share: &Share, band: Band) -> Vec<BandSum> {
        let rows = slopes.weights.len() / self.columns;
        let of_row = |row| band.around(share.of_row(row, rows), self.columns as u64);
        match &self.places {
            Places::Narrow(_, Some(_)) | Places::Wide(_, Some(_)) => Vec::new(),
            Places::Narrow(places, None) => self.around_rows(places, slopes, of_row),
            Places::Wide(places, None) => self.around_rows(places, slopes, of_row),
            Places::Matrix(places) => {
                let range = band.around(share.pruned, places.len() as u64);
                let by_row = self.around_rows(places, slopes, |_| range.clone());
                let sum = by_row.iter().map(|it| it.sum).sum();
                vec![BandSum { sum, weights: range.end - range.start }]
            }
        }
    }

    /// Returns the sums over the weights of each row whose ranks lie in the row's range.
    fn around_rows<T: RankNumber>(
        &self,
        places: &[T],
        slopes: &Slopes<'_>,
        range: impl Fn(usize) -> Range<u64> + Sync,
    ) -> Vec<BandSum> {
        let columns = self.columns;
        let rows = slopes.weights.len() / columns;
        let length = slopes.input.len() / columns;
        let together = (IN_CACHE / columns).max(FEWEST);
        let pieces = slopes.weights.par_chunks(together * columns).zip(places.par_chunks(together * columns));
        let of_piece = |(piece, (weights, places)): (usize, (&[f32], &[T]))| {
            let first = piece * together;
            let count = weights.len() / columns;
            let mut gradient = vec![0.0; weights.len()];
            product(
                (count, columns, length),
                (&mut gradient, columns),
                (&slopes.gradient[first..], 1, rows),
                (slopes.input, columns, 1),
                1.0,
                Goal::Replace,
            );
            let lines = gradient.chunks(columns).zip(weights.chunks(columns)).zip(places.chunks(columns));
            let mut sums = Vec::with_capacity(count);
            for (row, ((gradient, weights), places)) in lines.enumerate() {
                let range = range(first + row);
                let sum = -product_within(gradient, weights, places, &range);
                sums.push(BandSum { sum, weights: range.end - range.start });
            }
            sums
        };
        pieces.enumerate().flat_map_iter(of_piece).collect()
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
}

impl RankNumber for u16 {
    fn new(place: u64) -> Self {
        place as Self
    }
}

impl RankNumber for u32 {
    fn new(place: u64) -> Self {
        place as Self
    }
}

/// Returns the sum of the gradient times the weight where the rank lies in a range.
///
/// It has no branches and sums in a fixed number of lanes, so that the compiler can vectorise it.
fn product_within<T: RankNumber>(gradient: &[f32], weights: &[f32], places: &[T], range: &Range<u64>) -> f64 {
    if range.is_empty() {
        return 0.0;
    }
    // The end itself may not fit the type.
    let (first, last) = (T::new(range.start), T::new(range.end - 1));
    let value = |place: T, gradient: f32, weight: f32| {
        let product = gradient * weight;
        f64::from(if first <= place && place <= last { product } else { 0.0 })
    };
    let mut lanes = [0.0; LANES];
    let (gradients, weights) = (gradient.as_chunks::<LANES>(), weights.as_chunks::<LANES>());
    let places = places.as_chunks::<LANES>();
    for ((gradients, weights), places) in gradients.0.iter().zip(weights.0).zip(places.0) {
        for lane in 0..LANES {
            lanes[lane] += value(places[lane], gradients[lane], weights[lane]);
        }
    }
    let rest = gradients.1.iter().zip(weights.1).zip(places.1);
    let rest: f64 = rest.map(|((gradient, weight), place)| value(*place, *gradient, *weight)).sum();
    lanes.iter().sum::<f64>() + rest
}

/// Copies the weights that are not among the first `pruned` of their group; the others stay 0.
fn keep<T: RankNumber>(masked: &mut [f32], weights: &[f32], places: &[T], pruned: T) {
    for ((masked, weight), place) in masked.iter_mut().zip(weights).zip(places) {
        *masked = if *place < pruned { 0.0 } else { *weight };
    }
}

/// Returns the rank of each score, counted from 0; callers refuse NaN.
fn places(scores: &[f32]) -> Vec<u32> {
    // The score in the high bits and the index in the low ones: sorting needs no look-ups.
    let key = |(index, score): (usize, &f32)| u64::from(ordered(*score)) << 32 | index as u64;
    let mut keys: Vec<u64> = scores.iter().enumerate().map(key).collect();
    keys.sort_unstable();
    let mut places = vec![0; scores.len()];
    for (place, key) in keys.into_iter().enumerate() {
        places[key as u32 as usize] = place as u32;
    }
    places
}

/// Returns a number that is ordered as [`f32::total_cmp`] orders scores.
fn ordered(score: f32) -> u32 {
    let bits = score.to_bits();
    if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::prune::{Rounding, least};

    proptest! {
        #[test]
        fn ranks_order_scores_and_then_indices(values in prop::collection::vec(-3i32..4, 0..60), sign in any::<bool>()) {
            let zero = if sign { -0.0 } else { 0.0 };
            let scores: Vec<f32> = values.iter().map(|it| if *it == 0 { zero } else { *it as f32 * 1e-39 }).collect();
            let mut order: Vec<usize> = (0..scores.len()).collect();
            order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
            let found = places(&scores);
            prop_assert!(order.iter().enumerate().all(|(place, index)| found[*index] as usize == place));
        }

        #[test]
        fn sums_around_thresholds_are_those_of_the_definition(
            (rows, columns, length) in (1usize..140, 1usize..40, 1usize..6),
            per in prop::sample::select(vec![Group::Row, Group::Matrix]),
            ratio in 0.0f64..=1.0,
            share in 0.0f64..0.3,
            seed in any::<u64>(),
        ) {
            let mut state = seed;
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 40) as f32 / 16_777_216.0 - 0.5
            };
            let mut numbers = |count: usize| (0..count).map(|_| next()).collect::<Vec<f32>>();
            let (input, gradient) = (numbers(length * columns), numbers(length * rows));
            let (weights, scores) = (numbers(rows * columns), numbers(rows * columns));
            let pruned = (ratio * weights.len() as f64) as u64;
            let (part, band) = (Share::new(ratio, pruned), Band { share, least: 1 });
            let slopes = Slopes { input: &input, gradient: &gradient, weights: &weights };
            let found = Ranks::new(&scores, columns, per, None).around(&slopes, &part, band);
            let groups = if per == Group::Row { rows } else { 1 };
            prop_assert_eq!(found.len(), groups);
            let size = weights.len() / groups;
            for (group, found) in found.iter().enumerate() {
                let of = group * size..(group + 1) * size;
                let mut order: Vec<usize> = of.collect();
                order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
                let count = if per == Group::Row { part.of_row(group, rows) } else { pruned };
                let range = band.around(count, size as u64);
                let within = &order[range.start as usize..range.end as usize];
                let wanted: f64 = within.iter().map(|at| {
                    let (row, column) = (at / columns, at % columns);
                    let slope: f64 = (0..length)
                        .map(|it| f64::from(gradient[it * rows + row]) * f64::from(input[it * columns + column]))
                        .sum();
                    -slope * f64::from(weights[*at])
                }).sum();
                prop_assert_eq!(found.weights, within.len() as u64);
                prop_assert!((found.sum - wanted).abs() < 1e-5, "{} instead of {}", found.sum, wanted);
            }
        }

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
