//! Writes a synthetic LLaMA folder and its statistics file, to try scripts and measure speed without real weights.
//!
//!     cargo run --example synthetic -- DIR [blocks=8] [hidden=64] [mlp=160] [heads=4] [vocabulary=256] [seed=0]

use std::error::Error;
use std::fs;
use std::path::Path;

use allot::model::Checkpoint;
use allot::stats::{LinearStatistics, Provenance, Statistics};
use half::f16;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use safetensors::{Dtype, tensor::TensorView};

/// The shape of the model.
struct Shape {
    blocks: usize,
    hidden: usize,
    mlp: usize,
    heads: usize,
    vocabulary: usize,
    seed: u64,
}

const POSITIONS: usize = 2048;

impl Shape {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut shape = Self { blocks: 8, hidden: 64, mlp: 160, heads: 4, vocabulary: 256, seed: 0 };
        for argument in arguments {
            let (key, value) = argument.split_once('=').ok_or("settings are key=value")?;
            match key {
                "blocks" => shape.blocks = value.parse()?,
                "hidden" => shape.hidden = value.parse()?,
                "mlp" => shape.mlp = value.parse()?,
                "heads" => shape.heads = value.parse()?,
                "vocabulary" => shape.vocabulary = value.parse()?,
                "seed" => shape.seed = value.parse()?,
                _ => return Err(format!("there is no setting `{key}`").into()),
            }
        }
        Ok(shape)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: synthetic DIR [key=value ...]")?;
    let shape = Shape::parse(arguments)?;
    let folder = Path::new(&folder);
    fs::create_dir_all(folder)?;
    let mut random = ChaCha8Rng::seed_from_u64(shape.seed);
    write_config(folder, &shape)?;
    write_weights(folder, &shape, &mut random)?;
    write_statistics(folder, shape.seed, &mut random)?;
    println!("wrote {} (model) and statistics.safetensors", folder.display());
    Ok(())
}

fn write_config(folder: &Path, shape: &Shape) -> Result<(), Box<dyn Error>> {
    let config = serde_json::json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.mlp,
        "num_hidden_layers": shape.blocks,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads / 2,
        "head_dim": shape.hidden / shape.heads,
        "max_position_embeddings": POSITIONS,
        "rms_norm_eps": 1e-5,
        "hidden_act": "silu",
        "rope_theta": 10000.0,
        "tie_word_embeddings": true,
        "torch_dtype": "float16",
    });
    Ok(fs::write(folder.join("config.json"), serde_json::to_string_pretty(&config)?)?)
}

fn write_weights(folder: &Path, shape: &Shape, random: &mut ChaCha8Rng) -> Result<(), Box<dyn Error>> {
    let (hidden, mlp) = (shape.hidden, shape.mlp);
    let mut tensors: Vec<(String, Vec<usize>, Vec<f16>)> = vec![
        (
            "model.embed_tokens.weight".into(),
            vec![shape.vocabulary, hidden],
            matrix(shape.vocabulary, hidden, 0.5, 0.0, random),
        ),
        ("model.norm.weight".into(), vec![hidden], vec![f16::ONE; hidden]),
    ];
    for block in 0..shape.blocks {
        // Early blocks of trained models hold more outliers, late ones larger weights: enough for allocations to differ.
        let depth = block as f32 / (shape.blocks - 1).max(1) as f32;
        let outliers = 0.06 * (1.0 - depth) + 0.01;
        let scale = 0.64 / (hidden as f32).sqrt() * (1.0 + 0.5 * depth);
        let keys = hidden / 2;
        for (module, rows, columns) in [
            ("self_attn.q_proj", hidden, hidden),
            ("self_attn.k_proj", keys, hidden),
            ("self_attn.v_proj", keys, hidden),
            ("self_attn.o_proj", hidden, hidden),
            ("mlp.gate_proj", mlp, hidden),
            ("mlp.up_proj", mlp, hidden),
            ("mlp.down_proj", hidden, mlp),
        ] {
            tensors.push((
                format!("model.layers.{block}.{module}.weight"),
                vec![rows, columns],
                matrix(rows, columns, scale, outliers, random),
            ));
        }
        for norm in ["input_layernorm", "post_attention_layernorm"] {
            tensors.push((
                format!("model.layers.{block}.{norm}.weight"),
                vec![hidden],
                vec![f16::ONE; hidden],
            ));
        }
    }
    let views = tensors
        .iter()
        .map(|(name, shape, values)| {
            let bytes = bytemuck::cast_slice(values);
            Ok((name.as_str(), TensorView::new(Dtype::F16, shape.clone(), bytes)?))
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
            config: checkpoint.identity()?,
            place: checkpoint.place(),
            version: env!("CARGO_PKG_VERSION").into(),
            ..Provenance::default()
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
fn matrix(rows: usize, columns: usize, scale: f32, outliers: f32, random: &mut ChaCha8Rng) -> Vec<f16> {
    let gains: Vec<f32> =
        (0..columns).map(|_| if random.random::<f32>() < outliers { 10.0 * scale } else { scale }).collect();
    (0..rows * columns).map(|index| f16::from_f32(gains[index % columns] * gaussian(random))).collect()
}

/// Returns a standard normal number (Box and Muller).
fn gaussian(random: &mut ChaCha8Rng) -> f32 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    let angle = std::f64::consts::TAU * random.random::<f64>();
    (radius * angle.cos()) as f32
}
