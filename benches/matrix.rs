//! Compares the matrix stage with a plain read of the same memory, with itself on cached weights, and with candle.
//!
//!     cargo bench --bench matrix [-- --quick]
//!
//! The bench generates at least 256 MiB of weights in LLaMA's shapes (width 2048, MLP 5632). Each row times the same work several times
//! in turns and keeps the lowest time; ratios are within one run. "In cache" is the same number of weights, with all linears sharing one
//! small buffer: if that is not faster, arithmetic is the bound, otherwise memory.

use std::borrow::Cow;
use std::hint::black_box;
use std::time::Instant;

use allot::data::{LinearData, ModelData, Values};
use allot::interpret::context::Context;
use allot::interpret::evaluate::evaluate;
use allot::interpret::matrix::Processor;
use allot::lang::check::{CheckOptions, check};
use allot::lang::program::Expr;
use allot::lang::types::{Group, UnitKind};
use candle_core::{D, DType, Device, Result, Tensor};
use half::{bf16, f16};
use rayon::prelude::*;

/// Twenty typical reductions; all except the one that counts outliers need only one round.
const TWENTY: [&str; 20] = [
    "mean(score)",
    "std(score)",
    "var(score)",
    "max(score)",
    "min(score)",
    "l1(weight)",
    "l2(weight)",
    "mean(log(score))",
    "var(abslog(weight))",
    "kurtosis(weight)",
    "geomean(score)",
    "entropy(score)",
    "mean(score > 5 * mean(score))",
    "mean(sqrt(score))",
    "mean(sigmoid(score))",
    "mean(tanh(score))",
    "mean(square(score))",
    "mean(exp(-score))",
    "std(tanh(weight))",
    "mean(softplus(weight))",
];

/// Reductions that are also timed on their own.
const ALONE: [&str; 3] = ["mean(log(abs(weight)))", "mean(log(score))", "mean(sigmoid(score))"];

/// Order statistics and reductions along channels, which need all values at once.
const WHOLE: [&str; 5] = [
    "median(score)",
    "quantile(score, 0.9)",
    "gini(score)",
    "mean(ranks(score) > 0.9)",
    "mean(sum(score, over = inputs))",
];

/// Numbers that depend on all singular values.
const SPECTRAL: [&str; 2] = ["alpha_hill(weight)", "stable_rank(weight)"];

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (turns, bytes) = if quick { (2, 64 << 20) } else { (5, 256 << 20) };
    println!("threads: {}, weights: at least {} MiB in each type", rayon::current_num_threads(), bytes >> 20);
    for kind in [Kind::F32, Kind::F16, Kind::Bf16] {
        let bench = Bench::new(kind, bytes, turns);
        bench.streams();
        if kind == Kind::F16 {
            bench.wholes();
        }
    }
    spectra(turns);
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    F32,
    F16,
    Bf16,
}

/// The rows and columns of the linears of a block.
const SHAPES: [(usize, usize); 7] =
    [(2048, 2048), (2048, 2048), (2048, 2048), (2048, 2048), (5632, 2048), (5632, 2048), (2048, 5632)];

struct Bench {
    kind: Kind,
    turns: usize,
    blocks: usize,
    weights: Values<'static>,
    moments: Vec<f32>,
}

impl Bench {
    fn new(kind: Kind, bytes: usize, turns: usize) -> Self {
        let size = if kind == Kind::F32 { 4 } else { 2 };
        let of_block: usize = SHAPES.iter().map(|(rows, columns)| rows * columns).sum();
        let blocks = bytes.div_ceil(of_block * size);
        let weights = generate(kind, of_block * blocks);
        let moments = (0..5632).map(|channel| 0.5 + (channel % 97) as f32 / 40.0).collect();
        Self { kind, turns, blocks, weights, moments }
    }

