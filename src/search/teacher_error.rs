//! Errors of allocations that cannot serve as a search's teacher.

use std::path::PathBuf;

use thiserror::Error;

use crate::lang::types::UnitKind;
use crate::trial::error::TrialError;

/// The reason why a search cannot learn from a descent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TeacherError {
    /// The folder does not hold a finished descent.
    #[error("{} does not hold a finished descent: {problem}", folder.display())]
    NotADescent {
        /// The folder.
        folder: PathBuf,
        /// The problem with it.
        problem: String,
    },
    /// The descent ran on another model.
    #[error("{} was made on another model than the search's, with the weight fingerprint {taught}", folder.display())]
    OtherModel {
        /// The descent's folder.
        folder: PathBuf,
        /// The fingerprint of the descent's model.
        taught: String,
    },
    /// The descent has no allocation at any sparsity of the search.
    #[error("{} has no allocation at any sparsity of the search; it has {}", folder.display(), listed(taught))]
    OtherSparsity {
        /// The descent's folder.
        folder: PathBuf,
        /// The sparsities of its allocations.
        taught: Vec<f64>,
    },
    /// The descent used another metric.
    #[error("{} chose weights by `{taught}`, but the search uses `{searched}`", folder.display())]
    OtherMetric {
        /// The descent's folder.
        folder: PathBuf,
        /// The metric of the descent.
        taught: String,
        /// The metric of the search.
        searched: String,
    },
    /// The descent's units are not those of the search.
    #[error("{} gives one ratio to each {taught}, but the finest unit of the search is the {searched}", folder.display())]
    OtherUnit {
        /// The descent's folder.
        folder: PathBuf,
        /// The unit of the descent.
        taught: UnitKind,
        /// The finest unit of the search.
        searched: UnitKind,
    },
    /// The search includes rows as units; reductions over rows are not cached.
    #[error(
        "a search for rows cannot learn from teachers: it would have to read all weights for each formula"
    )]
    Rows,
    /// The search prunes by a pattern, which fixes the number of pruned weights.
    #[error("a descent prunes unstructured, but the search prunes by a pattern")]
    Pattern,
    /// The allocation does not fit the model's linears.
    #[error("{}: {cause}", file.display())]
    Linears {
        /// The allocation's file.
        file: PathBuf,
        /// The mismatch.
        cause: Box<TrialError>,
    },
    /// The same descent is given both as a teacher and as held out.
    #[error("{} is both a teacher and held out, so its distance would show nothing", folder.display())]
    Both {
        /// The descent's folder.
        folder: PathBuf,
    },
    /// The ratios are all equal.
    #[error("{name} gives every unit the same ratio at {sparsity}, so there is nothing to learn from it")]
    Uniform {
        /// The descent's folder.
        name: String,
        /// The sparsity.
        sparsity: f64,
    },
}

fn listed(sparsities: &[f64]) -> String {
    match sparsities {
        [] => "none".to_owned(),
        [one] => one.to_string(),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(f64::to_string).collect();
            format!("{} and {last}", first.join(", "))
        }
    }
}
