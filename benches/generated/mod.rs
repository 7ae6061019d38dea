//! Writes a model of any size with random weights to a folder, one row at a time.

use std::fs::{self, File};
use std::io::{BufWriter, Result, Write};
use std::path::Path;

use half::{bf16, f16};
use serde_json::json;

/// The shape of a LLaMA model.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub blocks: usize,
    pub hidden: usize,
    pub mlp: usize,
    pub heads: usize,
    pub vocabulary: usize,
}

impl Shape {
    /// Returns the name and shape of every tensor, in storage order.
    fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let (hidden, mlp) = (self.hidden, self.mlp);
        let mut all = vec![
            ("lm_head.weight".to_owned(), vec![self.vocabulary, hidden]),
            ("model.embed_tokens.weight".to_owned(), vec![self.vocabulary, hidden]),
            ("model.norm.weight".to_owned(), vec![hidden]),
        ];
        for block in 0..self.blocks {
            for (module, shape) in [
                ("input_layernorm", vec![hidden]),
                ("mlp.down_proj", vec![hidden, mlp]),
                ("mlp.gate_proj", vec![mlp, hidden]),
                ("mlp.up_proj", vec![mlp, hidden]),
                ("post_attention_layernorm", vec![hidden]),
                ("self_attn.k_proj", vec![hidden, hidden]),
                ("self_attn.o_proj", vec![hidden, hidden]),
                ("self_attn.q_proj", vec![hidden, hidden]),
                ("self_attn.v_proj", vec![hidden, hidden]),
            ] {
                all.push((format!("model.layers.{block}.{module}.weight"), shape));
            }
        }
        all
    }

    /// Returns the number of weights in the blocks' linears and the head; each is multiplied once for each token.
    #[allow(dead_code, reason = "some benches count products, others bytes")]
    pub fn products(&self) -> usize {
        self.blocks * self.block() + self.vocabulary * self.hidden
    }

    /// Returns the number of weights in a block's linears.
    pub fn block(&self) -> usize {
        self.hidden * (4 * self.hidden + 3 * self.mlp)
    }

    /// Writes the folder, in f16.
    #[allow(dead_code, reason = "the GPU bench writes bf16")]
    pub fn write(&self, folder: &Path) -> Result<()> {
        self.write_as(folder, ("F16", "float16"), |number| f16::from_f32(number).to_bits())
    }

    /// Writes the folder, in bf16.
    #[allow(dead_code, reason = "the processor benches write f16")]
    pub fn write_bf16(&self, folder: &Path) -> Result<()> {
        self.write_as(folder, ("BF16", "bfloat16"), |number| bf16::from_f32(number).to_bits())
    }

    fn write_as(&self, folder: &Path, names: (&str, &str), bits: impl Fn(f32) -> u16) -> Result<()> {
        let config = json!({
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": self.vocabulary,
            "hidden_size": self.hidden,
            "intermediate_size": self.mlp,
            "num_hidden_layers": self.blocks,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.heads,
            "max_position_embeddings": 2048,
            "rms_norm_eps": 1e-5,
            "hidden_act": "silu",
            "rope_theta": 10000.0,
            "tie_word_embeddings": false,
            "torch_dtype": names.1,
        });
        fs::write(folder.join("config.json"), config.to_string())?;
        let mut header = serde_json::Map::new();
        let mut offset = 0;
        for (name, shape) in self.tensors() {
            let end = offset + 2 * shape.iter().product::<usize>();
            header.insert(name, json!({ "dtype": names.0, "shape": shape, "data_offsets": [offset, end] }));
            offset = end;
        }
        let mut file = BufWriter::new(File::create(folder.join("model.safetensors"))?);
        let mut header = serde_json::Value::Object(header).to_string();
        // Pads the header as safetensors does, so that numbers are aligned and need no copy.
        header.push_str(&" ".repeat(header.len().wrapping_neg() % 8));
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        let mut state = 0x9e37_79b9_7f4a_7c15;
        for (_, shape) in self.tensors() {
            let columns = shape.last().copied().unwrap_or(1);
            let rows = shape.iter().product::<usize>() / columns;
            let scale = 1.0 / (columns as f32).sqrt();
            for _ in 0..rows {
                let row: Vec<u16> = match shape.len() {
                    1 => vec![bits(1.0); columns],
                    _ => (0..columns).map(|_| bits(scale * number(&mut state))).collect(),
                };
                file.write_all(bytemuck::cast_slice(&row))?;
            }
        }
        file.flush()
    }
}

/// Writes `samples` windows of `length` token ids as the tensor `ids`.
#[allow(dead_code, reason = "some benches pass tokens directly")]
pub fn write_ids(path: &Path, samples: usize, length: usize, vocabulary: usize) -> Result<()> {
    let ids: Vec<u8> =
        ids(samples * length, vocabulary).iter().flat_map(|it| i64::from(*it).to_le_bytes()).collect();
    let header =
        json!({ "ids": { "dtype": "I64", "shape": [samples, length], "data_offsets": [0, ids.len()] } });
    let header = header.to_string();
    fs::write(path, [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &ids].concat())
}

/// Returns token ids.
pub fn ids(count: usize, vocabulary: usize) -> Vec<u32> {
    (0..count).map(|it| (it * 7919 % vocabulary) as u32).collect()
}

/// Returns the next number, with variance 1. A sum of uniform numbers is nearly normal, like weights.
fn number(state: &mut u64) -> f32 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    let part = |shift: u32| (*state >> shift & 0xffff) as f32 / 32_768.0 - 1.0;
    (part(0) + part(16) + part(32) + part(48)) * 0.866
}
