//! The statistics file: safetensors with one tensor for each statistic of each linear.
//!
//! | tensor | type and shape | what |
//! |---|---|---|
//! | `second_moment.<module>` | f32 `[columns]` | mean over samples of the sum over tokens of x squared |
//! | `hessian_diagonal.<module>` | f32 `[columns]` | the diagonal of the Hessian of the output error; twice the second moment if absent |
//! | `hessian.<module>` | f32 `[columns, columns]` | 2 / samples * sum of x x^T; of several linears that read the same input, only the first has it |
//! | `gradient.<module>` | f32, f16 or bf16 `[rows, columns]` | root of the sum over samples of (100 * gradient) squared |
//! | `reconstruction_error.<module>` | f32 `[1]` | error of the linear's output after half of each row is removed greedily, summed over rows (LSA) |
//! | `input_kurtosis.<module>` | f64 `[1]` | Pearson's kurtosis of the linear's input, over all tokens and channels together |
//! | `block_change.<module>` | f64 `[2]` | of the residual stream before and after the module's block, as means over tokens: the cosine similarity, from -1 to 1, and the norm of the difference divided by the norm before |
//! | `damage.<place>.<module>` | f64 `[windows]` | divergence from the dense model in nats, on each window, when only the module's unit is pruned: its block or itself, as the entry with index `<place>` in the provenance's `damages` says |
//! | `marginal.<place>.<module>` | f64 `[windows]` | increase of the divergence from the dense model for each additionally pruned weight, on each window, at the uniformly pruned model with index `<place>` in the provenance's `marginals` |
//! | `marginal_beyond.<place>.<module>` | f64 `[windows]` | the same at that model's higher sparsity |
//! | `spectrum.<module>` | f32 `[min(rows, columns)]` | squares of the weight's singular values, ascending |
//! | `reduction.<hash>` | f64 `[units, 2 or 3]` | result of a reduction: its value in each unit, the mean magnitude of its terms and, for products, the value beyond their range |
//!
//! `<module>` is the name in `named_modules()`. `<hash>` is the SHA-256 of the reduction's expression, the
//! allocation unit and, if the expression uses it, the target. The header's `__metadata__` holds one key,
//! `allot.statistics`: the [`Provenance`] as JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use half::{bf16, f16};
use safetensors::{Dtype, tensor::TensorView};

use super::error::StatisticsError;
use super::measured;
use super::reductions;
use super::statistics::{LinearStatistics, Provenance, Statistics};
use crate::data::Values;
use crate::model::{
    Checkpoint, Linear, ModelError, TensorFiles, first_not_finite, hash_of_data, widen, write_beside,
};

const KEY: &str = "allot.statistics";

impl Statistics {
    /// Reads a statistics file and checks it against the model that it will be used with.
    ///
    /// # Errors
    /// When the file is corrupt, of another kind, of another model, incomplete, or holds impossible values.
    pub fn load(path: &Path, checkpoint: &Checkpoint) -> Result<Self, StatisticsError> {
        let files = TensorFiles::open_file(path)?;
        let kind = |problem: String| StatisticsError::Kind { path: path.to_owned(), problem };
        let note = files.note(KEY).ok_or_else(|| kind(format!("its header has no `{KEY}`")))?;
        let mut provenance: Provenance =
            serde_json::from_str(note).map_err(|error| kind(format!("`{KEY}`: {error}")))?;
        // Files of other programs may lack it.
        if provenance.checksum.take().is_some_and(|checksum| checksum != files.data_hash()) {
            return Err(StatisticsError::Damaged { path: path.to_owned() });
        }
        if provenance.is_old() {
            return Err(StatisticsError::Old { path: path.to_owned() });
        }
        if let Some(difference) = provenance.difference(checkpoint)? {
            let (path, model) = (path.to_owned(), checkpoint.folder().to_owned());
            return Err(StatisticsError::Stale { path, model, difference: Box::new(difference) });
        }
        let mut known = 0;
        let mut linears = BTreeMap::new();
        for linear in checkpoint.linears() {
            let (mut statistics, count) = read_linear(path, &files, linear)?;
            known += count;
            known += measured::read(path, &files, &provenance, &linear.module, &mut statistics)?;
            linears.insert(linear.module.clone(), statistics);
        }
        let (reductions, count) = reductions::read(path, &files, &provenance, &linears)?;
        if known + count != files.names().count() {
            let stranger = files.names().find(|name| {
                let measured = || measured::is_known(name, &provenance, &linears);
                !is_known(name, &linears) && !reductions::is_result(name) && !measured()
            });
            return Err(StatisticsError::Unknown {
                path: path.to_owned(),
                tensor: stranger.unwrap_or_default().to_owned(),
                model: checkpoint.folder().to_owned(),
            });
        }
        Ok(Self { provenance, linears, reductions })
    }

