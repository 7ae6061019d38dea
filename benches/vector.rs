//! Compares the vector layer with a plain read of the same memory, on all cores.
//!
//! `cargo bench --bench vector -- read` compares whole sweeps over 256 MiB; `-- cached` times each function in the cache.

use std::borrow::Cow;
use std::hint::black_box;
use std::time::Duration;

use allot::data::Values;
use allot::kernels::vector::{
    Binary, Histogram, Operand, Unary, binary, median, min_max, moments2, moments4, sum, sum_unary,
    sum_x_log_x, unary, widen,
};
use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use half::{bf16, f16};
use rayon::prelude::*;

/// Bytes read by a sweep.
const BYTES: usize = 256 << 20;
/// Numbers in a chunk.
const CHUNK: usize = 1024;
/// Chunks that a thread takes at once.
const TASK: usize = 64;

/// Returns positive numbers with the magnitude of weights.
fn numbers(count: usize) -> impl Iterator<Item = f32> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..count).map(move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 40) as f32 + 1.0) / 16_777_216.0 / 16.0
    })
}

/// Adds up `f` of every chunk, in order.
fn sweep(values: &Values<'_>, f: impl Fn(&[f32]) -> f64 + Sync) -> f64 {
    let task = TASK * CHUNK;
    let parts: Vec<f64> = (0..values.len().div_ceil(task))
        .into_par_iter()
        .map(|index| {
            let mut chunk = [0.0; CHUNK];
            let mut total = 0.0;
            let end = values.len().min((index + 1) * task);
            for start in (index * task..end).step_by(CHUNK) {
                let stop = end.min(start + CHUNK);
                total += match values {
                    Values::F32(values) => f(&values[start..stop]),
                    _ => {
                        widen(values, start..stop, &mut chunk);
                        f(&chunk[..stop - start])
                    }
                };
            }
            total
        })
        .collect();
    parts.iter().sum()
}

/// Reads every byte with the least work per byte.
fn read(bytes: &[u8]) -> u64 {
    let words: &[u64] = bytemuck::cast_slice(bytes);
    words
        .par_chunks(TASK * CHUNK / 2)
        .map(|words| words.iter().fold(0, |sum: u64, &word| sum.wrapping_add(word)))
        .reduce(|| 0, u64::wrapping_add)
}

fn sweeps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    group.sample_size(10).measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(300));
    group.throughput(Throughput::Bytes(BYTES as u64));
    let singles: Vec<f32> = numbers(BYTES / 4).collect();
    group.bench_function("plain", |bencher| bencher.iter(|| read(bytemuck::cast_slice(&singles))));
    compare(&mut group, "f32", &Values::F32(Cow::Borrowed(&singles)));
    drop(singles);
    let halves: Vec<f16> = numbers(BYTES / 2).map(f16::from_f32).collect();
    compare(&mut group, "f16", &Values::F16(Cow::Owned(halves)));
    let brains: Vec<bf16> = numbers(BYTES / 2).map(bf16::from_f32).collect();
    compare(&mut group, "bf16", &Values::Bf16(Cow::Owned(brains)));
    group.finish();
}

fn compare(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, values: &Values<'_>) {
    group.bench_function(format!("{name} mean"), |bencher| bencher.iter(|| sweep(values, sum)));
    group.bench_function(format!("{name} mean log, summed"), |bencher| {
        bencher.iter(|| sweep(values, |chunk| sum_unary(Unary::Log, chunk)));
    });
    group.bench_function(format!("{name} mean log, stored"), |bencher| {
        bencher.iter(|| {
            sweep(values, |chunk| {
                let mut out = [0.0; CHUNK];
                unary(Unary::Log, chunk, &mut out[..chunk.len()]);
                sum(&out[..chunk.len()])
            })
        });
    });
    group.bench_function(format!("{name} mean sigmoid"), |bencher| {
        bencher.iter(|| sweep(values, |chunk| sum_unary(Unary::Sigmoid, chunk)));
    });
}

fn cached(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cached");
    group
        .sample_size(20)
        .measurement_time(Duration::from_millis(200))
        .warm_up_time(Duration::from_millis(50));
    group.throughput(Throughput::Elements(CHUNK as u64));
    let x: Vec<f32> = numbers(CHUNK).map(|x| x * 16.0 - 0.01).collect();
    let y: Vec<f32> = numbers(2 * CHUNK).skip(CHUNK).map(|x| x * 16.0).collect();
    let mut out = vec![0.0; CHUNK];
    for op in Unary::ALL.iter().copied() {
        group
            .bench_function(format!("{op:?}"), |bencher| bencher.iter(|| unary(op, black_box(&x), &mut out)));
    }
    for op in Binary::ALL.iter().copied() {
        let (a, b) = (Operand::Slice(&x), Operand::Slice(&y));
        group.bench_function(format!("{op:?}"), |bencher| {
            bencher.iter(|| binary(op, black_box(a), b, &mut out))
        });
    }
    group.bench_function("sum", |bencher| bencher.iter(|| sum(black_box(&x))));
    group
        .bench_function("sum of logarithms", |bencher| bencher.iter(|| sum_unary(Unary::Log, black_box(&x))));
    group.bench_function("sum of x log x", |bencher| bencher.iter(|| sum_x_log_x(black_box(&x))));
    group.bench_function("moments2", |bencher| bencher.iter(|| moments2(black_box(&x), 0.1)));
    group.bench_function("moments4", |bencher| bencher.iter(|| moments4(black_box(&x), 0.1)));
    group.bench_function("min_max", |bencher| bencher.iter(|| min_max(black_box(&x))));
    let halves: Vec<f16> = x.iter().map(|&x| f16::from_f32(x)).collect();
    let brains: Vec<bf16> = x.iter().map(|&x| bf16::from_f32(x)).collect();
    let (halves, brains) = (Values::F16(Cow::Owned(halves)), Values::Bf16(Cow::Owned(brains)));
    group.bench_function("widen f16", |bencher| {
        bencher.iter(|| widen(black_box(&halves), 0..CHUNK, &mut out))
    });
    group.bench_function("widen bf16", |bencher| {
        bencher.iter(|| widen(black_box(&brains), 0..CHUNK, &mut out))
    });
    group.finish();

    let mut group = criterion.benchmark_group("order");
    group.sample_size(10).measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(200));
    let many: Vec<f32> = numbers(1 << 22).collect();
    group.throughput(Throughput::Elements(many.len() as u64));
    group.bench_function("median by selection", |bencher| {
        bencher.iter_batched_ref(|| many.clone(), |many| median(many), criterion::BatchSize::LargeInput);
    });
    let mut coarse = Histogram::coarse();
    group.bench_function("count", |bencher| bencher.iter(|| coarse.add(black_box(&many))));
    let mut fine = Histogram::fine(coarse.locate(coarse.count() / 2).map_or(0, |(upper, _)| upper));
    group.bench_function("count again", |bencher| bencher.iter(|| fine.add(black_box(&many))));
    group.finish();
}

criterion_group!(benches, sweeps, cached);
criterion_main!(benches);
