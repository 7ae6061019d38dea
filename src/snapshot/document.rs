//! What a snapshot holds, and how it is made of a script and the allocations that it gives.

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

/// How far a ratio that is written down with six decimals may be from that of the counts beside it.
const ROUNDING: f64 = 1e-6;

/// A script in its normal form, what it was evaluated on, and the ratios that it gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Snapshot {
    /// The version of allot that made it.
    pub version: String,
    /// The script's file, without the folders around it, or its published name.
    pub script: String,
    /// The script in its normal form, a statement each.
    pub formula: Vec<String>,
    /// The same as LaTeX; a snapshot in plain text has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latex: Option<String>,
    /// The hash that names the formula.
    pub hash: String,
    /// What `score` stands for: the script's own metric, or that of the pruning method, in its normal form.
    pub score: String,
    /// What got one ratio: `block`, `projection` or `row`; the units are projections then, which hold the counts of their rows.
    pub unit: UnitKind,
    /// The model.
    pub model: SnapshotModel,
    /// What the statistics were collected on; nothing where the formula needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<SnapshotText>,
    /// The ratios at each sparsity that was asked for.
    pub allocations: Vec<RatiosAt>,
}

/// The model of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SnapshotModel {
    /// The name of its folder.
    pub name: String,
    /// The fingerprint of its weights, as `allot inspect` shows it.
    pub fingerprint: String,
    /// SHA-256 of what `config.json` says that the model computes with.
    pub configuration: String,
    /// Where the model ran, and in which precision.
    pub place: String,
}

/// The windows that the statistics of a snapshot were collected on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SnapshotText {
    /// How many windows there were.
    pub samples: usize,
    /// How many tokens a window has.
    pub length: usize,
    /// The seed by which they were drawn.
    pub seed: u64,
    /// SHA-256 of the text or token file.
    pub source: String,
    /// SHA-256 of the token ids that were read.
    pub ids: String,
}

/// What the units lose at one sparsity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RatiosAt {
    /// The sparsity that was asked for.
    pub sparsity: f64,
    /// The units, in the model's order.
    pub units: Vec<UnitRatio>,
}

/// What one unit loses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnitRatio {
    /// The unit's name, such as `block 0` or a module's name.
    pub name: String,
    /// The share of its weights that is pruned, counted.
    pub ratio: f64,
    /// How many of its weights are pruned.
    pub pruned: u64,
    /// How many weights it has.
    #[serde(rename = "params")]
    pub parameters: u64,
    /// How many weights each of its rows loses, where rows have ratios of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowCounts>,
}

/// What a snapshot is made of.
pub(crate) struct Parts<'a> {
    /// The script's file or name.
    pub(crate) name: &'a str,
    /// The script.
    pub(crate) script: &'a Script,
    /// What `score` stands for where the script does not say.
    pub(crate) metric: &'a Metric,
    /// What got one ratio.
    pub(crate) unit: UnitKind,
    /// The model.
    pub(crate) checkpoint: &'a Checkpoint,
    /// How the statistics were collected that the formula needs.
    pub(crate) provenance: Option<&'a Provenance>,
    /// What the script gave, at each sparsity.
    pub(crate) allocations: Vec<RatiosAt>,
}

impl Snapshot {
    /// Puts a snapshot together.
    ///
    /// # Errors
    /// When the model's `config.json` cannot be read any more.
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

    /// Looks whether the numbers agree with each other.
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
            // A unit whose rows have ratios of their own is one projection.
            rows: unit.projections.first().and_then(|it| it.rows.clone()),
        }
    }
}

impl UnitRatio {
    /// Returns the share that the counts are.
    pub(super) fn counted(pruned: u64, parameters: u64) -> f64 {
        if parameters == 0 { 0.0 } else { pruned as f64 / parameters as f64 }
    }

    /// Returns whether the ratio, the counts, and the counts of the rows are those of one allocation.
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
