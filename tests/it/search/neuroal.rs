//! NeuroAL's block step against its released code, and its row step against a plain computation.

use std::sync::Arc;

use crate::support::data::{bundled, reference};
use crate::support::reference::{furthest, json, number, numbers};
use allot::allocate::scale;
use allot::baselines::neuroal::{LAMBDAS, WINDOWS, measured_ramps};
use allot::baselines::neuroal_rows::measured_rows;
use allot::lang::check::{CheckOptions, check};
use allot::lang::published;
use allot::lang::types::Group;
use allot::model::{Block, Checkpoint, Decoder, Site, no_tap};
use allot::prune::{Method, Pattern, Rounding, Share, least, score};
use allot::stats::{SecondMoments, Tokens, calibrate};
use allot::trial::cancel::Cancel;
use allot::trial::evaluator::Evaluator;
use allot::trial::loss::Measure;
use allot::trial::norms::norm_divergence;
use allot::trial::subject::Subject;
use allot::trial::subjects::Subjects;
use allot::trial::target::Target;
use allot::trial::text::Texts;
use allot::trial::threads::Threads;
use candle_core::{Device, Tensor};
use rayon::prelude::*;
use serde_json::Value;

/// Returns the records of the released code's block step, and the windows that it read.
fn records() -> Option<(Vec<Value>, Checkpoint, Tokens)> {
    let all = json("tiny-stories-12l/alloc.json")?;
    let ids = reference("tiny-stories-12l/tokens.safetensors")?;
    let records = all["records"].as_array().expect("records");
    let records: Vec<Value> = records.iter().filter(|it| it["method"] == "neuroal_block").cloned().collect();
    assert_eq!(records.len(), 3);
    let checkpoint = Checkpoint::open(bundled()).expect("the bundled model opens");
    let ids = format!("{}:calib_ids", ids.display());
    let tokens = Tokens::read(&ids, &checkpoint).expect("ids");
    Some((records, checkpoint, tokens))
}

/// Returns the divergence of sparsities, `[blocks]`, with the released code's protocol: masks from each
/// block's inputs given that the blocks before it are pruned, and rows rounded down.
fn as_published(decoder: &Decoder, tokens: &Tokens, sparsity: &[f64]) -> f64 {
    let angles = decoder.angles(tokens.length()).expect("angles");
    let mut hidden = vec![decoder.embedding.run(tokens.ids(), tokens.length()).expect("embedded")];
    let mut sum = 0.0;
    for (dense, sparsity) in decoder.blocks.iter().zip(sparsity) {
        let mut moments = SecondMoments::default();
        dense
            .forward(&hidden[0], &angles, &mut |site, input| moments.add(site, input))
            .expect("a block runs");
        let mut pruned = dense.clone();
        for linear in pruned.linears_mut() {
            let (rows, columns) = (linear.linear.rows, linear.linear.columns);
            let weights: Vec<f32> =
                linear.weight().flatten_all().and_then(|it| it.to_vec1()).expect("weights");
            let scores = score::wanda(&weights, &moments.mean(linear.linear.site).expect("a site's moments"));
            let share = Share::new(*sparsity, 0);
            let mask = least(&scores, columns, Group::Row, &share, Rounding::Reference);
            let kept =
                weights.iter().zip(mask.pruned()).map(|(weight, gone)| if *gone { 0.0 } else { *weight });
            let kept = Tensor::from_vec(kept.collect(), (rows, columns), &Device::Cpu).expect("a tensor");
            linear.set_weight(kept).expect("the same shape");
        }
        sum += norm_divergence(dense, &pruned, &mut hidden, &angles).expect("a block runs");
    }
    sum
}

/// Returns the lambda with the lowest value, or the first of several.
fn chosen(values: impl IntoIterator<Item = (f64, f64)>) -> f64 {
    let finite = values.into_iter().filter(|(_, value)| value.is_finite());
    finite.min_by(|a, b| a.1.total_cmp(&b.1)).expect("a finite value").0
}

