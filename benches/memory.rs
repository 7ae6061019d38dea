//! Measures the peak memory of commands that stream a model of 7B shape.
//!
//!     cargo bench --bench memory [-- --quick]
//!
//! The bench generates two blocks (LLaMA-7B: width 4096, MLP 11008, vocabulary 32000, f16; 1.3 GB in a temporary folder); a command's memory
//! does not depend on the number of blocks. `--quick` skips SparseGPT, which takes minutes. The peak is the process's largest resident set
//! as the system counts it, including pages of mapped files. The limit is one block in f32, the activations, and 500 MiB; for SparseGPT
//! also three Hessians of the widest linear in f32.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

mod generated;
use generated::{Shape, write_ids};

const SHAPE: Shape = Shape { blocks: 2, hidden: 4096, mlp: 11_008, heads: 32, vocabulary: 32_000 };
const SAMPLES: usize = 4;
const LENGTH: usize = 512;
const MEBIBYTE: f64 = 1024.0 * 1024.0;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let quick = std::env::args().any(|it| it == "--quick");
    let folder = tempfile::TempDir::new()?;
    let model = folder.path().join("model");
    fs::create_dir(&model)?;
    SHAPE.write(&model)?;
    write_ids(&folder.path().join("ids.safetensors"), SAMPLES, LENGTH, SHAPE.vocabulary)?;
    let numbers = SHAPE.block() + SAMPLES * LENGTH * SHAPE.hidden;
    let base = 4.0 * numbers as f64 / MEBIBYTE + 500.0;
    let hessians = 3.0 * 4.0 * (SHAPE.mlp * SHAPE.mlp) as f64 / MEBIBYTE;
    println!("{:<16} {:>10} {:>12} {:>9}", "command", "peak MiB", "allowed MiB", "seconds");
    let prune = |method| {
        ["prune", "model", "uniform", "--sparsity", "0.5", "--method", method, "--out", method].to_vec()
    };
    for (name, arguments, allowed) in [
        ("stats", vec!["stats", "model", "--out", "stats.safetensors"], base),
        ("ppl", vec!["ppl", "model", "--memory", "1GiB"], base),
        ("prune wanda", prune("wanda"), base),
        ("prune sparsegpt", prune("sparsegpt"), base + hessians),
    ] {
        if quick && name == "prune sparsegpt" {
            continue;
        }
        let start = Instant::now();
        let peak = peak(folder.path(), &arguments)?;
        let seconds = start.elapsed().as_secs_f64();
        println!("{name:<16} {peak:>10.0} {allowed:>12.0} {seconds:>9.0}");
    }
    Ok(())
}

/// Runs a command and returns its largest resident set in MiB.
fn peak(folder: &Path, arguments: &[&str]) -> Result<f64, Box<dyn std::error::Error>> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_allot"))
        .args(arguments)
        .args(["--tokens", "ids.safetensors:ids"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0.0;
    loop {
        // The system records the largest value itself; frequent polling only catches the last moments.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|rest| rest.trim().split(' ').next()?.parse::<f64>().ok());
        peak = kibibytes.map_or(peak, |it| it / 1024.0);
        if let Some(exit) = child.try_wait()? {
            return match exit.success() && peak > 0.0 {
                true => Ok(peak),
                false => Err(format!("allot {} ended with {exit}, peak {peak}", arguments.join(" ")).into()),
            };
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
