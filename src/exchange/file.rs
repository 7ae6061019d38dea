//! allot's own allocation file: the sparsity of every unit and every linear, and the inputs behind the
//! ratios.

use serde::{Deserialize, Serialize};

use super::{ExchangeError, Format};
use crate::allocate::{Allocation, ProjectionAllocation, UnitAllocation, pruned_total};
use crate::lang::types::UnitKind;

/// The allowed difference between a ratio of whole weights and the unit's own ratio, in weights: one, plus
/// rounding errors.
const ROUNDING: f64 = 1.0 + 1e-6;

/// An allocation as a file, in JSON.
///
/// The output of `allot eval --format json` is such a file, without `model` and `calibration`. Unknown keys
/// are ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AllocationFile {
    /// The script's file or name, or the file that the ratios were read from.
    pub script: String,
    /// The hash that identifies the script's formula.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// The allocation unit: `block`, `projection` or `row`. With `row`, the units are projections that hold
    /// the counts of their rows.
    pub unit: UnitKind,
    /// The requested sparsity.
    pub target: f64,
    /// The sparsity after rounding to whole weights.
    #[serde(default)]
    pub achieved: f64,
    /// Number of weights.
    #[serde(default, rename = "params")]
    pub parameters: u64,
    /// Number of pruned weights.
    #[serde(default)]
    pub pruned: u64,
    /// Whether the importances were noise and the ratios are therefore uniform.
    #[serde(default)]
    pub noise: bool,
    /// The model that the allocation was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelName>,
    /// The text that the statistics were collected on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<CalibrationName>,
    /// The units, in the model's order.
    pub units: Vec<UnitAllocation>,
}

/// Names the model of an allocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ModelName {
    /// The name of its model family, as shown to people.
    pub architecture: String,
    /// The fingerprint of its weights, as `allot inspect` shows it.
    pub fingerprint: String,
}

/// Names the text that statistics were collected on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CalibrationName {
    /// SHA-256 of the text or the ids.
    pub source: String,
    /// Number of windows.
    pub samples: usize,
    /// Number of tokens in a window.
    pub length: usize,
    /// Seed that drew the windows.
    pub seed: u64,
}

impl AllocationFile {
    /// Returns the file of an allocation that a script, or another file, with this name produced.
    pub fn new(allocation: &Allocation, unit: UnitKind, script: &str, hash: Option<String>) -> Self {
        Self {
            script: script.to_owned(),
            hash,
            unit,
            target: allocation.target,
            achieved: allocation.achieved(),
            parameters: allocation.parameters(),
            pruned: allocation.pruned(),
            noise: allocation.noise,
            model: None,
            calibration: None,
            units: allocation.units.clone(),
        }
    }

    /// Reads a file, and checks that its numbers are consistent.
    ///
    /// # Errors
    /// When it is not such a JSON file, or contradicts itself.
    pub fn read(content: &[u8]) -> Result<Self, ExchangeError> {
        let file: Self = serde_json::from_slice(content)
            .map_err(|error| ExchangeError::malformed(Format::Json, error.to_string()))?;
        file.check()?;
        Ok(file)
    }

    /// Returns the allocation.
    pub fn allocation(&self) -> Allocation {
        Allocation { target: self.target, noise: self.noise, units: self.units.clone() }
    }

    fn check(&self) -> Result<(), ExchangeError> {
        let wrong = |problem: String| Err(ExchangeError::Inconsistent { problem });
        let sum = |counts: Vec<u64>| counts.into_iter().try_fold(0_u64, u64::checked_add);
        for unit in &self.units {
            let name = &unit.name;
            if !(0.0..=1.0).contains(&unit.sparsity) {
                return Err(ExchangeError::Ratio { module: name.clone(), ratio: unit.sparsity });
            }
            if let Some(part) = unit.projections.iter().find(|part| part.pruned > part.parameters) {
                return wrong(format!("{} loses {} of {} weights", part.name, part.pruned, part.parameters));
            }
            for part in &unit.projections {
                check_rows(part)?;
            }
            let parameters = sum(unit.projections.iter().map(|part| part.parameters).collect());
            let pruned = sum(unit.projections.iter().map(|part| part.pruned).collect());
            if (parameters, pruned) != (Some(unit.parameters), Some(unit.pruned)) {
                return wrong(format!("the counts of the projections of {name} do not add up to its own"));
            }
            if (unit.sparsity * unit.parameters as f64 - unit.pruned as f64).abs() > ROUNDING {
                return wrong(format!(
                    "{name} loses {} of {} weights, which does not match its sparsity, {}",
                    unit.pruned, unit.parameters, unit.sparsity
                ));
            }
        }
        let parameters = sum(self.units.iter().map(|unit| unit.parameters).collect());
        let pruned = sum(self.units.iter().map(|unit| unit.pruned).collect());
        let (Some(parameters), Some(pruned)) = (parameters, pruned) else {
            return wrong("it counts more than 2^64 weights".to_owned());
        };
        let wanted = pruned_total(self.target, parameters)?;
        if pruned != wanted {
            return wrong(format!("its units lose {pruned} weights, but its target is {wanted}"));
        }
        Ok(())
    }
}

/// Checks the counts of a projection's rows: their sum, and that no row loses more than it has.
fn check_rows(part: &ProjectionAllocation) -> Result<(), ExchangeError> {
    let Some(rows) = &part.rows else { return Ok(()) };
    let wrong = |problem: String| Err(ExchangeError::Inconsistent { problem });
    let count = rows.counts().len() as u64;
    if count == 0 || !part.parameters.is_multiple_of(count) {
        return wrong(format!("{} has {} weights, but counts for {count} rows", part.name, part.parameters));
    }
    let columns = part.parameters / count;
    if let Some(row) = rows.counts().iter().position(|it| u64::from(*it) > columns) {
        return wrong(format!(
            "row {row} of {} loses {} of {columns} weights",
            part.name,
            rows.counts()[row]
        ));
    }
    if rows.total() != part.pruned {
        return wrong(format!("the counts of the rows of {} do not add up to its own", part.name));
    }
    Ok(())
}
