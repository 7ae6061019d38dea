//! Values of options.

use crate::descent::rule::{Rule, UnknownRule};
use crate::lang::types::UnitKind;
use crate::prune::Propagation;

/// Reads a kind of allocation unit.
pub(in crate::cli) fn unit(word: &str) -> Result<UnitKind, String> {
    UnitKind::ALL
        .into_iter()
        .find(|unit| unit.name() == word)
        .ok_or_else(|| "the units are `block`, `projection` and `row`".to_owned())
}

/// Reads how marginals become a step.
pub(in crate::cli) fn rule(word: &str) -> Result<Rule, String> {
    word.parse().map_err(|error: UnknownRule| error.to_string())
}

/// Reads what later blocks see of earlier ones.
pub(in crate::cli) fn propagation(word: &str) -> Result<Propagation, String> {
    match word {
        "pruned" => Ok(Propagation::Pruned),
        "dense" => Ok(Propagation::Dense),
        _ => Err("write `pruned` or `dense`".to_owned()),
    }
}

/// Reads a number of bytes, such as `8GiB` or `500MB`.
pub(in crate::cli) fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.find(|character: char| !(character.is_ascii_digit() || character == '.'));
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let factor: f64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "kb" => 1e3,
        "m" | "mib" => 1024.0 * 1024.0,
        "mb" => 1e6,
        "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "gb" => 1e9,
        _ => return Err("write a number and a unit, such as `8GiB` or `500MB`".to_owned()),
    };
    match number.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok((number * factor) as u64),
        _ => Err("write a number and a unit, such as `8GiB` or `500MB`".to_owned()),
    }
}
