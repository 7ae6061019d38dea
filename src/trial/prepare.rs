//! What a search is told, as its folder keeps it: enough to do all of it again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::evaluator::{Evaluator, Setting};
use super::subject::{Subject, Texts};
use crate::device::Engine;
use crate::lang::check::{Options as CheckOptions, check};
use crate::lang::ops::Op;
use crate::lang::print;
use crate::lang::program::{Expr, Metric, Script};
use crate::model::{Checkpoint, ModelError, Precision, write_beside};
use crate::prune::{Method, Pattern};
use crate::search::enumerate::Grid;
use crate::search::error::SearchError;
use crate::search::space::SpaceOptions;
use crate::search::summary::{Measure, Searcher};
use crate::stats::{
    CalibrationOptions, Reconstruction, Source, Statistics, StatisticsError, Tokens, calibrate_with,
    gradients,
};

/// The file in a run's folder that holds its settings.
pub const SETTINGS: &str = "settings.json";

/// What a search is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The version of allot that began the run.
    pub version: String,
    /// The models' folders.
    pub models: Vec<PathBuf>,
    /// The models and sparsities that candidates are measured at: the place of the model, and the target.
    pub targets: Vec<(usize, f64)>,
    /// The method by which weights are chosen: `magnitude`, `wanda`, `ria`, or `metric`.
    pub method: String,
    /// The metric of the method as a script, which `score` stands for and which results carry along.
    pub metric: String,
    /// Where zeros may stand.
    pub pattern: String,
    /// Which loss counts.
    pub measure: Measure,
    /// What the models read.
    pub texts: TextSettings,
    /// What candidates are made of.
    pub space: SpaceOptions,
    /// Scripts with which the search begins, beside the published ones, as text.
    pub include: Vec<String>,
    /// Measures every formula of the space instead of searching.
    pub enumeration: Option<Grid>,
    /// How many allocations each search measures.
    pub evaluations: usize,
    /// The seeds, one for each search.
    pub seeds: Vec<u64>,
    /// What the searches are compared with.
    pub controls: Vec<Searcher>,
    /// What models and texts were when the run began: a name and a hash each.
    pub identities: Vec<(String, String)>,
}

/// What the models read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextSettings {
    /// The calibration text, or nothing when a statistics file stands for it.
    pub calibration: Option<Source>,
    /// The statistics file of the first model.
    pub statistics: Option<PathBuf>,
    /// Whether squared gradients are collected on the calibration text as well.
    pub gradients: bool,
    /// Whether each linear's reconstruction error is collected on it (LSA).
    #[serde(default)]
    pub reconstruction: bool,
    /// How many windows are drawn from the calibration text.
    pub samples: usize,
    /// What they are drawn by.
    pub seed: u64,
    /// How many tokens a window has; ready ids have their own.
    pub length: usize,
    /// The fitness text.
    pub fitness: Source,
    /// The selection text.
    pub selection: Option<Source>,
    /// The report text.
    pub report: Option<Source>,
    /// The most windows of the fitness text, and of the selection text.
    pub windows: usize,
    /// The most windows of the report text.
    pub report_windows: Option<usize>,
}

/// Something that is said of the preparation.
pub type Note<'a> = dyn FnMut(&str, f64) + 'a;

