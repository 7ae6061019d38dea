//! The layer stage: operators across units, on vectors of one number for each unit.

use std::collections::BTreeMap;

use super::plan::AcrossUnits;
use super::units::UnitData;
use crate::kernels::reduce::{mean, ranks};
use crate::lang::ops::{Layerwise, Normaliser, ParameterValue};
use crate::lang::scalar::divide;

/// Returns the value of a normaliser or layer operator, `[units]`, of values `x`, `[units]`.
///
/// `units` gives the block of each value. The caller checks that values are finite.
pub fn layerwise(op: AcrossUnits, parameters: &[ParameterValue], x: &[f64], units: &[UnitData]) -> Vec<f64> {
    match op {
        AcrossUnits::Normaliser(op) => normalised(op, x),
        AcrossUnits::Layerwise(op) => of_layers(op, parameters, x, units),
    }
}

fn normalised(op: Normaliser, x: &[f64]) -> Vec<f64> {
    let n = x.len() as f64;
    let mean = mean(x);
    let least = x.iter().copied().fold(f64::INFINITY, lesser);
    let greatest = x.iter().copied().fold(f64::NEG_INFINITY, greater);
    let squares = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
    let scaled = |offset: f64, divisor: f64| x.iter().map(|x| divide(x - offset, divisor)).collect();
    match op {
        Normaliser::ZScore => scaled(mean, (squares / n).sqrt()),
        Normaliser::DsaNormalize if x.len() < 2 => vec![0.0; x.len()],
        Normaliser::DsaNormalize => scaled(mean, (squares / (n - 1.0)).sqrt()),
        Normaliser::MinMax => scaled(least, greatest - least),
        Normaliser::DsaMinMax => scaled(least, greatest - least + 1e-9),
        Normaliser::Softmax => {
            let powers: Vec<f64> = x.iter().map(|x| (x - greatest).exp()).collect();
            let sum = powers.iter().sum::<f64>();
            powers.into_iter().map(|power| power / sum).collect()
        }
        Normaliser::Ranks => ranks(x),
        Normaliser::Center => x.iter().map(|x| x - mean).collect(),
    }
}

fn of_layers(op: Layerwise, parameters: &[ParameterValue], x: &[f64], units: &[UnitData]) -> Vec<f64> {
    let number = |index: usize| parameters.get(index).and_then(|setting| setting.number()).unwrap_or(0.0);
    match op {
        Layerwise::Smooth => {
            let reach = (number(0) as usize) / 2;
            (0..x.len())
                .map(|index| {
                    let window = &x[index.saturating_sub(reach)..(index + reach + 1).min(x.len())];
                    window.iter().sum::<f64>() / window.len() as f64
                })
                .collect()
        }
        Layerwise::CumulativeSum => x
            .iter()
            .scan(0.0, |sum, x| {
                *sum += x;
                Some(*sum)
            })
            .collect(),
        Layerwise::Difference => {
            let before = std::iter::once(x.first()).chain(x.iter().map(Some)).flatten();
            x.iter().zip(before).map(|(x, before)| x - before).collect()
        }
        Layerwise::BlockMean => {
            let mut of_block: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
            for (x, unit) in x.iter().zip(units) {
                let (sum, count) = of_block.entry(unit.block).or_default();
                (*sum, *count) = (*sum + x, *count + 1.0);
            }
            let mean =
                |unit: &UnitData| of_block.get(&unit.block).map_or(f64::NAN, |(sum, count)| sum / count);
            units.iter().map(mean).collect()
        }
        Layerwise::Previous => in_place_of(x, neighbours(units, |block| block.checked_sub(1))),
        Layerwise::Next => in_place_of(x, neighbours(units, |block| block.checked_add(1))),
        Layerwise::Clip => {
            let (low, high) = (number(0), number(1));
            x.iter().map(|x| if x.is_nan() { *x } else { x.max(low).min(high) }).collect()
        }
    }
}

/// Returns the values at some places.
fn in_place_of(x: &[f64], places: Vec<usize>) -> Vec<f64> {
    places.into_iter().map(|place| x.get(place).copied().unwrap_or(f64::NAN)).collect()
}

/// Returns, for each unit, the place of the corresponding unit in a neighbouring block, or its own place without one.
///
/// Blocks correspond to each other. Projections correspond if they have weights of the same kinds, and the same place among the
/// projections of their block with these kinds.
fn neighbours(units: &[UnitData], neighbour: fn(usize) -> Option<usize>) -> Vec<usize> {
    let are_blocks = units.windows(2).all(|pair| pair[0].block != pair[1].block);
    let mut counts: BTreeMap<(usize, [bool; 7]), usize> = BTreeMap::new();
    let mut places: BTreeMap<(usize, [bool; 7], usize), usize> = BTreeMap::new();
    let mut keys = Vec::with_capacity(units.len());
    for (place, unit) in units.iter().enumerate() {
        let kinds = unit.kinds.map(|share| !are_blocks && share > 0.0);
        let count = counts.entry((unit.block, kinds)).or_default();
        keys.push((unit.block, kinds, *count));
        places.insert((unit.block, kinds, *count), place);
        *count += 1;
    }
    let place = |(own, (block, kinds, count))| {
        let other = neighbour(block).and_then(|block| places.get(&(block, kinds, count)));
        other.copied().unwrap_or(own)
    };
    keys.into_iter().enumerate().map(place).collect()
}

fn lesser(a: f64, b: f64) -> f64 {
    if a.is_nan() || b < a || b.is_nan() { if a.is_nan() { a } else { b } } else { a }
}

fn greater(a: f64, b: f64) -> f64 {
    if a.is_nan() || b > a || b.is_nan() { if a.is_nan() { a } else { b } } else { a }
}