#[test]
fn divergences_match_the_published_ones_under_the_published_protocol() {
    let Some((records, checkpoint, tokens)) = records() else { return };
    let tokens = tokens.first(WINDOWS);
    let decoder = Decoder::load(&checkpoint, &Device::Cpu).expect("the bundled model loads");
    let blocks = checkpoint.config().blocks;
    let falling: Vec<f64> = (0..blocks).map(|block| -(block as f64)).collect();
    let mut apart = 0;
    for record in &records {
        let target = number(&record["S"]);
        let grid = numbers(&record["lambda_grid"]);
        assert_eq!(grid, LAMBDAS[..grid.len()]);
        let value = |lambda: &f64| {
            let ramp = scale(&falling, &vec![1; blocks], target, *lambda).expect("a ramp");
            // The released code clamps values outside the range, and does not restore the budget.
            let clamped = |s: &f64| if *s >= 1.0 { 0.99 } else { s.max(0.01) };
            let sparsity: Vec<f64> = ramp.values().iter().map(clamped).collect();
            as_published(&decoder, &tokens, &sparsity)
        };
        let found: Vec<f64> = grid.par_iter().map(value).collect();
        for ((lambda, found), want) in grid.iter().zip(&found).zip(numbers(&record["neuroal_value"])) {
            let error = (found / want - 1.0).abs();
            assert!(error < 1e-3, "{target} {lambda}: {found} for {want}");
            apart += usize::from(error > 1e-6);
        }
        let least = found.iter().copied().fold(f64::INFINITY, f64::min);
        let lambda = number(&record["params"]["best_lambda"]);
        let published = grid.iter().position(|it| *it == lambda).expect("a lambda of the grid");
        assert!(found[published] < (1.0 + 1e-3) * least, "{target}: {found:?}");
    }
    // Of 41, there is one in which a rounding error swaps two nearly equal scores.
    assert!(apart <= 1, "{apart} divergences differ");
}

fn evaluator(checkpoint: &Checkpoint, calibration: &Tokens) -> Evaluator {
    let texts = Texts { fitness: calibration.clone(), selection: None, report: None };
    let statistics = calibrate(checkpoint, calibration, 0, &Device::Cpu, &mut |_| ()).expect("statistics");
    let subject = Subject::new(
        checkpoint,
        Some(statistics),
        &Method::Wanda,
        Pattern::Unstructured,
        &texts,
        &Cancel::default(),
    );
    let subjects = Arc::new(Subjects::from(subject.expect("a subject")));
    Evaluator {
        measurer: Arc::new(Threads::new(Arc::clone(&subjects), Cancel::default())),
        subjects,
        targets: Vec::new(),
        metric: published::script("wanda").and_then(|it| it.metric).expect("a metric"),
        pattern: Pattern::Unstructured,
        measure: Measure::Kl,
        cancel: Cancel::default(),
    }
}

#[test]
fn masks_of_a_search_give_the_same_ramps_and_similar_divergences() {
    let Some((records, checkpoint, tokens)) = records() else { return };
    let mut evaluator = evaluator(&checkpoint, &tokens);
    for record in &records {
        let at = Target { subject: 0, sparsity: number(&record["S"]) };
        let target = at.sparsity;
        evaluator.targets = vec![at];
        let ramps = measured_ramps(&evaluator).expect("ramps");
        let grid = numbers(&record["lambda_grid"]);
        assert_eq!(ramps.iter().map(|it| it.lambda).collect::<Vec<_>>(), grid);
        let lambda = number(&record["params"]["best_lambda"]);
        let published = ramps.iter().find(|it| it.lambda == lambda).expect("a lambda of the grid");
        let script = published.candidate.genome.script().expect("a formula");
        let outcome = evaluator.allocate(&[script], at).expect("the model can be read").remove(0);
        let units = outcome.expect("an allocation").allocation.units;
        let sparsity: Vec<f64> = units.iter().map(|unit| unit.sparsity).collect();
        assert!(furthest(&sparsity, &numbers(&record["s_per_block"])) < 1e-6, "at {target}: {sparsity:?}");
        for (ramp, want) in ramps.iter().zip(numbers(&record["neuroal_value"])) {
            // Ratios that empty a whole block are not clamped here, so there is nothing to compare.
            let emptied = target == 0.8 && ramp.lambda == 0.2;
            let near = (ramp.divergence / want - 1.0).abs() < 0.17;
            assert!(near != emptied, "{target} {}: {} for {want}", ramp.lambda, ramp.divergence);
        }
        // Masks use dense statistics and rows are not rounded down, which changes a divergence by a few
        // percent: more than the difference between the best lambdas. So the choice matches the published one
        // only at 0.8, and is hardly better elsewhere.
        let choice = chosen(ramps.iter().map(|it| (it.lambda, it.divergence)));
        assert_eq!(choice == lambda, target == 0.8, "{choice} for {lambda} at {target}");
        let least = ramps.iter().map(|it| it.divergence).fold(f64::INFINITY, f64::min);
        assert!(published.divergence < 1.03 * least, "{} for {least} at {target}", published.divergence);
    }
}

