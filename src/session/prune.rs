//! Masks and pruned models from a session.

use std::path::Path;

use super::error::SessionError;
use super::event::Phase;
use super::needs::Needs;
use super::open::Session;
use crate::allocate::Allocation;
use crate::model::Decoder;
use crate::prune::{
    self, Mask, Method, Output, PruneOptions, Report, ScriptSource, prune_blocks, prune_in_memory,
};

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

    /// Returns the options with the session's windows and statistics, where they have none of their own.
    fn options<'a>(&'a self, options: &PruneOptions<'a>) -> PruneOptions<'a> {
        let mut options = options.clone();
        options.tokens = options.tokens.or(self.drawn());
        options.statistics = options.statistics.or(self.at_hand());
        if let (Some(_), Some(calibration)) = (options.tokens, self.calibration()) {
            options.seed = options.seed.or(Some(calibration.seed));
            options.memory = options.memory.or(calibration.memory);
        }
        options
    }

    fn pruning(&self) -> impl FnMut(usize) + '_ {
        let blocks = self.checkpoint().config().blocks as f64;
        move |done| self.progress(Phase::Pruning, done as f64 / blocks, None)
    }
}
