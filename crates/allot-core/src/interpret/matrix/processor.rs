//! The matrix stage on a processor: tasks on all cores, each in chunks that stay in the first cache.

use super::backend::{Backend, BackendError};
use super::piece::Piece;
use super::registers::Registers;
use super::sweep::{Collecting, Sweep};
use crate::kernels::tally::Collected;
use crate::kernels::vector::{self, Histogram};
use crate::threads;

/// How many tasks are sampled for the centre of moments.
const SAMPLED_TASKS: usize = 16;

/// The processor as a device for the matrix stage.
#[derive(Clone, Copy, Debug)]
pub struct Processor;

impl Backend for Processor {
    fn takes_units_together(&self) -> bool {
        false
    }

    fn counts(&self) -> bool {
        false
    }

    fn collect(
        &self,
        sweeps: &[Sweep<'_>],
        collecting: &Collecting,
    ) -> Result<Vec<Vec<Collected>>, BackendError> {
        Ok(sweeps.iter().map(|sweep| of_unit(sweep, collecting)).collect())
    }

    fn values(&self, sweep: &Sweep<'_>) -> Result<Vec<f32>, BackendError> {
        let Sweep { program, frame, tasks } = *sweep;
        let length = |task: &Piece| task.rows.len() * frame.model.linears[task.linear].columns;
        let mut values = vec![0.0; tasks.iter().map(length).sum()];
        let mut pieces: Vec<(&Piece, &mut [f32])> = Vec::with_capacity(tasks.len());
        let mut rest = values.as_mut_slice();
        for task in tasks {
            let (piece, after) = rest.split_at_mut(length(task));
            pieces.push((task, piece));
            rest = after;
        }
        threads::for_each(pieces, |(task, piece)| {
            let mut registers = Registers::new(program);
            let mut offset = 0;
            for chunk in frame.chunks(task) {
                registers.run(program, frame, &chunk, |_, values| {
                    piece[offset..offset + values.len()].copy_from_slice(values);
                });
                offset += chunk.length;
            }
        });
        Ok(values)
    }

    fn histogram(&self, sweep: &Sweep<'_>, upper: Option<u16>) -> Result<(Histogram, bool), BackendError> {
        let empty = || (upper.map_or_else(Histogram::coarse, Histogram::fine), false);
        let look = |values: &[f32], (histogram, nan): &mut (Histogram, bool)| {
            *nan = *nan || values.iter().any(|x| x.is_nan());
            histogram.add(values);
        };
        Ok(fold(sweep, empty, look, |mut total, part| {
            total.0.merge(&part.0);
            (total.0, total.1 || part.1)
        }))
    }

    fn against(&self, sweep: &Sweep<'_>, threshold: f32) -> Result<(u64, u64), BackendError> {
        let look = |values: &[f32], (below, equal): &mut (u64, u64)| {
            *below += values.iter().filter(|x| **x < threshold).count() as u64;
            *equal += values.iter().filter(|x| **x == threshold).count() as u64;
        };
        Ok(fold(sweep, || (0, 0), look, |total, part| (total.0 + part.0, total.1 + part.1)))
    }
}

/// Returns what each tally collects in one unit.
fn of_unit(sweep: &Sweep<'_>, collecting: &Collecting) -> Vec<Collected> {
    let Sweep { program, frame, tasks } = *sweep;
    let Collecting { tallies, takers } = collecting;
    let centres = centres(sweep, collecting);
    let nothing = || -> Vec<Collected> {
        tallies.iter().zip(&centres).map(|(tally, centre)| Collected::new(*tally, *centre)).collect()
    };
    let of_task = |task: &Piece| {
        let mut collected = nothing();
        let mut registers = Registers::new(program);
        for (index, chunk) in frame.chunks(task).enumerate() {
            registers.run(program, frame, &chunk, |root, values| {
                for taker in &takers[root] {
                    collected[*taker].add(values);
                    // A sample is enough to estimate the size of a sum's terms.
                    if index == 0 {
                        collected[*taker].add_sample(values);
                    }
                }
            });
        }
        collected
    };
    let parts: Vec<Vec<Collected>> = threads::map(tasks, of_task);
    let mut totals = nothing();
    for part in &parts {
        for (total, part) in totals.iter_mut().zip(part) {
            total.merge(part);
        }
    }
    totals
}

/// Calls `look` on the values of a program's only root, chunk by chunk.
///
/// The result must not depend on the order of the chunks; counts do not.
fn fold<T: Send>(
    sweep: &Sweep<'_>,
    empty: impl Fn() -> T + Sync + Send,
    look: impl Fn(&[f32], &mut T) + Sync + Send,
    merge: impl Fn(T, T) -> T + Sync + Send,
) -> T {
    let Sweep { program, frame, tasks } = *sweep;
    let of_task = |mut part: T, task: &Piece| {
        let mut registers = Registers::new(program);
        for chunk in frame.chunks(task) {
            registers.run(program, frame, &chunk, |_, values| look(values, &mut part));
        }
        part
    };
    threads::fold_unordered(tasks, empty, of_task, merge)
}

/// Returns the value about which each tally takes its moments: the mean of a sample, so that the difference of squares keeps its
/// digits.
fn centres(sweep: &Sweep<'_>, Collecting { tallies, takers }: &Collecting) -> Vec<f64> {
    let Sweep { program, frame, tasks } = *sweep;
    if !tallies.iter().any(|tally| tally.needs_centre()) {
        return vec![0.0; tallies.len()];
    }
    let mut sums = vec![(0.0, 0); tallies.len()];
    let mut registers = Registers::new(program);
    for task in tasks.iter().step_by(tasks.len().div_ceil(SAMPLED_TASKS).max(1)) {
        for chunk in frame.chunks(task).take(1) {
            registers.run(program, frame, &chunk, |root, values| {
                for taker in takers[root].iter().filter(|taker| tallies[**taker].needs_centre()) {
                    sums[*taker].0 += vector::sum(values);
                    sums[*taker].1 += values.len();
                }
            });
        }
    }
    sums.into_iter().map(|(sum, count)| centre(sum, count as u64)).collect()
}

/// Returns the mean of a sample, or 0 if the sample is empty or its sum not finite.
pub fn centre(sum: f64, count: u64) -> f64 {
    if count > 0 && sum.is_finite() { sum / count as f64 } else { 0.0 }
}