    /// Writes a temporary file beside `path` and renames it, so that no partial statistics file is ever
    /// visible.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), StatisticsError> {
        let bytes = self.to_bytes().map_err(|source| ModelError::Write { path: path.to_owned(), source })?;
        Ok(write_beside(path, |file| file.write_all(&bytes))?)
    }

    fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let mut tensors: Vec<(String, TensorView<'_>)> = Vec::new();
        let mut add = |name: String, dtype, shape, bytes| {
            let view = TensorView::new(dtype, shape, bytes).map_err(io::Error::other)?;
            tensors.push((name, view));
            io::Result::Ok(())
        };
        for (module, linear) in &self.linears {
            for (kind, vector) in [
                ("second_moment", &linear.second_moment),
                ("hessian_diagonal", &linear.hessian_diagonal),
                ("spectrum", &linear.spectrum),
            ] {
                if let Some(vector) = vector {
                    let bytes = bytemuck::cast_slice(vector);
                    add(format!("{kind}.{module}"), Dtype::F32, vec![vector.len()], bytes)?;
                }
            }
            if let Some(hessian) = &linear.hessian {
                let side = hessian.len().isqrt();
                add(
                    format!("hessian.{module}"),
                    Dtype::F32,
                    vec![side, side],
                    bytemuck::cast_slice(hessian),
                )?;
            }
            if let Some(gradient) = &linear.gradient {
                let columns = linear.second_moment.as_ref().map_or(1, Vec::len).max(1);
                let shape = vec![gradient.len() / columns, columns];
                let (dtype, bytes) = match gradient {
                    Values::F32(all) => (Dtype::F32, bytemuck::cast_slice(all)),
                    Values::F16(all) => (Dtype::F16, bytemuck::cast_slice(all)),
                    Values::Bf16(all) => (Dtype::BF16, bytemuck::cast_slice(all)),
                };
                add(format!("gradient.{module}"), dtype, shape, bytes)?;
            }
            if let Some(error) = &linear.reconstruction_error {
                let bytes = bytemuck::bytes_of(error);
                add(format!("reconstruction_error.{module}"), Dtype::F32, vec![1], bytes)?;
            }
        }
        let numbers: Vec<(String, Cow<'_, [f64]>)> =
            self.linears.iter().flat_map(|(module, linear)| measured::named(module, linear)).collect();
        for (name, values) in &numbers {
            add(name.clone(), Dtype::F64, vec![values.len()], bytemuck::cast_slice(values))?;
        }
        let rows = reductions::rows(&self.reductions);
        for (name, shape, numbers) in &rows {
            tensors.push((name.clone(), reductions::view(shape, numbers).map_err(io::Error::other)?));
        }
        // One key only: the format does not fix the order of keys, and equal statistics must give equal
        // bytes.
        let none = hash_of_data([].into_iter());
        let provenance = Provenance { checksum: Some(none.clone()), ..self.provenance.clone() };
        let notes = [(KEY.to_owned(), serde_json::to_string(&provenance)?)].into_iter().collect();
        let mut file = safetensors::serialize(tensors, Some(notes)).map_err(io::Error::other)?;
        let header = file.first_chunk::<8>().map_or(0, |length| u64::from_le_bytes(*length) as usize);
        let (header, data) = file.split_at_mut(8 + header);
        // The data's hash has as many digits as that of no data, whose place it takes.
        let hash = hash_of_data([&*data].into_iter());
        if let Some(at) = header.windows(none.len()).position(|part| part == none.as_bytes()) {
            header[at..at + hash.len()].copy_from_slice(hash.as_bytes());
        }
        Ok(file)
    }
}

