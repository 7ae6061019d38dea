//! A search with an ask-and-tell interface: it hands out tasks and takes losses.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use allot::cli::CliError;
use allot::cli::host::{DescribedSearch, Writer};
use allot::measure::WindowLoss;
use allot::search::error::SearchError;
use allot::session::AskedSearch as Asking;
use allot::trial::elsewhere::Asked;
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyRange};

use crate::failure::{described, mistaken, raised, refused};
use crate::waiting::{Inbox, Said, Stop, wait};

/// A pruned model that a search wants measured on some windows of a text.
#[pyclass(frozen, module = "allot")]
#[derive(Clone, Debug)]
pub(crate) struct Task {
    asked: Asked,
    sparsity: f64,
    projections: Vec<(String, f64)>,
    blocks: Vec<f64>,
}

#[pymethods]
impl Task {
    #[getter]
    fn id(&self) -> u64 {
        self.asked.id
    }

    #[getter]
    fn script(&self) -> Option<&str> {
        self.asked.script.as_deref()
    }

    #[getter]
    fn sparsity(&self) -> f64 {
        self.sparsity
    }

    #[getter]
    fn ratios<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let ratios = PyDict::new(py);
        for (module, ratio) in &self.projections {
            ratios.set_item(module, ratio)?;
        }
        Ok(ratios)
    }

    #[getter]
    fn blocks<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_slice(py, &self.blocks)
    }

    #[getter]
    fn model(&self) -> usize {
        self.asked.task.model.subject
    }

    #[getter]
    fn text(&self) -> &'static str {
        self.asked.task.split.name()
    }

    #[getter]
    fn windows<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyRange>> {
        let windows = &self.asked.task.windows;
        PyRange::new(py, windows.start as isize, windows.end as isize)
    }

    /// Returns the task as JSON, for a worker in another process.
    fn to_json(&self) -> String {
        // Serialising text and numbers cannot fail.
        serde_json::to_string(&self.asked.task).unwrap_or_default()
    }

    fn __repr__(&self) -> String {
        let windows = &self.asked.task.windows;
        format!("Task({}, text={:?}, windows={}:{})", self.asked.id, self.text(), windows.start, windows.end)
    }
}

/// The state of a search.
enum Course {
    /// The search runs, and waits for losses.
    Runs(Arc<Asking>),
    /// The search has ended, or was stopped.
    Ended,
}

/// A search that hands out tasks and takes their losses in any order.
#[pyclass(frozen, module = "allot")]
pub(crate) struct AskedSearch {
    course: Mutex<Course>,
    writer: Writer,
    inbox: Inbox,
    folder: PathBuf,
}

impl AskedSearch {
    fn running(&self, py: Python<'_>) -> PyResult<Arc<Asking>> {
        match &*self.course.lock().unwrap_or_else(PoisonError::into_inner) {
            Course::Runs(asking) => Ok(Arc::clone(asking)),
            Course::Ended => Err(refused(py, "the search has ended".to_owned())),
        }
    }
}

#[pymethods]
impl AskedSearch {
    /// Opens the search that the arguments of `allot search` describe; `measure` is the name of a custom measure, which is stored
    /// with the run.
    #[new]
    #[pyo3(signature = (words, measure, progress))]
    fn new(
        py: Python<'_>,
        words: Vec<OsString>,
        measure: Option<String>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let read = DescribedSearch::read(&words).map_err(|error| described(py, &error))?;
        let (search, writer) = read.split();
        let (inbox, stop) = (Inbox::default(), Stop::default());
        let (said, cancel) = (inbox.clone(), Arc::clone(&stop));
        let prepare = move || {
            let search = search.cancelled_by(cancel.into());
            let search = match measure {
                Some(name) => search.measured_by(name, |measurer| measurer),
                None => search,
            };
            let prepared = search.prepare(&mut |phase, share| {
                said.say(Said::Progress(phase.to_owned(), share, None));
            })?;
            let folder = prepared.folder().to_owned();
            Ok::<_, SearchError>((folder, prepared.asked()))
        };
        let prepared = wait(py, &stop, &inbox, progress.as_ref(), prepare)?;
        let (folder, asking) = prepared.map_err(|error| raised(py, error))?;
        Ok(Self { course: Mutex::new(Course::Runs(Arc::new(asking))), writer, inbox, folder })
    }

