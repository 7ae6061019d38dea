//! Evaluates a thousand formulas of a few reductions on a real model, as a search does, with and without the cache of reductions'
//! results.
//!
//!     cargo bench --bench cache
//!
//! Formulas are evaluated in generations of 50, one call per generation.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use allot::allocate::Bounds;
use allot::allocate::script::{Request, allocate_all};
use allot::data::ModelData;
use allot::interpret::matrix::Processor;
use allot::lang::check::{CheckOptions, check};
use allot::lang::program::Script;
use allot::model::Checkpoint;
use allot::results::Reductions;
use criterion::{Criterion, criterion_group, criterion_main};

const REDUCTIONS: [&str; 12] = [
    "mean(score)",
    "std(score)",
    "max(score)",
    "l1(weight)",
    "l2(weight)",
    "mean(log(score))",
    "kurtosis(weight)",
    "geomean(score)",
    "entropy(score)",
    "mean(score > 5 * mean(score))",
    "mean(sigmoid(score))",
    "median(score)",
];

/// Number of formulas evaluated in one call.
const GENERATION: usize = 50;

fn scripts(count: usize) -> Vec<Script> {
    let pick = |index: usize, stride: usize| REDUCTIONS[index * stride % REDUCTIONS.len()];
    (0..count)
        .map(|index| {
            let (a, b) = (pick(index, 1), pick(index / 7, 5));
            let text = format!("metric abs(weight)\nlog({a}) * {}.5 + zscore({b}) |> scale", index % 97);
            check(&text, CheckOptions::default()).script.expect("well typed")
        })
        .collect()
}

fn evaluate(scripts: &[Script], model: &ModelData<'_>, reductions: Option<&Reductions>) -> usize {
    let metric = scripts[0].metric.as_ref().expect("a metric");
    let request = Request {
        metric,
        unit: None,
        target: 0.7,
        bounds: Bounds::default(),
        reductions,
        backend: &Processor,
    };
    let generations = scripts.chunks(GENERATION);
    let of = |generation: &[Script]| {
        let outcomes = allocate_all(&generation.iter().collect::<Vec<_>>(), model, request);
        outcomes.into_iter().filter(Result::is_ok).count()
    };
    generations.map(of).sum()
}

fn cache(criterion: &mut Criterion) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tiny-stories-12l");
    let checkpoint = Checkpoint::open(folder).expect("the example's model");
    let model = checkpoint.data().expect("its weights");
    let scripts = scripts(1000);
    let weights: usize = model.linears.iter().map(|linear| linear.weight.len()).sum();
    println!(
        "{} formulas of {} reductions in generations of {GENERATION}, {} blocks, {weights} weights",
        scripts.len(),
        REDUCTIONS.len(),
        model.blocks
    );
    let mut group = criterion.benchmark_group("formulas");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    group.bench_function("without", |bencher| bencher.iter(|| evaluate(black_box(&scripts), &model, None)));
    group.bench_function("with", |bencher| {
        bencher.iter(|| evaluate(black_box(&scripts), &model, Some(&Reductions::new())))
    });
    group.finish();
}

criterion_group!(benches, cache);
criterion_main!(benches);
