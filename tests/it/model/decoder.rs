//! Compares the decoder with transformers, family by family.

use std::path::Path;

use allot::model::{Checkpoint, Decoder, TensorFiles, widen};
use candle_core::Device;

use crate::support::data::{reference, with_config};

const FAMILIES: [&str; 9] =
    ["llama", "llama3", "mistral", "qwen2", "qwen3", "opt", "gemma2", "phi3", "llava"];

struct Expected {
    ids: Vec<u32>,
    length: usize,
    logits: Vec<f32>,
}

fn expected(folder: &Path) -> Expected {
    let files = TensorFiles::open_file(&folder.join("expected.safetensors")).unwrap();
    let ids = files.tensor("input_ids").unwrap();
    let length = ids.shape[1];
    let ids = read_ids(ids.bytes);
    Expected { ids, length, logits: widen(&files.values("logits").unwrap()) }
}

/// Reads i64 ids from bytes with any alignment.
fn read_ids(bytes: &[u8]) -> Vec<u32> {
    let ids = bytes.chunks_exact(8);
    ids.map(|it| i64::from_le_bytes(it.try_into().unwrap()) as u32).collect()
}

fn deviation(values: &[f32]) -> f64 {
    let mean = values.iter().map(|&it| f64::from(it)).sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|&it| (f64::from(it) - mean).powi(2)).sum();
    (squares / values.len() as f64).sqrt()
}

fn largest_difference(left: &[f32], right: &[f32]) -> f64 {
    assert_eq!(left.len(), right.len());
    let differences = left.iter().zip(right).map(|(a, b)| f64::from((a - b).abs()));
    differences.fold(0.0, f64::max)
}

#[test]
fn logits_agree_with_transformers_in_every_family_and_both_forms_of_config() {
    let Some(families) = reference("families") else {
        return;
    };
    for family in FAMILIES {
        let folder = families.join(family);
        let want = expected(&folder);
        for config in ["config.json", "config.legacy.json"] {
            let copy = with_config(&folder, config);
            let checkpoint = Checkpoint::open(copy.path()).unwrap();
            let decoder = Decoder::load(&checkpoint, &Device::Cpu).unwrap();
            let logits = decoder.logits(&want.ids, want.length).unwrap();
            let logits: Vec<f32> = logits.flatten_all().unwrap().to_vec1().unwrap();
            let error = largest_difference(&logits, &want.logits) / deviation(&want.logits);
            println!("{family:8} {config:18} largest difference {error:.2e} of the logits' deviation");
            assert!(error < 1e-4, "{family} with {config} is off by {error:e}");
        }
    }
}
