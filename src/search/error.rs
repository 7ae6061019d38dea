//! What can keep a search from going on.

use std::path::PathBuf;

use thiserror::Error;

use super::space::SpaceError;
use crate::allocate::AllocationError;
use crate::allocate::script::ScriptError;
use crate::interrupt::Interrupted;
use crate::model::ModelError;
use crate::prune::PruneError;
use crate::stats::{StatisticsError, TextError};

/// Says why a search stops: which file, which line.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SearchError {
    /// Something asked it to stop; all that was measured is in the journal.
    #[error("stopped")]
    Interrupted {
        /// The run's folder.
        folder: PathBuf,
        /// What stopped it.
        #[source]
        cause: Interrupted,
    },
    /// A file or tensor cannot be read, written or run through the model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Weights cannot be scored or shared out.
    #[error(transparent)]
    Prune(#[from] PruneError),
    /// A text cannot be read.
    #[error(transparent)]
    Text(#[from] TextError),
    /// An allocation cannot be made.
    #[error(transparent)]
    Allocation(#[from] AllocationError),
    /// A statistics file cannot be used.
    #[error(transparent)]
    Statistics(Box<StatisticsError>),
    /// There is no such search space.
    #[error(transparent)]
    Space(#[from] SpaceError),
    /// A script that has to have a value has none.
    #[error(transparent)]
    Script(Box<ScriptError>),
    /// The run's folder exists already.
    #[error("{} exists already", folder.display())]
    Exists {
        /// The folder.
        folder: PathBuf,
    },
    /// A folder is not a run's.
    #[error("{} is not a search's folder: it has no readable {file} ({problem})", folder.display())]
    NotARun {
        /// The folder.
        folder: PathBuf,
        /// The file that is missing or cannot be understood.
        file: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The journal has a line that cannot be understood, before its last.
    #[error("{}:{line}: {problem}; the journal was changed", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// Another process has the run open.
    #[error("another process is working on {}", folder.display())]
    Locked {
        /// The run's folder.
        folder: PathBuf,
    },
    /// The model or a text is no longer what the run began with.
    #[error("{what} changed since {} began: it had {before} and now has {now}", folder.display())]
    Changed {
        /// What changed.
        what: String,
        /// The run's folder.
        folder: PathBuf,
        /// Its hash in the run's settings.
        before: String,
        /// Its hash now.
        now: String,
    },
    /// An enumeration has too many formulas.
    #[error("there are more than {most} formulas")]
    TooMany {
        /// How many there may be.
        most: usize,
    },
    /// A control needs what the settings do not have.
    #[error("the control `{control}` cannot run here: {problem}")]
    Control {
        /// The control.
        control: &'static str,
        /// Why.
        problem: &'static str,
    },
    /// Pruning to the target leaves a model that cannot be told from others.
    #[error("uniform sparsity of {target} gives a divergence of {loss} on the fitness text")]
    Degenerate {
        /// The target.
        target: f64,
        /// The loss.
        loss: f64,
    },
}
