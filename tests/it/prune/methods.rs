//! Properties of every method: exact budgets, metrics of the language, determinism, and clear refusals.

use std::sync::atomic::AtomicBool;

use allot::lang::check::{self, check};
use allot::lang::program::Metric;
use allot::lang::types::Group;
use allot::model::{Checkpoint, Linear, widen};
use allot::prune::{
    InverseFactor, Method, Propagation, PruneError, PruneOptions, Pruned, Report, Rounding, Share,
    prune_blocks, prune_in_memory, sparsegpt,
};
use allot::stats::{Tokens, calibrate};
use candle_core::Device;

use crate::support::allocation::allocation;
use crate::support::data::bundled;

fn tokens() -> Tokens {
    Tokens::new((0_u32..512).map(|it| it * 31 % 2048).collect(), 64).unwrap()
}

fn metric(text: &str) -> Metric {
    check(text, check::CheckOptions::default()).script.unwrap().metric.unwrap()
}

/// Returns all marks and weights, and the report of each linear.
fn prune(checkpoint: &Checkpoint, target: f64, options: &PruneOptions<'_>) -> Vec<(Vec<bool>, Vec<f32>)> {
    let mut all = Vec::new();
    let mut keep = |_: &Linear, pruned: Pruned| {
        all.push((pruned.mask.pruned().to_vec(), widen(&pruned.weight)));
        Ok(())
    };
    prune_blocks(checkpoint, &allocation(checkpoint, target), options, &mut keep, &mut |_| ()).unwrap();
    all
}

fn report(checkpoint: &Checkpoint, target: f64, options: &PruneOptions<'_>) -> Report {
    prune_in_memory(checkpoint, &allocation(checkpoint, target), options, &mut |_| ()).unwrap().1
}

#[test]
fn every_method_prunes_exactly_the_allocated_counts() {
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    let tokens = tokens();
    let methods = [
        Method::Magnitude,
        Method::Wanda,
        Method::SPARSE_GPT,
        Method::RIA,
        Method::Ria { power: 1.0, per: Group::Row },
        Method::Metric(metric("metric(per = matrix) square(weight) * input_norm")),
    ];
    for method in methods {
        for target in [0.333, 0.7] {
            let options = PruneOptions { tokens: Some(&tokens), ..PruneOptions::new(method.clone()) };
            let report = report(&checkpoint, target, &options);
            let want = (target * report.parameters as f64).round() as u64;
            assert_eq!((report.pruned, report.asked), (want, want), "{}", method.name());
            assert!(report.linears.iter().all(|it| it.pruned == it.asked && it.zeros >= it.pruned));
            assert_eq!(report.notes, Vec::<String>::new());
        }
    }
}

#[test]
fn a_scratch_file_changes_no_bit_of_the_pruned_model() {
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    // More windows than go through a block together.
    let tokens = Tokens::new((0_u32..4096).map(|it| it * 31 % 2048).collect(), 64).unwrap();
    for (method, propagation) in
        [(Method::Wanda, Propagation::Pruned), (Method::SPARSE_GPT, Propagation::Dense)]
    {
        let [ample, little] = [u64::MAX, 1].map(|memory| {
            let (tokens, memory) = (Some(&tokens), Some(memory));
            prune(
                &checkpoint,
                0.6,
                &PruneOptions { tokens, memory, propagation, ..PruneOptions::new(method.clone()) },
            )
        });
        assert_eq!(ample, little);
    }
}

#[test]
fn a_metric_prunes_like_the_method_with_the_same_formula() {
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    let tokens = tokens();
    let statistics = calibrate(&checkpoint, &tokens, 0, &Device::Cpu, &mut |_| ()).unwrap();
    let pairs = [
        (Method::Magnitude, "metric(per = matrix) abs(weight)"),
        (Method::Wanda, "metric abs(weight) * input_norm"),
    ];
    for (method, text) in pairs {
        let spelled = Method::Metric(metric(text));
        // From statistics, from tokens behind pruned blocks, and from tokens on the dense model.
        let sources = [
            (None, Some(&statistics), Propagation::Pruned),
            (Some(&tokens), None, Propagation::Pruned),
            (Some(&tokens), None, Propagation::Dense),
        ];
        let mut masks = Vec::new();
        for (tokens, statistics, propagation) in sources {
            let [one, other] = [&method, &spelled].map(|method| {
                let options =
                    PruneOptions { tokens, statistics, propagation, ..PruneOptions::new(method.clone()) };
                prune(&checkpoint, 0.6, &options)
            });
            assert_eq!(one, other, "{text}");
            masks.push(one);
        }
        // Dense statistics are the same from a file and when collected on the way.
        assert_eq!(masks[0], masks[2]);
        let same = masks[0] == masks[1];
        assert_eq!(same, method == Method::Magnitude);
    }
}

