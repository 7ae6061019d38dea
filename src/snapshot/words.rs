//! The result of a check against a snapshot, as text for people.

use std::fmt;

use super::compare::{Aspect, AspectDifference, RatioDifference, SnapshotCheck};

/// Maximum number of ratios shown per sparsity; the largest differences are shown.
const SHOWN: usize = 20;

impl fmt::Display for SnapshotCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.same {
            return writeln!(
                f,
                "the same: formula, model, statistics, and {} ratios to within {}",
                self.units, self.tolerance
            );
        }
        for AspectDifference { what, before, now } in &self.differences {
            writeln!(f, "{}", changed(*what))?;
            before.lines().try_for_each(|line| writeln!(f, "  - {line}"))?;
            now.lines().try_for_each(|line| writeln!(f, "  + {line}"))?;
        }
        if !self.ratios_compared {
            return writeln!(f, "the ratios were not compared");
        }
        for of_sparsity in self.ratios.chunk_by(|a, b| a.sparsity == b.sparsity) {
            ratios(of_sparsity, f)?;
        }
        if self.made_at != self.checked_at {
            writeln!(f, "the snapshot was made on {}, but this is {}", self.made_at, self.checked_at)?;
        }
        if self.made_by != env!("CARGO_PKG_VERSION") {
            let now = env!("CARGO_PKG_VERSION");
            writeln!(f, "the snapshot was made by allot {}, but this is allot {now}", self.made_by)?;
        }
        Ok(())
    }
}

/// Returns the meaning of a difference.
const fn changed(what: Aspect) -> &'static str {
    match what {
        Aspect::Formula => "the formula differs",
        Aspect::Hash => "the hash differs",
        Aspect::Score => "the metric behind `score` differs",
        Aspect::Unit => "the allocation unit differs",
        Aspect::Weights => "the snapshot is of another model: the fingerprint of the weights differs",
        Aspect::Configuration => "the snapshot is of another model: config.json differs",
        Aspect::Calibration => "the snapshot used other statistics",
        Aspect::Units => "the units differ",
    }
}

/// Shows the differing ratios of one sparsity.
fn ratios(all: &[RatioDifference], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Some(first) = all.first() else { return Ok(()) };
    let mut shown: Vec<usize> = (0..all.len()).collect();
    shown.sort_by_key(|place| {
        let it = &all[*place];
        std::cmp::Reverse((it.weights.unsigned_abs(), it.rows.unwrap_or(0)))
    });
    shown.truncate(SHOWN);
    shown.sort_unstable();
    let differ =
        if all.len() == 1 { "1 ratio differs".to_owned() } else { format!("{} ratios differ", all.len()) };
    writeln!(f, "at the sparsity {}, {differ}", first.sparsity)?;
    for it in shown.into_iter().map(|place| &all[place]) {
        let RatioDifference { unit, before, now, weights, rows, .. } = it;
        let of_rows = match rows {
            None => String::new(),
            Some(1) => ", in 1 row".to_owned(),
            Some(rows) => format!(", in {rows} rows"),
        };
        let difference = now - before;
        writeln!(f, "  {before:.6} -> {now:.6}  {difference:+.6}  {weights:+} weights{of_rows}  {unit}")?;
    }
    match all.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        1 => writeln!(f, "  and 1 with a smaller difference"),
        more => writeln!(f, "  and {more} with smaller differences"),
    }
}
