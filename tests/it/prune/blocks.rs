//! Compares pruning block by block with the published code: masks, weights, Hessians, perplexities.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use allot::lang::types::Group;
use allot::measure::perplexity;
use allot::model::{Block, Checkpoint, Decoder, Linear, TensorFiles, widen};
use allot::prune::{Mask, Method, Pattern, PruneOptions, Pruned, Rounding, prune_blocks};
use allot::stats::{Activations, Hessian, Tokens};
use candle_core::{Device, Tensor};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::allocation::allocation;
use crate::support::data::{bundled, reference};

struct Published {
    checkpoint: Checkpoint,
    calibration: Tokens,
    evaluation: Tokens,
    json: Value,
    masks: TensorFiles,
    weights: TensorFiles,
}

impl Published {
    fn open(name: &str) -> Option<Self> {
        let folder = reference("tiny-stories-12l")?;
        let checkpoint = Checkpoint::open(bundled()).unwrap();
        let tokens = |name: &str| {
            let file = folder.join(format!("tokens.safetensors:{name}"));
            Tokens::read(file.to_str().unwrap(), &checkpoint).unwrap()
        };
        Some(Self {
            calibration: tokens("calib_ids"),
            evaluation: tokens("eval_ids"),
            json: json(&folder.join(name)),
            masks: TensorFiles::open_file(&folder.join("prune_masks.safetensors")).unwrap(),
            weights: TensorFiles::open_file(&folder.join("prune_sparsegpt_weights.safetensors")).unwrap(),
            checkpoint,
        })
    }

