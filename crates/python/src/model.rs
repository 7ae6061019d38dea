//! A model in a folder: statistics, ratios, masks, pruned copies and perplexity.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use allot::cli::CliError;
use allot::cli::host;
use allot::exchange::AllocationFile;
use allot::lang::canonical;
use allot::model::{Checkpoint, hub};
use allot::prune::{Mask, Method, Pattern, PruneOptions, Report};
use allot::session::{
    AllocationOptions, Calibration, Event, Needs, Session, SessionError, calibration_name, model_name,
    named_method,
};
use allot::stats::Source;
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::allocation::Allocation;
use crate::failure::{described, mistaken, raised};
use crate::layers::array;
use crate::script::{Script, bounds_of, unit_of};
use crate::waiting::{Inbox, Said, Stop, wait};

/// A model on disk, with the calibration text for its statistics.
#[pyclass(frozen, subclass, module = "allot")]
pub(crate) struct Model {
    session: Arc<Mutex<Session>>,
    /// The same model, for calls that need no statistics and so no lock.
    checkpoint: Checkpoint,
    inbox: Inbox,
}

/// Locks the session, so that one call works on it at a time.
fn lock(session: &Mutex<Session>) -> MutexGuard<'_, Session> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns a source of tokens: texts, or token ids in `FILE.safetensors:NAME`.
fn source(files: Vec<PathBuf>, tokens: Option<&str>) -> Result<Option<Source>, String> {
    match (files.is_empty(), tokens) {
        (true, None) => Ok(None),
        (false, None) => Ok(Some(Source::Text(files))),
        (true, Some(name)) => Ok(Some(Source::Tokens(name.into()))),
        (false, Some(_)) => {
            Err("`text` and `tokens` are two sources of the same windows; pass only one".to_owned())
        }
    }
}

impl Model {
    /// Runs work on the session while Python waits.
    fn work<T: Send + 'static>(
        &self,
        py: Python<'_>,
        progress: Option<Py<PyAny>>,
        work: impl FnOnce(&mut Session, &AtomicBool) -> Result<T, SessionError> + Send + 'static,
    ) -> PyResult<T> {
        let (session, stop) = (Arc::clone(&self.session), Stop::default());
        let flag = Arc::clone(&stop);
        let done = wait(py, &stop, &self.inbox, progress.as_ref(), move || work(&mut lock(&session), &flag))?;
        done.map_err(|error| raised(py, error))
    }
}

