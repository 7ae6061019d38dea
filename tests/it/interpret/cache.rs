//! The cache of the results of reductions: everything is the same as without it.

use allot::allocate::Bounds;
use allot::allocate::script::{Request, allocate_all};
use allot::data::{ModelData, Values};
use allot::interpret::context::Context;
use allot::interpret::error::InterpretError;
use allot::interpret::evaluate::evaluate;
use allot::interpret::matrix::Processor;
use allot::lang::program::{Expr, Metric, Script};
use allot::lang::types::{Group, UnitKind};
use allot::results::{Hits, Reductions};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use rayon::prelude::*;

use crate::support::models::{Numbers, Stored, context, importance, model, script, wanda};
use crate::support::programs;

const SHAPES: [(usize, usize); 4] = [(6, 9), (5, 5), (1, 1100), (13, 1)];

/// Per-weight expressions, some with values out of range.
const MATRICES: [&str; 12] = [
    "score",
    "weight",
    "abs(weight)",
    "log(score)",
    "zscore(weight)",
    "ranks(score)",
    "(score > 2 * mean(score))",
    "score / sum(score, over = inputs)",
    "weight * zscore(mean(abs(weight)))",
    "(score - target)",
    "exp(300 * score)",
    "ranks(sin(exp(300 * score)))",
];

const REDUCTIONS: [&str; 10] =
    ["mean", "sum", "std", "max", "median", "gini", "kurtosis", "l2", "entropy", "stable_rank"];

/// Returns a script with a few reductions, like those of a search.
fn formula(numbers: &mut Numbers) -> Script {
    let mut reduced = || {
        let x = MATRICES[numbers.below(MATRICES.len())];
        format!("{}({x})", REDUCTIONS[numbers.below(REDUCTIONS.len())])
    };
    let (a, b) = (reduced(), reduced());
    let text = match numbers.below(6) {
        0 => format!("{a} * {b}"),
        1 => format!("zscore({a}) + {b}"),
        2 => format!("mean(weight > 0.1 * {a}) - {b}"),
        3 => format!("mean(tanh(score * softmax({a}))) / {b}"),
        4 => format!("dsa::sanitize({a}) + log({b})"),
        _ => format!("var(zscore({})) * {b}", MATRICES[0]),
    };
    let unit = ["", "unit projection\n"][numbers.below(2)];
    let metric = ["", "metric abs(weight)\n", "metric(per = matrix) weight * weight\n"][numbers.below(3)];
    script(&format!("{unit}{metric}{text} |> scale"))
}

/// Returns the result of each script, to the last bit.
fn results(scripts: &[&Script], model: &ModelData<'_>, reductions: Option<&Reductions>) -> Vec<String> {
    let metric = Metric { per: Group::Row, score: wanda() };
    let request = Request {
        metric: &metric,
        unit: None,
        target: 0.6,
        bounds: Bounds::default(),
        reductions,
        backend: &Processor,
    };
    // The debug format prints the shortest decimals that name a double, and NaN as NaN.
    allocate_all(scripts, model, request).iter().map(|result| format!("{result:?}")).collect()
}

/// Compares results without a cache with those of a cache that is filled all at once, one script at a time in reverse order, and by
/// several threads.
fn same_with_and_without(scripts: &[Script], model: &ModelData<'_>) -> Hits {
    let all: Vec<&Script> = scripts.iter().collect();
    let expected = results(&all, model, None);
    let check = |found: &[String], from: usize| {
        for (offset, found) in found.iter().enumerate() {
            assert_eq!(found, &expected[from + offset], "{:?}", scripts[from + offset]);
        }
    };

    let together = Reductions::new();
    check(&results(&all, model, Some(&together)), 0);
    let kept = together.len();
    check(&results(&all, model, Some(&together)), 0);
    assert_eq!(together.len(), kept, "a second run adds nothing");

    let backwards = Reductions::new();
    for (index, one) in all.iter().enumerate().rev() {
        check(&results(&[one], model, Some(&backwards)), index);
    }
    assert_eq!(backwards.len(), kept, "the order does not matter");

    let shared = Reductions::new();
    all.par_chunks(7).enumerate().for_each(|(index, some)| {
        check(&results(some, model, Some(&shared)), 7 * index);
    });
    assert_eq!(shared.len(), kept, "threads do not matter");
    backwards.hits()
}

