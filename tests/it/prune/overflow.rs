//! A model whose activations overflow is refused, whatever the method and the command.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use half::f16;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tempfile::TempDir;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tiny-stories-12l");

/// Returns the bundled model in f32, with one tensor multiplied by `scale` and clamped to the largest finite
/// number.
fn scaled(tensor: &str, scale: f64) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    fs::create_dir(folder.path().join("model")).expect("a folder");
    for name in ["config.json", "tokenizer.json"] {
        fs::copy(Path::new(MODEL).join(name), folder.path().join("model").join(name)).expect("a copy");
    }
    let bytes = fs::read(Path::new(MODEL).join("model.safetensors")).expect("weights");
    let all = SafeTensors::deserialize(&bytes).expect("tensors");
    assert!(all.tensor(tensor).is_ok(), "{tensor}");
    let wide = |name: &str, data: &[u8]| -> Vec<u8> {
        let factor = if name == tensor { scale } else { 1.0 };
        let numbers = data.chunks_exact(2).map(|it| f16::from_le_bytes([it[0], it[1]]).to_f32());
        numbers
            .flat_map(|it| ((f64::from(it) * factor) as f32).clamp(f32::MIN, f32::MAX).to_le_bytes())
            .collect()
    };
    let stored: Vec<(String, Vec<usize>, Vec<u8>)> = all
        .tensors()
        .into_iter()
        .map(|(name, view)| (name.clone(), view.shape().to_vec(), wide(&name, view.data())))
        .collect();
    let views = stored.iter().map(|(name, shape, bytes)| {
        (name.clone(), TensorView::new(Dtype::F32, shape.clone(), bytes).expect("a tensor"))
    });
    let weights = safetensors::serialize(views, None).expect("weights");
    fs::write(folder.path().join("model/model.safetensors"), weights).expect("weights");
    folder
}

fn refused(place: &Path, arguments: &[&str], words: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_allot"));
    command.current_dir(place).args(arguments).stdin(Stdio::null());
    let output = command.output().expect("the binary runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
    assert!(words.iter().any(|word| error.contains(word)), "{arguments:?}: {error}");
    assert!(!place.join("out").exists(), "{arguments:?}");
}

const OVERFLOW: [&str; 3] = ["overflow", "not finite", "is inf"];

#[test]
fn infinite_inputs_stop_every_method() {
    let folder = scaled("model.layers.3.mlp.up_proj.weight", 1e37);
    let place = folder.path();
    fs::write(place.join("cubed.allot"), "metric(per = row) abs(weight) * input_norm * input_norm\n")
        .expect("a script");
    let text = format!("{MODEL}/text/calibration.jsonl");
    let on = ["--text", &text, "--samples", "2", "--length", "16", "--out", "out"];
    for method in ["wanda", "ria", "sparsegpt", "cubed.allot"] {
        for propagate in ["pruned", "dense"] {
            let prune = ["prune", "model", "-s", "0.5", "--method", method, "--propagate", propagate];
            refused(place, &[&prune[..], &on].concat(), &OVERFLOW);
        }
    }
    for more in [&[][..], &["--gradients"], &["--reconstruction-error"], &["--hessians"]] {
        refused(place, &[&["stats", "model"][..], &on, more].concat(), &OVERFLOW);
    }
    let texts = format!("{MODEL}/text");
    let small = ["-s", "0.6", "--texts", &texts, "--length", "16", "--samples", "2", "--windows", "2"];
    refused(place, &[&["compare", "model", "uniform"][..], &small].concat(), &OVERFLOW);
    let search = ["search", "model", "--evaluations", "4", "--out", "out"];
    refused(place, &[&search[..], &small].concat(), &OVERFLOW);
}

#[test]
fn scores_that_overflow_stop_pruning() {
    // The inputs are finite, but their products with such weights are not.
    let folder = scaled("model.layers.11.mlp.down_proj.weight", 1e41);
    let text = format!("{MODEL}/text/calibration.jsonl");
    let on = ["--text", &text, "--samples", "2", "--length", "16", "--out", "out"];
    let prune = ["prune", "model", "-s", "0.5", "--method", "wanda"];
    refused(folder.path(), &[&prune[..], &on].concat(), &["the score of model.layers.11.mlp.down_proj"]);
}
