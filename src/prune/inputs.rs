//! The inputs of one block's linears, collected on the way through the model.

use std::borrow::Cow;
use std::collections::BTreeMap;

use candle_core::Tensor;
use rayon::prelude::*;

use super::error::PruneError;
use super::factor::{InverseFactor, MOST_DAMPING};
use super::method::{InputNeeds, Propagation};
use super::method_kind::MethodKind;
use super::options::PruneOptions;
use crate::model::{Block, Checkpoint, Linear, Site};
use crate::stats::{Activations, Hessian, SecondMoments, Statistics};

/// The statistics collected for one block's inputs.
#[derive(Default)]
pub(super) struct Inputs {
    moments: Option<SecondMoments>,
    hessians: BTreeMap<Site, Hessian>,
    factors: BTreeMap<Site, InverseFactor>,
}

impl Inputs {
    /// Collects the inputs of a block's linears; with dense propagation the hidden states advance in the same
    /// pass.
    ///
    /// # Errors
    /// When the block cannot be run.
    pub(super) fn collect(
        checkpoint: &Checkpoint,
        activations: &mut Activations,
        block: &Block,
        options: &PruneOptions<'_>,
    ) -> Result<Self, PruneError> {
        let mut inputs = Self::default();
        let mut moments = SecondMoments::default();
        let needs = options.method.needs();
        if needs == InputNeeds::Hessian {
            for linear in checkpoint.block_linears(block.index()) {
                inputs.hessians.entry(linear.site).or_insert_with(|| Hessian::new(linear.columns));
            }
        }
        let hessians = &mut inputs.hessians;
        let mut tap = |site: Site, input: &Tensor| match hessians.get_mut(&site) {
            Some(hessian) => hessian.add(input),
            None => moments.add(site, input),
        };
        match options.propagation {
            Propagation::Pruned => activations.observe(block, &mut tap)?,
            Propagation::Dense => activations.advance(block, &mut tap)?,
        }
        if needs == InputNeeds::Moments {
            inputs.moments = Some(moments);
        }
        Ok(inputs)
    }

    /// Returns the factor for a linear's input; linears with the same input share it.
    ///
    /// # Errors
    /// When no Hessian was collected, or it has no factor.
    pub(super) fn factor(&mut self, linear: &Linear, damping: f64) -> Result<&InverseFactor, PruneError> {
        let module = || linear.module.clone();
        if let Some(hessian) = self.hessians.remove(&linear.site) {
            let hessian = hessian.finish()?;
            if !hessian.par_iter().all(|it| it.is_finite()) {
                return Err(PruneError::Activations { module: module() });
            }
            let factor = InverseFactor::new(hessian, linear.columns, damping)
                .ok_or_else(|| PruneError::Singular { module: module(), damping: MOST_DAMPING })?;
            // The factors of finished sites are not needed again.
            self.factors.clear();
            self.factors.insert(linear.site, factor);
        }
        let missing = PruneError::NeedsTokens { method: MethodKind::SparseGpt };
        self.factors.get(&linear.site).ok_or(missing)
    }

    /// Returns a linear's second moments, `[columns]`, if they were collected.
    ///
    /// # Errors
    /// When a moment is not finite.
    pub(super) fn collected_moment(&self, linear: &Linear) -> Result<Option<Vec<f32>>, PruneError> {
        let mean = self.moments.as_ref().and_then(|moments| moments.mean(linear.site));
        match mean.iter().flatten().all(|it| it.is_finite()) {
            true => Ok(mean),
            false => Err(PruneError::Activations { module: linear.module.clone() }),
        }
    }

    /// Returns a linear's second moments, `[columns]`, for a method: those just collected, else the dense
    /// model's.
    ///
    /// # Errors
    /// When there are none, or a moment is not finite.
    pub(super) fn second_moment<'a>(
        &self,
        linear: &Linear,
        statistics: Option<&'a Statistics>,
        method: MethodKind,
    ) -> Result<Cow<'a, [f32]>, PruneError> {
        if let Some(collected) = self.collected_moment(linear)? {
            return Ok(Cow::Owned(collected));
        }
        let dense = statistics.and_then(|it| it.linears.get(&linear.module)?.second_moment.as_deref());
        if dense.iter().copied().flatten().any(|it| !it.is_finite()) {
            return Err(PruneError::Activations { module: linear.module.clone() });
        }
        dense.map(Cow::Borrowed).ok_or(PruneError::NeedsActivations { method })
    }
}

/// Returns roughly the bytes that a block's collected inputs take: the Hessians of every site, and the widest
/// site's factor.
pub(super) fn collected_bytes(checkpoint: &Checkpoint, options: &PruneOptions<'_>) -> u64 {
    if options.method.needs() != InputNeeds::Hessian {
        return 0;
    }
    let mut sites: Vec<_> =
        checkpoint.block_linears(0).iter().map(|it| (it.site, it.columns as u64)).collect();
    sites.sort_unstable();
    sites.dedup();
    let widest = sites.iter().map(|(_, columns)| *columns).max().unwrap_or(0);
    4 * (sites.iter().map(|(_, columns)| columns * columns).sum::<u64>() + 2 * widest * widest)
}
