//! The reference results in `../shared`, a folder outside the project that may be missing.

use std::path::Path;

use allot::data::ModelData;
use allot::model::Checkpoint;

use super::data::reference;

/// Returns a JSON file of the reference results.
pub fn json(path: &str) -> Option<serde_json::Value> {
    let text = std::fs::read_to_string(reference(path)?).expect("readable");
    Some(serde_json::from_str(&text).expect("JSON"))
}

/// The bundled model, with the input statistics that the reference implementations collected.
pub struct TinyStories {
    checkpoint: Checkpoint,
    moments: Vec<Vec<f32>>,
}

impl TinyStories {
    /// Opens the model and the statistics, or prints why the test is skipped.
    pub fn open() -> Option<Self> {
        let path = reference("tiny-stories-12l/dense_scaler_row.safetensors")?;
        let bytes = std::fs::read(path).expect("readable");
        let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tiny-stories-12l");
        let checkpoint = Checkpoint::open(folder).expect("the bundled model opens");
        let moments = checkpoint
            .linears()
            .iter()
            .map(|linear| {
                let tensor = tensors.tensor(&linear.module).expect("statistics of every linear");
                tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
            })
            .collect();
        Some(Self { checkpoint, moments })
    }

    /// Returns the data that the interpreter reads.
    pub fn data(&self) -> ModelData<'_> {
        let mut data = self.checkpoint.data().expect("the model's linears");
        for (linear, moments) in data.linears.iter_mut().zip(&self.moments) {
            linear.second_moment = Some(moments.as_slice().into());
        }
        data
    }
}

/// Returns a JSON number; NaN and infinities are written as words.
pub fn number(value: &serde_json::Value) -> f64 {
    match value.as_str() {
        Some("NaN") => f64::NAN,
        Some("Infinity") => f64::INFINITY,
        Some("-Infinity") => f64::NEG_INFINITY,
        _ => value.as_f64().expect("a number"),
    }
}

/// Returns a JSON list of numbers.
pub fn numbers(value: &serde_json::Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(number).collect()
}

/// Returns the largest difference between two lists.
pub fn furthest(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}
