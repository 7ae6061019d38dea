//! Masks and pruned models from a session.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::error::SessionError;
use super::event::Phase;
use super::needs::Needs;
use super::open::Session;
use crate::allocate::Allocation;
use crate::lang::types::UnitKind;
use crate::model::Decoder;
use crate::prune::{
    self, Mask, Method, Options, Output, Pattern, Propagation, Report, Rounding, ScriptSource, prune_blocks,
    prune_in_memory,
};

/// How a session prunes.
#[derive(Clone, Debug)]
pub struct PruneOptions<'a> {
    /// How weights are chosen.
    pub method: Method,
    /// Where zeros may stand.
    pub pattern: Pattern,
    /// How ratios become numbers of weights.
    pub rounding: Rounding,
    /// What later blocks see of earlier ones; of no effect without a calibration text.
    pub propagation: Propagation,
    /// What a metric's reductions reduce.
    pub unit: UnitKind,
    /// Set by another thread, or a signal, to stop at the next linear or file and leave nothing behind.
    pub interrupt: Option<&'a AtomicBool>,
}

impl PruneOptions<'_> {
    /// Returns a method's options as published.
    pub fn of(method: Method) -> Self {
        let Options { pattern, rounding, propagation, unit, .. } = Options::new(Method::Magnitude);
        Self { method, pattern, rounding, propagation, unit, interrupt: None }
    }
}

impl Session {
    /// Returns which weights an allocation prunes, for each linear by module name, in the model's order.
    ///
    /// # Errors
    /// When the method lacks what it needs, or the allocation is another model's.
    pub fn masks(
        &mut self,
        allocation: &Allocation,
        options: &PruneOptions<'_>,
    ) -> Result<Vec<(String, Mask)>, SessionError> {
        self.prepare(&options.method)?;
        let mut masks = Vec::with_capacity(self.checkpoint().linears().len());
        let checkpoint = self.checkpoint();
        let mut keep = |linear: &crate::model::Linear, pruned: prune::Pruned| {
            masks.push((linear.module.clone(), pruned.mask));
            Ok(())
        };
        prune_blocks(checkpoint, allocation, &self.options(options), &mut keep, &mut self.pruning())?;
        Ok(masks)
    }

    /// Writes the pruned model into a new folder that loads in transformers as it is. `script` is written down with it; `force`
    /// replaces a folder that allot wrote before.
    ///
    /// # Errors
    /// As [`Session::masks`], and when the folder cannot be written; nothing is left behind then.
    pub fn prune(
        &mut self,
        allocation: &Allocation,
        options: &PruneOptions<'_>,
        folder: impl AsRef<Path>,
        force: bool,
        script: Option<ScriptSource>,
    ) -> Result<Report, SessionError> {
        self.prepare(&options.method)?;
        let output = Output { folder: folder.as_ref(), force, script };
        let checkpoint = self.checkpoint();
        Ok(prune::prune(checkpoint, allocation, &self.options(options), output, &mut self.pruning())?)
    }

    /// Returns the pruned model in memory, ready to be measured, and what pruning did.
    ///
    /// # Errors
    /// As [`Session::masks`], and when the device has no room.
    pub fn prune_in_memory(
        &mut self,
        allocation: &Allocation,
        options: &PruneOptions<'_>,
    ) -> Result<(Decoder, Report), SessionError> {
        self.prepare(&options.method)?;
        let options = self.options(options);
        Ok(prune_in_memory(self.checkpoint(), allocation, &options, &mut self.pruning())?)
    }

    /// Draws the windows, and collects what pruning does not collect on its way.
    fn prepare(&mut self, method: &Method) -> Result<(), SessionError> {
        self.tokens()?;
        let needs = Needs::of_method(method).beyond_inputs();
        self.statistics(&needs)?;
        Ok(())
    }

    fn options<'a>(&'a self, options: &PruneOptions<'a>) -> Options<'a> {
        let tokens = self.drawn();
        Options {
            pattern: options.pattern,
            rounding: options.rounding,
            propagation: options.propagation,
            unit: options.unit,
            tokens,
            statistics: self.at_hand(),
            seed: self.calibration().filter(|_| tokens.is_some()).map(|it| it.seed),
            memory: self.calibration().and_then(|it| it.memory),
            interrupt: options.interrupt,
            ..Options::new(options.method.clone())
        }
    }

    fn pruning(&self) -> impl FnMut(usize) + '_ {
        let blocks = self.checkpoint().config().blocks as f64;
        move |done| self.progress(Phase::Pruning, done as f64 / blocks, None)
    }
}