/// Returns a linear's statistics, and the number of tensors that they took.
fn read_linear(
    path: &Path,
    files: &TensorFiles,
    linear: &Linear,
) -> Result<(LinearStatistics, usize), StatisticsError> {
    let mut count = 0;
    let mut read = |kind: &str, shape: &[usize]| {
        let name = format!("{kind}.{}", linear.module);
        if !files.contains(&name) {
            return Ok(None);
        }
        count += 1;
        files.shaped(&name, shape)?;
        let values = files.values(&name)?;
        check_values(path, &name, &values, kind != "hessian")?;
        Ok::<_, StatisticsError>(Some(values))
    };
    let columns = [linear.columns];
    let second_moment = read("second_moment", &columns)?;
    if second_moment.is_none() {
        return Err(StatisticsError::Missing {
            path: path.to_owned(),
            tensor: format!("second_moment.{}", linear.module),
        });
    }
    let hessian_diagonal = read("hessian_diagonal", &columns)?;
    let hessian = read("hessian", &[linear.columns, linear.columns])?;
    let spectrum = read("spectrum", &[linear.rows.min(linear.columns)])?;
    let gradient = read("gradient", &[linear.rows, linear.columns])?;
    let reconstruction_error = read("reconstruction_error", &[1])?;
    let statistics = LinearStatistics {
        second_moment: second_moment.map(|it| widen(&it)),
        hessian_diagonal: hessian_diagonal.map(|it| widen(&it)),
        hessian: hessian.map(|it| widen(&it)),
        spectrum: spectrum.map(|it| widen(&it)),
        gradient: gradient.map(own),
        reconstruction_error: reconstruction_error.map(|it| it.get(0)),
        ..LinearStatistics::default()
    };
    Ok((statistics, count))
}

fn check_values(path: &Path, name: &str, values: &Values<'_>, positive: bool) -> Result<(), StatisticsError> {
    let negative = || match values {
        _ if !positive => None,
        Values::F32(all) => all.iter().position(|it| *it < 0.0),
        Values::F16(all) => all.iter().position(|it| *it < f16::ZERO),
        Values::Bf16(all) => all.iter().position(|it| *it < bf16::ZERO),
    };
    match first_not_finite(values).or_else(negative) {
        None => Ok(()),
        Some(index) => Err(StatisticsError::Value {
            path: path.to_owned(),
            tensor: name.to_owned(),
            index,
            value: values.get(index),
        }),
    }
}

fn is_known(name: &str, linears: &BTreeMap<String, LinearStatistics>) -> bool {
    let kinds = [
        "second_moment.",
        "hessian_diagonal.",
        "hessian.",
        "gradient.",
        "reconstruction_error.",
        "spectrum.",
        "input_kurtosis.",
        "block_change.",
    ];
    kinds.iter().filter_map(|kind| name.strip_prefix(kind)).any(|module| linears.contains_key(module))
}

fn own(values: Values<'_>) -> Values<'static> {
    match values {
        Values::F32(all) => Values::F32(Cow::Owned(all.into_owned())),
        Values::F16(all) => Values::F16(Cow::Owned(all.into_owned())),
        Values::Bf16(all) => Values::Bf16(Cow::Owned(all.into_owned())),
    }
}
