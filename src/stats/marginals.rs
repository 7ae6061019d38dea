//! Marginals in the statistics file: one tensor for each linear and each pruned model at which they were
//! measured.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::StatisticsError;
use super::statistics::{LinearMarginals, LinearStatistics, Provenance};
use crate::model::TensorFiles;

/// Returns the tensors of a linear's marginals with their names.
pub(super) fn named<'a>(
    module: &str,
    marginals: &'a [LinearMarginals],
) -> impl Iterator<Item = (String, &'a [f64])> {
    marginals.iter().enumerate().flat_map(move |(place, found)| {
        let [at, beyond] = names(place, module);
        let beyond = found.beyond.as_deref().map(|values| (beyond, values));
        std::iter::once((at, found.windows.as_slice())).chain(beyond)
    })
}

fn names(place: usize, module: &str) -> [String; 2] {
    [format!("marginal.{place}.{module}"), format!("marginal_beyond.{place}.{module}")]
}

/// Returns the number of tensors that marginals take.
pub(super) fn tensors(marginals: &LinearMarginals) -> usize {
    1 + usize::from(marginals.beyond.is_some())
}

/// Returns whether a tensor of this name holds marginals that the provenance lists.
pub(super) fn is_known(
    name: &str,
    provenance: &Provenance,
    linears: &BTreeMap<String, LinearStatistics>,
) -> bool {
    let rest = name.strip_prefix("marginal.").or_else(|| name.strip_prefix("marginal_beyond."));
    let parts = rest.and_then(|rest| rest.split_once('.'));
    parts.is_some_and(|(place, module)| {
        let place = place.parse::<usize>().is_ok_and(|place| place < provenance.marginals.len());
        place && linears.contains_key(module)
    })
}

/// Returns a linear's marginals in a file.
///
/// # Errors
/// When a tensor that the provenance lists is missing or has the wrong type or length, or a value is not
/// finite.
pub(super) fn read(
    path: &Path,
    files: &TensorFiles,
    provenance: &Provenance,
    module: &str,
) -> Result<Vec<LinearMarginals>, StatisticsError> {
    let values = |name: &str| -> Result<Vec<f64>, StatisticsError> {
        if !files.contains(name) {
            return Err(StatisticsError::Missing { path: path.to_owned(), tensor: name.to_owned() });
        }
        let tensor = files.tensor(name)?;
        let windows = provenance.samples;
        let numbers = tensor.doubles().filter(|_| *tensor.shape == [windows]);
        let numbers = numbers.ok_or_else(|| StatisticsError::Kind {
            path: path.to_owned(),
            problem: format!("`{name}` does not hold one f64 for each of {windows} windows"),
        })?;
        match numbers.iter().position(|it| !it.is_finite()) {
            None => Ok(numbers.to_vec()),
            Some(index) => Err(StatisticsError::Value {
                path: path.to_owned(),
                tensor: name.to_owned(),
                index,
                value: numbers[index] as f32,
            }),
        }
    };
    let at_place = |(place, of): (usize, &super::statistics::MarginalsOf)| {
        let [at, beyond] = names(place, module);
        let beyond = of.beyond.map(|_| values(&beyond)).transpose()?;
        Ok(LinearMarginals { windows: values(&at)?, beyond })
    };
    provenance.marginals.iter().enumerate().map(at_place).collect()
}