#[pymethods]
impl Model {
    #[new]
    #[pyo3(signature = (folder, *, text=Vec::new(), tokens=None, statistics=None, samples=128, length=None, seed=0,
        device="cpu", precision="f32"))]
    #[allow(clippy::too_many_arguments, reason = "they are named in Python")]
    fn new(
        py: Python<'_>,
        folder: PathBuf,
        text: Vec<PathBuf>,
        tokens: Option<&str>,
        statistics: Option<PathBuf>,
        samples: usize,
        length: Option<usize>,
        seed: u64,
        device: &str,
        precision: &str,
    ) -> PyResult<Self> {
        let (engine, precision) = host::device(device, precision).map_err(|error| described(py, &error))?;
        let source = source(text, tokens).map_err(|error| mistaken(py, error))?;
        if let (Some(_), Some(_)) = (&source, &statistics) {
            return Err(mistaken(
                py,
                "statistics are either collected on a text or read from a file; pass only one of them"
                    .to_owned(),
            ));
        }
        let (inbox, stop) = (Inbox::default(), Stop::default());
        let said = inbox.clone();
        let open = move || -> Result<(Session, Checkpoint), CliError> {
            let found = hub::fetch(&folder, &mut |_| ()).map_err(SessionError::from)?;
            let checkpoint = Checkpoint::open(&found).map_err(SessionError::from)?;
            for warning in checkpoint.warnings() {
                said.say(Said::Warning(warning.to_string()));
            }
            let checkpoint = checkpoint.on(engine, precision).map_err(SessionError::from)?;
            let mut session = Session::of(checkpoint.clone()).watched(move |event| match event {
                Event::Progress { phase, share, value } => {
                    said.say(Said::Progress(phase.name().to_owned(), share, value));
                }
                Event::Note(note) if note.is_warning() => said.say(Said::Warning(note.to_string())),
                Event::Note(_) => {}
            });
            if let Some(source) = source {
                session =
                    session.calibrated(Calibration { samples, length, seed, ..Calibration::of(source) });
            }
            if let Some(file) = statistics {
                session = session.with_statistics(file)?;
            }
            Ok((session, checkpoint))
        };
        let opened = wait(py, &stop, &inbox, None, open)?;
        let (session, checkpoint) = opened.map_err(|error| raised(py, error))?;
        Ok(Self { session: Arc::new(Mutex::new(session)), checkpoint, inbox })
    }

    #[getter]
    fn folder(&self) -> PathBuf {
        self.checkpoint.folder().to_owned()
    }

    #[getter]
    fn architecture(&self) -> &'static str {
        self.checkpoint.config().architecture.title
    }

    #[getter]
    fn blocks(&self) -> usize {
        self.checkpoint.config().blocks
    }

    #[getter]
    fn linears(&self) -> Vec<(&str, usize, usize, usize)> {
        self.checkpoint
            .linears()
            .iter()
            .map(|it| (it.module.as_str(), it.block, it.rows, it.columns))
            .collect()
    }

    fn fingerprint(&self, py: Python<'_>) -> String {
        py.detach(|| self.checkpoint.fingerprint())
    }

    #[pyo3(name = "_ratios", signature = (script, sparsity, method, unit, lower, upper, progress))]
    #[allow(clippy::too_many_arguments, reason = "Python passes them by place")]
    fn ratios(
        &self,
        py: Python<'_>,
        script: &Script,
        sparsity: f64,
        method: &str,
        unit: Option<&str>,
        lower: f64,
        upper: f64,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Allocation> {
        let (unit, bounds) = (unit_of(py, unit)?, bounds_of(py, lower, upper)?);
        let method = named_method(method).map_err(|error| raised(py, error))?;
        let script = script.0.clone();
        let file = self.work(py, progress, move |session, _| {
            let options =
                AllocationOptions { unit, bounds, method: &method, ..AllocationOptions::at(sparsity) };
            let outcome = session.allocate(&script, &options)?;
            let hash = canonical::hash(&script.script);
            let checkpoint = session.checkpoint();
            let model = model_name(checkpoint);
            let calibration = session.at_hand().map(calibration_name);
            let file = AllocationFile::new(&outcome.allocation, outcome.unit, &script.name, Some(hash));
            Ok(AllocationFile { model: Some(model), calibration, ..file })
        })?;
        Ok(Allocation(file))
    }

    #[pyo3(name = "_masks", signature = (allocation, method, pattern, progress))]
    fn masks<'py>(
        &self,
        py: Python<'py>,
        allocation: &Allocation,
        method: &str,
        pattern: Option<&str>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let wanted = Wanted::read(py, allocation, method, pattern)?;
        let masks: Vec<(String, Mask)> = self.work(py, progress, move |session, stop| {
            session.masks(&wanted.allocation.allocation(), &wanted.options(stop))
        })?;
        let named = PyDict::new(py);
        for (module, mask) in masks {
            named.set_item(module, array(py, &mask)?)?;
        }
        Ok(named)
    }

    #[pyo3(name = "_prune", signature = (allocation, out, method, pattern, force, progress))]
    #[allow(clippy::too_many_arguments, reason = "Python passes them by place")]
    fn prune(
        &self,
        py: Python<'_>,
        allocation: &Allocation,
        out: PathBuf,
        method: &str,
        pattern: Option<&str>,
        force: bool,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<String> {
        let wanted = Wanted::read(py, allocation, method, pattern)?;
        let report: Report = self.work(py, progress, move |session, stop| {
            session.prune(&wanted.allocation.allocation(), &wanted.options(stop), out, force, None)
        })?;
        // Serialising text and numbers cannot fail.
        Ok(serde_json::to_string(&report).unwrap_or_default())
    }

    #[pyo3(name = "_perplexity", signature = (text, tokens, length, limit, progress))]
    fn perplexity(
        &self,
        py: Python<'_>,
        text: Vec<PathBuf>,
        tokens: Option<&str>,
        length: Option<usize>,
        limit: Option<usize>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<(f64, f64, usize, Vec<f64>)> {
        let source = source(text, tokens).map_err(|error| mistaken(py, error))?;
        let Some(source) = source else { return Err(mistaken(py, "pass `text` or `tokens`".to_owned())) };
        let found =
            self.work(py, progress, move |session, _| session.perplexity(&source, length, limit, None))?;
        Ok((found.perplexity, found.mean_loss, found.tokens, found.window_losses))
    }

    #[pyo3(name = "_second_moments", signature = (progress))]
    fn second_moments<'py>(
        &self,
        py: Python<'py>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let collected: Vec<(String, Vec<f32>)> = self.work(py, progress, |session, _| {
            let found = session.statistics(&Needs::inputs())?;
            let linears = found.map(|it| &it.linears).into_iter().flatten();
            Ok(linears.filter_map(|(name, it)| Some((name.clone(), it.second_moment.clone()?))).collect())
        })?;
        let named = PyDict::new(py);
        for (module, values) in collected {
            named.set_item(module, PyArray1::from_vec(py, values))?;
        }
        Ok(named)
    }

    #[pyo3(name = "_save_statistics", signature = (path, progress))]
    fn save_statistics(&self, py: Python<'_>, path: PathBuf, progress: Option<Py<PyAny>>) -> PyResult<bool> {
        self.work(py, progress, move |session, _| match session.statistics(&Needs::inputs())? {
            Some(found) => found.save(&path).map(|()| true).map_err(SessionError::from),
            None => Ok(false),
        })
    }

    fn __repr__(&self) -> String {
        let config = self.checkpoint.config();
        format!(
            "Model({:?}, {}, {} blocks)",
            self.checkpoint.folder(),
            config.architecture.title,
            config.blocks
        )
    }
}

/// What to prune, and how.
struct Wanted {
    allocation: AllocationFile,
    method: Method,
    pattern: Pattern,
}

impl Wanted {
    fn read(py: Python<'_>, allocation: &Allocation, method: &str, pattern: Option<&str>) -> PyResult<Self> {
        let method = named_method(method).map_err(|error| raised(py, error))?;
        let pattern =
            pattern.map(str::parse).transpose().map_err(|error| mistaken(py, format!("{error}")))?;
        Ok(Self { allocation: allocation.0.clone(), method, pattern: pattern.unwrap_or_default() })
    }

    fn options<'a>(&self, stop: &'a AtomicBool) -> PruneOptions<'a> {
        PruneOptions {
            pattern: self.pattern,
            unit: self.allocation.unit,
            interrupt: Some(stop),
            ..PruneOptions::new(self.method.clone())
        }
    }
}
