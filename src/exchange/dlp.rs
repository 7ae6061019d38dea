//! DLP's ratios: a JSON list with the share that each block *keeps*.
//!
//! Its files are `ratios/MODEL_sparsity_0.7_alpha_0.15.json` (DLP, ICML 2025, arXiv 2505.23807, released code).

use super::modules::{Ratios, linear_ratios, one_for_each_block};
use super::{ExchangeError, Format};
use crate::allocate::{Allocation, Unit};

/// Returns the list of an allocation's keep ratios, one for each block.
///
/// # Errors
/// When the linears of a block have different ratios.
pub fn write(allocation: &Allocation) -> Result<String, ExchangeError> {
    let keep = one_for_each_block(&linear_ratios(allocation)?, Format::Dlp)?;
    let keep: Vec<String> = keep.iter().map(|sparsity| format!("{:?}", 1.0 - sparsity)).collect();
    Ok(format!("[{}]\n", keep.join(", ")))
}

/// Reads a list of keep ratios, one for each of the model's blocks.
///
/// # Errors
/// When it is not a list of numbers, or its length is not the model's number of blocks.
pub fn read(text: &str, blocks: &[Unit]) -> Result<Ratios, ExchangeError> {
    let keep: Vec<f64> = serde_json::from_str(text)
        .map_err(|error| ExchangeError::malformed(Format::Dlp, format!("{error}")))?;
    let sparsity = keep.iter().map(|keep| 1.0 - keep).collect();
    match Ratios::by_count(sparsity, blocks)? {
        blocks @ Ratios::Blocks(_) => Ok(blocks),
        Ratios::Linears(values) => {
            let problem =
                format!("it has {} ratios, one for each linear instead of one for each block", values.len());
            Err(ExchangeError::malformed(Format::Dlp, problem))
        }
    }
}
