//! Measures the cost of a search's candidate, compared with its forward pass and with doing all work from scratch.
//!
//! `cargo bench --bench search`. It uses the bundled model, 16 windows of 128 tokens, and all cores. The first group measures one candidate
//! at a time; the second runs whole searches, in which candidates share the cores.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use allot::allocate::Bounds;
use allot::allocate::script::{Request, allocate};
use allot::interpret::matrix::Processor;
use allot::lang::published;
use allot::measure::{divergence, perplexity};
use allot::model::{Checkpoint, Decoder};
use allot::prune::{Method, Pattern, Propagation, PruneOptions, prune_in_memory};
use allot::search::ask::Asking;
use allot::search::space::{Space, SpaceOptions};
use allot::stats::{Source, calibrate};
use allot::trial::cancel::Cancel;
use allot::trial::evaluator::{Evaluation, Evaluator};
use allot::trial::loss::Measure;
use allot::trial::objective::Objective;
use allot::trial::open::{Placement, open};
use allot::trial::prepare::prepare;
use allot::trial::race::{Budget, Race};
use allot::trial::ranking::Ranking;
use allot::trial::settings::{TextSettings, TrialSettings};
use allot::trial::store::Memory;
use allot::trial::target::Target;
use allot::trial::text::Split;
use candle_core::Device;
use criterion::{Criterion, criterion_group, criterion_main};

const SAMPLES: usize = 16;
const LENGTH: usize = 128;
const TARGET: f64 = 0.7;

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tiny-stories-12l")
}

fn text(name: &str) -> Source {
    Source::Text(vec![model().join(format!("text/{name}.jsonl"))])
}

fn evaluator() -> Evaluator {
    let wanda = published::script("wanda").and_then(|it| it.metric).expect("wanda is published");
    let settings = TrialSettings {
        models: vec![model()],
        targets: vec![Target { subject: 0, sparsity: TARGET }],
        ranking: Ranking { method: Method::Wanda, metric: wanda },
        pattern: Pattern::Unstructured,
        measure: Measure::Kl,
        tasks: None,
        texts: TextSettings {
            calibration: Some(text("calibration")),
            statistics: None,
            gradients: true,
            reconstruction: false,
            input_kurtosis: false,
            block_changes: false,
            damages: Vec::new(),
            marginals: false,
            marginal_slopes: false,
            marginals_at: Vec::new(),
            samples: SAMPLES,
            seed: 0,
            length: LENGTH,
            fitness: text("fitness"),
            selection: None,
            report: None,
            windows: SAMPLES,
            selection_windows: None,
            report_windows: None,
        },
    };
    let (engine, precision) = (&allot::device::CPU, allot::model::Precision::F32);
    let opened = open(&settings, Placement { engine, others: &[], precision }, &Cancel::default());
    let opened = opened.expect("the bundled model opens");
    prepare(opened, Cancel::default(), &mut |_, _| {}).expect("it runs").evaluator
}

/// Calibrates, prunes and measures one allocation without reusing anything: the plain loop.
fn from_scratch(checkpoint: &Checkpoint, dense: &Decoder) -> f64 {
    let calibration = text("calibration").draw(checkpoint, SAMPLES, Some(LENGTH), 0).expect("tokens");
    let statistics = calibrate(checkpoint, &calibration, 0, &Device::Cpu, &mut |_| {}).expect("statistics");
    let mut data = checkpoint.data().expect("weights");
    statistics.attach(&mut data);
    let script = published::script("owl").expect("owl is published");
    let metric = published::script("wanda").and_then(|it| it.metric).expect("wanda is published");
    let request = Request {
        metric: &metric,
        unit: None,
        target: TARGET,
        bounds: Bounds::default(),
        reductions: None,
        backend: &Processor,
    };
    let allocation = allocate(&script, &data, request).expect("an allocation").allocation;
    let options = PruneOptions {
        statistics: Some(&statistics),
        propagation: Propagation::Dense,
        ..PruneOptions::new(Method::Wanda)
    };
    let (pruned, _) =
        prune_in_memory(checkpoint, &allocation, &options, &mut |_| {}).expect("a pruned model");
    let tokens = text("fitness").windows(checkpoint, Some(LENGTH), Some(SAMPLES)).expect("tokens");
    divergence(dense, &pruned, &tokens, &mut |_, _| {}).expect("a divergence").divergence
}

