//! Tests the kernels between a decoder's products, in the emulation, against tensor operations in f64.

use std::sync::Arc;

use candle_core::{D, DType, Device, Tensor};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::emulation::Emulation;
use super::engine::Engine;
use super::layers::{self, AttentionRules, Bound, Joint, Ranked};
use super::selection;

fn emulated() -> Option<Emulation> {
    let launcher = Emulation::new();
    if launcher.is_none() {
        eprintln!("skipped: there is no C++ compiler `c++` to run kernels with");
    }
    launcher
}

fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| 4.0 * (random.random::<f32>() + random.random::<f32>() - 1.0)).collect()
}

fn tensor(shape: &[usize], seed: u64, dtype: DType) -> Tensor {
    let all = Tensor::from_vec(numbers(shape.iter().product(), seed), shape, &Device::Cpu);
    all.and_then(|it| it.to_dtype(dtype)).expect("a tensor")
}

fn doubles(tensor: &Tensor) -> Vec<f64> {
    let flat = tensor.flatten_all().and_then(|it| it.to_dtype(DType::F64)).expect("numbers");
    flat.to_vec1().expect("numbers")
}

/// Checks that numbers differ by at most a share of the largest.
fn close(found: &Tensor, expected: &[f64], most: f64, what: &str) {
    let found = doubles(found);
    assert_eq!(found.len(), expected.len(), "{what}");
    let size = expected.iter().fold(1e-30f64, |size, it| size.max(it.abs()));
    for (place, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= most * size, "{what}, number {place}: {a} and {b}");
    }
}

/// Returns attention by its definition, in f64.
fn defined(parts: [&Tensor; 3], rules: AttentionRules) -> Vec<f64> {
    let (samples, length, heads, size) = parts[0].dims4().expect("queries");
    let key_heads = parts[1].dim(2).expect("keys");
    let [queries, keys, values] = parts.map(doubles);
    let at = |sample: usize, position: usize, head: usize, heads: usize| {
        ((sample * length + position) * heads + head) * size
    };
    let mut mixed = vec![0.0; samples * length * heads * size];
    for sample in 0..samples {
        for head in 0..heads {
            for query in 0..length {
                let key_head = head / (heads / key_heads);
                let first = rules.window.map_or(0, |window| (query + 1).saturating_sub(window));
                let own = &queries[at(sample, query, head, heads)..][..size];
                let scores: Vec<f64> = (first..=query)
                    .map(|key| {
                        let other = &keys[at(sample, key, key_head, key_heads)..][..size];
                        let product: f64 = own.iter().zip(other).map(|(a, b)| a * b).sum();
                        let score = product * f64::from(rules.scale);
                        let cap = rules.softcap.map(f64::from);
                        cap.map_or(score, |cap| cap * (score / cap).tanh())
                    })
                    .collect();
                let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let total: f64 = scores.iter().map(|score| (score - largest).exp()).sum();
                for (key, score) in (first..=query).zip(&scores) {
                    let share = (score - largest).exp() / total;
                    let value = &values[at(sample, key, key_head, key_heads)..][..size];
                    let out = &mut mixed[at(sample, query, head, heads)..][..size];
                    out.iter_mut().zip(value).for_each(|(sum, x)| *sum += share * x);
                }
            }
        }
    }
    mixed
}

#[test]
fn attention_matches_its_definition() {
    let Some(gpu) = emulated() else { return };
    let plain = AttentionRules { scale: 0.2, softcap: None, window: None };
    let cases = [
        (DType::F32, 70, 12, plain),
        (DType::F32, 131, 20, AttentionRules { softcap: Some(2.0), window: Some(40), ..plain }),
        (DType::BF16, 150, 16, plain),
        (DType::BF16, 200, 32, AttentionRules { softcap: Some(2.0), window: Some(70), ..plain }),
        (DType::BF16, 40, 144, plain),
    ];
    for (dtype, length, size, rules) in cases {
        let queries = tensor(&[2, length, 4, size], 1, dtype);
        let (keys, values) =
            (tensor(&[2, length, 2, size], 2, dtype), tensor(&[2, length, 2, size], 3, dtype));
        let parts = [&queries, &keys, &values];
        let found = layers::attention(&gpu, parts, rules).expect("it runs").expect("there is a kernel");
        assert_eq!(found.dims(), &[2, length, 4 * size]);
        let most = if dtype == DType::F32 { 1e-5 } else { 1e-2 };
        close(&found, &defined(parts, rules), most, &format!("{dtype:?}, {length} x {size}"));
    }
    // Unsupported head sizes.
    let odd = tensor(&[1, 5, 1, 10], 1, DType::BF16);
    assert!(layers::attention(&gpu, [&odd, &odd, &odd], plain).expect("it is looked at").is_none());
}

