//! Sparsities at which nothing was searched: functions are measured there after all decisions.

use super::error::SearchError;
use super::finals::{Done, Finals, best};
use super::summary::{Summary, WinnerName};
use crate::lang::program::Script;
use crate::trial::candidate::Candidate;
use crate::trial::evaluator::{Evaluation, Evaluator};
use crate::trial::loss::Damage;
use crate::trial::target::Target;
use crate::trial::text::Split;

impl Finals<'_> {
    /// Measures the winner, the best formula of each run and the published allocations on the report text, at
    /// further sparsities of the main model, and adds the results to the summary.
    ///
    /// # Errors
    /// When the model cannot run, the store cannot be written, or the work was interrupted.
    pub(super) fn at_further_sparsities(
        &mut self,
        sparsities: &[f64],
        done: &[Done],
        published: &[Candidate],
        summary: &mut Summary,
    ) -> Result<(), SearchError> {
        let Some(main) = self.evaluator.targets.first().map(|it| it.subject) else { return Ok(()) };
        if self.evaluator.windows(Split::Report) == 0 {
            return Ok(());
        }
        let formula = |candidate: &Candidate| candidate.genome.script().cloned();
        let of_runs = done.iter().map(|it| it.finalists.first().and_then(|it| formula(&it.candidate)));
        let mut scripts: Vec<Option<Script>> = of_runs.collect();
        scripts.push(best(done).and_then(|it| formula(&it.candidate)));
        scripts.extend(summary.published.iter().map(|winner| {
            let named = |it: &&Candidate| match &winner.name {
                WinnerName::Published(name) => it.published == Some(name),
                WinnerName::Discovered | WinnerName::Best(_) => false,
            };
            published.iter().find(named).and_then(formula)
        }));
        for sparsity in sparsities.iter().copied() {
            let alone = self.evaluator.at(Target { subject: main, sparsity });
            let mut found = self.damages(&alone, &scripts)?.into_iter();
            let runs = summary.runs.iter_mut().map(|it| &mut it.best);
            let winners = runs.chain([&mut summary.best]).chain(&mut summary.published);
            winners.for_each(|winner| winner.unsearched.extend(found.next()));
        }
        summary.unsearched = sparsities.to_vec();
        Ok(())
    }

    /// Returns the damage of formulas at an evaluator's only target; `None` for those without a value there.
    fn damages(
        &mut self,
        alone: &Evaluator,
        scripts: &[Option<Script>],
    ) -> Result<Vec<Option<Damage>>, SearchError> {
        let candidates = alone.candidates(scripts.iter().flatten().cloned().collect())?;
        let windows = alone.windows(Split::Report);
        let evaluations: Vec<Evaluation<'_>> = candidates
            .iter()
            .flatten()
            .map(|it| Evaluation { allotted: &it.allotted, split: Split::Report, windows: 0..windows })
            .collect();
        let losses = alone.measure(&evaluations, self.store)?;
        let mut damages = losses.iter().map(|losses| losses.first().map(|it| Damage::mean(it)));
        let mut candidates = candidates.iter();
        let damage = |script: &Option<Script>| {
            script.as_ref()?;
            candidates.next()?.as_ref()?;
            damages.next()?
        };
        Ok(scripts.iter().map(damage).collect())
    }
}
