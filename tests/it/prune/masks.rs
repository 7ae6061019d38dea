//! Compares masks with the published code's, and checks the properties of all masks.

use std::fs;
use std::path::Path;

use allot::kernels::select::{least_in_groups, least_in_rows, least_of_all, rows_of, up_to_nth};
use allot::lang::types::Group;
use allot::model::{Checkpoint, TensorFiles, widen};
use allot::prune::{Mask, Pattern, Rounding, Share, least, score, shares};
use proptest::prelude::*;
use serde_json::Value;

use crate::support::allocation::allocation;
use crate::support::data::{bundled, reference};

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Returns each linear's mask, with the published code's rounding.
fn masks(
    checkpoint: &Checkpoint,
    config: &str,
    per: Group,
    scores: impl Fn(&str, &[f32]) -> Vec<f32>,
) -> Vec<(String, Mask)> {
    let pattern: Pattern = if config.contains(':') { config.parse().unwrap() } else { Pattern::Unstructured };
    let target = config.parse().unwrap_or(0.5);
    let shares = shares(checkpoint.linears(), &allocation(checkpoint, target), pattern).unwrap();
    let linears = checkpoint.linears().iter().zip(shares);
    linears
        .map(|(linear, share)| {
            let weights = widen(&checkpoint.weight(linear).unwrap());
            let scores = scores(&linear.module, &weights);
            (linear.module.clone(), least(&scores, linear.columns, per, &share, Rounding::Reference))
        })
        .collect()
}

#[test]
fn wanda_masks_from_dense_statistics_match_the_published_ones() {
    let Some(folder) = reference("tiny-stories-12l") else {
        return;
    };
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    let moments = TensorFiles::open_file(&folder.join("dense_scaler_row.safetensors")).unwrap();
    let want = json(&folder.join("dense_masks.json"));
    let mut equal = 0;
    for (config, linears) in want["configs"].as_object().unwrap() {
        let scores =
            |module: &str, weights: &[f32]| score::wanda(weights, &widen(&moments.values(module).unwrap()));
        for (module, mask) in masks(&checkpoint, config, Group::Row, scores) {
            assert_eq!(mask.hash(), linears[&module]["sha256"].as_str().unwrap(), "{config} {module}");
            equal += 1;
        }
    }
    println!("{equal} masks equal");
    assert_eq!(equal, 6 * 84);
}

#[test]
fn magnitude_masks_match_the_published_ones() {
    let Some(folder) = reference("tiny-stories-12l") else {
        return;
    };
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    let want = json(&folder.join("prune.json"));
    for run in want["runs"].as_array().unwrap().iter().filter(|run| run["method"] == "magnitude") {
        let config = run["config"].as_str().unwrap();
        let group = config.split_once(':').map(|(n, m)| (n.parse().unwrap(), m.parse().unwrap()));
        let mut ties = 0;
        for (module, mask) in
            masks(&checkpoint, config, Group::Matrix, |_, weights| score::magnitude(weights))
        {
            if run["mask_sha256"][&module].as_str().unwrap() != mask.hash() {
                // The published code does not define which of two equal weights in a group is pruned.
                let linear = checkpoint.linears().iter().find(|it| it.module == module).unwrap();
                let weights = widen(&checkpoint.weight(linear).unwrap());
                assert!(has_tie(&score::magnitude(&weights), group), "{config} {module}");
                ties += 1;
            }
        }
        println!("magnitude {config}: {} masks equal, {ties} with ties in a group", 84 - ties);
    }
}

fn has_tie(scores: &[f32], group: Option<(usize, usize)>) -> bool {
    let Some((n, m)) = group else {
        return false;
    };
    scores.chunks(m).any(|group| {
        let mut sorted = group.to_vec();
        sorted.sort_by(f32::total_cmp);
        sorted[n - 1] == sorted[n]
    })
}

/// Returns the marks of the first `count` scores in a stable sort.
fn by_sorting(scores: &[f32], count: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].partial_cmp(&scores[*b]).unwrap());
    let mut marks = vec![false; scores.len()];
    order.into_iter().take(count).for_each(|index| marks[index] = true);
    marks
}

/// Returns the marks of the first `count` positions in a stable sort of scores.
fn first_of_sorted(scores: &[f32], count: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].partial_cmp(&scores[*b]).unwrap());
    let mut marks = vec![false; scores.len()];
    order[..count].iter().for_each(|at| marks[*at] = true);
    marks
}

/// Previously quantised weights have few distinct values: among equal scores the first are pruned, and
/// exactly as many as the budget requires.
#[test]
fn the_first_of_equal_scores_are_pruned() {
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    let shares = shares(checkpoint.linears(), &allocation(&checkpoint, 0.6), Pattern::Unstructured).unwrap();
    let mut torn = 0;
    for (linear, share) in checkpoint.linears().iter().zip(shares).step_by(9) {
        let weights = widen(&checkpoint.weight(linear).unwrap());
        let most = weights.iter().fold(0f32, |most, it| most.max(it.abs()));
        // Four bits, as in such checkpoints.
        let levels: Vec<f32> = weights.iter().map(|it| (it / most * 7.0).round() / 7.0 * most).collect();
        let scores = score::magnitude(&levels);
        for per in [Group::Row, Group::Matrix] {
            let mask = least(&scores, linear.columns, per, &share, Rounding::Exact);
            let width = if per == Group::Row { linear.columns } else { scores.len() };
            for (scores, marks) in scores.chunks(width).zip(mask.pruned().chunks(width)) {
                let count = marks.iter().filter(|it| **it).count();
                assert_eq!(marks, first_of_sorted(scores, count), "{} {per}", linear.module);
                let kept = |score: f32| scores.iter().zip(marks).any(|(it, pruned)| !pruned && *it == score);
                let worst = scores.iter().zip(marks).filter(|(_, pruned)| **pruned);
                torn += usize::from(kept(worst.map(|(it, _)| *it).fold(0.0, f32::max)));
            }
        }
        let of_matrix = least(&scores, linear.columns, Group::Matrix, &share, Rounding::Exact);
        let of_rows = least(&scores, linear.columns, Group::Row, &share, Rounding::Exact);
        assert_eq!(of_matrix.count(), of_rows.count(), "{}", linear.module);
    }
    // The threshold almost always falls among equal scores.
    assert!(torn > 100, "{torn}");
}

