//! Layers in the memory of another program: weights and statistics in arrays, and their ratios and masks.

use std::borrow::Cow;

use allot::allocate::script::{Request, allocate};
use allot::cli::CliError;
use allot::data::{LinearData, ModelData, Values};
use allot::exchange::file::AllocationFile;
use allot::interpret::matrix::Processor;
use allot::lang::canonical;
use allot::lang::program::Metric;
use allot::prune::masks_in_memory;
use allot::session::{LoadedScript, SessionError, method_of, metric_of, named_method};
use allot::stats::hessian_diagonal as diagonal_of;
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::allocation::Allocation;
use crate::failure::{mistaken, raised};
use crate::script::{Script, bounds_of, unit_of};

/// The names of the kinds of projections, in the order in which their shares are stored.
const KINDS: [&str; 7] = ["query", "key", "value", "out", "gate", "up", "down"];

/// One layer as passed by the Python side of the package.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Layer<'py> {
    name: String,
    block: usize,
    kind: Option<String>,
    weight: PyReadonlyArray2<'py, f32>,
    second_moment: Option<PyReadonlyArray1<'py, f32>>,
    hessian_diagonal: Option<PyReadonlyArray1<'py, f32>>,
    gradient: Option<PyReadonlyArray2<'py, f32>>,
}

impl Layer<'_> {
    /// Copies the arrays, and checks that their shapes agree.
    fn read(self, py: Python<'_>) -> PyResult<LinearData<'static>> {
        let [rows, columns] = [self.weight.as_array().nrows(), self.weight.as_array().ncols()];
        let name = self.name;
        let channels = |what: &str, array: Option<PyReadonlyArray1<'_, f32>>| {
            let Some(array) = array else { return Ok(None) };
            let values: Vec<f32> = array.as_array().iter().copied().collect();
            let found = values.len();
            let wrong = || {
                mistaken(
                    py,
                    format!("`{what}` of {name} has {found} numbers, but its weight has {columns} columns"),
                )
            };
            if found == columns { Ok(Some(Cow::Owned(values))) } else { Err(wrong()) }
        };
        let second_moment = channels("second_moment", self.second_moment)?;
        let hessian_diagonal = channels("hessian_diagonal", self.hessian_diagonal)?;
        // As for a model whose Hessian diagonal was not collected.
        let hessian_diagonal =
            hessian_diagonal.or_else(|| Some(diagonal_of(second_moment.as_deref()?).into()));
        let gradient = match self.gradient {
            Some(gradient) if gradient.as_array().dim() != (rows, columns) => {
                return Err(mistaken(
                    py,
                    format!("`gradient` of {name} has a different shape from its weight"),
                ));
            }
            Some(gradient) => Some(Values::F32(Cow::Owned(gradient.as_array().iter().copied().collect()))),
            None => None,
        };
        let mut kinds = [0.0; KINDS.len()];
        if let Some(kind) = self.kind {
            let known =
                || mistaken(py, format!("{name} has the kind `{kind}`; the kinds are {}", KINDS.join(", ")));
            let place = KINDS.iter().position(|it| *it == kind).ok_or_else(known)?;
            kinds[place] = 1.0;
        }
        let weight = Values::F32(Cow::Owned(self.weight.as_array().iter().copied().collect()));
        let channels = [("second_moment", &second_moment), ("hessian_diagonal", &hessian_diagonal)];
        let channels = channels.map(|(what, values)| (what, values.as_deref().unwrap_or_default()));
        let matrices = [("weight", Some(&weight)), ("gradient", gradient.as_ref())];
        let matrices = matrices.map(|(what, values)| match values {
            Some(Values::F32(values)) => (what, &**values),
            _ => (what, &[][..]),
        });
        for (what, values) in channels.into_iter().chain(matrices) {
            if let Some(place) = values.iter().position(|value| !value.is_finite()) {
                let (value, row, column) = (values[place], place / columns, place % columns);
                let place = if values.len() == columns {
                    format!("column {column}")
                } else {
                    format!("row {row}, column {column}")
                };
                return Err(mistaken(
                    py,
                    format!("`{what}` of {name} has the value {value} in {place}; pass only finite numbers"),
                ));
            }
        }
        Ok(LinearData {
            name,
            block: self.block,
            kinds,
            rows,
            columns,
            weight,
            second_moment,
            hessian_diagonal,
            gradient,
            reconstruction_error: None,
            input_kurtosis: None,
            block_change: None,
            damages: Vec::new(),
            marginals: Vec::new(),
        })
    }
}

