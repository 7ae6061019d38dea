//! Turns scores into masks, masks into weights, and weights into a folder.
//!
//! [`prune()`] writes a pruned copy of a model folder, and [`prune_in_memory`] returns a pruned decoder; both
//! use [`prune_blocks`], which processes the model one block at a time. [`score`] computes how important each
//! weight is, [`least`] chooses the lowest scores, [`sparsegpt`] corrects the remaining weights,
//! [`PrunedFolder`] saves.

mod blocks;
mod dense;
mod error;
mod factor;
mod inputs;
mod linear;
mod mask;
mod method;
mod method_kind;
pub mod on_device;
mod options;
mod pattern;
mod plain;
mod report;
mod run;
mod save;
pub mod score;
mod scorer;
pub mod sparsegpt;

pub use blocks::{Keep, prune_blocks};
pub use dense::{dense_scores, dense_scores_on_device};
pub use error::{PruneError, RowObstacle};
pub use factor::InverseFactor;
pub use linear::Pruned;
pub use mask::Mask;
pub use method::{Method, Propagation, Scoring};
pub use method_kind::MethodKind;
pub use options::PruneOptions;
pub(crate) use pattern::in_group;
pub use pattern::{Pattern, Rounding, Share, check_rows, least, least_of_rows, shares, wanted};
pub use plain::masks_in_memory;
pub use report::{CalibrationRecord, LinearReport, Report, ScriptSource};
pub use run::{Output, prune, prune_in_memory};
pub use save::{PROVENANCE, PrunedFolder, check_target};
pub use score::ScoreFormula;
