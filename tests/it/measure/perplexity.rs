//! Compares perplexity with transformers, and checks what it must not depend on.

use std::fs;

use allot::measure::{divergence, divergence_streamed, perplexity, perplexity_streamed};
use allot::model::{Checkpoint, Decoder, Tokenizer};
use allot::stats::{Text, Tokens};
use candle_core::Device;
use tempfile::TempDir;

use crate::support::data::{bundled, reference};
use crate::support::folders::{config, folder, weights};

#[test]
fn dense_perplexity_agrees_with_transformers() {
    let Some(folder) = reference("tiny-stories-12l") else {
        return;
    };
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    let file = folder.join("tokens.safetensors:eval_ids");
    let tokens = Tokens::read(file.to_str().unwrap(), &checkpoint).unwrap();
    let decoder = Decoder::load(&checkpoint, &Device::Cpu).unwrap();
    let started = std::time::Instant::now();
    let got = perplexity(&decoder, &tokens, &mut |_, _| ()).unwrap();
    let seconds = started.elapsed().as_secs_f64();
    let want: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("dense.json")).unwrap()).unwrap();
    let want_perplexity = want["ppl"].as_f64().unwrap();
    let relative = (got.perplexity - want_perplexity).abs() / want_perplexity;
    let windows = want["window_nll"].as_array().unwrap();
    let pairs = got.window_losses.iter().zip(windows);
    let worst = pairs.map(|(got, want)| (got - want.as_f64().unwrap()).abs());
    let worst = worst.fold(0.0, f64::max);
    println!(
        "perplexity {:.9}, reference {want_perplexity:.9}: {relative:.2e} relative; windows {worst:.2e}; {seconds:.2} s",
        got.perplexity
    );
    assert_eq!(got.windows, 64);
    assert!(relative < 1e-5, "{relative:e}");
    assert!(worst < 1e-4, "{worst:e}");
}

#[test]
fn neither_streaming_nor_a_scratch_file_changes_a_bit() {
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    // More windows than go through a block together.
    let tokens = Tokens::new((0..6000).map(|it| it * 31 % 2048).collect(), 20).unwrap();
    let decoder = Decoder::load(&checkpoint, &Device::Cpu).unwrap();
    let resident = perplexity(&decoder, &tokens, &mut |_, _| ()).unwrap();
    let apart = divergence(&decoder, &decoder, &tokens, &mut |_, _| ()).unwrap();
    for memory in [None, Some(1)] {
        let device = &Device::Cpu;
        let streamed = perplexity_streamed(&checkpoint, &tokens, device, memory, &mut |_| ()).unwrap();
        assert_eq!(resident.window_losses, streamed.window_losses);
        let streamed =
            divergence_streamed(&checkpoint, &checkpoint, &tokens, device, memory, &mut |_| ()).unwrap();
        assert_eq!(apart.window_divergences, streamed.window_divergences);
    }
}

#[test]
fn a_model_diverges_from_a_changed_copy_but_not_from_itself() {
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    let tokens = Tokens::new((0..600).map(|it| it * 31 % 2048).collect(), 20).unwrap();
    let dense = Decoder::load(&checkpoint, &Device::Cpu).unwrap();
    let same = divergence(&dense, &dense, &tokens, &mut |_, _| ()).unwrap();
    assert!(same.divergence < 1e-6, "{}", same.divergence);
    let mut changed = dense.clone();
    let linear = &mut changed.blocks[3].linears_mut()[6];
    let zeros = linear.weight().zeros_like().unwrap();
    linear.set_weight(zeros).unwrap();
    let apart = divergence(&dense, &changed, &tokens, &mut |_, _| ()).unwrap();
    assert!(apart.divergence > 1e-3);
}

#[test]
fn the_bundled_text_has_the_entropy_of_its_model() {
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    let tokenizer = Tokenizer::open(&checkpoint).unwrap();
    let decoder = Decoder::load(&checkpoint, &Device::Cpu).unwrap();
    for name in ["fitness", "selection"] {
        let text = Text::read(&[bundled().join(format!("text/{name}.jsonl"))]).unwrap();
        // The length that the model was trained on; it cannot predict longer windows well.
        let tokens = Tokens::windows(&text, &tokenizer, 256, Some(32)).unwrap();
        let got = perplexity(&decoder, &tokens, &mut |_, _| ()).unwrap();
        println!("{name}: {} windows, perplexity {:.3}", got.windows, got.perplexity);
        assert!((14.0..19.0).contains(&got.perplexity), "{}", got.perplexity);
    }
}

/// A model whose logits overflow has no perplexity and no divergence; both commands say so instead of a number.
#[test]
fn a_model_without_finite_logits_has_no_loss() {
    let good = folder(&config(), &weights(1));
    let mut broken = weights(1);
    for (name, _, numbers) in &mut broken {
        if name == "model.layers.1.self_attn.k_proj.weight"
            || name == "model.layers.1.self_attn.q_proj.weight"
        {
            numbers.iter_mut().for_each(|it| *it *= 1e30);
        }
    }
    let broken = folder(&config(), &broken);
    let open =
        |folder: &TempDir| Decoder::load(&Checkpoint::open(folder.path()).unwrap(), &Device::Cpu).unwrap();
    let (good, broken) = (open(&good), open(&broken));
    let tokens = Tokens::new((0..32).map(|it| it % 20).collect(), 16).unwrap();
    let perplexity = perplexity(&broken, &tokens, &mut |_, _| ()).unwrap_err().to_string();
    assert!(perplexity.contains("not finite in window 1 of 2"), "{perplexity}");
    for pair in [[&good, &broken], [&broken, &good]] {
        let divergence = divergence(pair[0], pair[1], &tokens, &mut |_, _| ()).unwrap_err().to_string();
        assert!(divergence.contains("no divergence"), "{divergence}");
    }
}