fn one(criterion: &mut Criterion) {
    let evaluator = evaluator();
    let checkpoint = evaluator.subjects.first().checkpoint().clone();
    let dense = Decoder::load(&checkpoint, &Device::Cpu).expect("the model loads");
    let tokens = text("fitness").windows(&checkpoint, Some(LENGTH), Some(SAMPLES)).expect("tokens");
    println!(
        "One candidate, {SAMPLES} windows of {LENGTH}; the goal is an evaluation within 1.15x of its forward pass"
    );
    let owl = published::script("owl").expect("owl is published");
    let allotted = evaluator.allot(&[&owl]).expect("it runs").remove(0).expect("an allocation");
    let mut group = criterion.benchmark_group("one_candidate");
    group.sample_size(20).measurement_time(Duration::from_secs(8));
    group.bench_function("forward_pass_and_loss", |bencher| {
        bencher.iter(|| black_box(perplexity(&dense, &tokens, &mut |_, _| {}).expect("it runs")));
    });
    group.bench_function("evaluation", |bencher| {
        bencher.iter(|| {
            let evaluation = Evaluation { allotted: &allotted, split: Split::Fitness, windows: 0..SAMPLES };
            black_box(evaluator.measure(&[evaluation], &mut Memory::default()).expect("it runs"))
        });
    });
    group.bench_function("from_scratch", |bencher| {
        bencher.iter(|| black_box(from_scratch(&checkpoint, &dense)));
    });
    group.finish();
}

/// Prints the mean cost of a proposed candidate in a whole search, compared with one from scratch.
fn whole(_: &mut Criterion) {
    let evaluations = if std::env::args().any(|it| it == "--quick") { 100 } else { 1000 };
    println!(
        "A search of {evaluations} evaluations; the goal is 50x per proposed candidate over calibrating, pruning and measuring it"
    );
    let evaluator = evaluator();
    let checkpoint = evaluator.subjects.first().checkpoint().clone();
    let dense = Decoder::load(&checkpoint, &Device::Cpu).expect("the model loads");
    let loops = 5;
    let begun = Instant::now();
    (0..loops).for_each(|_| {
        black_box(from_scratch(&checkpoint, &dense));
    });
    let scratch = begun.elapsed().as_secs_f64() / f64::from(loops);
    for kind in allot::search::space::SpaceKind::ALL {
        let space = Space::new(&SpaceOptions { kind, ..SpaceOptions::default() }).expect("a space");
        let mut store = Memory::default();
        let objective = Objective::new(&evaluator, &mut store).expect("losses");
        let budget = Budget { evaluations, tokens: u64::MAX };
        let mut observer = |_: &_, _| {};
        let mut race = Race::new(&evaluator, &mut store, &objective, budget, &mut observer);
        let begun = Instant::now();
        let mut asking = Asking::new(&mut race, &space, &[], 0, 1).expect("it searches");
        while asking.measure().expect("it measures") {}
        asking.end();
        let seconds = begun.elapsed().as_secs_f64();
        let spent = race.spent();
        println!(
            "{} space: {:.1} evaluations/s, {:.1} proposals/s; from scratch {:.2}/s; {:.1}x per evaluation, {:.1}x per proposal",
            kind.name(),
            spent.evaluations as f64 / seconds,
            spent.proposals as f64 / seconds,
            1.0 / scratch,
            scratch * spent.evaluations as f64 / seconds,
            scratch * spent.proposals as f64 / seconds,
        );
    }
}

criterion_group!(benches, one, whole);
criterion_main!(benches);
