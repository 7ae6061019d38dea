//! Measures perplexity in tokens per second, and as a share of the machine's peak.
//!
//!     cargo bench --bench perplexity
//!     ALLOT_REAL_MODELS=MODELS cargo bench --bench perplexity
//!
//! The bench generates a model of 134 million parameters in LLaMA's shape. MODELS is a folder of model folders that are measured as well,
//! also on random tokens. A model's operations are two for each weight of the linears and the head and each token that it is applied to,
//! plus those of causal attention. The peak is that of plain f32 matrix products, measured in turns with the model in the same run; the
//! lowest time of each counts.

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use allot::measure::perplexity;
use allot::model::{Checkpoint, Decoder};
use allot::stats::Tokens;
use candle_core::{Device, Tensor};

mod generated;
use generated::{Shape, ids};

const SHAPE: Shape = Shape { blocks: 12, hidden: 768, mlp: 2048, heads: 12, vocabulary: 32_000 };
const TURNS: usize = 4;
/// The sides of the matrix products whose best rate is the peak.
const PRODUCTS: [(usize, usize, usize); 3] = [(2048, 2048, 2048), (2048, 4096, 1024), (4096, 4096, 4096)];

const LENGTHS: [usize; 3] = [256, 1024, 2048];
const TOKENS: usize = 2048;

fn main() -> Result<(), Box<dyn Error>> {
    // As the command line does, since the heavy work runs on rayon's threads.
    // SAFETY: no other thread runs yet.
    unsafe { std::env::set_var("CANDLE_NUM_THREADS", "1") };
    let generated = tempfile::TempDir::new()?;
    SHAPE.write(generated.path())?;
    println!("{} threads, f32", rayon::current_num_threads());
    measure("generated, 134 million", generated.path())?;
    let Some(models) = std::env::var_os("ALLOT_REAL_MODELS") else { return Ok(()) };
    let entries = fs::read_dir(models)?.map(|entry| entry.map(|it| it.path()));
    let mut folders: Vec<PathBuf> = entries.collect::<Result<_, _>>()?;
    folders.retain(|folder| folder.join("config.json").is_file());
    folders.sort();
    for folder in folders {
        measure(&folder.file_name().unwrap_or_default().to_string_lossy(), &folder)?;
    }
    Ok(())
}

/// Measures a model in turns with plain matrix products, and prints a row for each length.
fn measure(name: &str, folder: &Path) -> Result<(), Box<dyn Error>> {
    let checkpoint = Checkpoint::open(folder)?;
    let decoder = Decoder::load(&checkpoint, &Device::Cpu)?;
    let vocabulary = decoder.head.vocabulary();
    let mut peak = 0f64;
    let mut least = [f64::INFINITY; LENGTHS.len()];
    for _ in 0..TURNS {
        for sides in PRODUCTS {
            peak = peak.max(product_rate(sides)?);
        }
        for (length, least) in LENGTHS.iter().zip(&mut least) {
            let tokens = Tokens::new(ids(TOKENS, vocabulary), *length)?;
            let start = Instant::now();
            black_box(perplexity(&decoder, &tokens, &mut |_, _| ())?);
            *least = least.min(start.elapsed().as_secs_f64());
        }
    }
    println!("\n{name}; a plain matrix product reaches {:.1} GFLOP/s", peak / 1e9);
    println!("{:>6} {:>10} {:>10} {:>10}", "length", "tokens/s", "GFLOP/s", "of peak");
    for (length, seconds) in LENGTHS.iter().zip(least) {
        let rate = operations(&checkpoint, vocabulary, *length) / seconds;
        println!(
            "{length:>6} {:>10.0} {:>10.1} {:>9.0}%",
            TOKENS as f64 / seconds,
            rate / 1e9,
            100.0 * rate / peak
        );
    }
    Ok(())
}

/// Returns the number of operations for `TOKENS` tokens in windows of a length.
fn operations(checkpoint: &Checkpoint, vocabulary: usize, length: usize) -> f64 {
    let config = checkpoint.config();
    let linears: usize = checkpoint.linears().iter().map(|it| it.rows * it.columns).sum();
    // The last token of a window predicts nothing.
    let head = (vocabulary * config.embedding) as f64 * (length - 1) as f64 / length as f64;
    // A query meets itself and the keys before it, limited by a sliding window, once for its scores and once for the values.
    let keys = |block| {
        let width = config.window_of(block).map_or(length, |window| window.min(length));
        (0..length).map(|query| (query + 1).min(width)).sum::<usize>() as f64 / length as f64
    };
    let met: f64 = (0..config.blocks).map(keys).sum();
    let attention = 2.0 * (config.heads * config.head_size) as f64 * met;
    2.0 * (linears as f64 + head + attention) * TOKENS as f64
}

/// Returns the operations per second of a product of `[rows, depth]` and `[depth, columns]`.
fn product_rate((rows, columns, depth): (usize, usize, usize)) -> candle_core::Result<f64> {
    let left = Tensor::rand(-1f32, 1f32, (rows, depth), &Device::Cpu)?;
    let right = Tensor::rand(-1f32, 1f32, (columns, depth), &Device::Cpu)?.t()?;
    let start = Instant::now();
    black_box(left.matmul(&right)?);
    Ok(2.0 * (rows * columns * depth) as f64 / start.elapsed().as_secs_f64())
}
