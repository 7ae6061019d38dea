//! Compares the decoder's logits at the last position with candle-transformers, an implementation that shares
//! no code with ours.

use std::fs;
use std::path::Path;

use allot::model::{Checkpoint, Decoder};
use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::{gemma2, llama, mistral, phi3, qwen2, qwen3};
use serde_json::{Value, json};

use crate::support::data::{bundled, reference};

/// Returns config.json in the form of transformers 4, which candle reads.
fn config(folder: &Path, name: &str) -> Value {
    let mut config: Value = serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap();
    // candle does not accept a null window, and needs keys that transformers omits.
    if config["model_type"] == "qwen2" && config["sliding_window"].is_null() {
        config["sliding_window"] = json!(1024);
    }
    if config.get("rope_theta").is_none() {
        config["rope_theta"] = config["rope_parameters"]["rope_theta"].clone();
    }
    config
}

fn weights(folder: &Path) -> VarBuilder<'static> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with("model") && name.ends_with(".safetensors")
        })
        .collect();
    files.sort();
    // SAFETY: nothing changes the files while the test runs.
    unsafe { VarBuilder::from_mmaped_safetensors(&files, DType::F32, &Device::Cpu) }.unwrap()
}

/// Returns candle's logits at the last position.
fn candle_logits(folder: &Path, config: Value, ids: &Tensor) -> Result<Tensor> {
    let weights = weights(folder);
    let family = config["model_type"].as_str().unwrap().to_owned();
    match family.as_str() {
        "llama" | "llava" => {
            let (config, weights) = match family.as_str() {
                "llava" => (config["text_config"].clone(), weights.pp("language_model")),
                _ => (config, weights),
            };
            let config: llama::LlamaConfig = serde_json::from_value(config).unwrap();
            let config = config.into_config(false);
            let mut cache = llama::Cache::new(false, DType::F32, &config, &Device::Cpu)?;
            llama::Llama::load(weights, &config)?.forward(ids, 0, &mut cache)
        }
        "mistral" => {
            let config: mistral::Config = serde_json::from_value(config).unwrap();
            mistral::Model::new(&config, weights)?.forward(ids, 0)
        }
        "qwen2" => {
            let config: qwen2::Config = serde_json::from_value(config).unwrap();
            qwen2::ModelForCausalLM::new(&config, weights)?.forward(ids, 0)
        }
        "qwen3" => {
            let config: qwen3::Config = serde_json::from_value(config).unwrap();
            qwen3::ModelForCausalLM::new(&config, weights)?.forward(ids, 0)
        }
        "gemma2" => {
            let config: gemma2::Config = serde_json::from_value(config).unwrap();
            gemma2::Model::new(false, &config, weights)?.forward(ids, 0)
        }
        "phi3" => {
            let config: phi3::Config = serde_json::from_value(config).unwrap();
            phi3::Model::new(&config, weights)?.forward(ids, 0)
        }
        other => panic!("candle-transformers has no {other}"),
    }
}

/// Compares the last position's logits of two samples, and returns the largest difference in standard
/// deviations.
fn compare(folder: &Path, config_name: &str, length: usize) -> f64 {
    let checkpoint = Checkpoint::open(folder).unwrap();
    let vocabulary = checkpoint.config().vocabulary as u32;
    let ids: Vec<u32> = (0..2 * length as u32).map(|it| (it * 37 + 11) % vocabulary).collect();
    let decoder = Decoder::load(&checkpoint, &Device::Cpu).unwrap();
    let ours = decoder.logits(&ids, length).unwrap();
    let mut worst: f64 = 0.0;
    for sample in 0..2 {
        let part = ids[sample * length..][..length].to_vec();
        let part = Tensor::from_vec(part, (1, length), &Device::Cpu).unwrap();
        let theirs = candle_logits(folder, config(folder, config_name), &part).unwrap();
        let theirs: Vec<f32> = theirs.flatten_all().unwrap().to_vec1().unwrap();
        let ours: Vec<f32> = ours.get(sample).unwrap().get(length - 1).unwrap().to_vec1().unwrap();
        assert_eq!(ours.len(), theirs.len());
        let mean = theirs.iter().sum::<f32>() / theirs.len() as f32;
        let variance = theirs.iter().map(|it| (it - mean).powi(2)).sum::<f32>() / theirs.len() as f32;
        for (a, b) in ours.iter().zip(&theirs) {
            worst = worst.max(f64::from((a - b).abs() / variance.sqrt()));
        }
    }
    worst
}

#[test]
fn the_bundled_model_matches_candles_logits() {
    let apart = compare(&bundled(), "config.json", 200);
    println!("tiny-stories-12l: {apart:.2e} of the logits' deviation");
    assert!(apart < 1e-4, "{apart:e}");
}

#[test]
fn every_family_in_candle_matches_its_logits() {
    let Some(families) = reference("families") else {
        return;
    };
    for family in ["llama", "llama3", "mistral", "qwen2", "qwen3", "gemma2", "phi3", "llava"] {
        let apart = compare(&families.join(family), "config.legacy.json", 40);
        println!("{family:8} {apart:.2e} of the logits' deviation");
        assert!(apart < 1e-4, "{family}: {apart:e}");
    }
}