#[test]
fn joint_operations_match_their_definitions() {
    let Some(gpu) = emulated() else { return };
    for dtype in [DType::F32, DType::BF16] {
        // Neither a whole number of vectors nor of blocks.
        let (first, second) = (tensor(&[3, 701], 4, dtype), tensor(&[3, 701], 5, dtype));
        for joint in [Joint::Sum, Joint::Silu, Joint::GeluTanh, Joint::Gelu, Joint::Relu] {
            let join = |(x, y): (&f64, &f64)| {
                let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
                let erf = candle_core::cpu::erf::erf_f64;
                match joint {
                    Joint::Sum => x + y,
                    Joint::Silu => x * logistic(*x) * y,
                    Joint::GeluTanh => {
                        let angle = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
                        0.5 * x * (1.0 + angle.tanh()) * y
                    }
                    Joint::Gelu => 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2)) * y,
                    Joint::Relu => x.max(0.0) * y,
                }
            };
            let expected: Vec<f64> = doubles(&first).iter().zip(&doubles(&second)).map(join).collect();
            let found =
                layers::joined(&gpu, joint, &first, &second).expect("it runs").expect("there is a kernel");
            let most = if dtype == DType::F32 { 3e-7 } else { 4e-3 };
            close(&found, &expected, most, &format!("{joint:?} of {dtype:?}"));
        }
    }
}

#[test]
fn norms_and_rotations_match_tensor_operations() {
    let Some(gpu) = emulated() else { return };
    let device = Device::Cpu;
    let (input, weight) = (tensor(&[2, 7, 24], 6, DType::F32), tensor(&[24], 7, DType::F32));
    let found =
        layers::root_mean_square(&gpu, &input, &weight, 1e-5).expect("it runs").expect("there is a kernel");
    let expected = candle_nn::ops::rms_norm_slow(&input, &weight, 1e-5).expect("a norm");
    close(&found, &doubles(&expected), 1e-6, "norm");

    let angles: Vec<f32> = (0..5 * 8).map(|it| it as f32 * 0.3).collect();
    let table = |of: fn(f32) -> f32| {
        Tensor::from_vec(angles.iter().map(|it| of(*it)).collect::<Vec<_>>(), (5, 8), &device)
            .expect("a table")
    };
    let (cosines, sines) = (table(f32::cos), table(f32::sin));
    for size in [16, 24] {
        let heads = tensor(&[2, 5, 3, size], 8, DType::F32);
        let turned = heads.narrow(3, 0, 16).and_then(|it| it.transpose(1, 2)?.contiguous());
        let turned =
            turned.and_then(|it| candle_nn::rotary_emb::rope_slow(&it, &cosines, &sines)?.transpose(1, 2));
        let rest = heads.narrow(3, 16, size - 16).expect("a part");
        let expected = Tensor::cat(&[turned.expect("turned"), rest], D::Minus1).expect("heads");
        let found =
            layers::rotated(&gpu, &heads, &cosines, &sines).expect("it runs").expect("there is a kernel");
        close(&found, &doubles(&expected), 1e-6, "rotation");
    }
}

