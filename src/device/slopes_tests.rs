//! Tests the backward kernels, in the emulation, against candle's backward pass through operations with
//! gradients.

use candle_core::{D, Device, Result, Tensor, Var};
use candle_nn::ops;

use super::emulation::Emulation;
use super::engine::Engine;
use super::gradient_checks::{close, gradients, random};
use super::layers::{AttentionRules, Joint};
use super::slopes;

fn emulated() -> Option<Emulation> {
    let launcher = Emulation::new();
    if launcher.is_none() {
        eprintln!("skipped: there is no C++ compiler `c++` to run kernels with");
    }
    launcher
}

#[test]
fn attention_gradients_match_its_definition() -> Result<()> {
    let Some(gpu) = emulated() else { return Ok(()) };
    for (length, heads, key_heads, size, window) in
        [(19, 6, 2, 8, None), (37, 3, 3, 16, Some(7)), (5, 2, 1, 4, Some(64)), (258, 1, 1, 4, Some(250))]
    {
        let (samples, scale) = (2, 0.4);
        let of_heads = |heads: usize| Var::from_tensor(&random(&[samples, length, heads, size]));
        let (queries, keys, values) = (of_heads(heads)?, of_heads(key_heads)?, of_heads(key_heads)?);
        let gradient = random(&[samples, length, heads * size]);
        let spread = |tensor: &Var| {
            let shape = (samples, length, key_heads, heads / key_heads, size);
            let tensor = tensor.unsqueeze(3)?.broadcast_as(shape)?.reshape((samples, length, heads, size))?;
            tensor.transpose(1, 2)?.contiguous()
        };
        let seen = |query: usize, key: usize| key <= query && window.is_none_or(|it| query < key + it);
        let mask: Vec<f32> = (0..length * length)
            .map(|at| if seen(at / length, at % length) { 0.0 } else { f32::NEG_INFINITY })
            .collect();
        let mask = Tensor::from_vec(mask, (length, length), &Device::Cpu)?;
        let wanted = gradients(&[&queries, &keys, &values], &gradient, || {
            let scores =
                (queries.transpose(1, 2)?.contiguous()?.matmul(&spread(&keys)?.transpose(2, 3)?)? * scale)?;
            let shares = ops::softmax(&scores.broadcast_add(&mask)?, D::Minus1)?;
            let mixed = shares.matmul(&spread(&values)?)?.transpose(1, 2)?;
            mixed.reshape((samples, length, heads * size))
        })?;
        let rules = AttentionRules { scale: scale as f32, softcap: None, window };
        let found = slopes::attention(&gpu, [&queries, &keys, &values], &gradient, rules);
        let found = found.expect("it runs").expect("there are kernels");
        for (what, (found, wanted)) in ["queries", "keys", "values"].iter().zip(found.iter().zip(&wanted)) {
            close(found, wanted, what);
        }
    }
    Ok(())
}

#[test]
fn the_excess_is_the_difference_of_two_softmaxes() -> Result<()> {
    let Some(gpu) = emulated() else { return Ok(()) };
    let (logits, dense) = ((random(&[4, 301]) * 3.0)?, (random(&[4, 301]) * 3.0)?);
    let targets = [3, 300, 0, 77];
    for cap in [None, Some(2.5)] {
        let capped = |logits: &Tensor| match cap {
            Some(cap) => (logits / cap)?.tanh()? * cap,
            None => Ok(logits.clone()),
        };
        let own = ops::softmax(&capped(&logits)?, D::Minus1)?;
        let other = ops::softmax(&capped(&dense)?, D::Minus1)?;
        let found = slopes::excess(&gpu, (&logits, Some(&dense)), cap, &targets, 0.25);
        let found = found.expect("it runs").expect("there is a kernel");
        close(&found, &((&own - other)? * 0.25)?, "of a dense model");
        let ones = (0..4 * 301).map(|at| f32::from(u8::from(targets[at / 301] == at as u32 % 301))).collect();
        let ones = Tensor::from_vec(ones, (4, 301), &Device::Cpu)?;
        let found = slopes::excess(&gpu, (&logits, None), cap, &targets, 0.25);
        let found = found.expect("it runs").expect("there is a kernel");
        close(&found, &((own - ones)? * 0.25)?, "of a text");
    }
    Ok(())
}

