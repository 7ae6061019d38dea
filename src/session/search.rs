//! A whole search: from models, texts and a space to results, in a folder from which it can be resumed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::SessionError;
use super::method::metric_of;
use super::needs::Needs;
use super::script::LoadedScript;
use super::teachers::Taught;
use crate::device::Engine;
use crate::lang::ops::{Class, Op};
use crate::lang::program::{Expr, Script};
use crate::lang::types::{Type, UnitKind};
use crate::model::{Checkpoint, Precision};
use crate::prune::{Method, Pattern};
use crate::search::error::SearchError;
use crate::search::folder::{JOURNAL, TASKS, write};
use crate::search::measured::{MeasuredFile, MeasuredFormula};
use crate::search::run::{self, Course, Watch};
use crate::search::settings::Settings;
use crate::search::space::{Space, SpaceOptions};
use crate::search::summary::{Summary, Winner};
use crate::search::teacher::Teachers;
use crate::stats::{Source, TokenFile, window_length};
use crate::tasks::plan::refuse_leaks;
use crate::tasks::{Purpose, TaskPlan};
use crate::trial::cancel::Cancel;
use crate::trial::elsewhere::Elsewhere;
use crate::trial::error::TrialError;
use crate::trial::evaluator::Evaluator;
use crate::trial::loss::Measure;
use crate::trial::measurer::Measurer;
use crate::trial::open::{DEVICE, Placement, open};
use crate::trial::prepare::{Prepared, Preparing, prepare};
use crate::trial::ranking::Ranking;
use crate::trial::scores::Examination;
use crate::trial::settings::{TextSettings, TrialSettings};
use crate::trial::store::Journal;
use crate::trial::subjects::Subjects;
use crate::trial::target::Target;
use crate::trial::text::Split;

/// The models, sparsities and loss that candidates are measured with.
#[derive(Clone, Debug)]
pub struct TrialOptions {
    /// Folders of the models.
    pub models: Vec<PathBuf>,
    /// Models and sparsities at which candidates are measured; the first is the main one.
    pub targets: Vec<Target>,
    /// How weights are chosen; SparseGPT has no scores before it prunes, so Wanda's are used.
    pub method: Method,
    /// Sparsity pattern.
    pub pattern: Pattern,
    /// Loss that candidates are measured by.
    pub measure: Measure,
    /// Tasks whose documents replace the fitness and selection texts, if the measure is tasks.
    pub tasks: Option<TaskPlan>,
    /// Number of tokens per window of a text; `None` for 2048, or the models' context if that is shorter.
    pub length: Option<usize>,
}

impl TrialOptions {
    /// Returns the options for one model at one sparsity, with Wanda's scores and the divergence from the
    /// dense model.
    pub fn at(model: impl Into<PathBuf>, sparsity: f64) -> Self {
        Self {
            models: vec![model.into()],
            targets: vec![Target { subject: 0, sparsity }],
            method: Method::Wanda,
            pattern: Pattern::default(),
            measure: Measure::default(),
            length: None,
            tasks: None,
        }
    }

    /// Returns the settings of a trial with these texts: required statistics are collected, windows have the
    /// options' length and fit every model, and paths are absolute.
    ///
    /// # Errors
    /// When a model cannot be opened, or the requested length exceeds its context.
    pub fn settings(self, mut texts: TextSettings) -> Result<TrialSettings, SessionError> {
        texts.calibration = texts.calibration.map(from_anywhere).transpose()?;
        texts.statistics = texts.statistics.as_deref().map(absolute).transpose()?;
        texts.fitness = from_anywhere(texts.fitness)?;
        texts.selection = texts.selection.map(from_anywhere).transpose()?;
        texts.report = texts.report.map(from_anywhere).transpose()?;
        Needs::of_method(&self.method).collect_in(&mut texts, &[]);
        let method = match self.method {
            Method::SparseGpt { .. } => Method::Wanda,
            method => method,
        };
        let metric = metric_of(&method)?;
        let lengths = self.models.iter().map(|model| window_length(self.length, &Checkpoint::open(model)?));
        texts.length = lengths.collect::<Result<Vec<_>, _>>()?.into_iter().min().unwrap_or(texts.length);
        Ok(TrialSettings {
            models: self.models.iter().map(|model| absolute(model)).collect::<Result<_, _>>()?,
            targets: self.targets,
            ranking: Ranking { method, metric },
            pattern: self.pattern,
            measure: self.measure,
            texts,
            tasks: self.tasks.map(TaskPlan::from_anywhere).transpose()?,
        })
    }
}

