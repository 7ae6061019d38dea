//! Finds the smallest scores of a row, a group of columns or a whole matrix by selection, without sorting.
//!
//! Callers refuse NaN. Of equal scores, those of lower indices are taken first, as in a stable sort. No result depends on the
//! number of threads.

use super::vector::{Histogram, from_ordered_bits, ordered_bits};
use crate::threads;

/// How many of the smallest scores of a matrix are marked; of equal ones, those of lower indices come first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Least {
    /// This many of all scores.
    OfAll(usize),
    /// All scores up to the one at this place, from 0, of the sorted scores.
    UpTo(usize),
    /// This many of each row.
    OfRows(Vec<u32>),
    /// This many of each group of `size` consecutive columns.
    OfGroups {
        /// How many columns a group has.
        size: usize,
        /// How many of a whole group are marked.
        count: usize,
        /// How many of the last group of a row are marked, if it has fewer columns.
        last: usize,
    },
}

/// How many numbers one thread processes at a time.
const CHUNK: usize = 1 << 16;

/// The size from which counting in two passes on all cores is faster than selecting on one.
const LARGE: usize = 1 << 18;

/// The largest group that is ranked by comparing all pairs, which needs no branches.
const SMALL_GROUP: usize = 16;

/// Returns an integer with the order of the scores, because integers compare without branches. `-0` counts as `0`.
#[inline(always)]
fn key(score: f32) -> u32 {
    ordered_bits(score + 0.0)
}

/// Marks the smallest scores of a matrix, `[rows, columns]`.
pub fn least(scores: &[f32], shape: [usize; 2], wanted: &Least) -> Vec<bool> {
    match wanted {
        Least::OfAll(count) => least_of_all(scores, *count),
        Least::UpTo(place) => up_to_nth(scores, *place),
        Least::OfRows(_) | Least::OfGroups { .. } => least_by_row(shape, rows_of(scores, shape[1]), wanted),
    }
}

/// Marks the smallest scores of rows or groups, which `score(row, scores)` writes one row at a time; marks nothing if `wanted` is for
/// a whole matrix.
pub fn least_by_row(
    shape: [usize; 2],
    score: impl Fn(usize, &mut [f32]) + Sync,
    wanted: &Least,
) -> Vec<bool> {
    match wanted {
        Least::OfRows(counts) => {
            least_in_rows(shape, score, |row| counts.get(row).copied().unwrap_or(0) as usize)
        }
        Least::OfGroups { size, count, last } => {
            least_in_groups(shape, *size, score, |width| if width == *size { *count } else { *last })
        }
        Least::OfAll(_) | Least::UpTo(_) => vec![false; shape[0] * shape[1]],
    }
}

/// Returns a function that writes one row of `scores`, `[rows, columns]`, for functions that take scores one row at a time.
pub fn rows_of(scores: &[f32], columns: usize) -> impl Fn(usize, &mut [f32]) + Sync {
    move |row, into| {
        into.iter_mut()
            .zip(scores.get(row * columns..).unwrap_or_default())
            .for_each(|(into, score)| *into = *score)
    }
}

/// Marks the `count(row)` smallest scores of each row, which `score(row, scores)` writes.
///
/// Each thread holds the scores of only one row. A count beyond the columns marks the whole row.
pub fn least_in_rows(
    shape: [usize; 2],
    score: impl Fn(usize, &mut [f32]) + Sync,
    count: impl Fn(usize) -> usize + Sync,
) -> Vec<bool> {
    row_by_row(shape, score, |row, scores, keys, marks| mark_least(scores, count(row), keys, marks))
}

/// Marks the `count(width)` smallest scores of each group of `size` consecutive columns, where `width` is that of the group.
///
/// `score(row, scores)` writes the scores of a row; only the last group of a row may be narrower than `size`.
pub fn least_in_groups(
    shape: [usize; 2],
    size: usize,
    score: impl Fn(usize, &mut [f32]) + Sync,
    count: impl Fn(usize) -> usize + Sync,
) -> Vec<bool> {
    let size = size.max(1);
    row_by_row(shape, score, |_, scores, keys, marks| {
        for (marks, scores) in marks.chunks_mut(size).zip(scores.chunks(size)) {
            mark_least_of_group(scores, count(scores.len()), keys, marks);
        }
    })
}

/// Scores each row, and calls `mark(row, scores, keys, marks)` to mark it; `keys` is a buffer.
fn row_by_row(
    [rows, columns]: [usize; 2],
    score: impl Fn(usize, &mut [f32]) + Sync,
    mark: impl Fn(usize, &[f32], &mut Vec<u32>, &mut [bool]) + Sync,
) -> Vec<bool> {
    let width = columns.max(1);
    let mut marks = vec![false; rows * columns];
    let at_once = (CHUNK / width).max(1);
    threads::for_each_chunk_mut(&mut marks, at_once * width, |chunk, marks| {
        let (mut scores, mut keys) = (vec![0.0; width], Vec::with_capacity(width));
        for (row, marks) in marks.chunks_mut(width).enumerate() {
            let row = chunk * at_once + row;
            score(row, &mut scores);
            mark(row, &scores, &mut keys, marks);
        }
    });
    marks
}