#[test]
fn a_metric_may_compare_units_if_all_of_them_are_known() {
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    let tokens = tokens();
    let statistics = calibrate(&checkpoint, &tokens, 0, &Device::Cpu, &mut |_| ()).unwrap();
    let method = Method::Metric(metric("metric abs(weight) * input_norm * exp(zscore(mean(abs(weight))))"));
    let dense = PruneOptions { statistics: Some(&statistics), ..PruneOptions::new(method.clone()) };
    assert_eq!(prune(&checkpoint, 0.5, &dense).len(), 84);
    let propagated = PruneOptions { tokens: Some(&tokens), ..PruneOptions::new(method) };
    let refused = prune_in_memory(&checkpoint, &allocation(&checkpoint, 0.5), &propagated, &mut |_| ());
    assert!(matches!(refused, Err(PruneError::AcrossUnits { operator: "zscore" })));
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    let tokens = tokens();
    for method in [Method::Wanda, Method::SPARSE_GPT, Method::RIA] {
        let options = PruneOptions { tokens: Some(&tokens), ..PruneOptions::new(method) };
        let [one, three] = [1, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| prune(&checkpoint, 0.6, &options))
        });
        assert!(one == three);
    }
}

#[test]
fn patterns_hold_in_every_group() {
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    let tokens = tokens();
    for method in [Method::Wanda, Method::SPARSE_GPT] {
        for (pattern, n, m) in [("2:4", 2, 4), ("1:3", 1, 3), ("n:16", 8, 16)] {
            let options = PruneOptions {
                tokens: Some(&tokens),
                pattern: pattern.parse().unwrap(),
                ..PruneOptions::new(method.clone())
            };
            for (linear, (marks, weights)) in
                checkpoint.linears().iter().zip(prune(&checkpoint, 0.5, &options))
            {
                let groups = marks.chunks(linear.columns).flat_map(|row| row.chunks_exact(m));
                assert!(groups.clone().all(|group| group.iter().filter(|it| **it).count() == n), "{pattern}");
                let zeroed = marks.iter().zip(&weights).all(|(pruned, weight)| !pruned || *weight == 0.0);
                assert!(zeroed);
            }
        }
    }
}

/// Returns the Hessian of inputs `[samples, columns]`.
fn hessian(inputs: &[f32], columns: usize) -> Vec<f32> {
    let mut sum = vec![0.0; columns * columns];
    for x in inputs.chunks(columns) {
        for (row, a) in x.iter().enumerate() {
            for (column, b) in x.iter().enumerate() {
                sum[row * columns + column] += 2.0 * a * b / (inputs.len() / columns) as f32;
            }
        }
    }
    sum
}

fn numbers(count: usize) -> Vec<f32> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn the_factor_belongs_to_the_inverse() {
    let columns = 150;
    let dense = hessian(&numbers(400 * columns), columns);
    let factor = InverseFactor::new(dense.clone(), columns, 0.01).unwrap();
    let mean = (0..columns).map(|it| dense[it * columns + it]).sum::<f32>() / columns as f32;
    let upper = |row: usize, column: usize| f64::from(factor.upper()[row * columns + column]);
    // (H + damping) U^T U = 1.
    for row in [0, 1, 77, columns - 1] {
        let damped = |k: usize| {
            f64::from(dense[row * columns + k]) + if k == row { 0.01 * f64::from(mean) } else { 0.0 }
        };
        let half: Vec<f64> =
            (0..columns).map(|j| (0..=columns - 1).map(|k| damped(k) * upper(j, k)).sum()).collect();
        for column in [0, 1, 77, columns - 1] {
            let product: f64 = (0..columns).map(|j| half[j] * upper(j, column)).sum();
            let want = f64::from(u8::from(row == column));
            assert!((product - want).abs() < 1e-5, "{row} {column} {product}");
        }
    }
    assert!(upper(5, 4) == 0.0 && upper(5, 5) > 0.0);
}

