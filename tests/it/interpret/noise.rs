//! Importances that differ only by rounding are noise; larger differences are signal.

use allot::data::{ModelData, Values};
use allot::lang::types::UnitKind;

use crate::support::models::{Numbers, Stored, evaluate_one, model};

fn sample() -> ModelData<'static> {
    model(6, &[(40, 64), (30, 50), (1, 2000)], Stored::F16, 77)
}

#[test]
fn differences_by_rounding_only_are_noise() {
    let model = sample();
    for text in [
        "var(zscore(score))",
        "log(var(zscore(score)))",
        "mean(center(score))",
        "std(zscore(weight)) - 1",
        "mean(zscore(score))",
        "zscore(var(zscore(score)))",
        "ranks(l2(zscore(score)) / sqrt(params))",
    ] {
        let found =
            evaluate_one(text, &model, UnitKind::Block).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(found.noise || found.is_constant(), "{text}: {:?}", found.values);
    }
}

#[test]
fn larger_differences_are_signal() {
    let model = sample();
    for text in [
        "mean(score > 5 * mean(score))",
        "mean(score)",
        "std(score)",
        "log(mean(score))",
        "kurtosis(weight)",
        "depth",
        "params * depth",
        "smooth(median(score))",
        "stable_rank(weight)",
    ] {
        let found =
            evaluate_one(text, &model, UnitKind::Block).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(!found.noise && !found.is_constant(), "{text}: {:?}", found.values);
    }
}

#[test]
fn constants_are_constant() {
    let model = sample();
    for text in [
        "params",
        "0 * mean(score)",
        "mean(weight * 0)",
        "max(minmax(score))",
        "minmax(params)",
        "zscore(params)",
        "params ^ 0",
    ] {
        let found =
            evaluate_one(text, &model, UnitKind::Block).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(found.is_constant() && !found.noise, "{text}: {:?}", found.values);
    }
}

#[test]
fn blocks_that_are_permutations_of_each_other_are_noise() {
    let mut model = model(5, &[(24, 100), (9, 333)], Stored::F32, 41);
    let mut numbers = Numbers(9);
    for index in 0..model.linears.len() {
        let first = model.linears[index % 2].weight.clone();
        let mut values: Vec<f32> = (0..first.len()).map(|place| first.get(place)).collect();
        for place in (1..values.len()).rev() {
            values.swap(place, numbers.below(place + 1));
        }
        let linear = &mut model.linears[index];
        linear.weight = Values::F32(values.into());
        linear.second_moment = Some(vec![1.7; linear.columns].into());
    }
    for text in [
        "mean(score)",
        "std(score)",
        "mean(log(score))",
        "kurtosis(weight)",
        "entropy(score)",
        "mean(sigmoid(score))",
        "var(softmax(weight))",
        "geomean(score)",
    ] {
        let found =
            evaluate_one(text, &model, UnitKind::Block).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(found.noise || found.is_constant(), "{text}: {:?}", found.values);
    }
}
