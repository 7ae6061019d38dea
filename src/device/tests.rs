//! Tests kernels in the emulation against the CPU: whole evaluations, and selections.

use std::borrow::Cow;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use half::{bf16, f16};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::emulation::Emulation;
use super::engine::Engine;
use crate::data::{LinearData, ModelData, Values};
use crate::interpret::context::Context;
use crate::interpret::evaluate::{Scores, evaluate, removed_by_threshold};
use crate::kernels::select::{self, Least};
use crate::kernels::vector::{Binary, Unary};
use crate::lang::check::{CheckOptions, check};
use crate::lang::program::Expr;
use crate::lang::types::{Group, UnitKind};

/// Returns an emulation, or prints why a test is skipped.
fn emulated() -> Option<Engine> {
    let launcher = Emulation::new();
    if launcher.is_none() {
        eprintln!("skipped: there is no C++ compiler `c++` to run kernels with");
    }
    Some(Engine::Gpu(Arc::new(launcher?)))
}

/// Rows that are not whole vectors, and rows that are.
const SHAPES: [[(usize, usize); 4]; 2] =
    [[(37, 30), (64, 129), (5, 3), (40, 64)], [(37, 32), (64, 136), (5, 8), (300, 256)]];

/// Two blocks of two linears, stored in all three types; the last linear of the second shapes takes two
/// blocks of threads.
fn model(shapes: [(usize, usize); 4]) -> ModelData<'static> {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut numbers = |count: usize, scale: f32| -> Vec<f32> {
        (0..count).map(|_| scale * (random.random::<f32>() + random.random::<f32>() - 1.0)).collect()
    };
    let linears = shapes.iter().enumerate().map(|(index, (rows, columns))| {
        let mut weights = numbers(rows * columns, 0.3);
        // Ties, and a zero of either sign.
        weights[1] = weights[0];
        weights[2] = 0.0;
        weights[3] = -0.0;
        let weight = match index {
            0 => Values::F32(weights.into()),
            1 => Values::F16(weights.into_iter().map(f16::from_f32).collect()),
            _ => Values::Bf16(weights.into_iter().map(bf16::from_f32).collect()),
        };
        LinearData {
            name: format!("linear.{index}"),
            block: index / 2,
            kinds: [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            rows: *rows,
            columns: *columns,
            weight,
            second_moment: Some(Cow::Owned(numbers(*columns, 4.0).iter().map(|x| x.abs()).collect())),
            hessian_diagonal: None,
            gradient: Some(Values::F32(numbers(rows * columns, 0.1).into())),
            reconstruction_error: None,
            input_kurtosis: None,
            block_change: None,
            damages: Vec::new(),
            marginals: Vec::new(),
        }
    });
    ModelData { blocks: 2, linears: linears.collect() }
}

const WANDA: &str = "metric abs(weight) * input_norm";

fn importance(text: &str) -> Expr {
    let script = check(&format!("{WANDA}\n{text} |> scale"), CheckOptions::default()).script;
    let script = script.unwrap_or_else(|| panic!("`{text}` does not check"));
    script.allocator().and_then(|allocator| allocator.importance.cloned()).expect("an importance")
}

fn matrix(text: &str) -> Expr {
    let script = check(&format!("metric {text}"), CheckOptions::default()).script;
    script.unwrap_or_else(|| panic!("`{text}` does not check")).metric.expect("a metric").score
}

/// Evaluates expressions together, and compares the results of the CPU and the emulation.
fn compare(texts: &[String], shapes: &[[(usize, usize); 4]], engine: &Engine, most: f64) {
    let (expressions, metric): (Vec<Expr>, Expr) =
        (texts.iter().map(|text| importance(text)).collect(), matrix("abs(weight) * input_norm"));
    let expressions: Vec<&Expr> = expressions.iter().collect();
    for (unit, shapes) in
        UnitKind::ALL.into_iter().flat_map(|unit| shapes.iter().map(move |shapes| (unit, *shapes)))
    {
        let on = |engine: &Engine| {
            let (model, backend) = (model(shapes), engine.backend(&[]));
            let context = Context {
                model: &model,
                unit,
                metric: &metric,
                per: Group::Row,
                target: 0.5,
                reductions: None,
                backend: &*backend,
            };
            evaluate(&expressions, context)
        };
        for ((text, cpu), gpu) in texts.iter().zip(on(&Engine::Cpu)).zip(on(engine)) {
            let (cpu, gpu) = match (cpu, gpu) {
                (Ok(cpu), Ok(gpu)) => (cpu, gpu),
                (Err(cpu), Err(gpu)) => {
                    assert_eq!(cpu.to_string(), gpu.to_string(), "{text}");
                    continue;
                }
                (cpu, gpu) => panic!("{text}: {cpu:?} and {gpu:?}"),
            };
            for (a, b) in cpu.values.iter().zip(&gpu.values) {
                let apart = (a - b).abs() / a.abs().max(1e-3);
                assert!(apart <= most, "{text}: {a} and {b}, {apart:e} apart");
            }
        }
    }
}