    /// Returns the model. With `cached`, its linears are cut into pieces that all share the first weights.
    fn model(&self, cached: bool) -> ModelData<'_> {
        let mut linears = Vec::new();
        let mut start = 0;
        for block in 0..self.blocks {
            for (rows, columns) in SHAPES {
                let step = if cached { 65_536 / columns } else { rows };
                for row in (0..rows).step_by(step) {
                    let rows = step.min(rows - row);
                    let first = if cached { 0 } else { start };
                    linears.push(LinearData {
                        name: format!("{block}.{}", linears.len()),
                        block,
                        kinds: [0.0; 7],
                        rows,
                        columns,
                        weight: part(&self.weights, first, rows * columns),
                        second_moment: Some(Cow::Borrowed(&self.moments[..columns])),
                        hessian_diagonal: None,
                        gradient: None,
                        reconstruction_error: None,
                        input_kurtosis: None,
                        block_change: None,
                        damages: Vec::new(),
                        marginals: Vec::new(),
                    });
                    start += rows * columns;
                }
            }
        }
        ModelData { blocks: self.blocks, linears }
    }

    fn streams(&self) {
        let bytes = self.weights.len() * self.weights.bytes_per_value();
        let (model, cached) = (self.model(false), self.model(true));
        let tensors = self.tensors();
        println!("\n{:?}: {} blocks, {} MiB", self.kind, self.blocks, bytes >> 20);
        println!(
            "{:34} {:>8} {:>8} {:>7} {:>9} {:>10} {:>8}  bound by",
            "", "ms", "GB/s", "x read", "in cache", "candle ms", "x faster"
        );
        let mut read = f64::INFINITY;
        for _ in 0..self.turns + 2 {
            read = read.min(timed(|| plain_read(&self.weights)));
        }
        println!("{:34} {:8.1} {:8.1}", "plain read", read * 1e3, bytes as f64 / read / 1e9);
        let twenty = "20 reductions in one sweep".to_owned();
        let jobs = ALONE.iter().map(|text| (text.to_string(), vec![*text]));
        for (name, texts) in jobs.chain([(twenty, TWENTY.to_vec())]) {
            let (mut ours, mut in_cache, mut candle) = (f64::INFINITY, f64::INFINITY, f64::INFINITY);
            // Short jobs are noisier, and cheap to repeat.
            let turns = if texts.len() == 1 { self.turns * 3 } else { self.turns };
            for turn in 0..turns {
                ours = ours.min(timed(|| run(&texts, &model)));
                in_cache = in_cache.min(timed(|| run(&texts, &cached)));
                read = read.min(timed(|| plain_read(&self.weights)));
                if turn < 2 {
                    candle = candle.min(timed(|| by_candle(&texts, &tensors).expect("candle computes it")));
                }
            }
            let bound = if in_cache > 0.8 * ours { "arithmetic" } else { "memory" };
            println!(
                "{name:34} {:8.1} {:8.1} {:7.2} {:9.1} {:10.0} {:8.1}  {bound}",
                ours * 1e3,
                bytes as f64 / ours / 1e9,
                ours / read,
                in_cache * 1e3,
                candle * 1e3,
                candle / ours,
            );
        }
    }

    fn wholes(&self) {
        let model = self.model(false);
        println!("order statistics and channels, {:?}", self.kind);
        let read = (0..self.turns).map(|_| timed(|| plain_read(&self.weights))).fold(f64::INFINITY, f64::min);
        for text in WHOLE {
            let ours = (0..2).map(|_| timed(|| run(&[text], &model))).fold(f64::INFINITY, f64::min);
            println!("{text:34} {:8.0} ms {:26.1} x read", ours * 1e3, ours / read);
        }
    }

    /// Returns the weights and norms of each linear as candle tensors, and the stored type; sums are computed in f32, as candle's sums in
    /// the stored type are wrong.
    fn tensors(&self) -> Vec<(Tensor, Tensor, DType)> {
        let model = self.model(false);
        let device = Device::Cpu;
        let tensor = |linear: &LinearData<'_>| -> Result<(Tensor, Tensor, DType)> {
            let shape = (linear.rows, linear.columns);
            let weight = match &linear.weight {
                Values::F32(values) => Tensor::from_slice(values, shape, &device)?,
                Values::F16(values) => Tensor::from_slice(values, shape, &device)?,
                Values::Bf16(values) => Tensor::from_slice(values, shape, &device)?,
            };
            let norm =
                Tensor::from_slice(&self.moments[..linear.columns], linear.columns, &device)?.sqrt()?;
            let stored = weight.dtype();
            Ok((weight, norm, stored))
        };
        model.linears.iter().map(|linear| tensor(linear).expect("tensors")).collect()
    }
}

