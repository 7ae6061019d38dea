//! What commands fail with.

use std::path::PathBuf;

use crate::interpret::error::InterpretError;
use crate::interrupt::Interrupted;
use crate::lang::diagnostic::Diagnostic;
use crate::model::Difference;
use crate::search::error::SearchError;
use crate::session::SessionError;

/// What a command writes at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// A file.
    File,
    /// A folder.
    Folder,
}

impl TargetKind {
    /// Returns what stands in its way.
    const fn other(self) -> Self {
        match self {
            Self::File => Self::Folder,
            Self::Folder => Self::File,
        }
    }
}

impl std::fmt::Display for TargetKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Folder => "folder",
        })
    }
}

/// Why a command fails.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A file cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {cause}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A figure cannot become PDF.
    #[error("{} does not become PDF: {problem}", path.display())]
    Figure {
        /// The figure.
        path: PathBuf,
        /// Why.
        #[source]
        problem: crate::report::pdf::PdfError,
    },
    /// Nobody reads what is printed any more.
    #[error("the output was closed")]
    BrokenPipe,
    /// Standard input or output fails.
    #[error("cannot use standard input or output: {0}")]
    Standard(std::io::Error),
    /// A script has errors.
    #[error("`{name}` has errors")]
    Diagnosed {
        /// The script's file or name.
        name: String,
        /// Its text.
        text: String,
        /// What is wrong, with places in the text.
        diagnostics: Vec<Diagnostic>,
    },
    /// A script has no value on a model.
    #[error("`{name}` has no value on the model")]
    NoValue {
        /// The script's file or name.
        name: String,
        /// Its text.
        text: String,
        /// Why, with places in the text.
        cause: Box<InterpretError>,
    },
    /// A file that would be overwritten.
    #[error("{} exists already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// An option contradicts the others, or would be ignored.
    #[error("`{option}` cannot be used {when}: {why}")]
    Refused {
        /// The option.
        option: String,
        /// What speaks against it.
        when: String,
        /// Why.
        why: &'static str,
    },
    /// Two arguments are to be read from standard input.
    #[error("standard input can be read once only, and two arguments are `-`")]
    StandardInputTwice,
    /// A folder stands where a file is to be written, or a file where a folder is.
    #[error("{} is a {}, and a {} is to be written there", path.display(), kind.other(), kind)]
    OtherKind {
        /// What is there.
        path: PathBuf,
        /// What is to be written.
        kind: TargetKind,
    },
    /// The configuration file is not as it must be.
    #[error("{}:{line}: {problem}", path.display())]
    Configuration {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// An enumeration measures every formula, and has no number of evaluations.
    #[error("the run measures every formula of its space, and has no number of evaluations")]
    EveryFormula,
    /// Another number of scripts than a comparison of two takes.
    #[error("two scripts are compared, and {given} {} given", if *given == 1 { "is" } else { "are" })]
    NotTwo {
        /// How many are given.
        given: usize,
    },
    /// A folder without a script.
    #[error("{} holds no file that ends in .allot", folder.display())]
    NoScriptsIn {
        /// The folder.
        folder: PathBuf,
    },
    /// Something failed, and was said already; other work went on.
    #[error("some of it failed")]
    Reported,
    /// A word that `explain` does not know.
    #[error("there is no operator, script, keyword, type or diagnostic `{name}`")]
    NoWord {
        /// What was asked for.
        name: String,
        /// Words like it.
        similar: Vec<String>,
    },
    /// Ratios that differ within blocks, in a form for whole blocks, of what has none for them.
    #[error("{name}: {cause}")]
    NotByBlock {
        /// The script or file.
        name: String,
        /// What differs.
        cause: Box<crate::exchange::ExchangeError>,
    },
    /// A name that no schema has.
    #[error("there is no schema `{name}`")]
    NoSchema {
        /// What was asked for.
        name: String,
        /// Names like it.
        similar: Vec<String>,
    },
    /// Two scripts of a comparison that cannot be told apart.
    #[error("`{name}` is named twice")]
    NamedTwice {
        /// What both are called.
        name: String,
    },
    /// A search cannot go on.
    #[error(transparent)]
    Search(Box<SearchError>),
    /// Models and texts cannot be prepared, or a candidate cannot be measured.
    #[error(transparent)]
    Trial(Box<crate::trial::error::TrialError>),
    /// A search was stopped, and can go on.
    #[error("stopped")]
    Stopped {
        /// The run's folder.
        folder: PathBuf,
        /// The options that name the device, or nothing: a run goes on where it began.
        device: String,
        /// What stopped it.
        #[source]
        cause: crate::interrupt::Interrupted,
    },
    /// A text that a search needs.
    #[error("there is no {name} text")]
    NoText {
        /// Which.
        name: &'static str,
    },
    /// A comparison cannot go on.
    #[error(transparent)]
    Compare(#[from] crate::compare::error::CompareError),
    /// Ratios cannot descend.
    #[error(transparent)]
    Descent(#[from] crate::descent::error::DescentError),
    /// A model cannot be measured by a task.
    #[error(transparent)]
    Task(Box<crate::tasks::TaskError>),
    /// There is no built-in task of a name.
    #[error("there is no built-in task `{name}`")]
    NoTask {
        /// What was asked for.
        name: String,
    },
    /// A prompt has no tokens.
    #[error("the prompt has no tokens")]
    EmptyPrompt,
    /// A token cannot be drawn.
    #[error("cannot draw a token: {0}")]
    Draw(String),
    /// A model cannot be pruned.
    #[error(transparent)]
    Prune(#[from] crate::prune::PruneError),
    /// Nothing says how much is to be pruned.
    #[error(
        "no sparsity is given: only a fixed pattern such as `2:4`, or an allocation file, has a sparsity of its own"
    )]
    NoSparsity,
    /// Another tool's file, or an allocation for one, is not as it must be.
    #[error("{name}: {cause}")]
    Exchange {
        /// The file or script.
        name: String,
        /// Why.
        cause: Box<crate::exchange::ExchangeError>,
    },
    /// A file is not a snapshot that this version reads.
    #[error("cannot read the snapshot {name}: {cause}")]
    Snapshot {
        /// The file.
        name: String,
        /// Why.
        cause: Box<crate::snapshot::SnapshotError>,
    },
    /// A sparsity is asked for twice.
    #[error("the sparsity {sparsity} is asked for twice")]
    SparsityTwice {
        /// The sparsity.
        sparsity: f64,
    },
    /// A file whose content is of no known format.
    #[error("{} looks like a file of none of the formats", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// Ratios are asked for, and there is no model to have them.
    #[error("no model is given: a script gives ratios on a model only")]
    NoModel,
    /// The rows of a projection are asked for, and there is no such projection, or its rows have no ratios of their own.
    #[error("no projection `{module}` has rows with ratios of their own here")]
    NoRows {
        /// What was asked for.
        module: String,
    },
    /// A script is asked for, and there are only ratios.
    #[error("{name} is an allocation file: it has ratios and no script")]
    NoScriptInFile {
        /// The file.
        name: String,
    },
    /// An allocation file is to have another sparsity than it has.
    #[error("{name} has a sparsity of {target}, and not {asked}")]
    DecidedSparsity {
        /// The file.
        name: String,
        /// Its sparsity.
        target: f64,
        /// The one asked for.
        asked: f64,
    },
    /// A script needs gradients, and the user refused them.
    #[error("{name} uses `gradient`, and gradients are not collected")]
    NoGradients {
        /// The script.
        name: String,
    },
    /// Statistics are of another model, or of the model as it was.
    #[error("the statistics were not collected on {} as it is: {difference}", model.display())]
    OtherModel {
        /// The model's folder.
        model: PathBuf,
        /// What differs.
        difference: Box<Difference>,
    },
    /// An allocation file is to have other units than it has.
    #[error("{name} has one ratio for each {unit}, and not for each {asked}")]
    DecidedUnit {
        /// The file.
        name: String,
        /// Its unit.
        unit: crate::lang::types::UnitKind,
        /// The one asked for.
        asked: crate::lang::types::UnitKind,
    },
    /// Bytes that are no text would go to a terminal.
    #[error("this form is not text, and is not printed to a terminal")]
    BinaryOutput,
    /// A calibration would take more memory than it may.
    #[error(
        "this takes about {needed} of memory even with activations in a scratch file, and may take {allowed}"
    )]
    Memory {
        /// What it takes.
        needed: String,
        /// What it may take.
        allowed: String,
    },
    /// A text cannot be read.
    #[error(transparent)]
    Text(#[from] crate::stats::TextError),
    /// A script that is neither a file nor a published one.
    #[error("there is no file `{name}` and no published script of that name")]
    NoScript {
        /// What was asked for.
        name: String,
        /// Published scripts of similar names.
        similar: Vec<String>,
    },
    /// An operator that does not exist.
    #[error("there is no operator `{name}`")]
    NoOperator {
        /// What was asked for.
        name: String,
        /// Operators of similar names.
        similar: Vec<String>,
    },
    /// A script for `--method` that has no metric.
    #[error("`{name}` has no `metric`, so it cannot say how weights are scored")]
    NoMetric {
        /// The script's name.
        name: String,
    },
    /// A model cannot be read.
    #[error(transparent)]
    Model(#[from] crate::model::ModelError),
    /// A statistics file cannot be read.
    #[error(transparent)]
    Statistics(#[from] crate::stats::StatisticsError),
    /// An allocation cannot be made.
    #[error(transparent)]
    Allocation(#[from] crate::allocate::AllocationError),
    /// A script has no allocation on a model, for a reason that is not in its text.
    #[error(transparent)]
    Script(#[from] crate::allocate::script::ScriptError),
    /// A search is to run on Ray, which is Python's.
    #[error("only the command `allot search` of the Python package measures on Ray")]
    NoRay,
    /// A graph string cannot be read.
    #[error(transparent)]
    GraphString(#[from] crate::exchange::dsa::ImportError),
    /// A script cannot be written in another form.
    #[error("the script is not a formula of DSA's released engine, so it has no graph string")]
    NoGraphString,
    /// A value cannot be written as JSON.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl CliError {
    /// Returns whether it is, or follows from, a request to stop the work.
    pub(in crate::cli) fn is_interrupted(&self) -> bool {
        let mut causes = std::iter::successors(Some(self as &dyn std::error::Error), |error| error.source());
        causes.any(|cause| cause.is::<Interrupted>())
    }
}

impl From<SessionError> for CliError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Read { path, cause } => Self::Read { path, cause },
            SessionError::Diagnosed { name, text, diagnostics } => {
                Self::Diagnosed { name, text, diagnostics }
            }
            SessionError::NoValue { name, text, cause } => Self::NoValue { name, text, cause },
            SessionError::NoScript { name, similar } => Self::NoScript { name, similar },
            SessionError::NoMetric { name } => Self::NoMetric { name },
            SessionError::Task(cause) => Self::Task(cause),
            SessionError::DecidedSparsity { name, target, asked } => {
                Self::DecidedSparsity { name, target, asked }
            }
            SessionError::OtherModel { model, difference } => Self::OtherModel { model, difference },
            SessionError::Model(error) => Self::Model(error),
            SessionError::Text(error) => Self::Text(error),
            SessionError::Statistics(error) => Self::Statistics(error),
            SessionError::Script(error) => Self::Script(error),
            SessionError::Prune(error) => Self::Prune(error),
            SessionError::Descent(error) => Self::Descent(*error),
        }
    }
}

impl From<crate::trial::error::TrialError> for CliError {
    fn from(error: crate::trial::error::TrialError) -> Self {
        Self::Trial(Box::new(error))
    }
}

impl From<SearchError> for CliError {
    fn from(error: SearchError) -> Self {
        Self::Search(Box::new(error))
    }
}

impl From<crate::tasks::TaskError> for CliError {
    fn from(error: crate::tasks::TaskError) -> Self {
        Self::Task(Box::new(error))
    }
}
