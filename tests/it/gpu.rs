//! A GPU against the processor on the bundled model: ratios, masks, statistics, losses. Prints a table.
//!
//! `tests/gpu.sh` runs it on a machine with a GPU. Without one it says so and checks the processor against itself, so that the
//! comparisons are known to run; with `ALLOT_NEEDS_GPU` set, a GPU that cannot be used is a failure.

use std::sync::Arc;

use allot::allocate::Bounds;
use allot::allocate::script::{Request, allocate};
use allot::device::Engine;
use allot::lang::check::{CheckOptions, check};
use allot::lang::program::{Metric, Script};
use allot::lang::published::{PUBLISHED, script};
use allot::measure::SlopeOf;
use allot::model::{Checkpoint, Decoder, Linear, Precision};
use allot::prune::{Method, Pattern, PruneOptions, Pruned, Share, prune_blocks};
use allot::stats::{CalibrationOptions, Reconstruction, Statistics, Tokens, calibrate_with, gradients};
use allot::trial::band::Band;
use allot::trial::cancel::Cancel;
use allot::trial::measurer::{PrunedModel, ThresholdTask, ask};
use allot::trial::subject::Subject;
use allot::trial::text::{Split, Texts};
use allot::trial::threads::Threads;

use crate::support::allocation::allocation;
use crate::support::data::bundled;

/// One line of the table: what was compared, how far apart it was, and how far it may be.
struct Line {
    what: String,
    apart: f64,
    most: f64,
}

fn wanda() -> Metric {
    script("wanda").and_then(|script| script.metric).expect("Wanda is a published metric")
}

fn tokens() -> Tokens {
    Tokens::new((0_u32..2048).map(|it| it * 31 % 2048).collect(), 256).expect("whole windows")
}

fn statistics(checkpoint: &Checkpoint) -> Statistics {
    let options = CalibrationOptions {
        reconstruction: Some(Reconstruction::default()),
        ..CalibrationOptions::default()
    };
    let device = checkpoint.device();
    let mut statistics =
        calibrate_with(checkpoint, &tokens(), 0, &device, options, &mut |_| ()).expect("statistics");
    statistics.add_gradients(gradients(checkpoint, &tokens(), &device, &mut |_| ()).expect("gradients"));
    statistics
}

fn largest(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    pairs.map(|(a, b)| (a - b).abs() / a.abs().max(b.abs()).max(1e-30)).fold(0.0, f64::max)
}

/// Compares statistics, and returns those of the processor, from which both then work.
fn compare_statistics(cpu: &Checkpoint, gpu: &Checkpoint, lines: &mut Vec<Line>) -> Statistics {
    let (here, there) = (statistics(cpu), statistics(gpu));
    let moments = |statistics: &Statistics| -> Vec<f64> {
        let all = statistics.linears.values().filter_map(|it| it.second_moment.as_ref());
        all.flatten().map(|it| f64::from(*it)).collect()
    };
    let (a, b) = (moments(&here), moments(&there));
    assert_eq!(a.len(), b.len());
    lines.push(Line { what: "second moments".to_owned(), apart: largest(a.into_iter().zip(b)), most: 1e-3 });
    here
}

/// Formulas whose reductions no published script has: along channels, by order, by sorting, and many in a round.
const FORMULAS: [&str; 5] = [
    "mean(std(score, over = inputs)) |> scale",
    "max(kurtosis(weight, over = outputs)) |> scale",
    "gini(score) + median(abs(weight)) |> scale",
    "quantile(score, 0.9) / mean(score) |> scale",
    "std(score) + kurtosis(weight) + mean(tanh(score)) + mean(log(score)) + entropy(score) + max(weight) |> scale",
];

fn ratios(checkpoint: &Checkpoint, statistics: &Statistics, script: &Script, metric: &Metric) -> Vec<f64> {
    let mut data = checkpoint.data().expect("the bundled model");
    statistics.attach(&mut data);
    let backend = checkpoint.engine().backend(&[]);
    let request = Request {
        metric,
        unit: None,
        target: 0.6,
        bounds: Bounds::default(),
        reductions: None,
        backend: &*backend,
    };
    let outcome = allocate(script, &data, request).unwrap_or_else(|error| panic!("{script:?}: {error}"));
    outcome.allocation.units.iter().map(|unit| unit.sparsity).collect()
}