fn spectra(turns: usize) {
    let weights = generate(Kind::F32, 1024 * 2816);
    let moments = vec![1.0; 2816];
    let linear = |rows: usize, columns: usize| LinearData {
        name: format!("{rows} x {columns}"),
        block: 0,
        kinds: [0.0; 7],
        rows,
        columns,
        weight: part(&weights, 0, rows * columns),
        second_moment: Some(Cow::Borrowed(&moments[..columns])),
        hessian_diagonal: None,
        gradient: None,
        reconstruction_error: None,
        input_kurtosis: None,
        block_change: None,
        damages: Vec::new(),
        marginals: Vec::new(),
    };
    println!("\nspectra of linears of 512 x 512 and 512 x 1408");
    let linears = vec![linear(512, 512), linear(512, 1408)];
    let model = ModelData { blocks: 1, linears };
    for text in SPECTRAL {
        let ours = (0..turns).map(|_| timed(|| run(&[text], &model))).fold(f64::INFINITY, f64::min);
        println!("{text:34} {:8.0} ms", ours * 1e3);
    }
}

fn generate(kind: Kind, count: usize) -> Values<'static> {
    let numbers = |start: usize| {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ (start as u64).wrapping_mul(0xd134_2543_de82_ef95);
        move || {
            let mut sum = -2.0_f32;
            for _ in 0..4 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                sum += (state >> 40) as f32 / 16_777_216.0;
            }
            sum * 0.05
        }
    };
    fn filled<T: Send + Copy>(
        count: usize,
        zero: T,
        number: impl Fn(usize) -> Box<dyn FnMut() -> T> + Sync,
    ) -> Vec<T> {
        let mut values = vec![zero; count];
        values.par_chunks_mut(1 << 16).enumerate().for_each(|(index, chunk)| chunk.fill_with(number(index)));
        values
    }
    match kind {
        Kind::F32 => Values::F32(Cow::Owned(filled(count, 0.0, |start| Box::new(numbers(start))))),
        Kind::F16 => Values::F16(Cow::Owned(filled(count, f16::ZERO, |start| {
            let mut next = numbers(start);
            Box::new(move || f16::from_f32(next()))
        }))),
        Kind::Bf16 => Values::Bf16(Cow::Owned(filled(count, bf16::ZERO, |start| {
            let mut next = numbers(start);
            Box::new(move || bf16::from_f32(next()))
        }))),
    }
}

