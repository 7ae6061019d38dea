//! A worker: a process that measures for a search in another process.

use std::sync::Arc;

use allot::cli::CliError;
use allot::cli::host;
use allot::search::settings::Settings;
use allot::session;
use allot::trial::measurer::LossTask;
use pyo3::prelude::*;

use crate::failure::{described, mistaken, raised};
use crate::waiting::{Inbox, Said, Stop, wait};

/// Measures the tasks of a search, with the same models and texts.
#[pyclass(frozen, module = "allot")]
pub(crate) struct Worker {
    worker: Arc<session::Worker>,
    inbox: Inbox,
}

#[pymethods]
impl Worker {
    #[new]
    #[pyo3(signature = (settings, *, device="cpu", precision="f32", any_device=false, progress=None))]
    fn new(
        py: Python<'_>,
        settings: &str,
        device: &str,
        precision: &str,
        any_device: bool,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let settings: Settings = serde_json::from_str(settings)
            .map_err(|error| mistaken(py, format!("these are not the settings of a search: {error}")))?;
        let (engine, precision) = host::device(device, precision).map_err(|error| described(py, &error))?;
        let (inbox, stop) = (Inbox::default(), Stop::default());
        let (said, cancel) = (inbox.clone(), Arc::clone(&stop));
        let open = move || {
            session::Worker::open(
                settings,
                engine,
                precision,
                any_device,
                cancel.into(),
                &mut |phase, share| {
                    said.say(Said::Progress(phase.to_owned(), share, None));
                },
            )
        };
        let worker = wait(py, &stop, &inbox, progress.as_ref(), open)?;
        let worker = worker.map_err(|error| raised(py, error))?;
        Ok(Self { worker: Arc::new(worker), inbox })
    }

    /// Measures a task given as JSON by `Task.to_json`, and returns one pair of divergence and loss for each window.
    fn measure(&self, py: Python<'_>, task: &str) -> PyResult<Vec<(f64, f64)>> {
        let task: LossTask = serde_json::from_str(task)
            .map_err(|error| mistaken(py, format!("this is not a task: {error}")))?;
        let (worker, stop) = (Arc::clone(&self.worker), Stop::default());
        let losses = wait(py, &stop, &self.inbox, None, move || worker.measure(&task))?;
        let losses = losses.map_err(|error| raised(py, CliError::from(error)))?;
        Ok(losses.into_iter().map(|it| (it.kl, it.nll)).collect())
    }
}
