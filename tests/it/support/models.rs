//! Small random models, and scripts on them.

use std::borrow::Cow;

use allot::data::{BlockChange, Damage, LinearData, Marginal, ModelData, ProjectionKind, Values};
use allot::interpret::context::Context;
use allot::interpret::error::InterpretError;
use allot::interpret::evaluate::{Importance, Scores, evaluate};
use allot::interpret::matrix::Processor;
use allot::interpret::measured::metric_name;
use allot::lang::check::{CheckOptions, check};
use allot::lang::program::{Expr, Script};
use allot::lang::types::{Group, UnitKind};
use half::{bf16, f16};

/// The storage type of weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stored {
    F32,
    F16,
    Bf16,
}

/// A fixed sequence of pseudo-random numbers.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) ^ (self.0 >> 7)
    }

    /// Returns a number in [0, 1).
    pub fn share(&mut self) -> f32 {
        (self.next() & 0xff_ffff) as f32 / 16_777_216.0
    }

    /// Returns a number below `count`.
    pub fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    /// Returns a number around 0; large ones are rare.
    pub fn weight(&mut self) -> f32 {
        let sum: f32 = (0..4).map(|_| self.share()).sum();
        (sum - 2.0) * (0.05 + 0.3 * self.share().powi(8))
    }
}

/// Returns a model with one linear for each of `shapes` in each block.
pub fn model(blocks: usize, shapes: &[(usize, usize)], stored: Stored, seed: u64) -> ModelData<'static> {
    let mut numbers = Numbers(seed);
    let mut linears = Vec::new();
    for block in 0..blocks {
        for (index, (rows, columns)) in shapes.iter().copied().enumerate() {
            let mut kinds = [0.0; 7];
            kinds[index % ProjectionKind::ALL.len()] = 1.0;
            let mut weight: Vec<f32> = (0..rows * columns).map(|_| numbers.weight()).collect();
            // Some exact zeros, as in checkpoints.
            for _ in 0..weight.len() / 40 {
                let place = numbers.below(weight.len());
                weight[place] = 0.0;
            }
            let mut vector = |from: f32| (0..columns).map(|_| from + numbers.share()).collect::<Vec<f32>>();
            linears.push(LinearData {
                name: format!("blocks.{block}.linear_{index}"),
                block,
                kinds,
                rows,
                columns,
                second_moment: Some(vector(0.1).into()),
                hessian_diagonal: Some(vector(0.5).into()),
                gradient: Some(Values::F16(Cow::Owned(
                    weight.iter().map(|x| f16::from_f32(x.abs() * 0.5 + 0.01)).collect(),
                ))),
                weight: store(weight, stored),
                reconstruction_error: Some(f64::from(numbers.share())),
                input_kurtosis: Some(3.0 + (block * shapes.len() + index) as f64),
                block_change: Some(BlockChange {
                    similarity: 0.9 - 0.01 * block as f64,
                    relative: 0.5 + 0.1 * block as f64,
                }),
                damages: [true, false].map(|of_block| damage(of_block, block, index)).into(),
                marginals: vec![marginal(&mut Numbers(seed ^ (block * shapes.len() + index) as u64))],
            });
        }
    }
    ModelData { blocks, linears }
}

/// Returns the damage of a block, or of a linear, on four windows at the sparsity of [`context`].
fn damage(of_block: bool, block: usize, index: usize) -> Damage<'static> {
    let size = 0.1 + block as f64 + if of_block { 0.0 } else { 0.1 * index as f64 };
    Damage {
        sparsity: 0.6,
        metric: metric_name(&wanda(), Group::Row).into(),
        of_block,
        windows: vec![size, 1.01 * size, 0.99 * size, size].into(),
    }
}

/// Returns a marginal on four windows at the sparsity of [`context`].
fn marginal(numbers: &mut Numbers) -> Marginal<'static> {
    let size = 1.0 + f64::from(numbers.share());
    let mut windows =
        |size: f64| (0..4).map(|_| size + 0.01 * f64::from(numbers.share())).collect::<Vec<_>>();
    Marginal {
        sparsity: 0.6,
        metric: metric_name(&wanda(), Group::Row).into(),
        windows: windows(size).into(),
        beyond: Some((0.65, windows(size + 0.1).into())),
    }
}

pub fn store(values: Vec<f32>, stored: Stored) -> Values<'static> {
    match stored {
        Stored::F32 => Values::F32(Cow::Owned(values)),
        Stored::F16 => Values::F16(Cow::Owned(values.into_iter().map(f16::from_f32).collect())),
        Stored::Bf16 => Values::Bf16(Cow::Owned(values.into_iter().map(bf16::from_f32).collect())),
    }
}

pub fn script(source: &str) -> Script {
    let checked = check(source, CheckOptions::default());
    checked.script.unwrap_or_else(|| panic!("{source}: {:?}", checked.problems))
}

/// Returns the importance of a text such as `mean(score)`, with spans.
pub fn importance(text: &str) -> Expr {
    let script = script(&format!("{text} |> scale"));
    script.allocator().and_then(|allocator| allocator.importance.cloned()).expect("an importance")
}

/// Returns Wanda's score, without spans.
pub fn wanda() -> Expr {
    matrix("abs(weight) * input_norm")
}

/// Returns an expression of type `Matrix`, without spans; its score is Wanda's.
pub fn matrix(text: &str) -> Expr {
    let score = |text: &str| text.replace("score", "(abs(weight) * input_norm)");
    let text = text.split("zscore").map(score).collect::<Vec<_>>().join("zscore");
    script(&format!("metric {text}")).metric.expect("a metric").score.without_spans()
}

pub fn context<'a>(model: &'a ModelData<'a>, unit: UnitKind, metric: &'a Expr) -> Context<'a> {
    Context { model, unit, metric, per: Group::Row, target: 0.6, reductions: None, backend: &Processor }
}

pub fn evaluate_all(
    expressions: &[Expr],
    model: &ModelData<'_>,
    unit: UnitKind,
) -> Vec<Result<Importance, InterpretError>> {
    let metric = wanda();
    evaluate(&expressions.iter().collect::<Vec<_>>(), context(model, unit, &metric))
}

pub fn evaluate_one(text: &str, model: &ModelData<'_>, unit: UnitKind) -> Result<Importance, InterpretError> {
    evaluate_all(&[importance(text)], model, unit).remove(0)
}

/// Returns the values of a text of type `Matrix` in one linear.
pub fn values(
    text: &str,
    model: &ModelData<'_>,
    unit: UnitKind,
    linear: usize,
) -> Result<Vec<f64>, InterpretError> {
    let (expr, metric) = (matrix(text), wanda());
    let values = Scores::new(&expr, context(model, unit, &metric))?.linear(linear)?;
    Ok(values.into_iter().map(f64::from).collect())
}