impl Settings {
    /// Reads the settings of a run's folder.
    ///
    /// # Errors
    /// When the folder is not a run's.
    pub fn read(folder: &Path) -> Result<Self, SearchError> {
        let wrong =
            |problem: String| SearchError::NotARun { folder: folder.to_owned(), file: SETTINGS, problem };
        let bytes = fs::read(folder.join(SETTINGS)).map_err(|error| wrong(error.to_string()))?;
        serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))
    }

    /// Begins a run's folder, in which there is nothing but the settings then.
    ///
    /// # Errors
    /// When the folder holds something already, or cannot be written.
    pub fn begin(&self, folder: &Path) -> Result<(), SearchError> {
        let failed = |source| ModelError::Write { path: folder.to_owned(), source };
        match fs::read_dir(folder).map(|mut entries| entries.next().is_some()) {
            Ok(true) => return Err(SearchError::Exists { folder: folder.to_owned() }),
            Ok(false) => {}
            Err(_) => fs::create_dir_all(folder).map_err(failed)?,
        }
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        Ok(write_beside(&folder.join(SETTINGS), |file| std::io::Write::write_all(file, &text))?)
    }

    /// Opens models and texts, calibrates, ranks all weights and runs the dense models: all that is done once.
    ///
    /// Everything runs on an engine, the models in a precision. `note` is called with what is being done and the share that is done.
    ///
    /// # Errors
    /// When a model or a text cannot be used, or the method needs statistics that there are not.
    pub fn open(
        &self,
        folder: &Path,
        (engine, precision): (&Engine, Precision),
        interrupt: Option<&'static AtomicBool>,
        note: &mut Note<'_>,
    ) -> Result<Prepared, SearchError> {
        let metric = self.metric()?;
        let method = self.method(&metric);
        let pattern: Pattern = self.pattern.parse()?;
        let mut subjects = Vec::with_capacity(self.models.len());
        let mut identities = Vec::new();
        let mut calibrated = Calibrated::default();
        if let Some(gpu) = engine.gpu() {
            // Its losses are not a processor's to the last digit, and a search that goes on compares them.
            identities.push(("the device".to_owned(), format!("{gpu} in {precision:?}")));
        }
        for (place, model) in self.models.iter().enumerate() {
            let checkpoint = Checkpoint::open(model)?.on(engine.clone(), precision)?;
            checkpoint.check_finite()?;
            identities.push((format!("the model {}", model.display()), checkpoint.fingerprint()));
            let statistics = self.statistics(&checkpoint, place, &mut identities, &mut calibrated, note)?;
            let texts = self.texts(&checkpoint, &mut identities)?;
            note("running the dense model", 0.0);
            subjects.push(Subject::new(&checkpoint, statistics, &method, pattern, &texts)?);
        }
        let evaluator = Evaluator {
            subjects,
            settings: self
                .targets
                .iter()
                .map(|(subject, target)| Setting { subject: *subject, target: *target })
                .collect(),
            metric,
            pattern,
            measure: self.measure,
            folder: folder.to_owned(),
            interrupt,
        };
        Ok(Prepared { evaluator, identities, calibrated })
    }

    /// Fails when a model or a text is not what it was when the run began.
    ///
    /// # Errors
    /// With the first that changed.
    pub fn check(&self, folder: &Path, now: &[(String, String)]) -> Result<(), SearchError> {
        for ((what, before), (_, now)) in self.identities.iter().zip(now) {
            if before != now {
                return Err(SearchError::Changed {
                    what: what.clone(),
                    folder: folder.to_owned(),
                    before: before.clone(),
                    now: now.clone(),
                });
            }
        }
        Ok(())
    }

    /// Returns the metric that `score` stands for.
    fn metric(&self) -> Result<Metric, SearchError> {
        let script = check(&self.metric, CheckOptions::default()).script;
        let metric = script.and_then(|it| it.metric).ok_or_else(|| SearchError::NotARun {
            folder: PathBuf::from(SETTINGS),
            file: SETTINGS,
            problem: format!("`{}` is no metric", self.metric),
        })?;
        Ok(Metric { per: metric.per, score: metric.score.without_spans() })
    }

    fn method(&self, metric: &Metric) -> Method {
        Method::named(&self.method).unwrap_or_else(|| Method::Metric(metric.clone()))
    }

    fn statistics(
        &self,
        checkpoint: &Checkpoint,
        place: usize,
        identities: &mut Vec<(String, String)>,
        calibrated: &mut Calibrated,
        note: &mut Note<'_>,
    ) -> Result<Option<Statistics>, SearchError> {
        let texts = &self.texts;
        if let (Some(path), 0) = (&texts.statistics, place) {
            let statistics = Statistics::load(path, checkpoint)?;
            identities.push((
                format!("the calibration of {}", path.display()),
                statistics.provenance.source.clone(),
            ));
            return Ok(Some(statistics));
        }
        let Some(source) = &texts.calibration else { return Ok(None) };
        let tokens = source.draw(checkpoint, texts.samples, Some(texts.length), texts.seed)?;
        identities.push(("the calibration text".to_owned(), tokens.hash().to_owned()));
        let blocks = checkpoint.config().blocks as f64;
        let begun = Instant::now();
        let options = CalibrationOptions {
            reconstruction: texts.reconstruction.then(Reconstruction::default),
            ..CalibrationOptions::default()
        };
        let mut progress = |done| note("calibrating", done as f64 / blocks);
        let mut statistics =
            calibrate_with(checkpoint, &tokens, texts.seed, &checkpoint.device(), options, &mut progress)?;
        calibrated.seconds += begun.elapsed().as_secs_f64();
        if texts.gradients {
            let begun = Instant::now();
            let collected = gradients(checkpoint, &tokens, &checkpoint.device(), &mut |done| {
                note("collecting gradients", done as f64 / (2.0 * blocks));
            })?;
            statistics.add_gradients(collected);
            calibrated.gradient_seconds += begun.elapsed().as_secs_f64();
        }
        calibrated.text.get_or_insert(tokens);
        Ok(Some(statistics))
    }

    fn texts(
        &self,
        checkpoint: &Checkpoint,
        identities: &mut Vec<(String, String)>,
    ) -> Result<Texts, SearchError> {
        let texts = &self.texts;
        let mut windows =
            |what: &str, source: &Source, limit: Option<usize>| -> Result<Tokens, SearchError> {
                let tokens = source.windows(checkpoint, Some(texts.length), limit)?;
                identities.push((format!("the {what} text"), tokens.hash().to_owned()));
                Ok(tokens)
            };
        Ok(Texts {
            fitness: windows("fitness", &texts.fitness, Some(texts.windows))?,
            selection: match &texts.selection {
                Some(source) => Some(windows("selection", source, Some(texts.windows))?),
                None => None,
            },
            report: match &texts.report {
                Some(source) => Some(windows("report", source, texts.report_windows)?),
                None => None,
            },
        })
    }
}