/// Returns a source with absolute paths.
fn from_anywhere(source: Source) -> Result<Source, SessionError> {
    Ok(match source {
        Source::Text(files) => {
            Source::Text(files.iter().map(|file| absolute(file)).collect::<Result<_, _>>()?)
        }
        Source::Tokens(ids) => Source::Tokens(TokenFile { file: absolute(&ids.file)?, ..ids }),
    })
}

fn absolute(path: &Path) -> Result<PathBuf, SessionError> {
    path.canonicalize().map_err(|cause| SessionError::Read { path: path.to_owned(), cause })
}

/// Adds a script to those that a search starts with, and the statistics that it needs.
pub fn include(settings: &mut Settings, loaded: &LoadedScript) {
    // A search uses its own metric, whatever the script's is.
    let script = Script { metric: None, ..loaded.script.clone() };
    let units = [script.unit.unwrap_or_default()];
    let needs = Needs::of_scripts([&script], &settings.trial.ranking.metric);
    needs.collect_in(&mut settings.trial.texts, &units);
    settings.include.push(loaded.text.clone());
}

/// Adds a descent's folder as a teacher. With `held_out`, the search does not learn from it, and reports the
/// distance from it.
///
/// # Errors
/// When there is no such folder.
pub fn learn_from(settings: &mut Settings, folder: &Path, held_out: bool) -> Result<(), SessionError> {
    let folder = absolute(folder)?;
    if held_out { &mut settings.held_out_teachers } else { &mut settings.teachers }.push(folder);
    Ok(())
}

/// Returns whether a metric's scores depend on the unit, such as those of `score / mean(score)`.
fn compares_within_units(metric: &Expr) -> bool {
    let mut found = false;
    metric.walk(&mut |part| {
        found |= match part.op().map(|op| op.info().class) {
            Some(Class::Reduction) => part.ty() == Type::Layer,
            Some(Class::MatrixReduction | Class::Normaliser | Class::Layerwise) => true,
            // Blocks and their projections have the same depth.
            Some(Class::Terminal(shape)) => shape == Type::Layer && part.op() != Some(Op::Depth),
            Some(Class::Elementwise | Class::Allocator(_)) | None => false,
        };
    });
    found
}

/// Reads the tasks to report; if tasks decide, only the documents reserved for the report.
fn reported_tasks(plan: &TaskPlan, trial: &TrialSettings) -> Result<Examination, TrialError> {
    let purpose = match trial.measure {
        Measure::Tasks => Purpose::Report,
        Measure::Kl | Measure::Perplexity => Purpose::All,
    };
    Ok(Examination::new(plan.read(purpose)?, plan.protocol))
}

/// Replaces the prepared measurer by another one, which may use it.
type Replace = Box<dyn FnOnce(Box<dyn Measurer>) -> Box<dyn Measurer> + Send>;

/// A search that is about to start or to be resumed in a folder.
pub struct Search {
    settings: Settings,
    folder: PathBuf,
    resumed: bool,
    engine: Engine,
    others: Vec<Engine>,
    precision: Precision,
    cancel: Cancel,
    measurer: Option<(String, Replace)>,
    time_limit: Option<Duration>,
    /// Whether it may be resumed on another kind of device.
    any_device: bool,
}

impl fmt::Debug for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { settings, folder, resumed, measurer, .. } = self;
        let measurer = measurer.as_ref().map(|(name, _)| name);
        f.debug_struct("Search")
            .field("settings", settings)
            .field("folder", folder)
            .field("resumed", resumed)
            .field("measurer", &measurer)
            .finish_non_exhaustive()
    }
}

impl Search {
    /// Takes the settings of a new search in a new folder, on the CPU.
    pub fn new(settings: Settings, folder: impl Into<PathBuf>) -> Self {
        Self {
            settings,
            folder: folder.into(),
            resumed: false,
            engine: Engine::default(),
            others: Vec::new(),
            precision: Precision::default(),
            cancel: Cancel::default(),
            measurer: None,
            time_limit: None,
            any_device: false,
        }
    }

    /// Reads the settings of a search from its folder, to resume it.
    ///
    /// # Errors
    /// When the folder does not belong to a search.
    pub fn resume(folder: impl Into<PathBuf>) -> Result<Self, SearchError> {
        let folder = folder.into();
        let settings = Settings::read(&folder)?;
        Ok(Self { resumed: true, ..Self::new(settings, folder) })
    }

    /// Takes the settings of a search in another process, to open the same models and texts; it writes no
    /// folder.
    pub(super) fn joining(settings: Settings, any_device: bool) -> Self {
        Self { resumed: true, any_device, ..Self::new(settings, "the search") }
    }

