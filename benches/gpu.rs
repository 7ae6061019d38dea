//! Measures a GPU's figures against the limits found in the same run: reductions against a copy and against the rate of special
//! functions, perplexity against a matrix product, and the candidates of a search against the model's own forward pass.
//!
//!     cargo bench --features cuda --bench gpu [-- --quick | --reductions | --descent | --write FOLDER]
//!
//! The bench generates models in a folder in memory (LLaMA's shapes, random weights, as only speed counts): 1 B parameters for perplexity,
//! SmolLM2's shape and a 7B shape (13.5 GB) for searches. `--quick` uses small models, to show that everything runs; `--reductions` stops
//! after the reductions; `--descent` measures only a step of a descent; `--write` only writes the model of SmolLM2's shape, for timing
//! commands. Without a GPU the bench says so and measures nothing. `benches/gpu.py` measures the same with PyTorch. Goals on an H100: plain
//! reductions at 70 % of a copy's bytes per second, perplexity in bf16 at 1.1 times PyTorch's, a candidate on 7B in 1.15 times the dense
//! model's seconds and below 1.2.

use std::error::Error;
use std::hint::black_box;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use allot::allocate::Bounds;
use allot::allocate::script::{Request, allocate_all};
use allot::data::{LinearData, ModelData, Values};
use allot::device::{Argument, Code, Engine, Launch, Out};
use allot::interpret::context::Context;
use allot::interpret::evaluate::evaluate;
use allot::lang::check::{CheckOptions, check};
use allot::lang::program::Script;
use allot::lang::published::script;
use allot::lang::types::{Group, UnitKind};
use allot::measure::SlopeOf;
use allot::model::{Checkpoint, Decoder, Precision};
use allot::prune::{Method, Pattern, Share, shares};
use allot::stats::Tokens;
use allot::trial::band::Band;
use allot::trial::cancel::Cancel;
use allot::trial::measurer::{Measurer, PrunedModel, ThresholdTask, ask};
use allot::trial::subject::Subject;
use allot::trial::text::{Split, Texts};
use allot::trial::threads::Threads;
use candle_core::{DType, Device, Tensor};
use half::bf16;

mod generated;
use generated::Shape;

/// Twenty typical reductions, which all need one round.
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
    "mean(score > 0.5)",
    "mean(sqrt(score))",
    "mean(sigmoid(score))",
    "mean(tanh(score))",
    "mean(square(score))",
    "mean(exp(-score))",
    "std(tanh(weight))",
    "mean(softplus(weight))",
];

/// Special functions per weight in the compiled kernel of [`TWENTY`]: logarithms of the score and of the weight, a root, an exponential,
/// and two functions each for the sigmoid, softplus and both hyperbolic tangents.
const SPECIAL: f64 = 12.0;

/// Sums and extremes of the weight only. They take little arithmetic, so memory bounds them.
const PLAIN: [&str; 4] = ["mean(weight)", "l1(weight)", "max(weight)", "l2(weight)"];

/// SmolLM2-135M's shape, except for its three key and value heads.
const SMOL: Shape = Shape { blocks: 30, hidden: 576, mlp: 1536, heads: 9, vocabulary: 49_152 };

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--write").skip(1);
    if let Some(folder) = arguments.next() {
        std::fs::create_dir_all(&folder)?;
        return Ok(SMOL.write_bf16(folder.as_ref())?);
    }
    let engine = match Engine::cuda(0) {
        Ok(engine) => engine,
        Err(error) => {
            println!("nothing is measured: {error}");
            return Ok(());
        }
    };
    let quick = std::env::args().any(|argument| argument == "--quick");
    println!("{}", engine.gpu().unwrap_or_default());
    let device = engine.device();
    let copy = copy_rate(&engine, if quick { 1 << 26 } else { 1 << 31 })?;
    println!("copy: {:.0} GB/s, read and written", copy / 1e9);
    let product = product_rate(&device, if quick { 2048 } else { 8192 })?;
    println!("matrix product in bf16: {:.0} TFLOP/s", product / 1e12);
    let special = special_rate(&engine, if quick { 1 << 24 } else { 1 << 28 })?;
    println!("special functions: {:.0} billion/s", special / 1e9);
    let linears = if quick { 2 } else { 32 };
    if std::env::args().any(|argument| argument == "--descent") {
        return descent_step(&engine, quick);
    }
    let rate = reduction_rate(&engine, &PLAIN, linears)?;
    println!(
        "4 plain reductions of bf16: {:.0} GB/s, {:.0} % of the copy; bound by memory",
        rate / 1e9,
        100.0 * rate / copy
    );
    let rate = reduction_rate(&engine, &TWENTY, linears)?;
    println!(
        "20 reductions of bf16: {:.0} GB/s, {:.0} % of the limit by special functions, {SPECIAL} per weight; bound by these and the other instructions",
        rate / 1e9,
        100.0 * rate / 2.0 * SPECIAL / special
    );
    if std::env::args().any(|argument| argument == "--reductions") {
        return Ok(());
    }
    perplexity(&engine, product, quick)?;
    descent_step(&engine, quick)?;
    small_search(&engine, quick)?;
    search(&engine, quick)
}

