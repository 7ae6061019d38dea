//! An allocation: the sparsity of each part of a model.

use std::path::PathBuf;

use allot::cli::CliError;
use allot::exchange::file::AllocationFile;
use allot::exchange::llm_compressor::{self, Modifier};
use allot::json::DocumentKind;
use allot::lang::types::UnitKind;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::failure::{mistaken, raised};

/// The sparsity of each unit and each linear of a model, in whole weights.
#[pyclass(frozen, module = "allot")]
#[derive(Clone, Debug)]
pub(crate) struct Allocation(pub(crate) AllocationFile);

impl Allocation {
    /// Returns the importance of each unit.
    pub(crate) fn importances(&self, py: Python<'_>) -> PyResult<Vec<f64>> {
        let all: Option<Vec<f64>> = self.0.units.iter().map(|unit| unit.importance).collect();
        all.ok_or_else(|| mistaken(py, format!("`{}` gives ratios without an importance", self.0.script)))
    }
}

#[pymethods]
impl Allocation {
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let bytes = std::fs::read(&path)?;
        let name = path.display().to_string();
        let file = AllocationFile::read(&bytes).map(Self);
        file.map_err(|cause| raised(py, CliError::Exchange { name, cause: Box::new(cause) }))
    }

    #[getter]
    fn sparsity(&self) -> f64 {
        self.0.target
    }

    #[getter]
    fn achieved(&self) -> f64 {
        self.0.achieved
    }

    #[getter]
    fn unit(&self) -> &'static str {
        self.0.unit.name()
    }

    #[getter]
    fn script(&self) -> &str {
        &self.0.script
    }

    #[getter]
    fn is_noise(&self) -> bool {
        self.0.noise
    }

    #[getter]
    fn ratios<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let ratios = PyDict::new(py);
        for projection in self.0.units.iter().flat_map(|unit| &unit.projections) {
            ratios.set_item(&projection.name, projection.achieved())?;
        }
        Ok(ratios)
    }

    #[getter]
    fn units<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let units = PyDict::new(py);
        for unit in &self.0.units {
            units.set_item(&unit.name, unit.sparsity)?;
        }
        Ok(units)
    }

    #[getter]
    fn pruned<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = PyDict::new(py);
        for projection in self.0.units.iter().flat_map(|unit| &unit.projections) {
            counts.set_item(&projection.name, projection.pruned)?;
        }
        Ok(counts)
    }

    #[getter(importances)]
    fn importance_of_units<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let importances = PyDict::new(py);
        for (unit, importance) in self.0.units.iter().zip(self.importances(py)?) {
            importances.set_item(&unit.name, importance)?;
        }
        Ok(importances)
    }

    /// Returns the allocation file as text, in the format of ``allot eval --format json``.
    fn to_json(&self) -> String {
        // Serialising text and numbers cannot fail.
        serde_json::to_string_pretty(&DocumentKind::Allocation.of(&self.0)).unwrap_or_default()
    }

    fn save(&self, path: PathBuf) -> PyResult<()> {
        Ok(std::fs::write(path, self.to_json() + "\n")?)
    }

    #[pyo3(signature = (*, modifier="wanda"))]
    fn to_llm_compressor(&self, py: Python<'_>, modifier: &str) -> PyResult<String> {
        let modifier = match modifier {
            "wanda" => Modifier::Wanda,
            "sparsegpt" => Modifier::SparseGpt,
            _ => {
                return Err(mistaken(
                    py,
                    format!("there is no modifier `{modifier}`; the modifiers are `wanda` and `sparsegpt`"),
                ));
            }
        };
        let recipe = llm_compressor::write(&self.0.allocation(), modifier);
        let name = self.0.script.clone();
        recipe.map_err(|cause| raised(py, CliError::Exchange { name, cause: Box::new(cause) }))
    }

    fn __repr__(&self) -> String {
        let AllocationFile { script, unit, target, units, .. } = &self.0;
        format!(
            "Allocation(script={script:?}, unit={:?}, sparsity={target}, units={})",
            UnitKind::name(*unit),
            units.len()
        )
    }
}
