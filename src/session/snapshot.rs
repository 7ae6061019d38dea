//! Snapshots: a script's ratios on a model, recorded for later comparison.

use super::error::SessionError;
use super::method::metric_of;
use super::needs::Needs;
use super::open::{AllocationOptions, Session};
use super::script::LoadedScript;
use crate::allocate::script::ScriptError;
use crate::snapshot::{Parts, RatiosAt, Snapshot};
use crate::stats::Statistics;

impl Session {
    /// Returns a snapshot of a script's formula and its ratios on the model at some sparsities. Statistics
    /// that the script needs are collected first; the sparsity in `options` is ignored.
    ///
    /// # Errors
    /// As [`Session::allocate`], and when no sparsity is given.
    pub fn snapshot(
        &mut self,
        script: &LoadedScript,
        sparsities: &[f64],
        options: &AllocationOptions<'_>,
    ) -> Result<Snapshot, SessionError> {
        let metric = metric_of(options.method)?;
        let mut allocations: Vec<RatiosAt> = Vec::with_capacity(sparsities.len());
        let mut unit = None;
        // Reads the weights once for all sparsities.
        let mut known = Some(self.at_hand().map(Statistics::cache).unwrap_or_default());
        for &sparsity in sparsities {
            let options = AllocationOptions { sparsity, ..options.clone() };
            let (outcomes, reductions) = self.evaluate(&[script], &options, known)?;
            known = reductions;
            for outcome in outcomes {
                allocations.push(RatiosAt::from(&outcome.allocation));
                unit = Some(outcome.unit);
            }
        }
        let needs_none = Needs::of_scripts([&script.script], &metric).is_empty();
        let statistics = self.at_hand().filter(|_| !needs_none);
        Ok(Snapshot::new(Parts {
            name: &script.name,
            script: &script.script,
            metric: &metric,
            unit: unit.ok_or(ScriptError::NoAllocation)?,
            checkpoint: self.checkpoint(),
            provenance: statistics.map(|it| &it.provenance),
            allocations,
        })?)
    }
}
