//! The contents of a snapshot, made from a script and its allocations.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::SnapshotError;
use crate::allocate::{Allocation, RowCounts, UnitAllocation};
use crate::lang::program::{Metric, Script};
use crate::lang::types::UnitKind;
use crate::lang::{canonical, latex, print};
use crate::model::{Checkpoint, ModelError, hexadecimal};
use crate::stats::Provenance;

/// The maximum deviation of a ratio, written with six decimals, from its counts.
const ROUNDING: f64 = 1e-6;

/// A snapshot: a script in its normal form, the model and statistics that it was evaluated on, and its
/// ratios.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Snapshot {
    /// Version of allot that made the snapshot.
    pub version: String,
    /// File name of the script, without its folder, or its published name.
    pub script: String,
    /// The script in its normal form, one statement per element.
    pub formula: Vec<String>,
    /// The script as LaTeX; absent in a snapshot in plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latex: Option<String>,
    /// Hash that identifies the formula.
    pub hash: String,
    /// Definition of `score`: the metric of the script or of the pruning method, in its normal form.
    pub score: String,
    /// Allocation unit: `block`, `projection` or `row`; with `row`, the listed units are projections with the
    /// counts of their rows.
    pub unit: UnitKind,
    /// The model that the script was evaluated on.
    pub model: SnapshotModel,
    /// Windows that the statistics were collected on; absent if the formula needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<SnapshotText>,
    /// Ratios at each requested sparsity.
    pub allocations: Vec<RatiosAt>,
}

/// The model of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SnapshotModel {
    /// Name of the model's folder.
    pub name: String,
    /// Fingerprint of the weights, as shown by `allot inspect`.
    pub fingerprint: String,
    /// SHA-256 of the values in `config.json` that affect the model's computations.
    pub configuration: String,
    /// Device and precision that the model ran with.
    pub place: String,
}

/// The windows that the statistics of a snapshot were collected on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SnapshotText {
    /// Number of windows.
    pub samples: usize,
    /// Number of tokens per window.
    pub length: usize,
    /// Seed that drew the windows.
    pub seed: u64,
    /// SHA-256 of the text or token file.
    pub source: String,
    /// SHA-256 of the token ids that were read.
    pub ids: String,
}

/// The ratios of all units at one sparsity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RatiosAt {
    /// Requested sparsity.
    pub sparsity: f64,
    /// The units, in model order.
    pub units: Vec<UnitRatio>,
}

/// The ratio of one unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnitRatio {
    /// Name of the unit, such as `block 0` or a module's name.
    pub name: String,
    /// Realised ratio: the share of its weights that is pruned, from the counts.
    pub ratio: f64,
    /// Number of pruned weights.
    pub pruned: u64,
    /// Number of weights.
    #[serde(rename = "params")]
    pub parameters: u64,
    /// Number of weights that each row loses, if rows have their own ratios.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowCounts>,
}

/// The inputs of a snapshot.
pub(crate) struct Parts<'a> {
    /// File of the script, or its published name.
    pub(crate) name: &'a str,
    /// The script.
    pub(crate) script: &'a Script,
    /// The metric that defines `score` in a script without its own.
    pub(crate) metric: &'a Metric,
    /// The allocation unit.
    pub(crate) unit: UnitKind,
    /// The model.
    pub(crate) checkpoint: &'a Checkpoint,
    /// The provenance of the statistics that the formula needs.
    pub(crate) provenance: Option<&'a Provenance>,
    /// The ratios at each sparsity.
    pub(crate) allocations: Vec<RatiosAt>,
}

impl Snapshot {
    /// Assembles a snapshot.
    ///
    /// # Errors
    /// When the model's `config.json` can no longer be read.
    pub(crate) fn new(parts: Parts<'_>) -> Result<Self, ModelError> {
        let script = canonical::script(parts.script);
        let metric = script.metric.clone().unwrap_or_else(|| parts.metric.clone());
        let metric = canonical::script(&Script { metric: Some(metric), unit: None, allocation: None });
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            script: last(Path::new(parts.name)),
            formula: print::script(&script).lines().map(str::to_owned).collect(),
            latex: Some(latex::script(&script)),
            hash: canonical::hash(&script),
            score: print::script(&metric).trim_end().to_owned(),
            unit: parts.unit,
            model: SnapshotModel::of(parts.checkpoint)?,
            calibration: parts.provenance.map(SnapshotText::from),
            allocations: parts.allocations,
        })
    }

    /// Returns the sparsities, in order.
    pub fn sparsities(&self) -> Vec<f64> {
        self.allocations.iter().map(|it| it.sparsity).collect()
    }

    /// Checks that the numbers agree with each other.
    pub(super) fn check(&self) -> Result<(), SnapshotError> {
        if self.allocations.is_empty() {
            return Err(SnapshotError::NoRatios);
        }
        for at in &self.allocations {
            let sparsity = at.sparsity;
            if !(0.0..=1.0).contains(&sparsity) || at.units.is_empty() {
                return Err(SnapshotError::NoRatiosAt { sparsity });
            }
            if let Some(unit) = at.units.iter().find(|unit| !unit.agrees()) {
                return Err(SnapshotError::Contradiction { sparsity, unit: unit.name.clone() });
            }
        }
        Ok(())
    }
}

impl SnapshotModel {
    fn of(checkpoint: &Checkpoint) -> Result<Self, ModelError> {
        let mut hash = Sha256::new();
        for (what, value) in checkpoint.identity()?.pairs() {
            hash.update(format!("{what}\n{value}\n"));
        }
        Ok(Self {
            name: last(checkpoint.folder()),
            fingerprint: checkpoint.fingerprint(),
            configuration: hexadecimal(&hash.finalize()),
            place: checkpoint.place(),
        })
    }
}

impl From<&Provenance> for SnapshotText {
    fn from(of: &Provenance) -> Self {
        let (source, ids) = (of.source.clone(), of.ids.clone());
        Self { samples: of.samples, length: of.length, seed: of.seed, source, ids }
    }
}

impl From<&Allocation> for RatiosAt {
    fn from(allocation: &Allocation) -> Self {
        Self { sparsity: allocation.target, units: allocation.units.iter().map(UnitRatio::from).collect() }
    }
}

impl From<&UnitAllocation> for UnitRatio {
    fn from(unit: &UnitAllocation) -> Self {
        Self {
            name: unit.name.clone(),
            ratio: unit.achieved(),
            pruned: unit.pruned,
            parameters: unit.parameters,
            // A unit whose rows have their own ratios is a single projection.
            rows: unit.projections.first().and_then(|it| it.rows.clone()),
        }
    }
}

impl UnitRatio {
    /// Returns the ratio given by the counts.
    pub(super) fn counted(pruned: u64, parameters: u64) -> f64 {
        if parameters == 0 { 0.0 } else { pruned as f64 / parameters as f64 }
    }

    /// Returns whether the ratio, the counts and the counts of rows belong to the same allocation.
    fn agrees(&self) -> bool {
        let of_rows = match &self.rows {
            None => true,
            Some(rows) => {
                let count = rows.counts().len() as u64;
                let columns = self.parameters.checked_div(count).unwrap_or(0);
                rows.total() == self.pruned
                    && columns * count == self.parameters
                    && rows.counts().iter().all(|it| u64::from(*it) <= columns)
            }
        };
        let counted = Self::counted(self.pruned, self.parameters);
        self.pruned <= self.parameters && (self.ratio - counted).abs() <= ROUNDING && of_rows
    }
}

/// Returns the last part of a path.
fn last(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
