//! Parsers for the values of options.

use std::time::Duration;

use crate::descent::rule::{Rule, UnknownRule};
use crate::lang::types::UnitKind;
use crate::prune::Propagation;

/// Parses an allocation unit.
pub(in crate::cli) fn unit(word: &str) -> Result<UnitKind, String> {
    UnitKind::ALL
        .into_iter()
        .find(|unit| unit.name() == word)
        .ok_or_else(|| "the units are `block`, `projection` and `row`".to_owned())
}

/// Parses the rule that turns marginals into a step.
pub(in crate::cli) fn rule(word: &str) -> Result<Rule, String> {
    word.parse().map_err(|error: UnknownRule| error.to_string())
}

/// Parses the value of `--propagate`.
pub(in crate::cli) fn propagation(word: &str) -> Result<Propagation, String> {
    match word {
        "pruned" => Ok(Propagation::Pruned),
        "dense" => Ok(Propagation::Dense),
        _ => Err("write `pruned` or `dense`".to_owned()),
    }
}

/// Parses a share of weights.
pub(in crate::cli) fn ratio(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        Ok(percent) if (2.0..=100.0).contains(&percent) => {
            Err(format!("a ratio is from 0 to 1; {percent} % is {}", percent / 100.0))
        }
        _ => Err(match text.replacen(',', ".", 1) {
            point if point != text && point.parse::<f64>().is_ok() => {
                format!("write the decimal point as a point: {point}")
            }
            _ => "a ratio is a number from 0 to 1".to_owned(),
        }),
    }
}

/// Parses a sparsity, and accepts anything else as a model's name.
pub(in crate::cli) fn ratio_or_model(text: &str) -> Result<String, String> {
    match text.parse::<f64>() {
        Ok(_) => ratio(text).map(|_| text.to_owned()),
        Err(_) => Ok(text.to_owned()),
    }
}

/// Parses a count of at least one.
pub(in crate::cli) fn count(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(0) | Err(_) => Err("write a whole number from 1 up".to_owned()),
        Ok(count) => Ok(count),
    }
}

/// Parses a time, such as `90m`, `8h` or `1h30m`.
pub(in crate::cli) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number and a unit, such as `45s`, `90m`, `8h` or `2d`".to_owned();
    let mut seconds = 0.0;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !(character.is_ascii_digit() || character == '.'));
        let (number, after) = rest.split_at(digits.ok_or_else(wrong)?);
        let letters = after.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let factor = match unit {
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return Err(wrong()),
        };
        seconds += factor * number.parse::<f64>().map_err(|_| wrong())?;
        rest = after.trim_start();
    }
    let time = Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
    // A time longer than a century is a mistake, and clocks may overflow.
    let century = Duration::from_secs(100 * 366 * 86_400);
    if time.is_zero() || time > century { Err(wrong()) } else { Ok(time) }
}

/// Parses a number of bytes, such as `8GiB` or `500MB`.
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