/// Linear layers in memory, with the statistics of their inputs.
#[pyclass(frozen, subclass, module = "allot")]
#[derive(Debug)]
pub(crate) struct Layers {
    data: ModelData<'static>,
}

/// The method for layers whose weights are scores already.
const SCORES: &str = "scores";

/// Returns the metric that scores weights: a script's own, else a method's.
fn metric_for(script: Option<&Script>, method: &str) -> Result<Metric, SessionError> {
    if method == SCORES {
        let given = LoadedScript::check(SCORES, b"metric(per = row) weight", None)?;
        return metric_of(&method_of(&given)?);
    }
    match script.and_then(|it| it.0.script.metric.clone()) {
        Some(metric) => Ok(metric),
        None => metric_of(&named_method(method)?),
    }
}

impl Layers {
    /// Returns the allocation of a script on the layers.
    pub(crate) fn allocate(
        &self,
        py: Python<'_>,
        script: &Script,
        sparsity: f64,
        method: &str,
        unit: Option<&str>,
        [lower, upper]: [f64; 2],
    ) -> PyResult<Allocation> {
        let (unit, bounds) = (unit_of(py, unit)?, bounds_of(py, lower, upper)?);
        let metric = metric_for(Some(script), method).map_err(|error| raised(py, error))?;
        let request = Request {
            metric: &metric,
            unit,
            target: sparsity,
            bounds,
            reductions: None,
            backend: &Processor,
        };
        let outcome = py.detach(|| allocate(&script.0.script, &self.data, request));
        let outcome = outcome.map_err(|error| raised(py, CliError::from(script.0.error(error))))?;
        let hash = canonical::hash(&script.0.script);
        Ok(Allocation(AllocationFile::new(&outcome.allocation, outcome.unit, &script.0.name, Some(hash))))
    }
}

#[pymethods]
impl Layers {
    #[new]
    fn new(py: Python<'_>, layers: Vec<Bound<'_, PyDict>>) -> PyResult<Self> {
        let mut linears = Vec::with_capacity(layers.len());
        for layer in layers {
            linears.push(layer.extract::<Layer<'_>>()?.read(py)?);
        }
        let blocks = linears.iter().map(|it| it.block + 1).max().unwrap_or(0);
        if let Some(empty) = (0..blocks).find(|block| linears.iter().all(|it| it.block != *block)) {
            return Err(mistaken(py, format!("blocks are counted from 0, but block {empty} has no layer")));
        }
        Ok(Self { data: ModelData { blocks, linears } })
    }

    #[getter]
    fn names(&self) -> Vec<&str> {
        self.data.linears.iter().map(|it| it.name.as_str()).collect()
    }

    #[pyo3(signature = (script, sparsity, *, method="wanda", unit=None, lower=0.0, upper=1.0))]
    #[allow(clippy::too_many_arguments, reason = "they are named in Python")]
    fn _ratios(
        &self,
        py: Python<'_>,
        script: &Script,
        sparsity: f64,
        method: &str,
        unit: Option<&str>,
        lower: f64,
        upper: f64,
    ) -> PyResult<Allocation> {
        self.allocate(py, script, sparsity, method, unit, [lower, upper])
    }

    #[pyo3(signature = (allocation, *, method="wanda", unit=None))]
    fn masks<'py>(
        &self,
        py: Python<'py>,
        allocation: &Allocation,
        method: &str,
        unit: Option<&str>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let unit = unit_of(py, unit)?.unwrap_or(allocation.0.unit);
        let metric = metric_for(None, method).map_err(|error| raised(py, error))?;
        let whole = allocation.0.allocation();
        let masks = py.detach(|| masks_in_memory(&self.data, &whole, &metric, unit));
        let masks = masks.map_err(|error| raised(py, CliError::from(error)))?;
        let named = PyDict::new(py);
        for (linear, mask) in self.data.linears.iter().zip(masks) {
            named.set_item(&linear.name, array(py, &mask)?)?;
        }
        Ok(named)
    }

    fn __len__(&self) -> usize {
        self.data.linears.len()
    }

    fn __repr__(&self) -> String {
        format!("Layers({} layers, {} blocks)", self.data.linears.len(), self.data.blocks)
    }
}

/// Returns a mask as an array, true where a weight is pruned.
pub(crate) fn array<'py>(py: Python<'py>, mask: &allot::prune::Mask) -> PyResult<Bound<'py, PyArray2<bool>>> {
    PyArray1::from_slice(py, mask.pruned()).reshape([mask.rows(), mask.columns()])
}
