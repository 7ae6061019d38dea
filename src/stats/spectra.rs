//! Spectra of the weights, from which their ranks, norms and tails are computed.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::kernels::spectral::squared_singular_values;
use crate::model::{Checkpoint, ModelError, widen};

/// Returns, for each block linear by module name, the squares of its weight's singular values, ascending.
///
/// Reads no text. A block's linears run in parallel; after each block `progress` is called with the number of
/// finished blocks.
///
/// # Errors
/// When a weight is not finite and therefore has no spectrum.
pub fn spectra(
    checkpoint: &Checkpoint,
    progress: &mut dyn FnMut(usize),
) -> Result<BTreeMap<String, Vec<f32>>, ModelError> {
    let mut all = BTreeMap::new();
    for index in 0..checkpoint.config().blocks {
        let linears = checkpoint.block_linears(index).par_iter();
        let found: Vec<(String, Vec<f32>)> = linears
            .map(|linear| {
                let values = widen(&checkpoint.weight(linear)?);
                checkpoint.files().release(&linear.weight);
                let squares =
                    squared_singular_values(&values, linear.rows, linear.columns).ok_or_else(|| {
                        ModelError::Spectrum {
                            folder: checkpoint.folder().to_owned(),
                            tensor: linear.weight.clone(),
                        }
                    })?;
                Ok((linear.module.clone(), squares.into_iter().map(|it| it as f32).collect()))
            })
            .collect::<Result<_, ModelError>>()?;
        all.extend(found);
        progress(index + 1);
    }
    Ok(all)
}