fn part<'a>(values: &'a Values<'_>, start: usize, length: usize) -> Values<'a> {
    match values {
        Values::F32(values) => Values::F32(Cow::Borrowed(&values[start..start + length])),
        Values::F16(values) => Values::F16(Cow::Borrowed(&values[start..start + length])),
        Values::Bf16(values) => Values::Bf16(Cow::Borrowed(&values[start..start + length])),
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    black_box(work());
    start.elapsed().as_secs_f64()
}

/// Reads every byte with the least work per byte, on all cores.
fn plain_read(values: &Values<'_>) -> u64 {
    let bytes: &[u8] = match values {
        Values::F32(values) => bytemuck::cast_slice(values),
        Values::F16(values) => bytemuck::cast_slice(values),
        Values::Bf16(values) => bytemuck::cast_slice(values),
    };
    let words: &[u64] = bytemuck::cast_slice(&bytes[..bytes.len() / 8 * 8]);
    words
        .par_chunks(1 << 17)
        .map(|words| words.iter().fold(0, |sum: u64, word| sum.wrapping_add(*word)))
        .reduce(|| 0, u64::wrapping_add)
}

fn importance(text: &str) -> Expr {
    let source = format!("metric abs(weight) * input_norm\n{text} |> scale");
    let script = check(&source, CheckOptions::default()).script.expect("well typed");
    script.allocator().and_then(|allocator| allocator.importance.cloned()).expect("an importance")
}

fn metric() -> Expr {
    let script =
        check("metric abs(weight) * input_norm", CheckOptions::default()).script.expect("well typed");
    script.metric.expect("a metric").score
}

/// Evaluates scripts together.
fn run(texts: &[&str], model: &ModelData<'_>) -> f64 {
    let expressions: Vec<Expr> = texts.iter().map(|text| importance(text)).collect();
    let metric = metric();
    let context = Context {
        model,
        unit: UnitKind::Block,
        metric: &metric,
        per: Group::Row,
        target: 0.7,
        reductions: None,
        backend: &Processor,
    };
    let results = evaluate(&expressions.iter().collect::<Vec<_>>(), context);
    results.into_iter().map(|result| result.expect("a value").values[0]).sum()
}

/// Computes the same with candle: one tensor per operator, with the score computed once for all.
fn by_candle(texts: &[&str], linears: &[(Tensor, Tensor, DType)]) -> Result<f64> {
    let mut total = 0.0;
    for (weight, norm, _) in linears {
        let weight = weight.to_dtype(DType::F32)?;
        let score = weight.abs()?.broadcast_mul(norm)?;
        for text in texts {
            total += candle_reduction(text, &weight, &score)?;
        }
    }
    Ok(total)
}

/// Sums along rows in f32 and then in f64, candle's accurate way.
fn sum(x: &Tensor) -> Result<f64> {
    let rows: Vec<f32> = x.sum(D::Minus1)?.to_vec1()?;
    Ok(rows.into_iter().map(f64::from).sum())
}

fn candle_reduction(text: &str, weight: &Tensor, score: &Tensor) -> Result<f64> {
    let n = weight.elem_count() as f64;
    let scalar = |x: Tensor| -> Result<f64> { Ok(f64::from(x.to_scalar::<f32>()?)) };
    let variance = |x: &Tensor| -> Result<f64> { Ok(sum(&(x - sum(x)? / n)?.sqr()?)? / n) };
    let sigmoid = |x: &Tensor| -> Result<Tensor> { (x.neg()?.exp()? + 1.0)?.recip() };
    match text {
        "mean(score)" => Ok(sum(score)? / n),
        "std(score)" => Ok(variance(score)?.sqrt()),
        "var(score)" => variance(score),
        "max(score)" => scalar(score.max(D::Minus1)?.max(0)?),
        "min(score)" => scalar(score.min(D::Minus1)?.min(0)?),
        "l1(weight)" => sum(&weight.abs()?),
        "l2(weight)" => Ok(sum(&weight.sqr()?)?.sqrt()),
        "mean(log(abs(weight)))" => Ok(sum(&weight.abs()?.log()?)? / n),
        "mean(log(score))" => Ok(sum(&score.log()?)? / n),
        "var(abslog(weight))" => variance(&weight.abs()?.log()?),
        "kurtosis(weight)" => {
            let centred = (weight - sum(weight)? / n)?.sqr()?;
            let variance = sum(&centred)? / n;
            Ok(sum(&centred.sqr()?)? / n / (variance * variance))
        }
        "geomean(score)" => Ok((sum(&score.log()?)? / n).exp()),
        "entropy(score)" => Ok(-sum(&(score * score.log()?)?)?),
        "mean(score > 5 * mean(score))" => {
            let threshold = 5.0 * sum(score)? / n;
            Ok(sum(&score.gt(threshold)?.to_dtype(DType::F32)?)? / n)
        }
        "mean(sqrt(score))" => Ok(sum(&score.sqrt()?)? / n),
        "mean(sigmoid(score))" => Ok(sum(&sigmoid(score)?)? / n),
        "mean(tanh(score))" => Ok(sum(&score.tanh()?)? / n),
        "mean(square(score))" => Ok(sum(&score.sqr()?)? / n),
        "mean(exp(-score))" => Ok(sum(&score.neg()?.exp()?)? / n),
        "std(tanh(weight))" => Ok(variance(&weight.tanh()?)?.sqrt()),
        _ => Ok(sum(&(weight.exp()? + 1.0)?.log()?)? / n),
    }
}