#[test]
fn generated_scripts_are_the_same_to_the_last_bit() {
    let model = model(3, &SHAPES, Stored::F16, 2);
    let mut runner = TestRunner::deterministic();
    let strategy = programs::scripts();
    let scripts: Vec<Script> =
        (0..400).map(|_| strategy.new_tree(&mut runner).expect("a script").current()).collect();
    let hits = same_with_and_without(&scripts, &model);
    assert!(hits.asked > 300 && hits.found > 10, "{hits:?}");
}

#[test]
fn formulas_over_the_same_reductions_are_the_same_to_the_last_bit() {
    let mut numbers = Numbers(11);
    let scripts: Vec<Script> = (0..500).map(|_| formula(&mut numbers)).collect();
    let model = model(3, &SHAPES, Stored::Bf16, 5);
    let outcomes = results(&scripts.iter().collect::<Vec<_>>(), &model, None);
    let failed = outcomes.iter().filter(|outcome| outcome.starts_with("Err")).count();
    let noise = outcomes.iter().filter(|outcome| outcome.contains("Noise")).count();
    assert!(failed > 30 && failed < 300 && noise > 5, "{failed} fail and {noise} are noise");
    let hits = same_with_and_without(&scripts, &model);
    assert!(2 * hits.found > hits.asked, "{hits:?}");
}

/// Evaluates importances with a cache.
fn cached(
    texts: &[&str],
    model: &ModelData<'_>,
    reductions: &Reductions,
    of: impl Fn(Context<'_>) -> Context<'_>,
) -> Vec<Result<Vec<u64>, InterpretError>> {
    let expressions: Vec<Expr> = texts.iter().map(|text| importance(text)).collect();
    let metric = wanda();
    let context = of(Context { reductions: Some(reductions), ..context(model, UnitKind::Block, &metric) });
    let found = evaluate(&expressions.iter().collect::<Vec<_>>(), context);
    let bits = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect();
    found.into_iter().map(|found| found.map(|importance| bits(importance.values))).collect()
}

#[test]
fn weights_are_not_read_again_for_cached_reductions() {
    let texts = [
        "mean(score)",
        "std(tanh(weight))",
        "median(score)",
        "alpha_hill(weight)",
        "mean(score > 5 * mean(score))",
        "mean(ranks(score) > 0.9)",
        "sum(sum(score, over = inputs))",
        "mean(weight * zscore(mean(score)))",
    ];
    let model = model(3, &SHAPES, Stored::F32, 3);
    let mut broken = model.clone();
    for linear in &mut broken.linears {
        linear.weight = Values::F32(vec![f32::NAN; linear.weight.len()].into());
    }
    let reductions = Reductions::new();
    let known = cached(&texts, &model, &reductions, |context| context);
    // Everything that is computed from these weights is NaN.
    let again = cached(&texts, &broken, &reductions, |context| context);
    assert_eq!(known, again);
    let new = ["exp(-mean(score)) + smooth(std(tanh(weight)), 3) / median(score)"];
    let found = cached(&new, &broken, &reductions, |context| context);
    assert_eq!(found, cached(&new, &model, &Reductions::new(), |context| context));
    assert!(cached(&["max(score)"], &broken, &reductions, |context| context)[0].is_err());
}

/// Changes a context; the expression is another metric.
type Change = for<'a> fn(Context<'a>, &'a Expr) -> Context<'a>;

#[test]
fn the_cache_distinguishes_what_a_reduction_depends_on() {
    let model = model(3, &SHAPES, Stored::F32, 4);
    let magnitude = importance("mean(abs(weight))").operands()[0].without_spans();
    let texts = ["mean(score)", "mean(score > target)"];
    let changes: [Change; 4] = [
        |context, _| context,
        |context, _| Context { unit: UnitKind::Projection, ..context },
        |context, metric| Context { metric, ..context },
        |context, _| Context { target: 0.3, ..context },
    ];
    let reductions = Reductions::new();
    let mut kept = Vec::new();
    for change in changes {
        let (metric, expressions) = (wanda(), texts.map(importance));
        let plain = change(context(&model, UnitKind::Block, &metric), &magnitude);
        let with = Context { reductions: Some(&reductions), ..plain };
        let of = |context| evaluate(&expressions.iter().collect::<Vec<_>>(), context);
        assert_eq!(of(with), of(plain));
        kept.push(reductions.len());
    }
    // With another target, the mean of the scores is still the same.
    assert_eq!(kept, [2, 4, 6, 7]);
}
