//! The differences between a function's current ratios and its snapshot.

use serde::Serialize;

use super::document::{RatiosAt, Snapshot, SnapshotText, UnitRatio};
use super::text::windows;

/// A part of a snapshot other than its ratios.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Aspect {
    /// The script in its normal form.
    Formula,
    /// Hash that identifies the formula.
    Hash,
    /// Definition of `score`.
    Score,
    /// Allocation unit.
    Unit,
    /// The model's weights.
    Weights,
    /// Contents of `config.json`.
    Configuration,
    /// Windows that the statistics were collected on.
    Calibration,
    /// Names and sizes of the units, or the sparsities.
    Units,
}

impl Aspect {
    /// Every aspect, in the order of the file.
    pub const ALL: [Self; 8] = [
        Self::Formula,
        Self::Hash,
        Self::Score,
        Self::Unit,
        Self::Weights,
        Self::Configuration,
        Self::Calibration,
        Self::Units,
    ];

    /// Returns whether a difference in it makes ratios incomparable.
    pub const fn decides_ratios(self) -> bool {
        match self {
            Self::Unit | Self::Weights | Self::Configuration | Self::Calibration | Self::Units => true,
            Self::Formula | Self::Hash | Self::Score => false,
        }
    }
}

/// A difference in a part of a snapshot other than its ratios.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AspectDifference {
    /// Part that differs.
    pub what: Aspect,
    /// Value in the snapshot.
    pub before: String,
    /// Current value.
    pub now: String,
}

/// A unit whose ratio differs from the snapshot.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RatioDifference {
    /// Requested sparsity.
    pub sparsity: f64,
    /// Name of the unit.
    pub unit: String,
    /// Ratio of the unit in the snapshot.
    pub before: f64,
    /// Current ratio of the unit.
    pub now: f64,
    /// Number of additional weights that the unit loses now; negative if it loses fewer.
    pub weights: i64,
    /// Number of its rows that differ, if rows have their own ratios.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<usize>,
}

/// The result of a check against a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SnapshotCheck {
    /// Whether everything agrees within the tolerance.
    pub same: bool,
    /// Maximum difference of a ratio; a difference of one weight is always allowed.
    pub tolerance: f64,
    /// Differences other than those of ratios.
    pub differences: Vec<AspectDifference>,
    /// Whether the ratios were compared; they are not if weights, statistics or units differ.
    pub ratios_compared: bool,
    /// Number of ratios, at all sparsities together.
    pub units: usize,
    /// The ratios that differ, by sparsity and unit.
    pub ratios: Vec<RatioDifference>,
    /// Version of allot that made the snapshot.
    pub made_by: String,
    /// Device and precision of the model when the snapshot was made.
    pub made_at: String,
    /// Device and precision of the model now.
    pub checked_at: String,
}

/// Compares a snapshot with the current values.
///
/// A ratio may differ by `tolerance`, and always by one weight, because ratios that differ in the last digit
/// may round to another weight.
pub fn compare(before: &Snapshot, now: &Snapshot, tolerance: f64) -> SnapshotCheck {
    let differences = differences(before, now);
    let ratios_compared = !differences.iter().any(|it| it.what.decides_ratios());
    let pairs = || before.allocations.iter().zip(&now.allocations);
    let ratios: Vec<RatioDifference> = match ratios_compared {
        true => pairs().flat_map(|(before, now)| ratios(before, now, tolerance)).collect(),
        false => Vec::new(),
    };
    SnapshotCheck {
        same: differences.is_empty() && ratios.is_empty(),
        tolerance,
        differences,
        ratios_compared,
        units: now.allocations.iter().map(|it| it.units.len()).sum(),
        ratios,
        made_by: before.version.clone(),
        made_at: before.model.place.clone(),
        checked_at: now.model.place.clone(),
    }
}