    /// Runs the models on a device with a precision.
    #[must_use]
    pub fn on(self, engine: Engine, precision: Precision) -> Self {
        Self { engine, precision, ..self }
    }

    /// Also measures candidates on further devices of the same kind. Each holds all models and texts; results
    /// are equal to those of one device, to the last digit.
    #[must_use]
    pub fn beside(self, others: Vec<Engine>) -> Self {
        Self { others, ..self }
    }

    /// Sets the number of allocations that each search measures, including those of a resumed run. The
    /// results equal those of a run with this number from the start.
    ///
    /// # Errors
    /// When the run was started with more, because its measurements cannot be undone.
    pub fn with_evaluations(mut self, evaluations: usize) -> Result<Self, SearchError> {
        if self.resumed && evaluations < self.settings.evaluations {
            let (begun, asked) = (self.settings.evaluations, evaluations);
            return Err(SearchError::Fewer { begun, asked });
        }
        self.settings.evaluations = evaluations;
        Ok(self)
    }

    /// Returns whether it measures every formula of a space, and so has no limit on evaluations.
    pub fn is_enumeration(&self) -> bool {
        self.settings.enumeration.is_some()
    }

    /// Starts no measurement after a time limit per search; the results so far are ranked and reported.
    #[must_use]
    pub fn within(self, time_limit: Option<Duration>) -> Self {
        Self { time_limit, ..self }
    }

    /// Stops when `cancel` is set; all measurements so far are in the journal.
    #[must_use]
    pub fn cancelled_by(self, cancel: Cancel) -> Self {
        Self { cancel, ..self }
    }

    /// Replaces the measurer of candidates: `replace` takes the prepared measurer and returns the one to use.
    ///
    /// `name` is stored with the run, and a resumed run refuses measurements under another name. Tables and
    /// pages call the results divergence or perplexity as usual.
    #[must_use]
    pub fn measured_by(
        self,
        name: impl Into<String>,
        replace: impl FnOnce(Box<dyn Measurer>) -> Box<dyn Measurer> + Send + 'static,
    ) -> Self {
        Self { measurer: Some((name.into(), Box::new(replace))), ..self }
    }

    /// Opens models and texts and does all one-off work, without writing anything. `note` is called with the
    /// current phase and its finished share.
    ///
    /// # Errors
    /// When the space has no formula, a model or a text cannot be used, or a resumed run was started with
    /// others.
    pub fn prepare(self, note: &mut Preparing<'_>) -> Result<PreparedSearch, SearchError> {
        let Self { mut settings, folder, resumed, engine, others, precision, cancel, .. } = self;
        let (measurer, time_limit) = (self.measurer, self.time_limit);
        if !resumed {
            Settings::check_new(&folder)?;
        }
        // The space is checked before any model is read, as if every statistic were collected.
        let collected = Op::COLLECTED.to_vec();
        Space::new(&SpaceOptions { collected, ..settings.space.clone() })?;
        if settings.trial.measure == Measure::Tasks
            && let Some(control) = settings.controls.iter().find(|it| it.reads_the_text())
        {
            return Err(SearchError::NotByTasks { control: *control });
        }
        run::check_controls(&settings)?;
        let reported = settings.report_tasks.as_ref();
        let examination = reported.map(|plan| reported_tasks(plan, &settings.trial)).transpose()?;
        let taught = Taught::read(&settings)?;
        let metric = &settings.trial.ranking.metric.score;
        if compares_within_units(metric) && settings.space.units != [UnitKind::Block] {
            return Err(SearchError::MetricOfUnits);
        }
        let placement = Placement { engine: &engine, others: &others, precision };
        let mut opened = open(&settings.trial, placement, &cancel)?;
        if let Some((name, _)) = &measurer {
            opened.identity.add("what measures", name);
        }
        // A search uses one ranking; a comparison names its method itself.
        opened.identity.add("the ranking of weights", settings.trial.ranking.to_string());
        if let Some(examination) = &examination {
            for (task, identity) in examination.identity() {
                opened.identity.add(format!("the reported task {task}"), identity);
            }
            if let Some(deciding) = &opened.deciding {
                refuse_leaks(&deciding.asked(), examination.asked()).map_err(TrialError::from)?;
            }
        }
        let teachers = taught.teachers(&mut opened, &settings.trial.targets)?;
        if resumed {
            if self.any_device {
                settings.identities = settings.identities.without(DEVICE);
                opened.identity = opened.identity.without(DEVICE);
            }
            // This precedes the one-off work, which takes minutes.
            settings.check(&folder, &opened.identity)?;
        }
        let mut prepared = prepare(opened, cancel, note)?;
        if let Some((_, replace)) = measurer {
            let evaluator = prepared.evaluator;
            prepared.evaluator =
                Evaluator { measurer: replace(Box::new(evaluator.measurer)).into(), ..evaluator };
        }
        if !resumed {
            settings.identities.clone_from(&prepared.identity);
            settings.space.collected = prepared.collected(&settings.space.units)?;
        }
        let further = &settings.report_sparsities;
        if let Some(sparsity) = settings.space.marginals().find_map(|op| prepared.lacks(op, further)) {
            return Err(SearchError::NoMarginals { sparsity });
        }
        let space = Space::new(&settings.space)?;
        Ok(PreparedSearch { settings, folder, resumed, prepared, space, time_limit, examination, teachers })
    }
}