#[test]
fn norm_gradients_match_its_definition() -> Result<()> {
    let Some(gpu) = emulated() else { return Ok(()) };
    for columns in [8, 72, 400] {
        let (input, weight) = (Var::from_tensor(&random(&[3, 5, columns]))?, random(&[columns]));
        let gradient = random(&[3, 5, columns]);
        let wanted = gradients(&[&input], &gradient, || ops::rms_norm_slow(&input, &weight, 1e-5))?.remove(0);
        let found = slopes::root_mean_square(&gpu, [&input, &weight, &gradient], 1e-5);
        close(&found.expect("it runs").expect("there is a kernel"), &wanted, "norm");
    }
    Ok(())
}

#[test]
fn gate_gradients_match_its_definition() -> Result<()> {
    let Some(gpu) = emulated() else { return Ok(()) };
    for joint in [Joint::Silu, Joint::Gelu, Joint::GeluTanh, Joint::Relu] {
        let (gate, up) = (Var::from_tensor(&random(&[7, 11]))?, Var::from_tensor(&random(&[7, 11]))?);
        let gradient = random(&[7, 11]);
        let wanted = gradients(&[&gate, &up], &gradient, || {
            let gate = match joint {
                Joint::Sum | Joint::Silu => ops::silu(&gate),
                Joint::Gelu => gate.gelu_erf(),
                Joint::GeluTanh => gate.gelu(),
                Joint::Relu => gate.relu(),
            };
            gate? * up.as_tensor()
        })?;
        let found = slopes::gated(&gpu, joint, [&gate, &up, &gradient]);
        let found = found.expect("it runs").expect("there is a kernel");
        close(&found[0], &wanted[0], "gate");
        close(&found[1], &wanted[1], "up");
    }
    Ok(())
}

#[test]
fn a_model_with_kernels_has_the_same_gradients_as_on_the_cpu() {
    use crate::trial::measurer::{PrunedModel, ThresholdTask, ask};
    use crate::trial::{cancel::Cancel, subject::Subject, text::Split, text::Texts, threads::Threads};

    let Some(gpu) = emulated() else { return };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tiny-stories-12l");
    let open = || crate::model::Checkpoint::open(folder).expect("the bundled model opens");
    let emulated = open().on(Engine::Gpu(std::sync::Arc::new(gpu)), crate::model::Precision::F32);
    let ids = (0..24).map(|id| id * 7 % 2048).collect();
    let fitness = crate::stats::Tokens::new(ids, 24).expect("whole windows");
    let measured = |checkpoint: &crate::model::Checkpoint| {
        let texts = Texts { fitness: fitness.clone(), selection: None, report: None };
        let (method, pattern) = (&crate::prune::Method::Magnitude, crate::prune::Pattern::Unstructured);
        let cancel = Cancel::default();
        let subject = Subject::new(checkpoint, None, method, pattern, &texts, &cancel).expect("a subject");
        let of = |rows: usize, columns: usize| crate::prune::Share::new(0.6, (rows * columns * 3 / 5) as u64);
        let task = ThresholdTask {
            model: PrunedModel {
                subject: 0,
                shares: checkpoint.linears().iter().map(|it| of(it.rows, it.columns)).collect(),
            },
            split: Split::Fitness,
            windows: vec![0],
            of: crate::measure::SlopeOf::Divergence,
            band: crate::trial::band::Band::default(),
            rows: false,
        };
        let measurer = Threads::new(std::sync::Arc::new(subject.into()), cancel);
        let window = ask(&measurer, [task]).expect("the model runs").remove(0).remove(0);
        (window.loss.kl, window.sums.iter().map(|it| it[0].sum).collect::<Vec<f64>>())
    };
    let (here, there) = (measured(&open()), measured(&emulated.expect("a place")));
    assert!((there.0 / here.0 - 1.0).abs() < 1e-4, "{} and {}", there.0, here.0);
    let size = here.1.iter().map(|it| it.abs()).fold(0.0, f64::max);
    let apart = here.1.iter().zip(&there.1).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(size > 0.0 && apart < 1e-4 * size, "{apart} of {size}");
}