fn differences(before: &Snapshot, now: &Snapshot) -> Vec<AspectDifference> {
    let of = |what: Aspect| {
        let (before, now) = match what {
            Aspect::Formula => (before.formula.join("\n"), now.formula.join("\n")),
            Aspect::Hash => (before.hash.clone(), now.hash.clone()),
            Aspect::Score => (before.score.clone(), now.score.clone()),
            Aspect::Unit => (before.unit.to_string(), now.unit.to_string()),
            Aspect::Weights => (before.model.fingerprint.clone(), now.model.fingerprint.clone()),
            Aspect::Configuration => (before.model.configuration.clone(), now.model.configuration.clone()),
            Aspect::Calibration => (calibration(before), calibration(now)),
            // With another unit, the units necessarily differ.
            Aspect::Units if before.unit != now.unit => return None,
            Aspect::Units if before.model.fingerprint != now.model.fingerprint => return None,
            Aspect::Units => units(before, now)?,
        };
        (before != now).then_some(AspectDifference { what, before, now })
    };
    Aspect::ALL.into_iter().filter_map(of).collect()
}

/// Returns a description of the windows that the statistics were collected on, with the hashes of the text
/// and of the ids.
fn calibration(of: &Snapshot) -> String {
    match &of.calibration {
        None => "no statistics".to_owned(),
        Some(it) => {
            let SnapshotText { source, ids, .. } = it;
            format!("{}, of the text {source}, with the ids {ids}", windows(it))
        }
    }
}

/// Returns the first position at which the units or the sparsities differ.
fn units(before: &Snapshot, now: &Snapshot) -> Option<(String, String)> {
    let said = |of: &Snapshot| -> Vec<String> {
        let unit = |it: &UnitRatio| {
            let rows = it.rows.as_ref().map(|rows| format!(" in {} rows", rows.counts().len()));
            format!("{} of {} weights{}", it.name, it.parameters, rows.unwrap_or_default())
        };
        let at = |at: &RatiosAt| {
            let sparsity = format!("the sparsity {}", at.sparsity);
            std::iter::once(sparsity).chain(at.units.iter().map(unit)).collect::<Vec<_>>()
        };
        of.allocations.iter().flat_map(at).collect()
    };
    let (before, now) = (said(before), said(now));
    let place = (0..before.len().max(now.len())).find(|place| before.get(*place) != now.get(*place))?;
    let word = |of: &[String]| of.get(place).cloned().unwrap_or_else(|| "nothing".to_owned());
    Some((word(&before), word(&now)))
}

/// Returns the units of one sparsity whose ratios differ by more than `tolerance` and by more than one
/// weight.
fn ratios(before: &RatiosAt, now: &RatiosAt, tolerance: f64) -> Vec<RatioDifference> {
    let differs = |before: u64, now: u64, parameters: u64| {
        let weights = before.abs_diff(now);
        weights > 1 && weights as f64 > tolerance * parameters as f64
    };
    let of_unit = |(before, unit): (&UnitRatio, &UnitRatio)| {
        let rows = match (&before.rows, &unit.rows) {
            (Some(before), Some(own)) => {
                let columns = unit.parameters.checked_div(own.counts().len() as u64).unwrap_or(0);
                let pairs = before.counts().iter().zip(own.counts());
                let differing = |(a, b): &(&u32, &u32)| differs(u64::from(**a), u64::from(**b), columns);
                Some(pairs.filter(differing).count())
            }
            _ => None,
        };
        let differs = differs(before.pruned, unit.pruned, unit.parameters) || rows.unwrap_or(0) > 0;
        differs.then(|| RatioDifference {
            sparsity: now.sparsity,
            unit: unit.name.clone(),
            before: before.ratio,
            now: unit.ratio,
            weights: unit.pruned.cast_signed().wrapping_sub(before.pruned.cast_signed()),
            rows,
        })
    };
    before.units.iter().zip(&now.units).filter_map(of_unit).collect()
}
