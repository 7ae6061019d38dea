//! Perplexity in tokens per second, and what share of the machine's peak that is.
//!
//!     cargo bench --bench perplexity
//!
//! The model is generated: 134 million parameters, in LLaMA's shape. Its operations are two for each weight of the linears and the
//! head and each token that meets it, and those of causal attention. The peak is that of plain f32 matrix products, measured in turns
//! with the model in the same run; the least time of each counts.

use std::hint::black_box;
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

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // As the command line does: the work that pays runs on rayon's threads.
    // SAFETY: no other thread runs yet.
    unsafe { std::env::set_var("CANDLE_NUM_THREADS", "1") };
    let folder = tempfile::TempDir::new()?;
    SHAPE.write(folder.path())?;
    let decoder = Decoder::load(&Checkpoint::open(folder.path())?, &Device::Cpu)?;
    let mut peak = 0f64;
    let lengths = [256, 1024, 2048];
    let mut least = [f64::INFINITY; 3];
    for _ in 0..TURNS {
        for sides in PRODUCTS {
            peak = peak.max(product_rate(sides)?);
        }
        for (length, least) in lengths.iter().zip(&mut least) {
            let tokens = Tokens::new(ids(2048, SHAPE.vocabulary), *length)?;
            let start = Instant::now();
            black_box(perplexity(&decoder, &tokens, &mut |_, _| ())?);
            *least = least.min(start.elapsed().as_secs_f64());
        }
    }
    println!(
        "{} threads, f32; a plain matrix product reaches {:.1} GFLOP/s",
        rayon::current_num_threads(),
        peak / 1e9
    );
    println!("{:>6} {:>10} {:>10} {:>10}", "length", "tokens/s", "GFLOP/s", "of peak");
    for (length, seconds) in lengths.iter().zip(least) {
        // A query meets half of the keys on average, once for its scores and once for the values.
        let attention = 2 * SHAPE.blocks * SHAPE.hidden * length.div_ceil(2);
        let rate = 2.0 * (SHAPE.products() + attention) as f64 * 2048.0 / seconds;
        println!("{length:>6} {:>10.0} {:>10.1} {:>9.0}%", 2048.0 / seconds, rate / 1e9, 100.0 * rate / peak);
    }
    Ok(())
}

/// Returns how many operations a product of `[rows, depth]` and `[depth, columns]` does in a second.
fn product_rate((rows, columns, depth): (usize, usize, usize)) -> candle_core::Result<f64> {
    let left = Tensor::rand(-1f32, 1f32, (rows, depth), &Device::Cpu)?;
    let right = Tensor::rand(-1f32, 1f32, (columns, depth), &Device::Cpu)?.t()?;
    let start = Instant::now();
    black_box(left.matmul(&right)?);
    Ok(2.0 * (rows * columns * depth) as f64 / start.elapsed().as_secs_f64())
}
