//! Compares second moments and token windows with the reference implementations.

use std::path::PathBuf;

use allot::allocate::Bounds;
use allot::allocate::script::{Outcome, Request, allocate};
use allot::data::{ModelData, Values};
use allot::interpret::matrix::Processor;
use allot::lang::check::{CheckOptions, check};
use allot::lang::program::Script;
use allot::lang::published;
use allot::model::{Block, Checkpoint, Site, TensorFiles, Tokenizer, widen};
use allot::results::Reductions;
use allot::stats::{
    Activations, CalibrationOptions, Hessian, Reconstruction, Statistics, Text, Tokens, calibrate,
    calibrate_with, gradients, gradients_within,
};
use candle_core::Device;

use crate::support::data::{bundled, reference};

/// Returns the largest difference, relative to the larger of the value and a hundredth of the mean.
fn worst_difference(got: &[f32], want: &[f32]) -> f64 {
    assert_eq!(got.len(), want.len());
    let mean = want.iter().map(|&it| f64::from(it)).sum::<f64>() / want.len() as f64;
    let pairs = got.iter().zip(want);
    let differences =
        pairs.map(|(&got, &want)| f64::from((got - want).abs()) / f64::from(want).abs().max(1e-2 * mean));
    differences.fold(0.0, f64::max)
}

#[test]
fn second_moments_of_the_bundled_model_agree_with_wanda() {
    let Some(folder) = reference("tiny-stories-12l") else {
        return;
    };
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    let file = folder.join("tokens.safetensors:calib_ids");
    let tokens = Tokens::read(file.to_str().unwrap(), &checkpoint).unwrap();
    let statistics = calibrate(&checkpoint, &tokens, 0, &Device::Cpu, &mut |_| ()).unwrap();
    let want = TensorFiles::open_file(&folder.join("dense_scaler_row.safetensors")).unwrap();
    let mut worst: f64 = 0.0;
    for (module, linear) in &statistics.linears {
        let want = widen(&want.values(module).unwrap());
        worst = worst.max(worst_difference(linear.second_moment.as_ref().unwrap(), &want));
    }
    println!("second moments of 84 linears: worst relative difference {worst:.2e}");
    assert_eq!(statistics.linears.len(), 84);
    assert!(worst < 1e-5, "{worst:e}");
}

#[test]
fn second_moments_of_every_family_agree_with_wanda() {
    let Some(families) = reference("families") else {
        return;
    };
    for family in ["llama", "llama3", "mistral", "qwen2", "qwen3", "opt", "gemma2", "phi3", "llava"] {
        let folder = families.join(family);
        let checkpoint = Checkpoint::open(&folder).unwrap();
        let file = folder.join("expected.safetensors");
        let tokens = format!("{}:input_ids", file.display());
        let tokens = Tokens::read(&tokens, &checkpoint).unwrap();
        let statistics = calibrate(&checkpoint, &tokens, 0, &Device::Cpu, &mut |_| ()).unwrap();
        let expected = TensorFiles::open_file(&file).unwrap();
        let mut worst: f64 = 0.0;
        for linear in checkpoint.linears() {
            let name = format!("scaler_row.{}", linear.module);
            let want = widen(&expected.values(&name).unwrap());
            let got = &statistics.linears[&linear.module].second_moment;
            worst = worst.max(worst_difference(got.as_ref().unwrap(), &want));
        }
        println!("{family:8} worst relative difference {worst:.2e}");
        assert!(worst < 1e-5, "{family}: {worst:e}");
    }
}

