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
    /// Returns the weights that an allocation prunes, for each linear by module name, in model order.
    ///
    /// # Errors
    /// When statistics that the method needs are missing, or the allocation belongs to another model.
    pub fn masks(
        &mut self,
        allocation: &Allocation,
        options: &PruneOptions<'_>,
    ) -> Result<Vec<(String, Mask)>, SessionError> {
        self.prepare(options)?;
        let mut masks = Vec::with_capacity(self.checkpoint().linears().len());
        let checkpoint = self.checkpoint();
        let mut keep = |linear: &crate::model::Linear, pruned: prune::Pruned| {
            masks.push((linear.module.clone(), pruned.mask));
            Ok(())
        };
        prune_blocks(checkpoint, allocation, &self.options(options), &mut keep, &mut self.pruning())?;
        Ok(masks)
    }

    /// Writes the pruned model to a new folder that transformers can load directly. `script` is recorded in
    /// it; `force` replaces a folder that allot wrote before.
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
        self.prepare(options)?;
        let output = Output { folder: folder.as_ref(), force, script };
        let checkpoint = self.checkpoint();
        Ok(prune::prune(checkpoint, allocation, &self.options(options), output, &mut self.pruning())?)
    }

    /// Returns the pruned model in memory, ready to be measured, and a report on the pruning.
    ///
    /// # Errors
    /// As [`Session::masks`], and when the device has too little memory.
    pub fn prune_in_memory(
        &mut self,
        allocation: &Allocation,
        options: &PruneOptions<'_>,
    ) -> Result<(Decoder, Report), SessionError> {
        self.prepare(options)?;
        let options = self.options(options);
        Ok(prune_in_memory(self.checkpoint(), allocation, &options, &mut self.pruning())?)
    }

    /// Draws the windows, and collects the statistics that pruning by a method does not collect itself.
    /// Pruning does this itself if it was not done.
    ///
    /// # Errors
    /// When a weight is not finite, or the windows do not fit the model.
    pub fn prepare_pruning(&mut self, method: &Method) -> Result<(), SessionError> {
        self.check_finite()?;
        self.calibration_windows()?;
        self.statistics(&Needs::of_method(method).beyond_inputs())?;
        Ok(())
    }

    /// Does the same for options, which may bring their own windows and statistics.
    fn prepare(&mut self, options: &PruneOptions<'_>) -> Result<(), SessionError> {
        match (options.tokens, options.statistics) {
            (None, None) => self.prepare_pruning(&options.method),
            _ => self.check_finite(),
        }
    }

    /// Returns the options with the session's windows and statistics, unless they bring their own.
    fn options<'a>(&'a self, options: &PruneOptions<'a>) -> PruneOptions<'a> {
        let mut options = options.clone();
        if let (None, None) = (options.tokens, options.statistics) {
            options.tokens = self.drawn();
            options.statistics = self.at_hand();
            let calibration = self.calibration().filter(|_| options.tokens.is_some());
            options.seed = calibration.map(|it| it.seed);
            options.memory = options.memory.or(calibration.and_then(|it| it.memory));
        }
        options
    }

    fn pruning(&self) -> impl FnMut(usize) + '_ {
        let blocks = self.checkpoint().config().blocks as f64;
        move |done| self.progress(Phase::Pruning, done as f64 / blocks, None)
    }
}
