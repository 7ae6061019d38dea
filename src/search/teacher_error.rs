//! What keeps an allocation from being a search's teacher.

use std::path::PathBuf;

use thiserror::Error;

use crate::lang::types::UnitKind;
use crate::trial::error::TrialError;

/// Says why a search cannot learn from a descent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TeacherError {
    /// A folder does not hold a descent that has ended.
    #[error("{} is not the folder of a descent that has ended: {problem}", folder.display())]
    NotADescent {
        /// The folder.
        folder: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The descent was made on another model.
    #[error("{} was made on another model than the search's: on weights of the fingerprint {taught}", folder.display())]
    OtherModel {
        /// The descent's folder.
        folder: PathBuf,
        /// The fingerprint of the descent's model.
        taught: String,
    },
    /// The descent has no allocation at a sparsity of the search.
    #[error("{} has no allocation at a sparsity of the search; it has {}", folder.display(), listed(taught))]
    OtherSparsity {
        /// The descent's folder.
        folder: PathBuf,
        /// The sparsities that it has.
        taught: Vec<f64>,
    },
    /// The descent went by another metric.
    #[error("{} chose weights by `{taught}`, and the search chooses them by `{searched}`", folder.display())]
    OtherMetric {
        /// The descent's folder.
        folder: PathBuf,
        /// The metric of the descent.
        taught: String,
        /// The metric of the search.
        searched: String,
    },
    /// The descent gave ratios to other units.
    #[error("{} gives one ratio to each {taught}, and the finest unit of the search is the {searched}", folder.display())]
    OtherUnit {
        /// The descent's folder.
        folder: PathBuf,
        /// The unit of the descent.
        taught: UnitKind,
        /// The finest unit of the search.
        searched: UnitKind,
    },
    /// Rows are units of the search, whose reductions are not kept.
    #[error("a search for rows cannot learn from teachers: it would read all weights for each formula")]
    Rows,
    /// The search's pattern rules how many weights go.
    #[error("a descent prunes weights wherever they stand, and the search prunes by a pattern")]
    Pattern,
    /// The allocation is not one of the model's linears.
    #[error("{}: {cause}", file.display())]
    Linears {
        /// The allocation's file.
        file: PathBuf,
        /// What does not fit.
        cause: Box<TrialError>,
    },
    /// One descent is to be learned from and held out.
    #[error("{} is both a teacher and held out: it would show nothing", folder.display())]
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