/// Models and texts, opened and ready.
#[derive(Debug)]
pub struct Prepared {
    /// What candidates are measured with.
    pub evaluator: Evaluator,
    /// What models and texts are: a name and a hash each.
    pub identities: Vec<(String, String)>,
    /// What the calibration took.
    pub calibrated: Calibrated,
}

/// What collecting statistics took; nothing where they came from a file.
#[derive(Clone, Debug, Default)]
pub struct Calibrated {
    /// The windows that the first model read, in each pass.
    pub text: Option<Tokens>,
    /// How many seconds the inputs' statistics took, over all models.
    pub seconds: f64,
    /// How many seconds the gradients took, over all models.
    pub gradient_seconds: f64,
}

impl Prepared {
    /// Returns the terminals whose statistics all models have.
    ///
    /// # Errors
    /// When a model cannot be read.
    pub fn collected(&self) -> Result<Vec<Op>, SearchError> {
        let mut collected = Op::COLLECTED.to_vec();
        for subject in &self.evaluator.subjects {
            let data = subject.data()?;
            collected.retain(|op| {
                data.linears.iter().all(|linear| match *op {
                    Op::InputNorm => linear.second_moment.is_some(),
                    Op::HessianDiagonal => linear.hessian_diagonal.is_some(),
                    Op::Gradient => linear.gradient.is_some(),
                    _ => linear.reconstruction_error.is_some(),
                })
            });
        }
        Ok(collected)
    }
}

/// Returns a metric as a script says it.
pub fn metric_script(metric: &Metric) -> String {
    let bare = |expr: &Expr| expr.without_spans();
    let metric = Metric { per: metric.per, score: bare(&metric.score) };
    print::script(&Script { metric: Some(metric), unit: None, allocation: None })
}

impl From<StatisticsError> for SearchError {
    fn from(error: StatisticsError) -> Self {
        Self::Statistics(Box::new(error))
    }
}
