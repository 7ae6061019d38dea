//! Compares the pass over all weights that computes the fingerprint and checks for finite numbers with a plain read of the same bytes.
//!
//!     cargo bench --bench fingerprint
//!
//! The bench generates a model with LLaMA's shapes (f16, 860 MB, in a temporary folder). It opens the model anew for each measurement, so
//! that both sides map the files' pages again, as a command does, and leave none of them mapped: the pass releases pages as it goes, the
//! read when it is done. The read adds up all bytes on all cores, eight at a time, in pieces of the same size. Both take turns, and the
//! fastest time of each counts.

use std::fs;
use std::hint::black_box;
use std::time::Instant;

use allot::model::Checkpoint;
use rayon::prelude::*;

mod generated;
use generated::Shape;

const SHAPE: Shape = Shape { blocks: 6, hidden: 2048, mlp: 5504, heads: 16, vocabulary: 32_000 };
const PIECE: usize = 1 << 20;

fn sum(bytes: &[u8]) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().fold(0, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)))
}

fn read(checkpoint: &Checkpoint) -> Result<u64, allot::model::ModelError> {
    let files = checkpoint.files();
    let mut pieces = Vec::new();
    for name in files.names() {
        pieces.extend(files.tensor(name)?.bytes.chunks(PIECE));
    }
    Ok(pieces.par_iter().map(|piece| sum(piece)).reduce(|| 0, u64::wrapping_add))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::TempDir::new()?;
    let model = folder.path().join("model");
    fs::create_dir(&model)?;
    SHAPE.write(&model)?;
    let (mut plain, mut examined) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..7 {
        let checkpoint = Checkpoint::open(&model)?;
        let begun = Instant::now();
        black_box(read(&checkpoint)?);
        drop(checkpoint);
        plain = plain.min(begun.elapsed().as_secs_f64());
        let checkpoint = Checkpoint::open(&model)?;
        let begun = Instant::now();
        checkpoint.check_finite()?;
        black_box(checkpoint.fingerprint());
        examined = examined.min(begun.elapsed().as_secs_f64());
    }
    let gigabytes = fs::metadata(model.join("model.safetensors"))?.len() as f64 / 1e9;
    println!("threads: {}, {gigabytes:.2} GB", rayon::current_num_threads());
    println!("{:<24} {:>8.1} ms {:>6.1} GB/s", "plain read", 1e3 * plain, gigabytes / plain);
    println!("{:<24} {:>8.1} ms {:>6.1} GB/s", "fingerprint and check", 1e3 * examined, gigabytes / examined);
    println!("{:.2} times the read", examined / plain);
    Ok(())
}