#[test]
fn reductions_agree_with_the_cpu() {
    let Some(engine) = emulated() else { return };
    let texts = [
        "mean(score)",
        "sum(weight)",
        "l1(weight)",
        "l2(weight)",
        "geomean(score)",
        "mean(log(abs(weight)))",
        "var(weight)",
        "std(score)",
        "kurtosis(weight)",
        "min(weight)",
        "max(score)",
        "entropy(score)",
        "mean(gradient * weight)",
        "mean(score > 2 * mean(score))",
        "median(score)",
        "quantile(score, 0.37)",
        "gini(score)",
        "mean(ranks(score) * weight)",
        "mean(sum(score, over = inputs))",
        "max(mean(score, over = outputs))",
        "mean(std(weight, over = inputs))",
        "mean(kurtosis(weight, over = outputs))",
        "min(max(score, over = outputs))",
        "max(entropy(score, over = inputs))",
        "mean(l2(weight, over = outputs) * geomean(score, over = outputs))",
        "mean(median(score, over = inputs))",
        "gini(weight)",
        "mean(score / sum(score, over = outputs) + score / sum(score, over = inputs))",
        "mean(zscore(score) > 1)",
        "mean(where(weight > 0, score, 0 - score))",
        "stable_rank(weight)",
        "mean(dsa::ln(0 - abs(weight)))",
    ];
    compare(&texts.map(str::to_owned), &SHAPES, &engine, 2e-6);
}

#[test]
fn elementwise_operators_agree_with_the_cpu() {
    let Some(engine) = emulated() else { return };
    // A moment prevents a function of one operand from being fused into the sum.
    let unary = Unary::ALL.iter().map(|op| {
        let name = op.op().name();
        vec![format!("mean({name}(8 * weight) * weight)"), format!("l1({name}(score - 0.2))")]
    });
    let binary = Binary::ALL.iter().map(|op| match op {
        Binary::Add => vec!["mean((weight + score) * weight)".to_owned()],
        Binary::Sub => vec!["mean((weight - score) * weight)".to_owned()],
        Binary::Mul => vec!["l1(weight * score)".to_owned()],
        Binary::Div => vec!["l1(score / weight)".to_owned()],
        Binary::Less => vec!["mean((weight < score) * weight)".to_owned()],
        Binary::LessEqual => vec!["mean((weight <= 0) * score)".to_owned()],
        Binary::Greater => vec!["mean((weight > 0) * score)".to_owned()],
        Binary::GreaterEqual => vec!["mean((weight >= 0) * score)".to_owned()],
        Binary::Power => {
            ["3", "2", "0.5", "-1", "0.3", "weight"].map(|power| format!("l1(pow(weight, {power}))")).to_vec()
        }
        op => vec![format!("mean({}(weight, score) * weight)", op.op().name())],
    });
    let texts: Vec<String> = unary.chain(binary).flatten().collect();
    // Functions with a pole near the values amplify their inputs' last digit.
    compare(&texts, &SHAPES[..1], &engine, 2e-5);
}

#[test]
fn thresholds_and_scores_agree_with_the_cpu() {
    let Some(engine) = emulated() else { return };
    let score = matrix("abs(weight) * input_norm");
    let [cpu, gpu] = [&Engine::Cpu, &engine].map(|engine| {
        let (model, backend) = (model(SHAPES[0]), engine.backend(&[]));
        let context = Context {
            model: &model,
            unit: UnitKind::Block,
            metric: &score,
            per: Group::Row,
            target: 0.5,
            reductions: None,
            backend: &*backend,
        };
        let removed: Vec<Vec<u64>> = [0, 1, 5000, 11_000, 1 << 40]
            .iter()
            .map(|count| removed_by_threshold(&score, context, *count).expect("counts"))
            .collect();
        let scores = Scores::new(&score, context).expect("scores");
        (removed, (0..4).map(|linear| scores.linear(linear).expect("scores")).collect::<Vec<_>>())
    });
    assert_eq!(cpu, gpu);
}

#[test]
fn selections_match_the_cpu() {
    let Some(engine) = emulated() else { return };
    let mut random = ChaCha8Rng::seed_from_u64(3);
    for (rows, columns) in [(1, 1), (3, 7), (9, 300), (2, 1025)] {
        // Few distinct values: ties everywhere.
        let scores: Vec<f32> =
            (0..rows * columns).map(|_| (random.random_range(0..40) as f32 - 20.0) / 8.0).collect();
        let all = rows * columns;
        let counts = (0..rows as u32).map(|row| row * columns as u32 / 3);
        let wanted = [
            Least::OfAll(0),
            Least::OfAll(all / 2),
            Least::OfAll(all + 5),
            Least::UpTo(all / 3),
            Least::UpTo(all),
            Least::OfRows(counts.collect()),
            Least::OfRows(vec![u32::MAX; rows]),
            Least::OfGroups { size: 4, count: 2, last: 1 },
            Least::OfGroups { size: 33, count: 20, last: 3 },
        ];
        let tensor = Tensor::from_slice(&scores, (rows, columns), &Device::Cpu).expect("a tensor");
        for wanted in wanted {
            let expected: Vec<u8> =
                select::least(&scores, [rows, columns], &wanted).into_iter().map(u8::from).collect();
            let marks = engine.least(&tensor, &wanted).expect("marks");
            assert_eq!(marks.dims(), [rows, columns]);
            let marks: Vec<u8> = marks.flatten_all().and_then(|it| it.to_vec1()).expect("marks");
            assert_eq!(marks, expected, "{wanted:?} of {rows} x {columns}");
        }
    }
}

#[test]
fn many_reductions_in_one_round_agree_with_the_cpu() {
    let Some(engine) = emulated() else { return };
    // More sums than a thread keeps in registers: every approximated function near 0 and far from it, and
    // sums of each kind.
    let approximated = ["log", "abslog", "sqrt", "sigmoid", "tanh", "exp", "softplus", "square"];
    let values = ["score", "score * 5", "-score", "weight", "weight * 0.01"];
    let means = approximated.iter().flat_map(|f| values.map(|value| format!("mean({f}({value}))")));
    let others = [
        "std(score)",
        "max(score)",
        "kurtosis(weight)",
        "geomean(score)",
        "entropy(score)",
        "var(tanh(weight))",
    ];
    let texts: Vec<String> = means.chain(others.map(str::to_owned)).collect();
    compare(&texts, &SHAPES[1..], &engine, 1e-5);
}
