//! Model folders made by tests: a small random LLaMA, which a test can change.

use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use tempfile::TempDir;

/// An f32 tensor: its name, shape and numbers.
pub type Named = (String, Vec<usize>, Vec<f32>);

/// Writes tensors in f32.
pub fn write_tensors(path: &Path, tensors: &[Named]) {
    let views = tensors.iter().map(|(name, shape, numbers)| {
        let bytes = bytemuck::cast_slice(numbers);
        (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// Returns the configuration of a LLaMA with two blocks.
pub fn config() -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 8, "intermediate_size": 12,
        "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 20,
        "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": false,
        "hidden_act": "silu"
    })
}

/// Returns random weights for [`config`], drawn by `seed`.
pub fn weights(seed: u32) -> Vec<Named> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    let mut tensor = |name: String, shape: &[usize]| {
        let numbers = (0..shape.iter().product::<usize>()).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        });
        (name, shape.to_vec(), numbers.collect())
    };
    let mut all = vec![tensor("model.embed_tokens.weight".into(), &[20, 8])];
    for block in 0..2 {
        let linears: [(&str, [usize; 2]); 7] = [
            ("self_attn.q_proj", [8, 8]),
            ("self_attn.k_proj", [4, 8]),
            ("self_attn.v_proj", [4, 8]),
            ("self_attn.o_proj", [8, 8]),
            ("mlp.gate_proj", [12, 8]),
            ("mlp.up_proj", [12, 8]),
            ("mlp.down_proj", [8, 12]),
        ];
        for (linear, shape) in linears {
            all.push(tensor(format!("model.layers.{block}.{linear}.weight"), &shape));
        }
        for norm in ["input_layernorm", "post_attention_layernorm"] {
            all.push(tensor(format!("model.layers.{block}.{norm}.weight"), &[8]));
        }
    }
    all.push(tensor("model.norm.weight".into(), &[8]));
    all.push(tensor("lm_head.weight".into(), &[20, 8]));
    all
}

/// Writes a folder with a configuration and weights.
pub fn folder(config: &Value, weights: &[Named]) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    write_tensors(&folder.path().join("model.safetensors"), weights);
    folder
}