#[test]
fn a_singular_hessian_gets_more_damping_and_an_infinite_one_has_no_factor() {
    let columns = 24;
    // One token, so the rank is one.
    let singular = hessian(&numbers(columns), columns);
    let factor = InverseFactor::new(singular.clone(), columns, 0.0).unwrap();
    assert!(factor.damping() > 0.0);
    let mut infinite = singular;
    infinite[0] = f32::INFINITY;
    assert!(InverseFactor::new(infinite, columns, 0.01).is_none());
}

#[test]
fn correction_lowers_the_error_of_the_output_and_dead_inputs_go_first() {
    let (rows, columns, tokens) = (12, 200, 600);
    let mut inputs = numbers(tokens * columns);
    // Correlated channels, for which correction is designed, and two channels that are always 0.
    for x in inputs.chunks_mut(columns) {
        for column in 1..columns {
            x[column] = 0.8 * x[column - 1] + 0.4 * x[column];
        }
        (x[3], x[190]) = (0.0, 0.0);
    }
    let weights = numbers(rows * columns);
    let factor = InverseFactor::new(hessian(&inputs, columns), columns, 0.01).unwrap();
    assert!(factor.dead()[3] && factor.dead()[190] && factor.damping() == 0.01);
    let share = Share::new(0.5, 1203);
    let mut corrected = weights.clone();
    let mask = sparsegpt::prune_columns(&mut corrected, &factor, &share, Rounding::Exact);
    assert_eq!(mask.count(), 1203);
    assert!((0..rows).all(|row| mask.pruned()[row * columns + 3] && mask.pruned()[row * columns + 190]));
    let only_masked: Vec<f32> =
        weights.iter().zip(mask.pruned()).map(|(it, pruned)| if *pruned { 0.0 } else { *it }).collect();
    let error = |pruned: &[f32]| -> f64 {
        let each = inputs.chunks(columns).flat_map(|x| {
            weights.chunks(columns).zip(pruned.chunks(columns)).map(move |(dense, pruned)| {
                let difference: f32 = dense.iter().zip(pruned).zip(x).map(|((a, b), x)| (a - b) * x).sum();
                f64::from(difference * difference)
            })
        });
        each.sum()
    };
    let (with, without) = (error(&corrected), error(&only_masked));
    assert!(with < 0.5 * without, "{with} {without}");
}

#[test]
fn missing_inputs_of_a_method_are_reported_before_any_work() {
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    let tokens = tokens();
    let statistics = calibrate(&checkpoint, &tokens, 0, &Device::Cpu, &mut |_| ()).unwrap();
    let refuse = |options: &PruneOptions<'_>, allocation| {
        let mut keep = |_: &Linear, _: Pruned| panic!("nothing should be pruned");
        prune_blocks(&checkpoint, allocation, options, &mut keep, &mut |_| ()).unwrap_err()
    };
    let half = allocation(&checkpoint, 0.5);
    assert!(matches!(refuse(&PruneOptions::new(Method::Wanda), &half), PruneError::NeedsActivations { .. }));
    let statistics = PruneOptions { statistics: Some(&statistics), ..PruneOptions::new(Method::SPARSE_GPT) };
    assert!(matches!(refuse(&statistics, &half), PruneError::NeedsTokens { .. }));
    let magnitude = PruneOptions::new(Method::Magnitude);
    let mut other = half.clone();
    other.units[0].projections[0].name = "model.layers.99.other".to_owned();
    assert!(matches!(refuse(&magnitude, &other), PruneError::NotAllocated { .. }));
    let mut other = half.clone();
    other.units[1].projections[2].parameters += 1;
    assert!(matches!(refuse(&magnitude, &other), PruneError::OtherSize { found: 4608, .. }));
    let mut other = half.clone();
    let mut stranger = other.units[1].projections[2].clone();
    stranger.name = "lm_head".to_owned();
    other.units[1].projections.push(stranger);
    assert!(matches!(refuse(&magnitude, &other), PruneError::NoSuchLinear { module } if module == "lm_head"));
    let stop = AtomicBool::new(true);
    let stopped = PruneOptions { interrupt: Some(&stop), ..magnitude };
    assert!(matches!(refuse(&stopped, &half), PruneError::Interrupted(_)));
}