/// The rows' ratios follow a plain computation of how far each next input's norm falls: the affine map within each
/// projection, with the exceptions of the released code.
#[test]
fn rows_follow_the_fall_of_the_norms_that_they_feed() {
    let checkpoint = Checkpoint::open(bundled()).expect("the bundled model opens");
    let tokens = Tokens::new((0..128).map(|it| it * 31 % 2048).collect(), 32).expect("whole windows");
    let mut evaluator = evaluator(&checkpoint, &tokens);
    let at = Target { subject: 0, sparsity: 0.6 };
    evaluator.targets = vec![at];
    let script = check("uniform()", CheckOptions::default()).script.expect("a script");
    let base = evaluator.candidates(vec![script]).expect("candidates").remove(0).expect("an allocation");
    let found = measured_rows(&evaluator, &base).expect("rows");
    let lambdas: Vec<f64> = found.iter().map(|it| it.lambda).collect();
    assert_eq!(lambdas, [&[0.0], &LAMBDAS[..]].concat());
    assert!(found.iter().all(|it| it.divergence.is_finite() && it.divergence > 0.0));
    // Norms of the inputs of block 3, dense and pruned, on the output of pruned blocks.
    let subject = evaluator.subject(at).expect("the model");
    let shares = &base.allotted.shares[0];
    let (decoder, block) = (subject.decoder(), 3);
    let angles = decoder.angles(32).expect("angles");
    let mut hidden = decoder.embedding.run(tokens.ids(), 32).expect("embedded");
    for index in 0..block {
        let pruned = subject.pruned_block(index, shares).expect("a block");
        hidden = pruned.forward(&hidden, &angles, &mut no_tap()).expect("the next states");
    }
    let norms = |block: &Block| {
        let mut moments = SecondMoments::default();
        block.forward(&hidden, &angles, &mut |site, input| moments.add(site, input)).expect("a block runs");
        move |site| -> Vec<f64> {
            moments.mean(site).expect("moments").iter().map(|it| f64::from(*it).sqrt()).collect()
        }
    };
    let dense = norms(subject.block(block).expect("a block"));
    let pruned = norms(&subject.pruned_block(block, shares).expect("a block"));
    let at_most = found.iter().find(|it| it.lambda == 0.05).expect("a lambda of the grid");
    let allotted = &at_most.candidate.allotted.shares[0];
    let linears = checkpoint.linears();
    let spread = |falls: &[f64]| -> Vec<f64> {
        let [least, most] = [f64::min, f64::max].map(|it| falls.iter().copied().reduce(it).expect("rows"));
        let places: Vec<f64> = falls.iter().map(|it| (it - least) / (most - least)).collect();
        let mean = places.iter().sum::<f64>() / places.len() as f64;
        places.iter().map(|it| 0.6 - 2.0 * 0.05 * (it - mean)).collect()
    };
    let mut compared = 0;
    for place in subject.linears_of(block) {
        let (linear, share) = (&linears[place], &allotted[place]);
        let counts = (0..linear.rows).map(|row| share.of_row(row, linear.rows));
        let even = vec![0.6; linear.rows];
        let want = match linear.site {
            // The next block reads the outputs of down projections unchanged, and the model's queries are grouped.
            Site::MlpMiddle | Site::AttentionInput => even,
            site => {
                let next = if site == Site::AttentionOutput { Site::MlpInput } else { Site::MlpMiddle };
                let falls: Vec<f64> =
                    dense(next).iter().zip(pruned(next)).map(|(dense, pruned)| dense - pruned).collect();
                assert_eq!(falls.len(), linear.rows);
                spread(&falls)
            }
        };
        for (row, (count, want)) in counts.zip(want).enumerate() {
            let (count, want) = (count as f64, want * linear.columns as f64);
            // The budget and whole weights move a row by little more than one weight.
            assert!((count - want).abs() < 2.0, "{} row {row}: {count} and {want}", linear.module);
            compared += 1;
        }
    }
    assert!(compared > 300, "{compared}");
    // The last block's rows keep their projection's ratio.
    for place in subject.linears_of(11) {
        let rows = linears[place].rows;
        let counts: Vec<u64> = (0..rows).map(|row| allotted[place].of_row(row, rows)).collect();
        let spread = counts.iter().max().expect("rows") - counts.iter().min().expect("rows");
        assert!(spread <= 1, "{}", linears[place].module);
    }
}