/// Compares the ratios of every published script, and of other formulas.
fn compare_ratios(cpu: &Checkpoint, gpu: &Checkpoint, statistics: &Statistics, lines: &mut Vec<Line>) {
    let metric = wanda();
    let published = PUBLISHED.iter().filter_map(|published| Some((published.name, script(published.name)?)));
    let written =
        FORMULAS.map(|text| (text, check(text, CheckOptions::default()).script.expect("it checks")));
    for (name, script) in published.chain(written).filter(|(_, script)| script.allocation.is_some()) {
        let [a, b] = [cpu, gpu].map(|checkpoint| ratios(checkpoint, statistics, &script, &metric));
        assert_eq!(a.len(), b.len());
        let apart = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        lines.push(Line { what: format!("ratios of {name}"), apart, most: 1e-5 });
    }
}

/// Compares masks: the share of marks that differ. Scores within rounding of a threshold may change sides.
fn compare_masks(cpu: &Checkpoint, gpu: &Checkpoint, statistics: &Statistics, lines: &mut Vec<Line>) {
    let tokens = tokens();
    let methods = [
        (Method::Magnitude, Pattern::Unstructured),
        (Method::Wanda, Pattern::Unstructured),
        (Method::Wanda, Pattern::Fixed { n: 2, m: 4 }),
        (Method::RIA, Pattern::Unstructured),
        (Method::Metric(wanda()), Pattern::Unstructured),
        (Method::SPARSE_GPT, Pattern::Unstructured),
    ];
    for (method, pattern) in methods {
        let marks = |checkpoint: &Checkpoint| {
            let sparsegpt = matches!(method, Method::SparseGpt { .. });
            let options = PruneOptions {
                pattern,
                tokens: sparsegpt.then_some(&tokens),
                statistics: Some(statistics),
                ..PruneOptions::new(method.clone())
            };
            let mut all: Vec<bool> = Vec::new();
            let mut keep = |_: &Linear, pruned: Pruned| {
                all.extend(pruned.mask.pruned());
                Ok(())
            };
            prune_blocks(checkpoint, &allocation(checkpoint, 0.6), &options, &mut keep, &mut |_| ())
                .unwrap_or_else(|error| panic!("{}: {error}", method.name()));
            all
        };
        let (a, b) = (marks(cpu), marks(gpu));
        let differ = a.iter().zip(&b).filter(|(a, b)| a != b).count();
        // What SparseGPT decides later depends on what it corrected before.
        let most = if matches!(method, Method::SparseGpt { .. }) { 1e-2 } else { 1e-5 };
        lines.push(Line {
            what: format!("marks of {} {pattern}, {differ} of {} differ", method.name(), a.len()),
            apart: differ as f64 / a.len() as f64,
            most,
        });
    }
}

fn compare_losses(cpu: &Checkpoint, gpu: &Checkpoint, bf16: &Checkpoint, lines: &mut Vec<Line>) {
    let perplexity = |checkpoint: &Checkpoint, memory: Option<u64>| {
        let device = checkpoint.device();
        allot::measure::perplexity_of(checkpoint, &tokens(), &device, memory, &mut |_, _| ())
            .expect("a perplexity")
            .perplexity
    };
    let reference = perplexity(cpu, None);
    for (what, found, most) in [
        ("perplexity", perplexity(gpu, None), 1e-3),
        ("perplexity, streamed", perplexity(gpu, Some(1 << 20)), 1e-3),
        ("perplexity in bf16, for information", perplexity(bf16, None), f64::INFINITY),
    ] {
        lines.push(Line { what: what.to_owned(), apart: largest([(reference, found)].into_iter()), most });
    }
    let divergence = |checkpoint: &Checkpoint| {
        let device = checkpoint.device();
        let dense = Decoder::load(checkpoint, &device).expect("the bundled model loads");
        let mut pruned = dense.clone();
        for linear in pruned.blocks.iter_mut().flat_map(|block| block.linears_mut()) {
            let damped = (linear.weight() * 0.9).expect("a product");
            linear.set_weight(damped).expect("the same shape");
        }
        allot::measure::divergence(&dense, &pruned, &tokens(), &mut |_, _| ())
            .expect("a divergence")
            .divergence
    };
    lines.push(Line {
        what: "divergence".to_owned(),
        apart: largest([(divergence(cpu), divergence(gpu))].into_iter()),
        most: 1e-3,
    });
}