    #[getter]
    fn folder(&self) -> PathBuf {
        self.folder.clone()
    }

    /// Returns the settings, from which a worker opens the same models and texts.
    fn settings(&self, py: Python<'_>) -> PyResult<String> {
        // Serialising text and numbers cannot fail.
        Ok(serde_json::to_string(self.running(py)?.settings()).unwrap_or_default())
    }

    fn ask(&self, py: Python<'_>) -> PyResult<Vec<Task>> {
        let asking = self.running(py)?;
        let (other, stop) = (Arc::clone(&asking), Stop::default());
        let all = wait(py, &stop, &self.inbox, None, move || other.ask())?;
        let mut tasks = Vec::with_capacity(all.len());
        for asked in all {
            let model = &asked.task.model;
            let read = asking.ratios(model).and_then(|ratios| Ok((ratios, asking.sparsity(model)?)));
            let (ratios, sparsity) = read.map_err(|error| raised(py, CliError::from(error)))?;
            tasks.push(Task { asked, sparsity, projections: ratios.projections, blocks: ratios.blocks });
        }
        Ok(tasks)
    }

    /// Records the losses of a task: one pair of divergence and loss for each window.
    #[pyo3(name = "_tell")]
    fn tell(&self, py: Python<'_>, id: u64, losses: Vec<(f64, f64)>) -> PyResult<()> {
        let losses = losses.into_iter().map(|(kl, nll)| WindowLoss { kl, nll }).collect();
        self.running(py)?.tell(id, losses).map_err(|error| refused(py, error.to_string()))
    }

    /// Measures a task with the models of this process.
    #[pyo3(name = "_measure")]
    fn measure(&self, py: Python<'_>, task: &Task) -> PyResult<Vec<(f64, f64)>> {
        let (asking, task, stop) = (self.running(py)?, task.asked.task.clone(), Stop::default());
        let losses = wait(py, &stop, &self.inbox, None, move || asking.measure(&task))?;
        let losses = losses.map_err(|error| raised(py, CliError::from(error)))?;
        Ok(losses.into_iter().map(|it| (it.kl, it.nll)).collect())
    }

    #[getter]
    fn is_over(&self, py: Python<'_>) -> bool {
        self.running(py).map_or(true, |asking| asking.is_over())
    }

    #[getter]
    fn progress<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Ok(asking) = self.running(py) else { return Ok(None) };
        let Some(now) = asking.progress() else { return Ok(None) };
        let progress = PyDict::new(py);
        progress.set_item("searcher", now.searcher.key())?;
        progress.set_item("seed", now.seed)?;
        progress.set_item("search", now.done)?;
        progress.set_item("searches", now.all)?;
        progress.set_item("measured", now.measured)?;
        progress.set_item("evaluations", now.evaluations)?;
        progress.set_item("best", now.best)?;
        Ok(Some(progress))
    }

    /// Ends a finished search, and writes its results as the command does; refuses a search that is not over.
    fn end(&self, py: Python<'_>) -> PyResult<()> {
        let asking = self.running(py)?;
        if !asking.is_over() {
            return Err(refused(
                py,
                "the search is not over; `stop` ends it, and it can be resumed later".to_owned(),
            ));
        }
        drop(asking);
        let Some(asking) = self.take() else {
            return Err(mistaken(py, "another thread uses the search".to_owned()));
        };
        let found = py.detach(|| asking.end()).map_err(|error| raised(py, error))?;
        self.writer.write(&found).map_err(|error| described(py, &error))
    }

    /// Stops the search; its journal keeps what was measured.
    fn stop(&self, py: Python<'_>) {
        if let Some(asking) = self.take() {
            // The error says only that it was interrupted, as requested.
            let _ = py.detach(|| asking.end());
        }
    }
}

impl AskedSearch {
    /// Takes the search out, unless another thread is using it.
    fn take(&self) -> Option<Asking> {
        let mut course = self.course.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *course, Course::Ended) {
            Course::Runs(asking) => match Arc::try_unwrap(asking) {
                Ok(asking) => Some(asking),
                Err(shared) => {
                    *course = Course::Runs(shared);
                    None
                }
            },
            Course::Ended => None,
        }
    }
}