#[test]
fn statistics_survive_the_file_and_give_the_same_bytes_each_time() {
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    let ids = (0..64).map(|it| it * 31 % 2048).collect();
    let tokens = Tokens::new(ids, 32).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a", "b"].map(|name| folder.path().join(name));
    for path in &paths {
        let mut statistics = calibrate(&checkpoint, &tokens, 7, &Device::Cpu, &mut |_| ()).unwrap();
        let gradient = vec![0.5; 96 * 256];
        let module = "model.layers.4.mlp.down_proj".to_owned();
        statistics.add_gradients([(module, gradient)].into());
        statistics.save(path).unwrap();
    }
    assert_eq!(std::fs::read(&paths[0]).unwrap(), std::fs::read(&paths[1]).unwrap());
    let loaded = Statistics::load(&paths[0], &checkpoint).unwrap();
    assert_eq!(loaded.provenance.samples, 2);
    assert_eq!(loaded.provenance.seed, 7);
    let data = loaded.data(&checkpoint).unwrap();
    assert_eq!(data.linears.len(), 84);
    assert!(data.linears.iter().all(|it| it.second_moment.is_some()));
    let gradients: Vec<&str> =
        data.linears.iter().filter(|it| it.gradient.is_some()).map(|it| it.name.as_str()).collect();
    assert_eq!(gradients, ["model.layers.4.mlp.down_proj"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

/// A flipped bit of a number would otherwise change ratios without a word.
#[test]
fn damaged_statistics_are_refused() {
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    let tokens = Tokens::new((0..32).collect(), 16).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.safetensors");
    calibrate(&checkpoint, &tokens, 7, &Device::Cpu, &mut |_| ()).unwrap().save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for at in [header, header + 4321, whole.len() - 1] {
        let mut damaged = whole.clone();
        // The lowest bit of a mantissa, so that the value stays plausible.
        damaged[at] ^= 1;
        std::fs::write(&path, damaged).unwrap();
        let error = Statistics::load(&path, &checkpoint).unwrap_err().to_string();
        assert!(error.contains("do not match their checksum"), "{error}");
    }
    // Statistics of another program may have no checksum.
    let (head, data) = whole.split_at(header);
    let text = String::from_utf8(head[8..].to_vec()).unwrap();
    assert!(text.contains("checksum"), "{text}");
    let plain = text.replace("checksum", "checkmas");
    std::fs::write(&path, [&head[..8], plain.as_bytes(), data].concat()).unwrap();
    Statistics::load(&path, &checkpoint).unwrap();
}

/// Returns scripts; the last one uses every reduction of the others in another formula.
fn scripts_with_reductions() -> Vec<Script> {
    let [owl, dlp] = ["owl", "dlp"].map(|name| published::find(name).expect("published").source);
    let product = "metric abs(weight) * input_norm\ndsa::geometric_mean(exp(weight / 1000)) + mean(score > target) |> scale";
    let other = "metric abs(weight) * input_norm\nlog(dsa::geometric_mean(exp(weight / 1000))) * mean(score > 5 * mean(score)) |> scale";
    [owl, dlp, product, other]
        .map(|source| check(source, CheckOptions::default()).script.expect("well typed"))
        .into()
}

fn allocation(script: &Script, data: &ModelData<'_>, reductions: Option<&Reductions>) -> Outcome {
    let wanda = check(published::find("wanda").expect("published").source, CheckOptions::default());
    let metric = wanda.script.and_then(|script| script.metric).expect("a metric");
    let request = Request {
        metric: &metric,
        unit: None,
        target: 0.6,
        bounds: Bounds::default(),
        reductions,
        backend: &Processor,
    };
    allocate(script, data, request).expect("an allocation")
}

#[test]
fn reductions_in_the_file_are_exact_and_used_only_with_their_own_inputs() {
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    let tokens = Tokens::new((0..64).map(|it| it * 31 % 2048).collect(), 32).unwrap();
    let mut statistics = calibrate(&checkpoint, &tokens, 7, &Device::Cpu, &mut |_| ()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("statistics.safetensors");
    let scripts = scripts_with_reductions();
    let reductions = Reductions::new();
    let plain = statistics.clone();
    let data = plain.data(&checkpoint).unwrap();
    for script in &scripts[..3] {
        allocation(script, &data, Some(&reductions));
    }
    statistics.set_reductions(&reductions);
    statistics.save(&path).unwrap();
    let loaded = Statistics::load(&path, &checkpoint).unwrap();
    assert_eq!(loaded.cache().entries(), reductions.entries());
    assert!(reductions.len() >= 4, "{}", reductions.len());

    // On weights that are all NaN, which shows that they are not read.
    let mut unread = data.clone();
    for linear in &mut unread.linears {
        linear.weight = Values::F32(vec![f32::NAN; linear.rows * linear.columns].into());
    }
    for script in &scripts {
        let (with, without) =
            (allocation(script, &unread, Some(&loaded.cache())), allocation(script, &data, None));
        assert_eq!(with, without);
    }

    let passed_over = |change: &dyn Fn(&mut Statistics)| {
        let mut changed = statistics.clone();
        change(&mut changed);
        changed.save(&path).unwrap();
        Statistics::load(&path, &checkpoint).unwrap().cache().is_empty()
    };
    assert!(!passed_over(&|_| ()));
    assert!(passed_over(&|it| it.provenance.reductions = None));
    assert!(passed_over(&|it| it.provenance.reductions = Some("another processor's".into())));
    let module = "model.layers.4.mlp.down_proj";
    assert!(passed_over(&|it| {
        it.linears.get_mut(module).unwrap().second_moment.as_mut().unwrap()[3] += 1.0;
    }));
    assert!(passed_over(&|it| it.add_gradients([(module.to_owned(), vec![0.5; 96 * 256])].into())));
}

#[test]
fn a_plain_text_matches_the_reference_windows() {
    let Some(folder) = reference("tiny-stories-12l") else {
        return;
    };
    let text = folder.join("../../text/tinystories_val.txt");
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    let tokenizer = Tokenizer::open(&checkpoint).unwrap();
    let text = Text::read(&[text]).unwrap();
    let windows = Tokens::windows(&text, &tokenizer, 128, Some(64)).unwrap();
    let file = folder.join("tokens.safetensors:eval_ids");
    let want = Tokens::read(file.to_str().unwrap(), &checkpoint).unwrap();
    assert_eq!(windows.ids(), want.ids());
}

#[test]
fn drawn_windows_depend_on_the_seed_and_nothing_else() {
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    let tokenizer = Tokenizer::open(&checkpoint).unwrap();
    let path: PathBuf = bundled().join("text/calibration.jsonl");
    let text = Text::read(&[path]).unwrap();
    assert_eq!(text.documents.len(), 128);
    let draw = |seed, length| Tokens::draw(&text, &tokenizer, 16, length, seed).unwrap();
    assert_eq!(draw(0, 128), draw(0, 128));
    assert_ne!(draw(0, 128), draw(1, 128));
    // Longer than any story: windows then span several documents.
    assert_eq!(draw(0, 2048).samples(), 16);
}

#[test]
fn the_hessian_agrees_with_sparsegpt_and_its_diagonal_with_the_second_moments() {
    let Some(folder) = reference("tiny-stories-12l") else {
        return;
    };
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    let file = folder.join("tokens.safetensors:calib_ids");
    let tokens = Tokens::read(file.to_str().unwrap(), &checkpoint).unwrap();
    let activations = Activations::embed(&checkpoint, &tokens, &Device::Cpu, u64::MAX).unwrap();
    let block = Block::load(&checkpoint, 0, &Device::Cpu).unwrap();
    let mut hessian = Hessian::new(96);
    activations
        .observe(&block, &mut |site, input| match site {
            Site::AttentionInput => hessian.add(input),
            _ => Ok(()),
        })
        .unwrap();
    let hessian = hessian.finish().expect("a Hessian");
    let file = folder.join("prune_sparsegpt_weights.safetensors");
    let want = TensorFiles::open_file(&file).unwrap();
    let name = "model.layers.0.self_attn.q_proj";
    let want = widen(&want.values(&format!("hessian/{name}")).unwrap());
    // Elements off the diagonal are sums of terms of both signs. Their rounding errors, which depend on the processor, are in
    // proportion to the diagonal.
    let scale = |place: usize| f64::from(want[place / 96 * 97] * want[place % 96 * 97]).sqrt();
    let difference =
        |(place, (got, want)): (usize, (&f32, &f32))| f64::from((got - want).abs()) / scale(place);
    assert_eq!(hessian.len(), want.len());
    let worst = hessian.iter().zip(&want).enumerate().map(difference).fold(0.0, f64::max);
    println!("hessian: worst difference relative to the diagonal {worst:.2e}");
    assert!(worst < 1e-5, "{worst:e}");
    let statistics = calibrate(&checkpoint, &tokens, 0, &Device::Cpu, &mut |_| ()).unwrap();
    let data = statistics.data(&checkpoint).unwrap();
    let diagonal: Vec<f32> = (0..96).map(|it| hessian[it * 97]).collect();
    let derived = data.linears[0].hessian_diagonal.as_ref().unwrap();
    assert!(worst_difference(derived, &diagonal) < 1e-5);
}

/// LSA's own numbers are sums in f32. With its default group of 128, its code removes 64 of the 96 columns of the
/// narrower linears, which is not half of them.
#[test]
fn reconstruction_errors_and_ratios_match_lsa() {
    let Some(folder) = reference("tiny-stories-12l") else {
        return;
    };
    let records = std::fs::read_to_string(folder.join("alloc.json")).unwrap();
    let records: serde_json::Value = serde_json::from_str(&records).unwrap();
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    let file = folder.join("tokens.safetensors:calib_ids");
    let tokens = Tokens::read(file.to_str().unwrap(), &checkpoint).unwrap();
    let of = |value: &serde_json::Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect()
    };
    let mut compared = 0;
    for group in [128, 32, 4, 0] {
        let options = {
            let how = Reconstruction { group, as_coded: group == 128 };
            CalibrationOptions { reconstruction: Some(how), ..CalibrationOptions::default() }
        };
        let statistics = calibrate_with(&checkpoint, &tokens, 0, &Device::Cpu, options, &mut |_| ()).unwrap();
        assert!(statistics.linears.values().all(|it| it.hessian.is_none()));
        let mut data = statistics.data(&checkpoint).unwrap();
        let found: Vec<f64> = data.linears.iter().map(|it| it.reconstruction_error.unwrap()).collect();
        for record in records["records"].as_array().unwrap() {
            if record["params"]["block"] != group || record["raw_E_per_linear"].is_null() {
                continue;
            }
            let errors = of(&record["raw_E_per_linear"]);
            let mut others = 0;
            for (index, (found, want)) in found.iter().zip(&errors).enumerate() {
                let difference = (found / want - 1.0).abs();
                // Where two weights cost almost the same, the processor's rounding decides which one goes first.
                assert!(difference < 1e-3, "{group}, linear {index}: {found} and {want}");
                others += usize::from(difference > 2e-6);
            }
            assert!(others <= errors.len() / 20, "{group}: {others} linears differ");
            // The ratios are those of LSA's own errors.
            for (linear, error) in data.linears.iter_mut().zip(errors) {
                linear.reconstruction_error = Some(error);
            }
            let target = record["S"].as_f64().unwrap();
            let (script, want) = match record["method"].as_str().unwrap() {
                "lsa_layer" => {
                    let beta = record["params"]["beta"].as_f64().unwrap();
                    (format!("neg(reconstruction_error) |> scale(lambda = {beta})"), &record["s_per_block"])
                }
                mode @ ("lsa_projection_lsac" | "lsa_attn_ffn_groups_blkb") => {
                    let name = if mode == "lsa_projection_lsac" { "lsa_projection" } else { "lsa_groups" };
                    (published::find(name).unwrap().source.to_owned(), &record["s_per_linear"])
                }
                _ => continue,
            };
            let script = check(&script, CheckOptions::default()).script.unwrap();
            let metric = published::script("wanda").unwrap().metric.unwrap();
            let request = Request {
                metric: &metric,
                unit: None,
                target,
                bounds: Bounds::default(),
                reductions: None,
                backend: &Processor,
            };
            let outcome = allocate(&script, &data, request).unwrap();
            for (unit, want) in outcome.allocation.units.iter().zip(of(want)) {
                let found = unit.sparsity;
                assert!(
                    (found - want).abs() < 1e-6,
                    "{group} at {target}, {}: {found} and {want}",
                    unit.name
                );
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 20);
}

#[test]
fn gradients_agree_with_pruner_zero() {
    let Some(folder) = reference("tiny-stories-12l") else {
        return;
    };
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    let file = folder.join("tokens.safetensors:calib_ids");
    let tokens = Tokens::read(file.to_str().unwrap(), &checkpoint).unwrap();
    let got = gradients(&checkpoint, &tokens, &Device::Cpu, &mut |_| ()).unwrap();
    assert_eq!(got.len(), 84);
    let want = TensorFiles::open_file(&folder.join("pruner_zero.safetensors")).unwrap();
    for name in [
        "model.layers.0.self_attn.q_proj",
        "model.layers.6.self_attn.o_proj",
        "model.layers.11.mlp.down_proj",
    ] {
        let want = widen(&want.values(&format!("gradient/{name}")).unwrap());
        let worst = worst_difference(&got[name], &want);
        println!("{name}: worst relative difference {worst:.2e} (the reference is f16)");
        // Half a unit in the last place of f16, and some slack for values below its normal range.
        assert!(worst < 2e-3, "{name}: {worst:e}");
    }
}

#[test]
fn gradients_flow_through_every_family() {
    let Some(families) = reference("families") else {
        return;
    };
    for family in ["qwen3", "opt", "gemma2", "phi3"] {
        let checkpoint = Checkpoint::open(families.join(family)).unwrap();
        let tokens = Tokens::new((1..21).collect(), 10).unwrap();
        let got = gradients(&checkpoint, &tokens, &Device::Cpu, &mut |_| ()).unwrap();
        for (module, gradient) in got {
            assert!(gradient.iter().all(|it| it.is_finite()), "{family} {module}");
            assert!(gradient.iter().any(|&it| it > 0.0), "{family} {module}");
        }
    }
}

#[test]
fn a_scratch_file_changes_no_bit_of_statistics() {
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    // More windows than go through a block together.
    let tokens = Tokens::new((0_u32..4096).map(|it| it * 31 % 2048).collect(), 128).unwrap();
    let collect = |memory| {
        let options = CalibrationOptions { hessians: true, memory, ..CalibrationOptions::default() };
        let (device, mut progress) = (Device::Cpu, |_| ());
        let statistics = calibrate_with(&checkpoint, &tokens, 0, &device, options, &mut progress).unwrap();
        let few = Tokens::new(tokens.part(0..3).to_vec(), 128).unwrap();
        (statistics, gradients_within(&checkpoint, &few, &device, memory, &mut |_| ()).unwrap())
    };
    let (ample, little) = (collect(Some(u64::MAX)), collect(Some(1)));
    assert_eq!(ample.1, little.1);
    for (module, linear) in &ample.0.linears {
        let other = &little.0.linears[module];
        assert_eq!((&linear.second_moment, &linear.hessian), (&other.second_moment, &other.hessian));
    }
}