#[test]
fn losses_and_divergences_match_their_definitions() {
    let Some(gpu) = emulated() else { return };
    for (dtype, vocabulary, cap) in
        [(DType::F32, 3000, None), (DType::F32, 517, Some(3.0)), (DType::BF16, 2056, None)]
    {
        let logits = [9, 10].map(|seed| tensor(&[3, vocabulary], seed, dtype));
        let targets = [0, 5, vocabulary as u32 - 1];
        let shares = |logits: &Tensor| -> Vec<Vec<f64>> {
            let capped = |x: &f64| cap.map_or(*x, |cap: f64| cap * (x / cap).tanh());
            let rows = doubles(logits);
            let log_shares = |row: &[f64]| {
                let row: Vec<f64> = row.iter().map(capped).collect();
                let total = row.iter().map(|x| x.exp()).sum::<f64>().ln();
                row.iter().map(|x| x - total).collect()
            };
            rows.chunks(vocabulary).map(log_shares).collect()
        };
        let [dense, other] = logits.each_ref().map(shares);
        let losses =
            layers::losses(&gpu, &logits[1], cap, &targets).expect("it runs").expect("there is a kernel");
        let both =
            layers::divergences(&gpu, logits.each_ref(), cap, &targets).expect("it runs").expect("a kernel");
        for (row, target) in targets.iter().enumerate() {
            let loss = -other[row][*target as usize];
            let pairs = dense[row].iter().zip(&other[row]);
            let divergence: f64 = pairs.map(|(dense, other)| dense.exp() * (dense - other)).sum();
            assert!((losses[row] - loss).abs() < 1e-5, "{} and {loss}", losses[row]);
            assert!((both[row].1 - loss).abs() < 1e-5 && (both[row].0 - divergence).abs() < 1e-5, "{both:?}");
        }
        let same = layers::divergences(&gpu, [&logits[0], &logits[0]], cap, &targets)
            .expect("it runs")
            .expect("a kernel");
        assert!(same.iter().all(|(divergence, _)| *divergence < 1e-6), "{same:?}");
    }
}

#[test]
fn weights_below_a_bound_are_removed() {
    let Some(gpu) = emulated() else { return };
    for (rows, columns) in [(7, 24), (5, 13)] {
        let weight = tensor(&[rows, columns], 11, DType::F32);
        // Any order within each row works.
        let ranks: Vec<u16> = (0..rows * columns).map(|it| ((it % columns) * 5 % columns) as u16).collect();
        let mut padded = ranks.clone();
        padded.push(0);
        let pairs: Vec<u32> =
            padded.chunks_exact(2).map(|it| u32::from(it[0]) | u32::from(it[1]) << 16).collect();
        let packed = Tensor::new(pairs, &Device::Cpu).expect("ranks");
        for bound in [
            Bound::OfRows { pruned: 0 },
            Bound::OfRows { pruned: (rows * columns) as u64 * 3 / 5 + 1 },
            Bound::OfGroups { width: 4, count: 2, last: 1 },
        ] {
            let found = layers::without_least(&gpu, &weight, &packed, bound).expect("it runs");
            let expected = doubles(&weight).into_iter().enumerate().map(|(place, x)| {
                let (row, column) = (place / columns, place % columns);
                let below =
                    match bound {
                        Bound::OfRows { pruned } => {
                            crate::allocate::pruned_in_row(row as u64, rows as u64, pruned) as usize
                        }
                        Bound::OfAll { .. } | Bound::OfEach { .. } => {
                            unreachable!("these are one count for all rows")
                        }
                        Bound::OfGroups { width, count, last } => {
                            if columns - column / width * width < width { last } else { count }
                        }
                    };
                if usize::from(ranks[place]) < below { 0.0 } else { x }
            });
            close(&found, &expected.collect::<Vec<_>>(), 0.0, &format!("{bound:?}"));
        }
    }
}