    fn options(&self, method: Method, config: &str) -> PruneOptions<'_> {
        PruneOptions {
            pattern: config.parse().unwrap_or(Pattern::Unstructured),
            rounding: Rounding::Reference,
            tokens: Some(&self.calibration),
            ..PruneOptions::new(method)
        }
    }

    /// Returns the masks and weights after pruning, and the perplexity.
    fn prune(&self, options: &PruneOptions<'_>, target: f64) -> (BTreeMap<String, (Mask, Vec<f32>)>, f64) {
        let mut all = BTreeMap::new();
        let mut decoder = Decoder::load(&self.checkpoint, &Device::Cpu).unwrap();
        let mut keep = |linear: &Linear, pruned: Pruned| {
            let weights = widen(&pruned.weight);
            let tensor = Tensor::from_slice(&weights, (linear.rows, linear.columns), &Device::Cpu).unwrap();
            let mut linears = decoder.blocks[linear.block].linears_mut().iter_mut();
            linears.find(|it| it.linear.module == linear.module).unwrap().set_weight(tensor).unwrap();
            all.insert(linear.module.clone(), (pruned.mask, weights));
            Ok(())
        };
        let allocation = allocation(&self.checkpoint, target);
        prune_blocks(&self.checkpoint, &allocation, options, &mut keep, &mut |_| ()).unwrap();
        (all, perplexity(&decoder, &self.evaluation, &mut |_, _| ()).unwrap().perplexity)
    }

    fn runs(&self, method: &str) -> impl Iterator<Item = (&Value, &str, f64)> {
        let runs = self.json["runs"].as_array().unwrap().iter();
        runs.filter(move |run| run["method"] == method).map(|run| {
            let config = run["config"].as_str().unwrap();
            (run, config, config.parse().unwrap_or(0.5))
        })
    }

    /// Returns the share of equal marks in the three stored masks.
    fn overlap(&self, key: &str, pruned: &BTreeMap<String, (Mask, Vec<f32>)>) -> f64 {
        let (mut equal, mut all) = (0, 0);
        for (module, (mask, _)) in pruned {
            let name = format!("{key}/{module}");
            if !self.masks.contains(&name) {
                continue;
            }
            let packed = self.masks.tensor(&name).unwrap().bytes;
            let want = |at: usize| packed[at / 8] >> (at % 8) & 1 == 1;
            equal += mask.pruned().iter().enumerate().filter(|(at, got)| want(*at) == **got).count();
            all += mask.pruned().len();
        }
        assert!(all > 0, "{key}");
        equal as f64 / all as f64
    }
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Returns a copy of the model whose tensors are stored in f32.
fn in_single_precision(checkpoint: &Checkpoint) -> TempDir {
    let copy = TempDir::new().unwrap();
    fs::copy(checkpoint.folder().join("config.json"), copy.path().join("config.json")).unwrap();
    let files = checkpoint.files();
    let wide: Vec<(String, Vec<usize>, Vec<u8>)> = files
        .names()
        .map(|name| {
            let bytes = widen(&files.values(name).unwrap()).iter().flat_map(|it| it.to_le_bytes()).collect();
            (name.to_owned(), files.tensor(name).unwrap().shape.to_vec(), bytes)
        })
        .collect();
    let views = wide.iter().map(|(name, shape, bytes)| {
        (name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize_to_file(views, None, &copy.path().join("model.safetensors")).unwrap();
    copy
}

fn relative(got: f64, want: f64) -> f64 {
    (got - want).abs() / want
}

#[test]
fn wanda_agrees_with_the_published_code() {
    let Some(published) = Published::open("prune.json") else {
        return;
    };
    for (run, config, target) in published.runs("wanda") {
        let options = published.options(Method::Wanda, config);
        let (pruned, got) = published.prune(&options, target);
        let hashes = run["mask_sha256"].as_object().unwrap();
        let mut equal = 0;
        for (module, hash) in hashes {
            let same = pruned[module].0.hash() == hash.as_str().unwrap();
            assert!(same || !module.starts_with("model.layers.0."), "{config} {module}");
            equal += usize::from(same);
        }
        let overlap = published.overlap(&format!("wanda/{config}"), &pruned);
        let difference = relative(got, run["ppl"].as_f64().unwrap());
        println!(
            "wanda {config}: {equal} of 84 masks equal, overlap {overlap:.5}, perplexity {got:.4}, {difference:.1e} off"
        );
        assert!(overlap > 0.99 && difference < 0.01);
    }
}

#[test]
fn relative_importance_agrees_with_the_published_code() {
    let Some(published) = Published::open("ria.json") else {
        return;
    };
    for run in published.json["runs"].as_array().unwrap() {
        let target = run["sparsity"].as_f64().unwrap_or(0.5);
        let config = run["config"].as_str().unwrap_or("unstructured");
        if target == 0.5 && config == "unstructured" {
            continue;
        }
        let per = if run["per_outneuron"] == true { Group::Row } else { Group::Matrix };
        let options = published.options(Method::Ria { power: 0.5, per }, config);
        let (pruned, got) = published.prune(&options, target);
        let hashes = run["mask_sha256"].as_object();
        let mut equal = 0;
        for (module, hash) in hashes.into_iter().flatten() {
            let same = pruned[module].0.hash() == hash.as_str().unwrap();
            assert!(same || !module.starts_with("model.layers.0."), "{config} {module}");
            equal += usize::from(same);
        }
        let difference = relative(got, run["ppl"].as_f64().unwrap());
        println!(
            "ria {config} {target} per {per}: {equal} masks equal, perplexity {got:.4}, {difference:.1e} off"
        );
        assert!(difference < 0.01);
    }
}

#[test]
fn magnitude_perplexities_agree_with_the_published_code() {
    let Some(published) = Published::open("prune.json") else {
        return;
    };
    for (run, config, target) in published.runs("magnitude") {
        if !matches!(config, "0.7" | "4:8") {
            continue;
        }
        let (_, got) = published.prune(&published.options(Method::Magnitude, config), target);
        let difference = relative(got, run["ppl"].as_f64().unwrap());
        println!("magnitude {config}: perplexity {got:.4}, {difference:.1e} off");
        assert!(difference < 0.01);
    }
}

#[test]
fn sparsegpt_agrees_with_the_published_code() {
    let Some(mut published) = Published::open("prune.json") else {
        return;
    };
    // The published run kept updated weights in f32; a model that stores f16 rounds them.
    let folder = in_single_precision(&published.checkpoint);
    published.checkpoint = Checkpoint::open(folder.path()).unwrap();
    let first = "model.layers.0.self_attn.q_proj";
    for (run, config, target) in published.runs("sparsegpt") {
        let options = published.options(Method::SPARSE_GPT, config);
        let (pruned, got) = published.prune(&options, target);
        let name = format!("sparsegpt/{config}/{first}");
        let mut worst = f64::NAN;
        if published.weights.contains(&name) {
            let want = widen(&published.weights.values(&name).unwrap());
            let pairs = pruned[first].1.iter().zip(&want);
            worst = pairs.map(|(got, want)| f64::from((got - want).abs())).fold(0.0, f64::max);
            assert!(worst < 1e-3, "{config}: {worst}");
        } else {
            let overlap = published.overlap(&format!("sparsegpt/{config}"), &pruned);
            println!("sparsegpt {config}: overlap {overlap:.5}");
            assert!(overlap > 0.99, "{config}: {overlap}");
        }
        let difference = relative(got, run["ppl"].as_f64().unwrap());
        println!(
            "sparsegpt {config}: perplexity {got:.4}, {difference:.1e} off; first weights {worst:.1e} off"
        );
        assert!(difference < 0.01);
    }
}

#[test]
fn the_hessian_agrees_with_the_published_code() {
    let Some(published) = Published::open("prune.json") else {
        return;
    };
    let block = Block::load(&published.checkpoint, 0, &Device::Cpu).unwrap();
    let activations =
        Activations::embed(&published.checkpoint, &published.calibration, &Device::Cpu, u64::MAX).unwrap();
    let linear = &published.checkpoint.linears()[0];
    let mut hessian = Hessian::new(linear.columns);
    let mut tap = |site, input: &Tensor| {
        if site == linear.site { hessian.add(input) } else { Ok(()) }
    };
    activations.observe(&block, &mut tap).unwrap();
    let got = hessian.finish().expect("a Hessian");
    let want = widen(&published.weights.values(&format!("hessian/{}", linear.module)).unwrap());
    let scale = want.iter().map(|it| it.abs()).fold(0.0, f32::max);
    let worst = got.iter().zip(&want).map(|(got, want)| (got - want).abs() / scale).fold(0.0, f32::max);
    println!("hessian: {worst:.1e} of its largest entry");
    assert!(worst < 1e-5);
}
