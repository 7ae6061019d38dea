//! Compares small random models that use every special key with the logits of transformers
//! (`tests/reference/make.py`).

use std::fs;
use std::path::Path;

use allot::model::{Checkpoint, Decoder, ModelWarning, TensorFiles, widen};
use candle_core::Device;
use serde_json::{Map, Value};
use tempfile::TempDir;

use crate::support::folders::write_tensors;

fn expected() -> TensorFiles {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/expected.safetensors");
    TensorFiles::open_file(&path).unwrap()
}

fn configs(files: &TensorFiles) -> Map<String, Value> {
    serde_json::from_str(files.note("configs").unwrap()).unwrap()
}

/// Writes the model folder of a case.
fn folder(files: &TensorFiles, case: &str, config: &Value) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let below = format!("{case}/");
    let names = files.names().filter_map(|name| name.strip_prefix(&below));
    let weights: Vec<(String, Vec<usize>, Vec<f32>)> = names
        .filter(|name| !["ids", "logits"].contains(name))
        .map(|name| {
            let whole = format!("{below}{name}");
            let shape = files.tensor(&whole).unwrap().shape.to_vec();
            (name.to_owned(), shape, widen(&files.values(&whole).unwrap()))
        })
        .collect();
    write_tensors(&folder.path().join("model.safetensors"), &weights);
    folder
}

/// Cases with a key that transformers reads and does not use: each has one warning, about this key.
const UNUSED: &[(&str, &str)] = &[
    ("gemma3_inside_softcap", "text_config.final_logit_softcapping"),
    ("gemma3_private_pattern", "_sliding_window_pattern"),
    ("gemma3_unused_softcap", "attn_logit_softcapping"),
    ("phi3_original_inside", "rope_scaling.original_max_position_embeddings"),
];

/// Returns how far logits are from those of transformers, in standard deviations of the latter.
fn error(files: &TensorFiles, case: &str, config: &Value) -> f64 {
    let folder = folder(files, case, config);
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    let names: Vec<String> = checkpoint.warnings().iter().flat_map(ModelWarning::names).collect();
    let unused = UNUSED.iter().find(|(name, _)| *name == case);
    assert_eq!(names.len(), usize::from(unused.is_some()), "{case}: {names:?}");
    assert!(unused.is_none_or(|(_, key)| names[0].contains(key)), "{case}: {names:?}");
    let ids = files.tensor(&format!("{case}/ids")).unwrap();
    let length = ids.shape[1];
    let (ids, _) = ids.bytes.as_chunks::<4>();
    let ids: Vec<u32> = ids.iter().map(|it| u32::from_le_bytes(*it)).collect();
    let decoder = Decoder::load(&checkpoint, &Device::Cpu).unwrap();
    let logits = decoder.logits(&ids, length).unwrap().flatten_all().unwrap();
    let logits: Vec<f32> = logits.to_vec1().unwrap();
    let want = widen(&files.values(&format!("{case}/logits")).unwrap());
    assert_eq!(logits.len(), want.len());
    let mean = want.iter().map(|&it| f64::from(it)).sum::<f64>() / want.len() as f64;
    let spread = want.iter().map(|&it| (f64::from(it) - mean).powi(2)).sum::<f64>() / want.len() as f64;
    let differences = logits.iter().zip(&want).map(|(a, b)| f64::from((a - b).abs()));
    differences.fold(0.0, f64::max) / spread.sqrt()
}

#[test]
fn every_special_key_matches_the_logits_of_transformers() {
    let files = expected();
    let configs = configs(&files);
    assert!(configs.len() >= 10);
    for (case, config) in &configs {
        let error = error(&files, case, config);
        println!("{case:28} largest difference {error:.2e} of the logits' deviation");
        assert!(error < 1e-4, "{case} is off by {error:e}");
    }
}

#[test]
fn each_special_key_affects_the_logits() {
    let files = expected();
    let configs = configs(&files);
    for (case, pointer, other) in [
        ("yarn", "/rope_scaling/factor", 8.0),
        ("yarn_every_key", "/rope_parameters/beta_fast", 32.0),
        ("yarn_every_key", "/rope_parameters/beta_slow", 1.0),
        ("yarn_every_key", "/rope_parameters/mscale", 1.0),
        ("yarn_with_attention_factor", "/rope_scaling/attention_factor", 1.0),
        ("dynamic_beyond", "/rope_scaling/factor", 6.0),
        ("gemma3_nested", "/rope_parameters/sliding_attention/rope_theta", 10_000.0),
        ("gemma3_nested", "/rope_parameters/full_attention/factor", 1.0),
        ("gemma3_pattern", "/rope_local_base_freq", 10_000.0),
        ("gemma3_pattern", "/final_logit_softcapping", 30.0),
        ("gemma3_inside", "/text_config/query_pre_attn_scalar", 10.0),
        ("mistral3_inside", "/text_config/rope_theta", 10_000.0),
        ("longrope_factor", "/rope_scaling/factor", 4.0),
        ("longrope_factor", "/original_max_position_embeddings", 32.0),
    ] {
        let mut config = configs[case].clone();
        *config.pointer_mut(pointer).unwrap() = other.into();
        let error = error(&files, case, &config);
        assert!(error > 1e-3, "{case} without its {pointer} is off by no more than {error:e}");
    }
    let mut config = configs["gemma3_pattern"].clone();
    config["sliding_window_pattern"] = 2.into();
    assert!(error(&files, "gemma3_pattern", &config) > 1e-3);
}