#[test]
fn ranks_order_by_score_then_by_position() {
    let Some(gpu) = emulated() else { return };
    for (rows, columns, group) in [(5, 37, None), (3, 64, None), (4, 1, None), (4, 22, Some(8))] {
        // Few distinct values, so that many are equal, and zeros of either sign.
        let mut scores: Vec<f32> = numbers(rows * columns, 12).iter().map(|it| it.round() / 2.0).collect();
        scores[0] = -0.0;
        let tensor = Tensor::from_slice(&scores, (rows, columns), &Device::Cpu).expect("scores");
        let found = selection::ranks(&gpu, &tensor, group).expect("it runs").expect("there is a kernel");
        let found = places_in_rows(&found, rows * columns);
        let expected = scores.chunks(columns).flat_map(|row| {
            row.chunks(group.unwrap_or(columns)).flat_map(|part| {
                let less = |i: usize, j: usize| part[j] < part[i] || (part[j] == part[i] && j < i);
                (0..part.len()).map(move |i| (0..part.len()).filter(|j| less(i, *j)).count() as u32)
            })
        });
        assert_eq!(found, expected.collect::<Vec<_>>(), "{columns} columns, {group:?}");
    }
    // A row too wide for a block's shared memory.
    let wide = Tensor::zeros((1, 40_000), DType::F32, &Device::Cpu).expect("scores");
    assert!(selection::ranks(&gpu, &wide, None).expect("it is looked at").is_none());
}

#[test]
fn ranks_in_a_whole_matrix_match_a_stable_sort() {
    let Some(gpu) = emulated() else { return };
    // Several pieces, the last one not full, with few distinct values of both signs, so that many are equal.
    let count = 2 * (1 << 14) + 334;
    let scores: Vec<f32> = numbers(count, 14).iter().map(|it| (it * 50.0).round() / 64.0).collect();
    let mut order: Vec<u32> = (0..count as u32).collect();
    order.sort_by(|a, b| scores[*a as usize].partial_cmp(&scores[*b as usize]).expect("numbers"));
    let mut expected = vec![0; count];
    order.iter().zip(0..).for_each(|(place, rank)| expected[*place as usize] = rank);
    let tensor = Tensor::from_slice(&scores, (1, count), &Device::Cpu).expect("scores");
    let found = selection::places(&gpu, &tensor).expect("it runs").expect("there is a kernel");
    assert_eq!(found.to_vec1::<u32>().expect("ranks"), expected);

    let weight = tensor.reshape((3, count / 3)).expect("a shape");
    let bound = Bound::OfAll { pruned: count as u64 / 3 };
    let kept = layers::without_least(&gpu, &weight, &found, bound).expect("it runs");
    let expected: Vec<f64> = scores
        .iter()
        .zip(&expected)
        .map(|(score, rank)| if u64::from(*rank) < count as u64 / 3 { 0.0 } else { f64::from(*score) })
        .collect();
    close(&kept, &expected, 0.0, "of all");
}

#[test]
fn rows_lose_their_own_counts_and_sum_their_own_ranges() {
    let Some(gpu) = emulated() else { return };
    for (rows, columns) in [(5_usize, 37_usize), (3, 64), (2, 700)] {
        let scores = tensor(&[rows, columns], 21, DType::F32);
        let ranks = selection::ranks(&gpu, &scores, None).expect("it runs").expect("there is a kernel");
        let places = places_in_rows(&ranks, rows * columns);
        let pruned: Vec<u32> = (0..rows as u32).map(|row| row * 7 % columns as u32).collect();
        let pruned_there = Tensor::new(pruned.as_slice(), &Device::Cpu).expect("counts");
        let weight = tensor(&[rows, columns], 22, DType::F32);
        let kept = layers::without_least(&gpu, &weight, &ranks, Bound::OfEach { pruned: &pruned_there });
        let all = doubles(&weight);
        let expected: Vec<f64> = (0..rows * columns)
            .map(|at| if places[at] < pruned[at / columns] { 0.0 } else { all[at] })
            .collect();
        close(&kept.expect("it runs"), &expected, 0.0, "of each row");

        let ranges: Vec<u32> = pruned.iter().flat_map(|it| [it / 2, (it + 5).min(columns as u32)]).collect();
        let ranges_there = Tensor::new(ranges.as_slice(), &Device::Cpu).expect("ranges");
        let gradients = tensor(&[2, rows, columns], 23, DType::F32);
        let steps = doubles(&gradients);
        let sum = |line: usize, within: &dyn Fn(usize) -> bool| -> f64 {
            let places = (0..columns).map(|column| (line % rows * columns + column, line * columns + column));
            places
                .filter(|(at, _)| within(*at))
                .map(|(at, own)| -f64::from((steps[own] * all[at]) as f32))
                .sum()
        };
        let in_range = |rank: u32, row: usize| (ranges[2 * row]..ranges[2 * row + 1]).contains(&rank);
        let expected: Vec<f64> =
            (0..2 * rows).map(|line| sum(line, &|at| in_range(places[at], at / columns))).collect();
        let found = layers::around(&gpu, [&gradients, &weight, &ranges_there], Ranked::InRows(&ranks));
        close(&found.expect("it runs").expect("there is a kernel"), &expected, 1e-9, "in rows");

        let order = selection::places(&gpu, &scores).expect("it runs").expect("there is a kernel");
        let places: Vec<u32> = order.to_vec1().expect("ranks");
        let expected: Vec<f64> =
            (0..2 * rows).map(|line| sum(line, &|at| in_range(places[at], at / columns))).collect();
        let found = layers::around(&gpu, [&gradients, &weight, &ranges_there], Ranked::InMatrix(&order));
        close(&found.expect("it runs").expect("there is a kernel"), &expected, 1e-9, "in the matrix");
    }
}

