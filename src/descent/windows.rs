//! The windows that a step reads: each window is read once before any is read again.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

/// Returns the windows of a step in ascending order, from a text of `all` windows; steps are counted from 0
/// over all sparsities.
///
/// They depend only on the seed and the step. If a step asks for more windows than the text has, it reads all
/// of them.
pub(super) fn of_step(seed: u64, step: usize, count: usize, all: usize) -> Vec<usize> {
    let count = count.min(all);
    if count == 0 {
        return Vec::new();
    }
    // The remainder of a round is left out, so that no step reads a window twice.
    let in_round = all / count;
    let (round, place) = (step / in_round, step % in_round);
    let mut order: Vec<usize> = (0..all).collect();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(round as u64);
    order.shuffle(&mut random);
    let mut windows = order[place * count..(place + 1) * count].to_vec();
    windows.sort_unstable();
    windows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_read_once_before_any_is_read_again() {
        let mut read = vec![0; 14];
        for step in 0..3 {
            of_step(5, step, 4, 14).into_iter().for_each(|window| read[window] += 1);
        }
        assert_eq!(read.iter().sum::<i32>(), 12);
        assert!(read.iter().all(|times| *times <= 1), "{read:?}");
        assert_ne!(of_step(5, 0, 4, 14), of_step(5, 3, 4, 14), "another round has another order");
        assert_ne!(of_step(5, 0, 4, 14), of_step(6, 0, 4, 14), "and so has another seed");
        assert_eq!(of_step(5, 7, 20, 6), [0, 1, 2, 3, 4, 5]);
        assert!(of_step(5, 0, 4, 0).is_empty());
    }
}