/// Scores with many ties, zeros of both signs and an infinity.
fn scores() -> impl Strategy<Value = (usize, Vec<f32>)> {
    let score = prop_oneof![
        4 => (-8_i8..8).prop_map(f32::from),
        1 => Just(-0.0_f32),
        1 => Just(f32::INFINITY),
        4 => -1e3_f32..1e3,
    ];
    (1_usize..40, 1_usize..12).prop_flat_map(move |(columns, rows)| {
        prop::collection::vec(score.clone(), columns * rows).prop_map(move |scores| (columns, scores))
    })
}

proptest! {
    #[test]
    fn selection_marks_the_first_scores_of_a_stable_sort((columns, scores) in scores(), part in 0.0_f64..1.01) {
        let shape = [scores.len() / columns, columns];
        let count = (scores.len() as f64 * part) as usize;
        prop_assert_eq!(least_of_all(&scores, count), by_sorting(&scores, count));
        let of_row = |row: usize| (row * 7 + count) % (columns + 1);
        let rows: Vec<bool> =
            scores.chunks(columns).enumerate().flat_map(|(row, it)| by_sorting(it, of_row(row))).collect();
        prop_assert_eq!(least_in_rows(shape, rows_of(&scores, columns), of_row), rows);
        for size in [2, 4, 8, 20] {
            let groups: Vec<bool> = scores
                .chunks(columns)
                .flat_map(|row| row.chunks(size))
                .flat_map(|group| by_sorting(group, size / 2))
                .collect();
            prop_assert_eq!(least_in_groups(shape, size, rows_of(&scores, columns), |_| size / 2), groups);
        }
        let marked = up_to_nth(&scores, count);
        prop_assert!(marked.iter().filter(|it| **it).count() > count.min(scores.len() - 1));
    }

    #[test]
    fn selection_in_wide_rows_marks_the_first_scores_of_a_stable_sort(
        (_, few) in scores(),
        columns in 2000_usize..5000,
        factor in 1_usize..4000,
        part in 0.0_f64..=1.0,
    ) {
        // One row without order, one sorted, one with few distinct scores, and one with a periodic pattern.
        let mixed = |index: usize| (index * 2_654_435_761 % 1_000_003) as f32;
        let scores: Vec<f32> = (0..columns)
            .map(mixed)
            .chain((0..columns).map(|index| index as f32 * few[0].clamp(-9.0, 9.0)))
            .chain((0..columns).map(|index| few[index % few.len()]))
            .chain((0..columns).map(|index| mixed(index % factor)))
            .collect();
        let count = (columns as f64 * part) as usize;
        let rows: Vec<bool> = scores.chunks(columns).flat_map(|it| by_sorting(it, count)).collect();
        prop_assert_eq!(least_in_rows([4, columns], rows_of(&scores, columns), |_| count), rows);
    }

    #[test]
    fn exact_masks_prune_exactly_the_count((columns, scores) in scores(), part in 0.0_f64..=1.0) {
        let pruned = (scores.len() as f64 * part) as u64;
        for per in Group::ALL {
            let share = Share::new(part, pruned);
            prop_assert_eq!(least(&scores, columns, per, &share, Rounding::Exact).count(), pruned);
        }
    }
}

#[test]
fn a_large_matrix_is_counted_to_the_same_threshold() {
    // Above the size at which selection counts in histograms, with many ties.
    let scores: Vec<f32> = (0_u32..300_000).map(|it| (it.wrapping_mul(2_654_435_761) >> 20) as f32).collect();
    for count in [0, 1, 150_000, 299_999, 300_000] {
        assert_eq!(least_of_all(&scores, count), by_sorting(&scores, count), "{count}");
    }
}

#[test]
fn a_mixed_pattern_meets_its_budget_as_closely_as_groups_allow() {
    let checkpoint = Checkpoint::open(bundled()).unwrap();
    for target in [0.0, 0.3, 0.55, 0.7, 1.0] {
        let allocation = allocation(&checkpoint, target);
        let shares = shares(checkpoint.linears(), &allocation, "n:8".parse().unwrap()).unwrap();
        let got: u64 = shares.iter().map(|share| share.pruned).sum();
        // The smallest linear of this model has 48 x 96 weights, an eighth of which is one step.
        let rest = got.abs_diff(allocation.pruned());
        assert!(rest <= 48 * 96 / 8 / 2, "{target}: {got} of {}", allocation.pruned());
        for (share, linear) in shares.iter().zip(checkpoint.linears()) {
            let (n, _) = share.group.unwrap();
            assert!((n as f64 / 8.0 - target).abs() < 0.125, "{}", linear.module);
        }
    }
}

#[test]
fn patterns_are_read_and_written() {
    for text in ["unstructured", "2:4", "4:8", "1:16", "n:8"] {
        assert_eq!(text.parse::<Pattern>().unwrap().to_string(), text);
    }
    for text in ["", "2", "0:4", "4:4", "5:4", "2:x", "x:4", "n:1"] {
        let message = text.parse::<Pattern>().unwrap_err().to_string();
        assert!(message.contains(&format!("`{text}`")) && message.contains("`2:4`"), "{message}");
    }
}
