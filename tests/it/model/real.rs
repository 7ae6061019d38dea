//! Runs real language models from the folder's summary to the pruned copy's perplexity, if
//! `ALLOT_REAL_MODELS` names a folder of them.
//!
//! `tests/real_models.py` runs transformers on the same folders, and writes `NAME.transformers.safetensors`
//! beside each of them: token ids and their logits. If that file exists, our logits are compared with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use allot::model::{Checkpoint, Decoder, TensorFiles, widen};
use candle_core::Device;
use serde_json::Value;
use tempfile::TempDir;

/// The pruning options of each run, in addition to `--sparsity 0.5`.
const PRUNED: [(&str, &[&str]); 4] = [
    ("magnitude", &["--method", "magnitude"]),
    ("wanda", &["--method", "wanda"]),
    ("sparsegpt", &["--method", "sparsegpt"]),
    ("2:4", &["--method", "wanda", "--pattern", "2:4"]),
];

/// Returns the models' folders by name, or prints why there are none.
fn models() -> Vec<PathBuf> {
    let Some(folder) = std::env::var_os("ALLOT_REAL_MODELS") else {
        println!("skipped: ALLOT_REAL_MODELS does not name a folder of real models");
        return Vec::new();
    };
    let entries = fs::read_dir(&folder).expect("ALLOT_REAL_MODELS is a folder");
    let mut models: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    models.retain(|path| path.join("config.json").is_file());
    models.sort();
    assert!(!models.is_empty(), "{} has no model", Path::new(&folder).display());
    models
}

/// Returns WikiText-2's test set, or prints why the test is skipped.
fn text() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/text/wiki.test.raw");
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} does not exist", path.display());
    None
}

/// A model that commands run on, in a separate folder.
struct Bench<'a> {
    model: &'a Path,
    text: &'a Path,
    scratch: TempDir,
}

impl Bench<'_> {
    /// Runs a command on a folder, and returns its output.
    fn run(&self, command: &str, folder: &Path, more: &[&str]) -> Vec<u8> {
        let arguments = [command, folder.to_str().expect("UTF-8")];
        let output = Command::new(env!("CARGO_BIN_EXE_allot"))
            .args(arguments)
            .args(more)
            .current_dir(self.scratch.path())
            .stdin(Stdio::null())
            .output()
            .expect("the binary runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?} {more:?}: {error}");
        output.stdout
    }

    fn json(&self, command: &str, folder: &Path, more: &[&str]) -> Value {
        let more = [more, &["--format", "json"]].concat();
        serde_json::from_slice(&self.run(command, folder, &more)).expect("JSON")
    }

    /// Returns a folder's perplexity on the beginning of WikiText-2.
    fn perplexity(&self, folder: &Path) -> f64 {
        let text = self.text.to_str().expect("UTF-8");
        let measured =
            self.json("ppl", folder, &["--text", text, "--length", "128", "--limit", "2", "--quiet"]);
        measured["perplexity"].as_f64().expect("a number")
    }

    /// Prunes half of the model with a method, and returns the pruned copy's perplexity.
    fn pruned(&self, name: &str, method: &[&str]) -> f64 {
        let text = self.text.to_str().expect("UTF-8");
        let mut more = vec!["--sparsity", "0.5", "--out", "pruned"];
        more.extend(method);
        if name != "magnitude" {
            more.extend(["--text", text, "--samples", "4", "--length", "128"]);
        }
        let report = self.json("prune", self.model, &more);
        let numbers = |key: &str| report[key].as_u64().expect("a count");
        assert_eq!(2 * numbers("pruned"), numbers("parameters"), "{name}");
        let folder = self.scratch.path().join("pruned");
        let perplexity = self.perplexity(&folder);
        if name == "2:4" {
            every_group_has_two_zeros(&folder);
        }
        fs::remove_dir_all(folder).expect("removed");
        perplexity
    }
}

fn every_group_has_two_zeros(folder: &Path) {
    let checkpoint = Checkpoint::open(folder).expect("the pruned folder opens");
    for linear in checkpoint.linears() {
        let weights = widen(&checkpoint.weight(linear).expect("a weight"));
        let groups = weights.chunks_exact(4);
        assert!(groups.remainder().is_empty(), "{}", linear.module);
        let zeros = |group: &[f32]| group.iter().filter(|weight| **weight == 0.0).count();
        let least = groups.map(zeros).min().expect("weights");
        assert!(least >= 2, "{}: a group of four has {least} zeros", linear.module);
    }
}

/// Compares logits with those of transformers for the same ids, if they are available.
fn logits_match_transformers(model: &Path) {
    let beside = model.with_extension("transformers.safetensors");
    if !beside.is_file() {
        println!("{}: no logits of transformers are available; run tests/real_models.py", model.display());
        return;
    }
    let files = TensorFiles::open_file(&beside).expect("logits");
    let ids = files.tensor("ids").expect("ids");
    let (numbers, _) = ids.bytes.as_chunks::<4>();
    let numbers: Vec<u32> = numbers.iter().map(|it| u32::from_le_bytes(*it)).collect();
    let decoder = Decoder::load(&Checkpoint::open(model).expect("a model"), &Device::Cpu).expect("a decoder");
    let ours: Vec<f32> =
        decoder.logits(&numbers, ids.shape[1]).unwrap().flatten_all().unwrap().to_vec1().unwrap();
    let theirs = widen(&files.values("logits").expect("logits"));
    assert_eq!(ours.len(), theirs.len());
    let count = theirs.len() as f64;
    let mean = theirs.iter().map(|&it| f64::from(it)).sum::<f64>() / count;
    let spread = (theirs.iter().map(|&it| (f64::from(it) - mean).powi(2)).sum::<f64>() / count).sqrt();
    let apart = ours.iter().zip(&theirs).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max) / spread;
    println!("{}: logits within {apart:.1e} standard deviations of transformers'", model.display());
    assert!(apart < 1e-4, "{apart:e}");
}

#[test]
fn every_real_model_is_pruned_and_measured() {
    let Some(text) = text() else { return };
    for model in models() {
        let bench = Bench { model: &model, text: &text, scratch: TempDir::new().expect("a folder") };
        let name = model.display();
        logits_match_transformers(&model);
        let summary = bench.json("inspect", &model, &["--check"]);
        assert!(summary["blocks"].as_u64().expect("a count") > 0, "{summary}");
        let path = text.to_str().expect("UTF-8");
        let statistics = ["--text", path, "--samples", "4", "--length", "128", "--out", "S.safetensors"];
        bench.run("stats", &model, &statistics);
        let outcome = bench.json("eval", &model, &["owl", "--sparsity", "0.5", "--stats", "S.safetensors"]);
        assert_eq!(outcome["achieved"].as_f64(), Some(0.5), "{name}");
        let dense = bench.perplexity(&model);
        println!("{name}: dense {dense:.3}");
        for (way, method) in PRUNED {
            let perplexity = bench.pruned(way, method);
            println!("{name}: {way} {perplexity:.3}");
            assert!(perplexity.is_finite() && perplexity > dense, "{way}: {perplexity}, dense {dense}");
        }
    }
}
