//! The errors of commands.

use std::path::PathBuf;

use crate::interpret::error::InterpretError;
use crate::interrupt::Interrupted;
use crate::lang::diagnostic::Diagnostic;
use crate::model::Difference;
use crate::search::error::SearchError;
use crate::session::SessionError;

/// The kind of thing that a command writes at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// A file.
    File,
    /// A folder.
    Folder,
}

impl TargetKind {
    /// Returns the kind that would be in its way.
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
    /// A prompt and the text to generate do not fit the context.
    #[error(
        "the prompt of {prompt} tokens and {tokens} more do not fit the model's context of {context} tokens"
    )]
    LongText {
        /// Number of tokens of the prompt.
        prompt: usize,
        /// Number of tokens to generate.
        tokens: usize,
        /// The context.
        context: usize,
    },
    /// A folder holds a text in several files.
    #[error("the {name} text could be {}", paths.iter().map(|it| it.display().to_string()).collect::<Vec<_>>().join(" or "))]
    SeveralTexts {
        /// The text.
        name: &'static str,
        /// The files.
        paths: Vec<PathBuf>,
    },
    /// A figure cannot be converted to PDF.
    #[error("cannot convert {} to PDF: {problem}", path.display())]
    Figure {
        /// The figure.
        path: PathBuf,
        /// Why.
        #[source]
        problem: crate::report::pdf::PdfError,
    },
    /// The reader of standard output has closed it.
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
    #[error("{} already exists", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// An option contradicts the others, or would be ignored.
    #[error("`{option}` cannot be used {when}: {why}")]
    Refused {
        /// The option.
        option: String,
        /// The circumstance that it contradicts.
        when: String,
        /// Why.
        why: &'static str,
    },
    /// Two arguments name standard input.
    #[error("standard input can be read only once, but two arguments are `-`")]
    StandardInputTwice,
    /// A folder is at the path of an output file, or a file at the path of an output folder.
    #[error("{} is a {}, but the command writes a {} there", path.display(), kind.other(), kind)]
    OtherKind {
        /// What is there.
        path: PathBuf,
        /// What the command writes.
        kind: TargetKind,
    },
    /// The configuration file is malformed.
    #[error("{}:{line}: {problem}", path.display())]
    Configuration {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// An enumeration takes no number of evaluations.
    #[error("the run is an enumeration, which measures every formula and takes no number of evaluations")]
    EveryFormula,
    /// The number of scripts is not two.
    #[error("the command compares two scripts, but {given} {} given", if *given == 1 { "is" } else { "are" })]
    NotTwo {
        /// The number of given scripts.
        given: usize,
    },
    /// A folder without a script.
    #[error("{} holds no file that ends in .allot", folder.display())]
    NoScriptsIn {
        /// The folder.
        folder: PathBuf,
    },
    /// Some inputs failed, which was reported already; the others were processed.
    #[error("some inputs failed")]
    Reported,
    /// `explain` does not know this word.
    #[error("there is no operator, script, keyword, type or diagnostic `{name}`")]
    NoWord {
        /// What was asked for.
        name: String,
        /// Words like it.
        similar: Vec<String>,
    },
    /// The format needs one ratio for each block, but the script or file cannot provide that.
    #[error("{name}: {cause}")]
    NotByBlock {
        /// The script or file.
        name: String,
        /// What differs.
        cause: Box<crate::exchange::ExchangeError>,
    },
    /// There is no schema of this name.
    #[error("there is no schema `{name}`")]
    NoSchema {
        /// What was asked for.
        name: String,
        /// Names like it.
        similar: Vec<String>,
    },
    /// Two scripts of a comparison have the same name.
    #[error("`{name}` is named twice")]
    NamedTwice {
        /// The name of both.
        name: String,
    },
    /// A search failed.
    #[error(transparent)]
    Search(Box<SearchError>),
    /// Models and texts cannot be prepared, or a candidate cannot be measured.
    #[error(transparent)]
    Trial(Box<crate::trial::error::TrialError>),
    /// A search was stopped and can be resumed.
    #[error("stopped")]
    Stopped {
        /// The run's folder.
        folder: PathBuf,
        /// The options that name the device, or nothing for the processor: a run must resume on the device it started on.
        device: String,
        /// What stopped it.
        #[source]
        cause: crate::interrupt::Interrupted,
    },
    /// A text that the command needs is missing.
    #[error("there is no {name} text")]
    NoText {
        /// Which.
        name: &'static str,
    },
    /// A comparison failed.
    #[error(transparent)]
    Compare(#[from] crate::compare::error::CompareError),
    /// A descent failed.
    #[error(transparent)]
    Descent(#[from] crate::descent::error::DescentError),
    /// A task cannot be measured.
    #[error(transparent)]
    Task(Box<crate::tasks::TaskError>),
    /// There is no built-in task of this name.
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
    /// No sparsity is given.
    #[error(
        "no sparsity is given: only a fixed pattern such as `2:4`, or an allocation file, has a sparsity of its own"
    )]
    NoSparsity,
    /// Another tool's file is malformed, or an allocation does not fit the tool's format.
    #[error("{name}: {cause}")]
    Exchange {
        /// The file or script.
        name: String,
        /// Why.
        cause: Box<crate::exchange::ExchangeError>,
    },
    /// A file is not a snapshot that this version can read.
    #[error("cannot read the snapshot {name}: {cause}")]
    Snapshot {
        /// The file.
        name: String,
        /// Why.
        cause: Box<crate::snapshot::SnapshotError>,
    },
    /// A sparsity is given twice.
    #[error("the sparsity {sparsity} is given twice")]
    SparsityTwice {
        /// The sparsity.
        sparsity: f64,
    },
    /// A file's content matches no known format.
    #[error("the content of {} matches none of the formats", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// Ratios are asked for without a model.
    #[error("no model is given: a script has ratios only on a model")]
    NoModel,
    /// The rows of a projection are asked for, but there is no such projection, or its rows have no ratios of their own.
    #[error("there is no projection `{module}` whose rows have their own ratios")]
    NoRows {
        /// What was asked for.
        module: String,
    },
    /// A script is needed, but the file holds only ratios.
    #[error("{name} is an allocation file: it holds ratios, not a script")]
    NoScriptInFile {
        /// The file.
        name: String,
    },
    /// An allocation file has another sparsity than the one asked for.
    #[error("{name} has a sparsity of {target}, not {asked}")]
    DecidedSparsity {
        /// The file.
        name: String,
        /// Its sparsity.
        target: f64,
        /// The one asked for.
        asked: f64,
    },
    /// A script needs gradients, but `--no-gradients` is given.
    #[error("{name} uses `gradient`, but gradients are not collected")]
    NoGradients {
        /// The script.
        name: String,
    },
    /// Statistics belong to another model, or to an earlier state of the model.
    #[error("the statistics were not collected on {} as it is now: {difference}", model.display())]
    OtherModel {
        /// The model's folder.
        model: PathBuf,
        /// What differs.
        difference: Box<Difference>,
    },
    /// An allocation file has another unit than the one asked for.
    #[error("{name} has one ratio for each {unit}, not for each {asked}")]
    DecidedUnit {
        /// The file.
        name: String,
        /// Its unit.
        unit: crate::lang::types::UnitKind,
        /// The one asked for.
        asked: crate::lang::types::UnitKind,
    },
    /// Binary output would go to a terminal.
    #[error("this format is binary and is not printed to a terminal")]
    BinaryOutput,
    /// A calibration would take more memory than is allowed.
    #[error(
        "this takes about {needed} of memory even with activations in a scratch file, but only {allowed} is allowed"
    )]
    Memory {
        /// The memory that it takes.
        needed: String,
        /// The memory that it may take.
        allowed: String,
    },
    /// A text cannot be read.
    #[error(transparent)]
    Text(#[from] crate::stats::TextError),
    /// There is neither a file nor a published script of this name.
    #[error("there is no file `{name}` and no published script of that name")]
    NoScript {
        /// What was asked for.
        name: String,
        /// Published scripts of similar names.
        similar: Vec<String>,
    },
    /// There is no such operator.
    #[error("there is no operator `{name}`")]
    NoOperator {
        /// What was asked for.
        name: String,
        /// Operators of similar names.
        similar: Vec<String>,
    },
    /// A script given to `--method` has no metric.
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
    /// An allocation cannot be computed.
    #[error(transparent)]
    Allocation(#[from] crate::allocate::AllocationError),
    /// A script has no allocation on a model, for a reason other than its text.
    #[error(transparent)]
    Script(#[from] crate::allocate::script::ScriptError),
    /// `--ray` is given, which only the command of the Python package supports.
    #[error("only `allot search` of the Python package can measure on Ray")]
    NoRay,
    /// A graph string cannot be read.
    #[error(transparent)]
    GraphString(#[from] crate::exchange::dsa::ImportError),
    /// A script has no graph string of DSA.
    #[error("the script is not a formula of DSA's released engine, so it has no graph string")]
    NoGraphString,
    /// A value cannot be written as JSON.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl CliError {
    /// Returns whether the error is, or follows from, a request to stop.
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