/// Marks the `count` smallest of all scores.
pub fn least_of_all(scores: &[f32], count: usize) -> Vec<bool> {
    let mut marks = vec![false; scores.len()];
    let Some(last) = count.min(scores.len()).checked_sub(1) else {
        return marks;
    };
    let threshold = key(nth_least(scores, last));
    let counts = threads::map_chunks(scores, CHUNK, |scores| {
        let below = scores.iter().filter(|it| key(**it) < threshold).count();
        (below, scores.iter().filter(|it| key(**it) == threshold).count())
    });
    let (below, equal): (Vec<usize>, Vec<usize>) = counts.into_iter().unzip();
    // Of the scores at the threshold, as many as are still needed are taken, in order.
    let mut left = last + 1 - below.iter().sum::<usize>();
    let taken: Vec<usize> = equal
        .into_iter()
        .map(|equal| {
            let taken = equal.min(left);
            left -= taken;
            taken
        })
        .collect();
    threads::for_each_chunk_mut(&mut marks, CHUNK, |chunk, marks| {
        mark_up_to(&scores[chunk * CHUNK..][..marks.len()], threshold, taken[chunk], marks);
    });
    marks
}

/// Marks every score up to the one at `place`, from 0, of the sorted scores. This is the published threshold, which marks at
/// least `place + 1` scores. A place beyond the last marks all.
pub fn up_to_nth(scores: &[f32], place: usize) -> Vec<bool> {
    if place >= scores.len() {
        return vec![true; scores.len()];
    }
    let threshold = nth_least(scores, place);
    threads::map(scores, |score| *score <= threshold)
}

/// Returns the score at `place`, from 0, of the sorted scores, or NaN if there are none.
pub fn nth_least(scores: &[f32], place: usize) -> f32 {
    if scores.len() < LARGE {
        let mut keys: Vec<u32> = scores.iter().map(|it| key(*it)).collect();
        let Some(last) = keys.len().checked_sub(1) else {
            return f32::NAN;
        };
        return from_ordered_bits(*keys.select_nth_unstable(place.min(last)).1);
    }
    let place = place.min(scores.len() - 1) as u64;
    let found = count(scores, Histogram::coarse)
        .locate(place)
        .and_then(|(prefix, place)| count(scores, || Histogram::fine(prefix)).value(place));
    found.unwrap_or(f32::NAN)
}

/// Counts all scores, in one histogram for each core.
fn count(scores: &[f32], empty: impl Fn() -> Histogram + Sync) -> Histogram {
    let part = scores.len().div_ceil(threads::count()).max(CHUNK);
    let parts = threads::map_chunks(scores, part, |scores| {
        let mut histogram = empty();
        scores.chunks(CHUNK).for_each(|scores| histogram.add(scores));
        histogram
    });
    // Counts are whole numbers, so the order in which they are added does not matter.
    parts.into_iter().fold(empty(), |mut total, part| {
        total.merge(&part);
        total
    })
}

/// Marks the `count` smallest scores of a slice; `keys` is a buffer.
fn mark_least(scores: &[f32], count: usize, keys: &mut Vec<u32>, marks: &mut [bool]) {
    let Some(last) = count.min(scores.len()).checked_sub(1) else {
        return;
    };
    keys.clear();
    keys.extend(scores.iter().map(|it| key(*it)));
    let (below, threshold, _) = keys.select_nth_unstable(last);
    let threshold = *threshold;
    // The keys before the threshold are below it or equal to it.
    let equal = 1 + below.iter().filter(|key| **key == threshold).count();
    mark_up_to(scores, threshold, equal, marks);
}

/// Marks the `count` smallest scores of a group, without branches if the group is small.
pub fn mark_least_of_group(scores: &[f32], count: usize, keys: &mut Vec<u32>, marks: &mut [bool]) {
    if scores.len() > SMALL_GROUP {
        return mark_least(scores, count, keys, marks);
    }
    for (index, (mark, score)) in marks.iter_mut().zip(scores).enumerate() {
        let own = key(*score);
        let before = scores[..index].iter().filter(|it| key(**it) <= own).count();
        let behind = scores[index..].iter().filter(|it| key(**it) < own).count();
        *mark = before + behind < count;
    }
}

/// Marks the keys below the threshold, and the first `left` of those at it.
fn mark_up_to(scores: &[f32], threshold: u32, left: usize, marks: &mut [bool]) {
    // Marking all scores at the threshold needs no order, so it vectorises; then the last surplus marks are removed.
    let mut at_threshold = 0;
    for (mark, score) in marks.iter_mut().zip(scores) {
        let key = key(*score);
        *mark = key <= threshold;
        at_threshold += u32::from(key == threshold);
    }
    let surplus = (at_threshold as usize).saturating_sub(left);
    let ties = marks.iter_mut().zip(scores).rev().filter(|(_, score)| key(**score) == threshold);
    ties.take(surplus).for_each(|(mark, _)| *mark = false);
}
