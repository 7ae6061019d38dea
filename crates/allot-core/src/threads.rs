//! Runs work on all cores with the feature `threads`, and on the calling thread without it.
//!
//! Results are in the order of their items, so they do not depend on the number of threads.

use std::cmp::Ordering;

#[cfg(feature = "threads")]
use rayon::prelude::*;

/// Returns the number of threads.
pub(crate) fn count() -> usize {
    #[cfg(feature = "threads")]
    return rayon::current_num_threads();
    #[cfg(not(feature = "threads"))]
    1
}

/// Returns the value of a function for each item, in order.
pub(crate) fn map<T: Sync, R: Send>(items: &[T], function: impl Fn(&T) -> R + Sync + Send) -> Vec<R> {
    #[cfg(feature = "threads")]
    return items.par_iter().map(function).collect();
    #[cfg(not(feature = "threads"))]
    items.iter().map(function).collect()
}

/// Returns the value of a function for each number below `count`, in order.
pub(crate) fn map_range<R: Send>(count: usize, function: impl Fn(usize) -> R + Sync + Send) -> Vec<R> {
    #[cfg(feature = "threads")]
    return (0..count).into_par_iter().map(function).collect();
    #[cfg(not(feature = "threads"))]
    (0..count).map(function).collect()
}

/// Returns the value of a function for each piece of `size` items, in order; the last piece may be shorter.
pub(crate) fn map_chunks<T: Sync, R: Send>(
    items: &[T],
    size: usize,
    function: impl Fn(&[T]) -> R + Sync + Send,
) -> Vec<R> {
    #[cfg(feature = "threads")]
    return items.par_chunks(size).map(function).collect();
    #[cfg(not(feature = "threads"))]
    items.chunks(size).map(function).collect()
}

/// Calls a function on each item.
pub(crate) fn for_each<T: Send>(items: Vec<T>, function: impl Fn(T) + Sync + Send) {
    #[cfg(feature = "threads")]
    items.into_par_iter().for_each(function);
    #[cfg(not(feature = "threads"))]
    items.into_iter().for_each(function);
}

/// Calls a function on each piece of `size` items, with its place among the pieces; the last piece may be shorter.
pub(crate) fn for_each_chunk_mut<T: Send>(
    items: &mut [T],
    size: usize,
    function: impl Fn(usize, &mut [T]) + Sync + Send,
) {
    #[cfg(feature = "threads")]
    items.par_chunks_mut(size).enumerate().for_each(|(place, piece)| function(place, piece));
    #[cfg(not(feature = "threads"))]
    items.chunks_mut(size).enumerate().for_each(|(place, piece)| function(place, piece));
}

/// Folds items into parts, in parallel, and merges the parts. The result must not depend on the order, as with counts.
pub(crate) fn fold_unordered<I: Sync, T: Send>(
    items: &[I],
    empty: impl Fn() -> T + Sync + Send,
    add: impl Fn(T, &I) -> T + Sync + Send,
    merge: impl Fn(T, T) -> T + Sync + Send,
) -> T {
    #[cfg(feature = "threads")]
    return items.par_iter().fold(&empty, add).reduce(&empty, merge);
    #[cfg(not(feature = "threads"))]
    {
        // One part is never merged.
        let _ = merge;
        items.iter().fold(empty(), add)
    }
}

/// Sorts items; equal ones may be in any order.
pub(crate) fn sort_by<T: Send>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering + Sync) {
    #[cfg(feature = "threads")]
    items.par_sort_unstable_by(compare);
    #[cfg(not(feature = "threads"))]
    items.sort_unstable_by(compare);
}

/// Sorts items by a key; those with equal keys may be in any order.
pub(crate) fn sort_by_key<T: Send, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K + Sync) {
    #[cfg(feature = "threads")]
    items.par_sort_unstable_by_key(key);
    #[cfg(not(feature = "threads"))]
    items.sort_unstable_by_key(key);
}