/// A search with opened and prepared models.
#[derive(Debug)]
pub struct PreparedSearch {
    settings: Settings,
    folder: PathBuf,
    resumed: bool,
    prepared: Prepared,
    space: Space,
    time_limit: Option<Duration>,
    examination: Option<Examination>,
    teachers: Teachers,
}

/// The settings and results of a search.
#[derive(Clone, Debug)]
pub struct Found {
    /// Folder with its settings and journal.
    pub folder: PathBuf,
    /// The settings as stored in the folder.
    pub settings: Settings,
    /// The results.
    pub summary: Summary,
    /// The number of windows read from the report text, limited to those that every model has.
    pub report_windows: usize,
}

impl PreparedSearch {
    /// Lets other processes measure losses, and returns the measurer that hands out the tasks.
    pub(super) fn measured_elsewhere(self) -> (Self, Arc<Elsewhere>) {
        let Prepared { evaluator, .. } = self.prepared;
        let elsewhere = Arc::new(Elsewhere::new(Box::new(evaluator.measurer)));
        let evaluator = Evaluator { measurer: Arc::new(Arc::clone(&elsewhere)), ..evaluator };
        (Self { prepared: Prepared { evaluator, ..self.prepared }, ..self }, elsewhere)
    }

    /// Returns the models.
    pub(super) fn subjects(&self) -> Arc<Subjects> {
        Arc::clone(&self.prepared.evaluator.subjects)
    }

    /// Returns the settings as stored in the folder.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the folder of the search.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the pairs of texts, such as the fitness and report texts, that are identical.
    pub fn same_texts(&self) -> Vec<[&'static str; 2]> {
        let decides = |pair: &[&str; 2]| {
            // Task documents then replace these texts.
            self.settings.trial.measure != Measure::Tasks
                || !pair.iter().any(|text| ["fitness", "selection"].contains(text))
        };
        self.prepared.same_texts.iter().copied().filter(decides).collect()
    }

    /// Runs the search. Every measurement is in the folder's journal before the search continues; `watch` is
    /// called with the progress.
    ///
    /// [`Found::write`] stores the results beside the journal.
    ///
    /// # Errors
    /// When the folder of a new search is not empty, the journal cannot be written, or the search was
    /// interrupted.
    pub fn run(self, watch: &mut Watch<'_>) -> Result<Found, SearchError> {
        let Self { settings, folder, resumed, prepared, space, time_limit, examination, teachers } = self;
        match resumed {
            false => settings.begin(&folder)?,
            // The number of evaluations may have been raised.
            true => settings.keep(&folder)?,
        }
        let mut journal = Journal::open(&folder.join(JOURNAL))?;
        let mut examination = examination.map(|it| it.kept(&folder.join(TASKS))).transpose()?;
        let mut measured = MeasuredFile::create(&folder)?;
        let deadline = time_limit.and_then(|limit| Instant::now().checked_add(limit));
        let log = &mut |formula: &MeasuredFormula| measured.add(formula);
        let examination = examination.as_mut();
        let course = Course { watch, log, deadline, examination, teachers: &teachers };
        let summary = run::run_logged(&settings, &space, &prepared.evaluator, &mut journal, course)?;
        measured.finish()?;
        let report_windows = prepared.evaluator.windows(Split::Report);
        Ok(Found { folder, settings, summary, report_windows })
    }
}

impl Found {
    /// Writes the results beside the journal: the winning script, those of the front, and the summary. The
    /// command also adds comments at the head of each script on how it was found.
    ///
    /// # Errors
    /// When a file cannot be written; its previous version then stays intact.
    pub fn write(&self) -> Result<(), SearchError> {
        let script = |winner: &Winner| Some(winner.formula.as_ref()?.script.clone());
        write(&self.folder, &self.summary, &script)
    }
}