/// Unpacks 16-bit ranks, two from each number.
fn places_in_rows(ranks: &Tensor, count: usize) -> Vec<u32> {
    let pairs: Vec<u32> = ranks.to_vec1().expect("ranks");
    pairs.into_iter().flat_map(|pair| [pair & 0xffff, pair >> 16]).take(count).collect()
}

#[test]
fn marked_weights_are_removed() {
    let Some(gpu) = emulated() else { return };
    let weight = tensor(&[3, 7], 13, DType::F32);
    let marks: Vec<u8> = (0..21).map(|it| u8::from(it % 3 == 1)).collect();
    let expected: Vec<f64> =
        doubles(&weight).iter().zip(&marks).map(|(x, mark)| if *mark == 1 { 0.0 } else { *x }).collect();
    let marks = Tensor::from_vec(marks, (3, 7), &Device::Cpu).expect("marks");
    let found = layers::without_marked(&gpu, &weight, &marks).expect("it runs").expect("there is a kernel");
    close(&found, &expected, 0.0, "marked");
}

#[test]
fn a_decoder_with_kernels_predicts_the_same_as_on_the_cpu() {
    let Some(gpu) = emulated() else { return };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tiny-stories-12l");
    let open = || crate::model::Checkpoint::open(folder).expect("the bundled model opens");
    let emulated = open().on(Engine::Gpu(Arc::new(gpu)), crate::model::Precision::F32).expect("a place");
    let ids: Vec<u32> = (0..2 * 24).map(|id| id * 7 % 2048).collect();
    let tokens = crate::stats::Tokens::new(ids, 24).expect("whole windows");
    let losses = |checkpoint: &crate::model::Checkpoint| {
        let decoder = crate::model::Decoder::load(checkpoint, &Device::Cpu).expect("it loads");
        crate::measure::perplexity(&decoder, &tokens, &mut |_, _| {}).expect("a perplexity").window_losses
    };
    for (found, expected) in losses(&emulated).iter().zip(losses(&open())) {
        assert!((found - expected).abs() < 1e-5, "{found} and {expected}");
    }
}

#[test]
fn tensor_operations_take_over_if_shared_memory_is_too_small() {
    let Some(launcher) = Emulation::new() else { return };
    // The shared memory of a block on a desktop GPU.
    let gpu = launcher.sharing(101_376);
    let rules = AttentionRules { scale: 0.1, softcap: None, window: None };
    let attended = |size: usize| {
        let heads = tensor(&[1, 3, 1, size], 1, DType::BF16);
        layers::attention(&gpu, [&heads, &heads, &heads], rules).expect("it is looked at").is_some()
    };
    assert!(attended(64) && !attended(128));
    let ranked = |columns: usize| {
        let scores = Tensor::zeros((1, columns), DType::F32, &Device::Cpu).expect("scores");
        selection::ranks(&gpu, &scores, None).expect("it is looked at").is_some()
    };
    assert!(ranked(100) && !ranked(20_000));
}
