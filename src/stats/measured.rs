//! Statistics in f64 in the file: those of a linear's input and block, and those measured on pruned models,
//! with one tensor for each linear and each of those models.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use super::error::StatisticsError;
use super::statistics::{LinearMarginals, LinearStatistics, Provenance};
use crate::data::BlockChange;
use crate::model::TensorFiles;

/// Returns the tensors of a linear with their names.
pub(super) fn named<'a>(
    module: &'a str,
    linear: &'a LinearStatistics,
) -> impl Iterator<Item = (String, Cow<'a, [f64]>)> {
    let kurtosis =
        linear.input_kurtosis.map(|value| (format!("input_kurtosis.{module}"), vec![value].into()));
    let change = linear.block_change.map(|BlockChange { similarity, relative }| {
        (format!("block_change.{module}"), vec![similarity, relative].into())
    });
    let damages = linear.damages.iter().enumerate();
    let damages = damages.map(move |(place, windows)| (damage(place, module), windows.into()));
    let marginals = linear.marginals.iter().enumerate().flat_map(move |(place, found)| {
        let [at, beyond] = marginals(place, module);
        let beyond = found.beyond.as_ref().map(|values| (beyond, values.into()));
        std::iter::once((at, Cow::from(&found.windows))).chain(beyond)
    });
    kurtosis.into_iter().chain(change).chain(damages).chain(marginals)
}

fn damage(place: usize, module: &str) -> String {
    format!("damage.{place}.{module}")
}

fn marginals(place: usize, module: &str) -> [String; 2] {
    [format!("marginal.{place}.{module}"), format!("marginal_beyond.{place}.{module}")]
}

/// Returns whether a tensor of this name was measured on pruned models that the provenance lists.
pub(super) fn is_known(
    name: &str,
    provenance: &Provenance,
    linears: &BTreeMap<String, LinearStatistics>,
) -> bool {
    let kinds = [
        ("marginal.", provenance.marginals.len()),
        ("marginal_beyond.", provenance.marginals.len()),
        ("damage.", provenance.damages.len()),
    ];
    let mut found = kinds.into_iter().filter_map(|(kind, places)| Some((name.strip_prefix(kind)?, places)));
    found.any(|(rest, places)| {
        rest.split_once('.').is_some_and(|(place, module)| {
            place.parse::<usize>().is_ok_and(|place| place < places) && linears.contains_key(module)
        })
    })
}

/// Adds a linear's tensors in a file to its statistics, and returns their number.
///
/// # Errors
/// When a tensor that the provenance lists is missing, or a tensor has the wrong type or length, or a value is
/// not finite.
pub(super) fn read(
    path: &Path,
    files: &TensorFiles,
    provenance: &Provenance,
    module: &str,
    statistics: &mut LinearStatistics,
) -> Result<usize, StatisticsError> {
    let mut reader = Reader { path, files, count: 0 };
    let windows = provenance.samples;
    let kurtosis = reader.optional(&format!("input_kurtosis.{module}"), 1)?;
    statistics.input_kurtosis = kurtosis.and_then(|values| values.first().copied());
    let change = reader.optional(&format!("block_change.{module}"), 2)?;
    statistics.block_change = change.map(|values| BlockChange { similarity: values[0], relative: values[1] });
    for place in 0..provenance.damages.len() {
        statistics.damages.push(reader.values(&damage(place, module), windows)?);
    }
    for (place, of) in provenance.marginals.iter().enumerate() {
        let [at, beyond] = marginals(place, module);
        let beyond = of.beyond.map(|_| reader.values(&beyond, windows)).transpose()?;
        statistics.marginals.push(LinearMarginals { windows: reader.values(&at, windows)?, beyond });
    }
    Ok(reader.count)
}

struct Reader<'a> {
    path: &'a Path,
    files: &'a TensorFiles,
    /// Number of tensors that were read.
    count: usize,
}

impl Reader<'_> {
    fn optional(&mut self, name: &str, length: usize) -> Result<Option<Vec<f64>>, StatisticsError> {
        if !self.files.contains(name) {
            return Ok(None);
        }
        self.values(name, length).map(Some)
    }

    fn values(&mut self, name: &str, length: usize) -> Result<Vec<f64>, StatisticsError> {
        let path = || self.path.to_owned();
        if !self.files.contains(name) {
            return Err(StatisticsError::Missing { path: path(), tensor: name.to_owned() });
        }
        let tensor = self.files.tensor(name)?;
        let numbers = tensor.doubles().filter(|_| *tensor.shape == [length]);
        let numbers = numbers.ok_or_else(|| StatisticsError::Kind {
            path: path(),
            problem: match length {
                1 => format!("`{name}` does not hold one f64"),
                _ => format!("`{name}` does not hold {length} f64 values"),
            },
        })?;
        self.count += 1;
        match numbers.iter().position(|it| !it.is_finite()) {
            None => Ok(numbers.to_vec()),
            Some(index) => Err(StatisticsError::Value {
                path: self.path.to_owned(),
                tensor: name.to_owned(),
                index,
                value: numbers[index] as f32,
            }),
        }
    }
}
