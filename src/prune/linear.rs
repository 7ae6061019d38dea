//! Prunes one linear: computes its mask, and the remaining weights.

use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::Tensor;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use super::error::PruneError;
use super::factor::InverseFactor;
use super::inputs::Inputs;
use super::mask::Mask;
use super::method::Method;
use super::on_device;
use super::options::PruneOptions;
use super::pattern::{Rounding, Share, least, least_of_rows};
use super::score::{self, ScoreFormula, WandaRows};
use super::scorer::Scorer;
use super::sparsegpt::prune_columns;
use crate::data::Values;
use crate::model::{Checkpoint, Linear, ModelError, first_not_finite, widen};

/// One pruned linear.
#[derive(Clone, Debug)]
pub struct Pruned {
    /// Which weights were pruned.
    pub mask: Mask,
    /// All weights, `[rows, columns]`, in the type that the model stores.
    pub weight: Values<'static>,
    /// The share of the Hessian's mean diagonal that was added (SparseGPT).
    pub damping: Option<f64>,
}

/// Prunes the linears of a block.
pub(super) struct LinearPruner<'a> {
    /// The dense model.
    pub(super) checkpoint: &'a Checkpoint,
    /// The options.
    pub(super) options: &'a PruneOptions<'a>,
    /// Scores weights, if the method is not SparseGPT.
    pub(super) scorer: &'a Scorer<'a>,
}

impl LinearPruner<'_> {
    /// Prunes one linear; `place` is its index in a metric's data.
    ///
    /// # Errors
    /// When a score or a corrected weight is not finite, or the method lacks required inputs.
    pub(super) fn prune(
        &self,
        linear: &Linear,
        place: usize,
        share: &Share,
        inputs: &mut Inputs,
    ) -> Result<Pruned, PruneError> {
        let stored = self.checkpoint.weight(linear)?;
        if let Method::SparseGpt { damping } = self.options.method {
            return self.correct(linear, &stored, share, inputs.factor(linear, damping)?);
        }
        let mask = match on_device::applies(&self.checkpoint.device()) {
            true => self.mask_on_device(linear, place, &stored, share, inputs)?,
            false => self.mask(linear, place, &stored, share, inputs)?,
        };
        Ok(Pruned { weight: mask.apply(&stored), mask, damping: None })
    }

    /// Prunes column by column, and corrects the remaining weights.
    fn correct(
        &self,
        linear: &Linear,
        stored: &Values<'_>,
        share: &Share,
        factor: &InverseFactor,
    ) -> Result<Pruned, PruneError> {
        let (checkpoint, rounding) = (self.checkpoint, self.options.rounding);
        let mut weights = widen(stored);
        let mask;
        if on_device::applies(&checkpoint.device()) {
            (weights, mask) =
                on_device::prune_columns(checkpoint.engine(), weights, factor, share, rounding)?;
        } else {
            mask = prune_columns(&mut weights, factor, share, rounding);
        }
        let weight = narrow(checkpoint, linear, weights, stored)?;
        Ok(Pruned { weight, mask, damping: Some(factor.damping()) })
    }

    /// Chooses weights on the CPU.
    fn mask(
        &self,
        linear: &Linear,
        place: usize,
        stored: &Values<'_>,
        share: &Share,
        inputs: &Inputs,
    ) -> Result<Mask, PruneError> {
        let (per, rounding) = (self.options.method.per(), self.options.rounding);
        let moments = || inputs.second_moment(linear, self.options.statistics, self.options.method.kind());
        if let Scorer::Formula(ScoreFormula::Wanda) = self.scorer {
            return wanda_mask(linear, &widen(stored), &moments()?, share, rounding);
        }
        let scores = self.scorer.scores(linear, place, || widen(stored), moments)?;
        Ok(least(&scores, linear.columns, per, share, rounding))
    }

    /// Chooses weights on another device than the CPU.
    fn mask_on_device(
        &self,
        linear: &Linear,
        place: usize,
        stored: &Values<'_>,
        share: &Share,
        inputs: &Inputs,
    ) -> Result<Mask, PruneError> {
        let at = |error: candle_core::Error| ModelError::at(&linear.module)(error);
        let (shape, device) = ((linear.rows, linear.columns), self.checkpoint.device());
        let moments = || inputs.second_moment(linear, self.options.statistics, self.options.method.kind());
        let scores = match self.scorer {
            Scorer::Formula(formula) => {
                let weight = Tensor::from_vec(widen(stored), shape, &device).map_err(at)?;
                on_device::scores(*formula, &weight, moments).map_err(|error| error.inside(&linear.module))?
            }
            Scorer::Metric(_) => {
                let scores = self.scorer.scores(linear, place, || widen(stored), moments)?;
                Tensor::from_vec(scores, shape, &device).map_err(at)?
            }
        };
        let total = scores.sum_all().and_then(|it| it.to_scalar::<f32>()).map_err(at)?;
        // A sum of large scores may overflow although each is finite, so each score is checked.
        if !total.is_finite() {
            let scores: Vec<f32> = scores.flatten_all().and_then(|it| it.to_vec1()).map_err(at)?;
            match self.scorer {
                Scorer::Formula(_) => score::check_finite(&linear.module, &scores, linear.columns)?,
                Scorer::Metric(_) => score::check(&linear.module, &scores, linear.columns)?,
            }
        }
        let inside = |error: ModelError| error.inside(&linear.module);
        let (engine, per) = (self.checkpoint.engine(), self.options.method.per());
        let marks = on_device::marks(engine, &scores, per, share, self.options.rounding).map_err(inside)?;
        Ok(on_device::mask(&marks).map_err(inside)?)
    }
}

/// Chooses weights by Wanda's scores, and holds the scores of only a few rows at a time.
fn wanda_mask(
    linear: &Linear,
    weights: &[f32],
    moments: &[f32],
    share: &Share,
    rounding: Rounding,
) -> Result<Mask, PruneError> {
    let rows = WandaRows::new(weights, moments);
    let not_finite = AtomicBool::new(false);
    let score = |row: usize, scores: &mut [f32]| {
        rows.write(row, scores);
        if scores.iter().any(|it| !it.is_finite()) {
            not_finite.store(true, Ordering::Relaxed);
        }
    };
    let mask = least_of_rows([linear.rows, linear.columns], score, share, rounding);
    if not_finite.into_inner() {
        // Computes all scores again to find the one that is not finite.
        score::check_finite(&linear.module, &score::wanda(weights, moments), linear.columns)?;
    }
    Ok(mask)
}

/// Rounds updated weights to the model's stored type.
fn narrow(
    checkpoint: &Checkpoint,
    linear: &Linear,
    weights: Vec<f32>,
    stored: &Values<'_>,
) -> Result<Values<'static>, PruneError> {
    let (narrowed, dtype) = match stored {
        Values::F32(_) => (Values::F32(weights.into()), "F32"),
        Values::F16(_) => {
            let mut to = vec![f16::ZERO; weights.len()];
            to.convert_from_f32_slice(&weights);
            (Values::F16(to.into()), "F16")
        }
        Values::Bf16(_) => {
            let mut to = vec![bf16::ZERO; weights.len()];
            to.convert_from_f32_slice(&weights);
            (Values::Bf16(to.into()), "BF16")
        }
    };
    let Some(at) = first_not_finite(&narrowed) else {
        return Ok(narrowed);
    };
    Err(PruneError::Overflow {
        path: checkpoint.files().tensor(&linear.weight)?.path.to_owned(),
        tensor: linear.weight.clone(),
        dtype,
        row: at / linear.columns,
        column: at % linear.columns,
        value: narrowed.get(at),
    })
}
