//! Results of reductions in the statistics file: one tensor for each, named by the hash of its expression and
//! unit.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use safetensors::{Dtype, tensor::TensorView};
use sha2::{Digest as _, Sha256};

use super::error::StatisticsError;
use super::statistics::{LinearStatistics, Provenance, Statistics};
use crate::data::{BlockChange, Values};
use crate::kernels::reduction::Reduced;
use crate::model::{TensorFiles, hexadecimal};
use crate::results::{Key, Reductions, Results, engine};

/// Prefix of their tensors' names.
const PREFIX: &str = "reduction.";

impl Statistics {
    /// Replaces the results of reductions by those computed for this model with these statistics.
    ///
    /// If the statistics change afterwards, loading the file ignores the results.
    pub fn set_reductions(&mut self, reductions: &Reductions) {
        self.reductions = reductions.entries();
        self.provenance.reductions = Some(foundation(&self.provenance, &self.linears));
    }

    /// Returns a cache with the stored results of reductions, for evaluations on the same model with these
    /// statistics attached.
    pub fn cache(&self) -> Reductions {
        self.reductions.iter().map(|(key, result)| (*key, Arc::clone(result))).collect()
    }
}

/// Returns a hash of everything apart from their expressions that results of reductions depend on: the
/// program and the CPU, the weights, and the statistics.
fn foundation(provenance: &Provenance, linears: &BTreeMap<String, LinearStatistics>) -> String {
    let mut hash = Sha256::new();
    let mut add = |name: &str, bytes: &[u8]| {
        hash.update(format!("{name}\n{}\n", bytes.len()));
        hash.update(bytes);
    };
    add("engine", engine().as_bytes());
    add("model", provenance.model.as_bytes());
    for of in &provenance.marginals {
        add("marginals", format!("{} {:?} {:?}", of.metric, of.sparsity, of.beyond).as_bytes());
    }
    for of in &provenance.damages {
        add("damages", format!("{} {:?} {}", of.metric, of.sparsity, of.of_blocks).as_bytes());
    }
    for (module, linear) in linears {
        add("linear", module.as_bytes());
        for vector in [&linear.second_moment, &linear.hessian_diagonal] {
            add("vector", vector.as_ref().map_or(&[], |values| bytemuck::cast_slice(values)));
        }
        match &linear.gradient {
            Some(Values::F32(values)) => add("f32", bytemuck::cast_slice(values)),
            Some(Values::F16(values)) => add("f16", bytemuck::cast_slice(values)),
            Some(Values::Bf16(values)) => add("bf16", bytemuck::cast_slice(values)),
            None => add("nothing", &[]),
        }
        for marginals in &linear.marginals {
            add("marginals", bytemuck::cast_slice(&marginals.windows));
            add("beyond", marginals.beyond.as_ref().map_or(&[], |values| bytemuck::cast_slice(values)));
        }
        for damage in &linear.damages {
            add("damage", bytemuck::cast_slice(damage));
        }
        if let Some(kurtosis) = &linear.input_kurtosis {
            add("kurtosis", bytemuck::bytes_of(kurtosis));
        }
        if let Some(BlockChange { similarity, relative }) = linear.block_change {
            add("change", bytemuck::bytes_of(&[similarity, relative]));
        }
        add("error", linear.reconstruction_error.as_ref().map_or(&[], |error| bytemuck::bytes_of(error)));
    }
    hexadecimal(&hash.finalize())
}

/// Returns whether a tensor of this name is the result of a reduction.
pub(super) fn is_result(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// Returns each tensor's name, its shape `[units, 2]` or `[units, 3]`, and its values, magnitudes and
/// alternatives.
pub(super) fn rows(results: &Results) -> Vec<(String, [usize; 2], Vec<f64>)> {
    let row = |reduced: &Reduced| [Some(reduced.value), Some(reduced.magnitude), reduced.alternative];
    let rows = results.iter().map(|(key, result)| {
        let numbers: Vec<f64> = result.iter().flat_map(row).flatten().collect();
        let width = if result.iter().any(|reduced| reduced.alternative.is_some()) { 3 } else { 2 };
        (format!("{PREFIX}{}", hexadecimal(key)), [result.len(), width], numbers)
    });
    rows.collect()
}

/// Returns a tensor view of a result of [`rows`].
pub(super) fn view<'a>(
    shape: &[usize; 2],
    numbers: &'a [f64],
) -> Result<TensorView<'a>, safetensors::SafeTensorError> {
    TensorView::new(Dtype::F64, shape.to_vec(), bytemuck::cast_slice(numbers))
}

/// Returns the results of reductions in a file, and the number of tensors that they take. The results are
/// empty if another program, another CPU or other statistics than those in the file produced them.
///
/// # Errors
/// When a tensor has an invalid name, type or shape.
pub(super) fn read(
    path: &Path,
    files: &TensorFiles,
    provenance: &Provenance,
    linears: &BTreeMap<String, LinearStatistics>,
) -> Result<(Results, usize), StatisticsError> {
    let names: Vec<&str> = files.names().filter(|name| is_result(name)).collect();
    let mut results = Results::new();
    if names.is_empty() || provenance.reductions != Some(foundation(provenance, linears)) {
        return Ok((results, names.len()));
    }
    let wrong = |name: &str| StatisticsError::Kind {
        path: path.to_owned(),
        problem: format!("`{name}` is not the result of a reduction"),
    };
    for name in &names {
        let key = key(&name[PREFIX.len()..]).ok_or_else(|| wrong(name))?;
        let tensor = files.tensor(name)?;
        let (Some(numbers), &[units, width @ (2 | 3)]) = (tensor.doubles(), tensor.shape) else {
            return Err(wrong(name));
        };
        let result: Arc<[Reduced]> = numbers
            .chunks_exact(width)
            .map(|row| Reduced { value: row[0], magnitude: row[1], alternative: row.get(2).copied() })
            .collect();
        // Only finite results are ever stored.
        if result.len() != units || result.iter().any(|it| !it.value.is_finite()) {
            return Err(wrong(name));
        }
        results.insert(key, result);
    }
    Ok((results, names.len()))
}

/// Returns the key that hexadecimal digits represent.
fn key(digits: &str) -> Option<Key> {
    let mut key = Key::default();
    if digits.len() != 2 * key.len() || !digits.is_ascii() {
        return None;
    }
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(key)
}
