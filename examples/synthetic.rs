//! Writes a small synthetic LLaMA folder and its statistics file, so that scripts can be tried with no data.
//!
//!     cargo run --example synthetic -- DIR [SEED]

use std::error::Error;
use std::fs;
use std::path::Path;

use allot::model::Checkpoint;
use allot::stats::{LinearStatistics, Provenance, Statistics};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use safetensors::{Dtype, tensor::TensorView};

const BLOCKS: usize = 8;
const HIDDEN: usize = 64;
const MLP: usize = 160;
const HEADS: usize = 4;
const VOCABULARY: usize = 256;
const POSITIONS: usize = 256;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: synthetic DIR [SEED]")?;
    let seed = arguments.next().map_or(Ok(0), |text| text.parse())?;
    let folder = Path::new(&folder);
    fs::create_dir_all(folder)?;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    write_config(folder)?;
    write_weights(folder, &mut random)?;
    write_statistics(folder, seed, &mut random)?;
    println!("wrote {} (model) and statistics.safetensors", folder.display());
    Ok(())
}

fn write_config(folder: &Path) -> Result<(), Box<dyn Error>> {
    let config = serde_json::json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "intermediate_size": MLP,
        "num_hidden_layers": BLOCKS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS / 2,
        "head_dim": HIDDEN / HEADS,
        "max_position_embeddings": POSITIONS,
        "rms_norm_eps": 1e-5,
        "hidden_act": "silu",
        "rope_theta": 10000.0,
        "tie_word_embeddings": true,
        "torch_dtype": "float32",
    });
    Ok(fs::write(folder.join("config.json"), serde_json::to_string_pretty(&config)?)?)
}

fn write_weights(folder: &Path, random: &mut ChaCha8Rng) -> Result<(), Box<dyn Error>> {
    let mut tensors: Vec<(String, Vec<usize>, Vec<f32>)> = vec![
        (
            "model.embed_tokens.weight".into(),
            vec![VOCABULARY, HIDDEN],
            matrix(VOCABULARY, HIDDEN, 0.5, 0.0, random),
        ),
        ("model.norm.weight".into(), vec![HIDDEN], vec![1.0; HIDDEN]),
    ];
    for block in 0..BLOCKS {
        // Early blocks of trained models hold more outliers, late ones larger weights: enough for allocations to differ.
        let depth = block as f32 / (BLOCKS - 1) as f32;
        let outliers = 0.06 * (1.0 - depth) + 0.01;
        let scale = 0.08 * (1.0 + 0.5 * depth);
        let keys = HIDDEN / 2;
        for (module, rows, columns) in [
            ("self_attn.q_proj", HIDDEN, HIDDEN),
            ("self_attn.k_proj", keys, HIDDEN),
            ("self_attn.v_proj", keys, HIDDEN),
            ("self_attn.o_proj", HIDDEN, HIDDEN),
            ("mlp.gate_proj", MLP, HIDDEN),
            ("mlp.up_proj", MLP, HIDDEN),
            ("mlp.down_proj", HIDDEN, MLP),
        ] {
            tensors.push((
                format!("model.layers.{block}.{module}.weight"),
                vec![rows, columns],
                matrix(rows, columns, scale, outliers, random),
            ));
        }
        for norm in ["input_layernorm", "post_attention_layernorm"] {
            tensors.push((format!("model.layers.{block}.{norm}.weight"), vec![HIDDEN], vec![1.0; HIDDEN]));
        }
    }
    let views = tensors
        .iter()
        .map(|(name, shape, values)| {
            let bytes = bytemuck::cast_slice(values);
            Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?))
        })
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    let bytes = safetensors::serialize(views, None)?;
    Ok(fs::write(folder.join("model.safetensors"), bytes)?)
}

fn write_statistics(folder: &Path, seed: u64, random: &mut ChaCha8Rng) -> Result<(), Box<dyn Error>> {
    let checkpoint = Checkpoint::open(folder)?;
    let (samples, length) = (16, 128);
    let mut statistics = Statistics {
        provenance: Provenance {
            samples,
            length,
            tokens: samples * length,
            seed,
            source: "synthetic".into(),
            model: checkpoint.fingerprint(),
            version: env!("CARGO_PKG_VERSION").into(),
        },
        ..Statistics::default()
    };
    for linear in checkpoint.linears() {
        let energy = (0..linear.columns)
            .map(|_| {
                let outlier = if random.random_bool(0.03) { 10.0 } else { 1.0 };
                let value = outlier * (0.5 + gaussian(random).abs());
                length as f32 * value * value
            })
            .collect();
        statistics.linears.insert(
            linear.module.clone(),
            LinearStatistics { second_moment: Some(energy), ..LinearStatistics::default() },
        );
    }
    statistics.save(&folder.join("statistics.safetensors"))?;
    Ok(())
}

/// Returns normal weights of standard deviation `scale`, in which a share of the columns is ten times as large.
fn matrix(rows: usize, columns: usize, scale: f32, outliers: f32, random: &mut ChaCha8Rng) -> Vec<f32> {
    let gains: Vec<f32> =
        (0..columns).map(|_| if random.random::<f32>() < outliers { 10.0 * scale } else { scale }).collect();
    (0..rows * columns).map(|index| gains[index % columns] * gaussian(random)).collect()
}

/// Returns a standard normal number (Box and Muller).
fn gaussian(random: &mut ChaCha8Rng) -> f32 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    let angle = std::f64::consts::TAU * random.random::<f64>();
    (radius * angle.cos()) as f32
}