/// Returns the lowest time of several turns in seconds, each measured until the device has finished.
fn least(
    device: &Device,
    turns: usize,
    mut work: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<f64, Box<dyn Error>> {
    let mut least = f64::INFINITY;
    work()?;
    device.synchronize()?;
    for _ in 0..turns {
        let start = Instant::now();
        work()?;
        device.synchronize()?;
        least = least.min(start.elapsed().as_secs_f64());
    }
    Ok(least)
}

/// Copies 64 bytes per thread.
const COPY: &str = r#"
extern "C" __global__ void copy(const uint4* from, unsigned long long n, uint4* to) {
    unsigned long long at = (unsigned long long)blockIdx.x * 1024 + threadIdx.x;
    uint4 x[4];
    for (int i = 0; i < 4; i++) if (at + i * 256 < n) x[i] = from[at + i * 256];
    for (int i = 0; i < 4; i++) if (at + i * 256 < n) to[at + i * 256] = x[i];
}"#;

/// Computes 64 exponentials per thread in four independent chains, and writes one number.
const SPECIALS: &str = r#"
extern "C" __global__ void special(float* to) {
    float x[4];
    for (int i = 0; i < 4; i++) x[i] = (float)(threadIdx.x + i) * -0.001f;
    #pragma unroll
    for (int turn = 0; turn < 16; turn++)
        for (int i = 0; i < 4; i++) asm volatile("ex2.approx.ftz.f32 %0, %0;" : "+f"(x[i]));
    // The condition uses every thread's numbers, or the compiler would remove most of the work.
    float sum = x[0] + x[1] + x[2] + x[3];
    if (threadIdx.x == 0 || sum < 0.0f) to[blockIdx.x] = sum;
}"#;

fn copy_rate(engine: &Engine, bytes: usize) -> Result<f64, Box<dyn Error>> {
    let from = Tensor::rand(0f32, 1.0, bytes / 4, &engine.device())?;
    let arguments = [Argument::Tensor(&from), Argument::U64(bytes as u64 / 16), Argument::Out(0)];
    let seconds = kernel_seconds(engine, (COPY, "copy"), bytes / 16 / 1024, &arguments, bytes / 4)?;
    Ok(2.0 * bytes as f64 / seconds)
}

fn special_rate(engine: &Engine, threads: usize) -> Result<f64, Box<dyn Error>> {
    let blocks = threads / 256;
    let seconds = kernel_seconds(engine, (SPECIALS, "special"), blocks, &[Argument::Out(0)], blocks)?;
    Ok(64.0 * threads as f64 / seconds)
}

/// Returns the seconds that a kernel with an output of `singles` f32 numbers takes.
fn kernel_seconds(
    engine: &Engine,
    (text, kernel): (&str, &'static str),
    blocks: usize,
    arguments: &[Argument<'_>],
    singles: usize,
) -> Result<f64, Box<dyn Error>> {
    let Engine::Gpu(gpu) = engine else { return Err("there is no GPU".into()) };
    let code = Code::new(text);
    let launch = Launch { blocks: u32::try_from(blocks)?, shared: 0, arguments };
    least(&engine.device(), 9, || {
        black_box(gpu.run(&code, kernel, launch.clone(), &[Out::whole(DType::F32, singles)])?);
        Ok(())
    })
}

fn product_rate(device: &Device, size: usize) -> Result<f64, Box<dyn Error>> {
    let a = Tensor::randn(0f32, 1.0, (size, size), device)?.to_dtype(DType::BF16)?;
    let seconds = least(device, 5, || {
        black_box(a.matmul(&a)?);
        Ok(())
    })?;
    Ok(2.0 * (size as f64).powi(3) / seconds)
}

/// Returns the bytes of weights per second that reductions process, with the weights in device memory.
fn reduction_rate(engine: &Engine, texts: &[&str], linears: usize) -> Result<f64, Box<dyn Error>> {
    let (rows, columns) = (11_008, 8192);
    let values: Vec<bf16> =
        (0..rows * columns).map(|it| bf16::from_f32(((it * 7919) % 2001) as f32 / 1e4 - 0.1)).collect();
    let resident = Tensor::from_slice(&values, (rows, columns), &engine.device())?;
    let norms: Vec<f32> = (0..columns).map(|it| 0.5 + (it % 7) as f32).collect();
    let linear = |index: usize| LinearData {
        name: format!("linear.{index}"),
        block: index,
        kinds: [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        rows,
        columns,
        weight: Values::Bf16(values.as_slice().into()),
        second_moment: Some(norms.as_slice().into()),
        hessian_diagonal: None,
        gradient: None,
        reconstruction_error: None,
        input_kurtosis: None,
        block_change: None,
        damages: Vec::new(),
        marginals: Vec::new(),
    };
    let weights = (0..linears).map(|_| resident.copy()).collect::<Result<Vec<_>, _>>()?;
    let backend = engine.backend(&weights);
    let model = ModelData { blocks: linears, linears: (0..linears).map(linear).collect() };
    let expression = |text: &str| {
        let source = format!("metric abs(weight) * input_norm\n{text} |> scale");
        let script = check(&source, CheckOptions::default()).script?;
        let importance = script.allocator()?.importance.cloned();
        Some((importance?, script.metric?.score))
    };
    let parsed: Option<Vec<_>> = texts.iter().map(|text| expression(text)).collect();
    let parsed = parsed.ok_or("a reduction does not check")?;
    let expressions: Vec<_> = parsed.iter().map(|(importance, _)| importance).collect();
    let metric = &parsed[0].1;
    let context = Context {
        model: &model,
        unit: UnitKind::Block,
        metric,
        per: Group::Row,
        target: 0.5,
        reductions: None,
        backend: &*backend,
    };
    let seconds = least(&engine.device(), 3, || {
        for result in evaluate(&expressions, context) {
            black_box(result?);
        }
        Ok(())
    })?;
    Ok((2 * linears * rows * columns) as f64 / seconds)
}

fn tokens(samples: usize, length: usize, vocabulary: usize) -> Result<Tokens, Box<dyn Error>> {
    let ids = (0..samples * length).map(|it| (it * 7919 % vocabulary) as u32).collect();
    Ok(Tokens::new(ids, length)?)
}

fn perplexity(engine: &Engine, product: f64, quick: bool) -> Result<(), Box<dyn Error>> {
    let shape = match quick {
        true => Shape { blocks: 2, hidden: 512, mlp: 1408, heads: 8, vocabulary: 4096 },
        false => Shape { blocks: 20, hidden: 2048, mlp: 5632, heads: 16, vocabulary: 32_000 },
    };
    let folder = in_memory()?;
    shape.write_bf16(folder.path())?;
    let checkpoint = Checkpoint::open(folder.path())?.on(engine.clone(), Precision::Bf16)?;
    let decoder = Decoder::load(&checkpoint, &engine.device())?;
    let tokens = tokens(if quick { 4 } else { 32 }, 2048, shape.vocabulary)?;
    let seconds = least(&engine.device(), 2, || {
        black_box(allot::measure::perplexity(&decoder, &tokens, &mut |_, _| ())?);
        Ok(())
    })?;
    let operations = 2.0 * shape.products() as f64 * tokens.ids().len() as f64;
    println!(
        "perplexity in bf16, {:.2} B products per token: {:.0} tokens/s, {:.0} % of the matrix product",
        shape.products() as f64 / 1e9,
        tokens.ids().len() as f64 / seconds,
        100.0 * operations / seconds / product
    );
    Ok(())
}

/// The functions in formulas. A different order needs a different kernel, while a different number does not.
const FUNCTIONS: [&str; 8] = ["sqrt", "sigmoid", "tanh", "softplus", "square", "abs", "exp", "atan"];

/// A search whose candidates are timed.
struct Searched<'a> {
    shape: Shape,
    precision: Precision,
    /// The number of windows, and the tokens of each.
    text: (usize, usize),
    method: &'a Method,
    /// The number of formulas that are evaluated together, as in a generation.
    generation: usize,
}

/// Times candidates of a search, each with a different formula, and the model's own forward pass on the same windows.
fn candidates(engine: &Engine, searched: &Searched<'_>) -> Result<(), Box<dyn Error>> {
    let Searched { shape, precision, text: (windows, length), method, generation } = *searched;
    let folder = in_memory()?;
    shape.write_bf16(folder.path())?;
    let checkpoint = Checkpoint::open(folder.path())?.on(engine.clone(), precision)?;
    let text = tokens(windows, length, shape.vocabulary)?;
    let texts = Texts { fitness: text.clone(), selection: None, report: None };
    let start = Instant::now();
    let cancel = Cancel::default();
    let subject = Subject::new(&checkpoint, None, method, Pattern::Unstructured, &texts, &cancel)?;
    engine.device().synchronize()?;
    println!("  {:.1} s to prepare", start.elapsed().as_secs_f64());
    let metric = script("magnitude").and_then(|script| script.metric).ok_or("no metric")?;
    let (data, backend) = (subject.data()?, subject.backend());
    let decoder = Decoder::load(&checkpoint, &engine.device())?;
    let dense = least(&engine.device(), 3, || {
        black_box(allot::measure::perplexity(&decoder, &text, &mut |_, _| ())?);
        Ok(())
    })?;
    drop(decoder);
    let mut turn = 0_usize;
    let mut parts = [f64::INFINITY; 2];
    let each = 1.0 / generation as f64;
    let busy = Busy::begin();
    let seconds = each
        * least(&engine.device(), 4, || {
            // New formulas each time, so that kernels are compiled and reductions computed every time.
            let scripts: Vec<Script> = (0..generation)
                .map(|_| {
                    turn += 1;
                    let [f, g, h] = [64, 8, 1].map(|place| FUNCTIONS[turn / place % 8]);
                    let text = format!("metric abs(weight)\nmean({f}({g}({h}(score)))) |> scale");
                    check(&text, CheckOptions::default()).script.ok_or("it checks")
                })
                .collect::<Result<_, _>>()?;
            let request = Request {
                metric: &metric,
                unit: None,
                target: 0.5,
                bounds: Bounds::default(),
                reductions: None,
                backend: &*backend,
            };
            let start = Instant::now();
            let outcomes = allocate_all(&scripts.iter().collect::<Vec<_>>(), &data, request);
            parts[0] = parts[0].min(each * start.elapsed().as_secs_f64());
            let start = Instant::now();
            for outcome in outcomes {
                let shares = shares(checkpoint.linears(), &outcome?.allocation, Pattern::Unstructured)?;
                black_box(subject.losses(Split::Fitness, &shares, 0..windows)?);
            }
            parts[1] = parts[1].min(each * start.elapsed().as_secs_f64());
            Ok(())
        })?;
    let busy =
        busy.end().map_or_else(String::new, |share| format!("; the GPU is busy {share:.0} % of the time"));
    let count = (windows * length) as f64;
    println!(
        "  {:.4} s per candidate of {generation} ({:.4} s for its formula, {:.4} s for its losses), {:.4} s for the dense model: {:.2} times; {:.0} of {:.0} tokens/s, {:.0} %{busy}",
        seconds,
        parts[0],
        parts[1],
        dense,
        seconds / dense,
        count / seconds,
        count / dense,
        100.0 * dense / seconds
    );
    Ok(())
}

/// Times one step of a descent (forward and backward pass with the sums at all thresholds), and the dense model's forward pass on the
/// same windows.
fn descent_step(engine: &Engine, quick: bool) -> Result<(), Box<dyn Error>> {
    let shape = small(quick);
    let folder = in_memory()?;
    shape.write_bf16(folder.path())?;
    for (name, precision) in [("f32", Precision::F32), ("bf16", Precision::Bf16)] {
        let checkpoint = Checkpoint::open(folder.path())?.on(engine.clone(), precision)?;
        let text = tokens(16, 1024, shape.vocabulary)?;
        let texts = Texts { fitness: text.clone(), selection: None, report: None };
        let script = check("metric(per = row) abs(weight)", CheckOptions::default()).script;
        let method = Method::Metric(script.and_then(|it| it.metric).ok_or("it checks")?);
        let cancel = Cancel::default();
        let subject = Subject::new(&checkpoint, None, &method, Pattern::Unstructured, &texts, &cancel)?;
        let decoder = Decoder::load(&checkpoint, &engine.device())?;
        let dense = least(&engine.device(), 3, || {
            black_box(allot::measure::perplexity(&decoder, &text, &mut |_, _| ())?);
            Ok(())
        })?;
        drop(decoder);
        let measurer = Threads::new(Arc::new(subject.into()), cancel);
        let shares: Vec<Share> = (checkpoint.linears().iter())
            .map(|it| Share::new(0.6, (it.rows * it.columns) as u64 * 3 / 5))
            .collect();
        let busy = Busy::begin();
        let step = least(&engine.device(), 3, || {
            let tasks = (0..16).collect::<Vec<_>>();
            let tasks = tasks.chunks(measurer.windows_together()).map(|windows| ThresholdTask {
                model: PrunedModel { subject: 0, shares: shares.clone() },
                split: Split::Fitness,
                windows: windows.to_vec(),
                of: SlopeOf::Divergence,
                band: Band::default(),
                rows: true,
            });
            black_box(ask(&measurer, tasks)?);
            Ok(())
        })?;
        let busy =
            busy.end().map_or_else(String::new, |it| format!("; the GPU is busy {it:.0} % of the time"));
        println!(
            "descent on SmolLM2's shape, 16 windows of 1024 tokens, {name}: {step:.3} s per step, {dense:.3} s for the dense model's forward pass: {:.2} times, {} windows together{busy}",
            step / dense,
            measurer.windows_together()
        );
    }
    Ok(())
}

/// Returns SmolLM2's shape, or a small shape if `quick`.
const fn small(quick: bool) -> Shape {
    match quick {
        true => Shape { blocks: 2, hidden: 576, mlp: 1536, heads: 9, vocabulary: 4096 },
        false => SMOL,
    }
}

/// Samples the GPU's utilisation with nvidia-smi ten times per second, if nvidia-smi is installed.
struct Busy(Option<Child>);

impl Busy {
    fn begin() -> Self {
        let arguments = ["--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--loop-ms=100"];
        let child = Command::new("nvidia-smi").args(arguments).stdout(Stdio::piped()).spawn();
        Self(child.ok())
    }

    /// Returns the mean utilisation in percent.
    fn end(self) -> Option<f64> {
        let mut child = self.0?;
        child.kill().ok()?;
        let output = child.wait_with_output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let shares: Vec<f64> = text.lines().filter_map(|line| line.trim().parse().ok()).collect();
        (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
    }
}

/// Returns a temporary folder, in memory if possible, as a model of 13.5 GB is written faster there.
fn in_memory() -> Result<tempfile::TempDir, Box<dyn Error>> {
    let memory = std::path::Path::new("/dev/shm");
    Ok(if memory.is_dir() { tempfile::tempdir_in(memory)? } else { tempfile::tempdir()? })
}

fn small_search(engine: &Engine, quick: bool) -> Result<(), Box<dyn Error>> {
    let shape = small(quick);
    for (name, precision) in [("f32", Precision::F32), ("bf16", Precision::Bf16)] {
        println!("search of SmolLM2's shape, 16 windows of 1024 tokens, {name}");
        for generation in [1, 16] {
            let method = &Method::Magnitude;
            candidates(engine, &Searched { shape, precision, text: (16, 1024), method, generation })?;
        }
    }
    Ok(())
}

fn search(engine: &Engine, quick: bool) -> Result<(), Box<dyn Error>> {
    let shape = match quick {
        true => Shape { blocks: 2, hidden: 512, mlp: 1408, heads: 8, vocabulary: 4096 },
        false => Shape { blocks: 32, hidden: 4096, mlp: 11_008, heads: 32, vocabulary: 32_000 },
    };
    println!("search of a 7B shape, 16 windows of 2048 tokens, bf16");
    let (precision, method) = (Precision::Bf16, &Method::Magnitude);
    candidates(engine, &Searched { shape, precision, text: (16, 2048), method, generation: 1 })
}