/// Compares what the weights at thresholds are worth, by linears and by rows, ranked within rows and within matrices.
fn compare_thresholds(cpu: &Checkpoint, gpu: &Checkpoint, lines: &mut Vec<Line>) {
    let by_row = check("metric(per = row) abs(weight)", CheckOptions::default()).script;
    let by_row = Method::Metric(by_row.and_then(|it| it.metric).expect("a metric"));
    for (what, method, rows) in [
        ("marginals of rows", &by_row, true),
        ("marginals of linears", &by_row, false),
        ("marginals of linears ranked as a whole", &Method::Magnitude, false),
    ] {
        let sums = |checkpoint: &Checkpoint| -> Vec<f64> {
            let texts = Texts { fitness: tokens(), selection: None, report: None };
            let cancel = Cancel::default();
            let subject = Subject::new(checkpoint, None, method, Pattern::Unstructured, &texts, &cancel);
            let measurer = Threads::new(Arc::new(subject.expect("a subject").into()), cancel);
            let shares =
                cpu.linears().iter().map(|it| Share::new(0.6, (it.rows * it.columns * 3 / 5) as u64));
            let task = ThresholdTask {
                model: PrunedModel { subject: 0, shares: shares.collect() },
                split: Split::Fitness,
                windows: vec![1, 4, 0],
                of: SlopeOf::Divergence,
                band: Band::default(),
                rows,
            };
            let windows = ask(&measurer, [task]).expect("the model runs").remove(0);
            windows.iter().flat_map(|it| it.sums.iter().flatten()).map(|it| it.sum).collect()
        };
        let (here, there) = (sums(cpu), sums(gpu));
        assert_eq!(here.len(), there.len());
        let size = (here.iter().map(|it| it * it).sum::<f64>() / here.len() as f64).sqrt();
        let apart = here.iter().zip(&there).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / size;
        lines.push(Line { what: what.to_owned(), apart, most: 1e-3 });
    }
}

/// Compares an engine with the processor, prints a table, and returns what is too far apart.
fn compare(engine: &Engine, precision: Precision) -> Vec<String> {
    let open = || Checkpoint::open(bundled()).expect("the bundled model opens");
    let on = |precision| open().on(engine.clone(), precision).expect("a place");
    let (cpu, gpu) = (open(), on(Precision::F32));
    let mut lines = Vec::new();
    let statistics = compare_statistics(&cpu, &gpu, &mut lines);
    compare_ratios(&cpu, &gpu, &statistics, &mut lines);
    compare_masks(&cpu, &gpu, &statistics, &mut lines);
    compare_losses(&cpu, &gpu, &on(precision), &mut lines);
    compare_thresholds(&cpu, &gpu, &mut lines);
    println!("{:<64} {:>10} {:>10}", engine.gpu().as_deref().unwrap_or("the processor"), "apart", "at most");
    let mut failures = Vec::new();
    for Line { what, apart, most } in lines {
        let verdict = if apart <= most { "" } else { "  too far" };
        println!("{what:<64} {apart:>10.1e} {most:>10.1e}{verdict}");
        if apart > most || apart.is_nan() {
            failures.push(what);
        }
    }
    failures
}

#[test]
fn a_gpu_agrees_with_the_processor() {
    let (engine, precision) = match Engine::cuda(0) {
        Ok(engine) => (engine, Precision::Bf16),
        Err(error) if std::env::var_os("ALLOT_NEEDS_GPU").is_some() => panic!("{error}"),
        Err(error) => {
            println!("skipped: no GPU, so the processor is compared with itself\n{error}");
            (Engine::Cpu, Precision::F32)
        }
    };
    let failures = compare(&engine, precision);
    assert!(failures.is_empty(), "too far apart: {failures:?}");
}
