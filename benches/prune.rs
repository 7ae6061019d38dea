//! Compares masks by selection with a stable sort, and SparseGPT with the published order of work.
//!
//! `cargo bench --bench prune -- wanda`, or `-- sparsegpt`. Everything runs on all cores, in f32, on generated numbers. `--quick` skips the
//! 4096 x 4096 matrix.

use std::hint::black_box;
use std::time::Duration;

use allot::lang::types::Group;
use allot::prune::score::WandaRows;
use allot::prune::{InverseFactor, Rounding, Share, least, least_of_rows, score, sparsegpt};
use criterion::{Criterion, criterion_group, criterion_main};
use faer::linalg::solvers::{DenseSolveCore, Llt};
use faer::{Mat, Side};
use rayon::prelude::*;

/// Returns numbers with the magnitude of weights.
fn numbers(count: usize) -> Vec<f32> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // A sum of uniform numbers is nearly normal, like weights.
        let part = |shift: u32| (state >> shift & 0xffff) as f32 / 32_768.0 - 1.0;
        (part(0) + part(16) + part(32) + part(48)) * 0.02
    };
    (0..count).map(|_| next()).collect()
}

/// Marks the first entries of each row in a stable sort, as the published code does.
fn by_sorting(scores: &[f32], columns: usize, count: usize) -> Vec<bool> {
    let mut marks = vec![false; scores.len()];
    marks.par_chunks_mut(columns).zip(scores.par_chunks(columns)).for_each(|(marks, scores)| {
        // Scores are not negative, so their bits sort in the same order. Integers with the index in the low bits sort fastest.
        let keys = scores.iter().enumerate().map(|(index, it)| u64::from(it.to_bits()) << 32 | index as u64);
        let mut keys: Vec<u64> = keys.collect();
        keys.sort();
        for key in &keys[..count] {
            marks[*key as u32 as usize] = true;
        }
    });
    marks
}

fn wanda(criterion: &mut Criterion) {
    let (rows, columns) = (4096, 11008);
    println!(
        "Wanda masks, {rows} x {columns}, 70 % of each row: selection, compared with a stable sort of each row; both score first"
    );
    let weights = numbers(rows * columns);
    let moments: Vec<f32> = numbers(columns).iter().map(|it| it * it).collect();
    let count = columns * 7 / 10;
    let share = Share::new(0.7, (rows * count) as u64);
    let mut group = criterion.benchmark_group(format!("wanda_{rows}x{columns}"));
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    let shape = [rows, columns];
    group.bench_function("selection", |bencher| {
        bencher.iter(|| {
            let scores = WandaRows::new(black_box(&weights), &moments);
            let score = |row: usize, row_scores: &mut [f32]| scores.write(row, row_scores);
            black_box(least_of_rows(shape, score, &share, Rounding::Exact))
        });
    });
    group.bench_function("selection_of_all_scores", |bencher| {
        bencher.iter(|| {
            let scores = score::wanda(black_box(&weights), &moments);
            black_box(least(&scores, columns, Group::Row, &share, Rounding::Exact))
        });
    });
    group.bench_function("stable_sort", |bencher| {
        bencher.iter(|| {
            let scores = score::wanda(black_box(&weights), &moments);
            black_box(by_sorting(&scores, columns, count))
        });
    });
    group.bench_function("scores_alone", |bencher| {
        bencher.iter(|| black_box(score::wanda(black_box(&weights), &moments)));
    });
    group.finish();
}

/// Returns a Hessian `[n, n]` of channels that correlate with their neighbours.
fn hessian(n: usize) -> Vec<f32> {
    let mut hessian = vec![0.0; n * n];
    hessian.par_chunks_mut(n).enumerate().for_each(|(row, values)| {
        for (column, value) in values.iter_mut().enumerate() {
            *value = 0.9_f32.powi(row.abs_diff(column) as i32);
        }
    });
    hessian
}

/// Prunes half of the weights in the published order of work: factor, inverse, factor; then one column after the other over all rows, and
/// the columns after the block by one matrix product.
fn published(weights: &mut [f32], hessian: &[f32], n: usize) {
    let damped =
        Mat::from_fn(n, n, |row, column| hessian[row * n + column] + if row == column { 0.01 } else { 0.0 });
    let inverse = Llt::new(damped.as_ref(), Side::Lower).expect("positive definite").inverse();
    let factor = Llt::new(inverse.as_ref(), Side::Lower).expect("positive definite");
    let upper = factor.L().transpose();
    for from in (0..n).step_by(128) {
        let to = (from + 128).min(n);
        let diagonal: Vec<f32> = (from..to).map(|it| upper[(it, it)]).collect();
        let mut sorted: Vec<f32> = weights
            .chunks(n)
            .flat_map(|row| row[from..to].iter().zip(&diagonal).map(|(w, d)| w * w / (d * d)))
            .collect();
        sorted.par_sort_unstable_by(f32::total_cmp);
        let threshold = sorted[sorted.len() / 2];
        let rows = weights.len() / n;
        let mut errors = Mat::<f32>::zeros(rows, to - from);
        for column in from..to {
            let d = diagonal[column - from];
            let along: Vec<f32> = (column..to).map(|it| upper[(column, it)]).collect();
            for (index, row) in weights.chunks_mut(n).enumerate() {
                if row[column] * row[column] / (d * d) <= threshold {
                    let error = row[column] / d;
                    errors[(index, column - from)] = error;
                    for (weight, upper) in row[column..to].iter_mut().zip(&along) {
                        *weight -= error * upper;
                    }
                }
            }
        }
        if to < n {
            let correction = &errors * upper.submatrix(from, to, to - from, n - to);
            for (index, row) in weights.chunks_mut(n).enumerate() {
                for (behind, weight) in row[to..].iter_mut().enumerate() {
                    *weight -= correction[(index, behind)];
                }
            }
        }
    }
}

fn sparsegpt(criterion: &mut Criterion) {
    let quick = std::env::args().any(|it| it == "--quick");
    for n in if quick { vec![1024] } else { vec![1024, 4096] } {
        println!(
            "SparseGPT, {n} x {n}, half of the weights: compared with the published order of work, on the same libraries"
        );
        let (weights, hessian) = (numbers(n * n), hessian(n));
        let share = Share::new(0.5, (n * n / 2) as u64);
        let mut group = criterion.benchmark_group(format!("sparsegpt_{n}x{n}"));
        group.sample_size(10).measurement_time(Duration::from_secs(10));
        group.bench_function("allot", |bencher| {
            bencher.iter(|| {
                let mut weights = weights.clone();
                let factor = InverseFactor::new(hessian.clone(), n, 0.01).expect("positive definite");
                black_box(sparsegpt::prune_columns(&mut weights, &factor, &share, Rounding::Exact))
            });
        });
        group.bench_function("factor_alone", |bencher| {
            bencher.iter(|| black_box(InverseFactor::new(hessian.clone(), n, 0.01)));
        });
        group.bench_function("published_order", |bencher| {
            bencher.iter(|| {
                let mut weights = weights.clone();
                published(&mut weights, &hessian, n);
                black_box(weights)
            });
        });
        group.finish();
    }
}

criterion_group!(benches, wanda, sparsegpt);
criterion_main!(benches);
