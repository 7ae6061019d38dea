//! Scripts: checking, formatting, and their properties.

use allot::allocate::Bounds;
use allot::lang::check::{CheckOptions, check_bytes};
use allot::lang::types::UnitKind;
use allot::lang::{canonical, format as layout, latex, print, published as known};
use allot::session::{LoadedScript, SessionError};
use pyo3::prelude::*;

use crate::failure::{mistaken, raised};

/// Parses an allocation unit.
pub(crate) fn unit_of(py: Python<'_>, word: Option<&str>) -> PyResult<Option<UnitKind>> {
    let Some(word) = word else { return Ok(None) };
    let unit = UnitKind::ALL.into_iter().find(|unit| unit.name() == word);
    let known: Vec<&str> = UnitKind::ALL.into_iter().map(UnitKind::name).collect();
    let wrong =
        || mistaken(py, format!("there is no allocation unit `{word}`; the units are {}", known.join(", ")));
    unit.map(Some).ok_or_else(wrong)
}

/// Returns the bounds on a unit's sparsity.
pub(crate) fn bounds_of(py: Python<'_>, lower: f64, upper: f64) -> PyResult<Bounds> {
    Bounds::new(lower, upper).map_err(|error| mistaken(py, error.to_string()))
}

/// A checked allocation script.
#[pyclass(frozen, subclass, module = "allot")]
#[derive(Clone, Debug)]
pub(crate) struct Script(pub(crate) LoadedScript);

#[pymethods]
impl Script {
    #[new]
    #[pyo3(signature = (text, *, unit=None, name="script"))]
    fn new(py: Python<'_>, text: &str, unit: Option<&str>, name: &str) -> PyResult<Self> {
        let unit = unit_of(py, unit)?;
        LoadedScript::check(name, text.as_bytes(), unit).map(Self).map_err(|error| raised(py, error))
    }

    #[getter]
    fn name(&self) -> &str {
        &self.0.name
    }

    #[getter]
    fn text(&self) -> &str {
        &self.0.text
    }

    #[getter]
    fn canonical(&self) -> String {
        print::script(&canonical::script(&self.0.script))
    }

    #[getter]
    fn hash(&self) -> String {
        canonical::hash(&self.0.script)
    }

    #[getter]
    fn latex(&self) -> String {
        latex::script(&self.0.script)
    }

    #[getter]
    fn unit(&self) -> Option<&'static str> {
        self.0.script.unit.map(UnitKind::name)
    }

    #[getter]
    fn has_metric(&self) -> bool {
        self.0.script.metric.is_some()
    }

    /// Returns the warnings about its text, as JSON.
    #[getter]
    fn _warnings(&self) -> String {
        data(&self.0.warnings, &self.0.name, &self.0.text)
    }

    fn __str__(&self) -> &str {
        &self.0.text
    }

    fn __repr__(&self) -> String {
        format!("Script({:?}, hash={:?})", self.0.name, self.hash())
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.hash() == other.hash()
    }

    fn __hash__(&self) -> u64 {
        let digits = self.hash();
        u64::from_str_radix(digits.get(..16).unwrap_or_default(), 16).unwrap_or_default()
    }
}

/// Returns diagnostics as JSON.
fn data(diagnostics: &[allot::lang::diagnostic::Diagnostic], name: &str, text: &str) -> String {
    let all: Vec<_> = diagnostics.iter().map(|it| it.to_data(name, text)).collect();
    serde_json::to_string(&all).unwrap_or_default()
}

/// Returns what is wrong with a script's text, and what is worth a warning in it, as JSON.
#[pyfunction]
#[pyo3(name = "_check", signature = (text, name, unit=None))]
pub(crate) fn check(py: Python<'_>, text: &str, name: &str, unit: Option<&str>) -> PyResult<String> {
    let unit = unit_of(py, unit)?;
    let checked = check_bytes(text.as_bytes(), CheckOptions { unit });
    let diagnostics: Vec<_> = checked.problems.iter().map(|problem| problem.diagnostic()).collect();
    Ok(data(&diagnostics, name, text))
}

/// Returns the name and the text of a script in a file, or of a published script.
#[pyfunction]
#[pyo3(name = "_read_script")]
pub(crate) fn read_script(py: Python<'_>, name: &str) -> PyResult<(String, String)> {
    LoadedScript::open(name).map(|it| (it.name, it.text)).map_err(|error| raised(py, error))
}

#[pyfunction]
pub(crate) fn format(py: Python<'_>, text: &str) -> PyResult<String> {
    layout::format(text).map_err(|problems| {
        let diagnostics = problems.iter().map(|problem| problem.diagnostic()).collect();
        raised(py, SessionError::Diagnosed { name: "script".to_owned(), text: text.to_owned(), diagnostics })
    })
}

#[pyfunction]
pub(crate) fn published() -> Vec<&'static str> {
    known::PUBLISHED.iter().map(|script| script.name).collect()
}
