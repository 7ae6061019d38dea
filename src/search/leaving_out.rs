//! The value of each part of a found formula: the loss without it.

use std::collections::BTreeSet;

use super::edits::parts;
use super::error::SearchError;
use super::finals::{Finalist, Finals};
use super::summary::PartLeftOut;
use crate::lang::canonical;
use crate::lang::print;
use crate::lang::program::Script;
use crate::trial::behaviour::Behaviour;
use crate::trial::candidate::Candidate;
use crate::trial::text::Split;

/// How many parts are left out, one at a time, the largest first.
const MOST: usize = 8;

impl Finals<'_> {
    /// Measures a formula without each of its parts on the text that decides. These losses influence no
    /// decision.
    ///
    /// Formulas that prune the same weights count once, for the largest part; parts without which the formula
    /// has no value are skipped.
    pub(super) fn leaving_out(&mut self, winner: &Finalist) -> Result<Vec<PartLeftOut>, SearchError> {
        let script = winner.candidate.genome.script();
        let Some((script, allocation)) = script.and_then(|it| Some((it, it.allocation.as_ref()?))) else {
            return Ok(Vec::new());
        };
        let mut parts = parts(allocation);
        // The sort is stable: parts of the same size stay in the order of the formula.
        parts.sort_by_key(|part| std::cmp::Reverse(part.size));
        let scripts = parts
            .iter()
            .map(|part| canonical::script(&Script { allocation: Some(part.rest.clone()), ..script.clone() }));
        let candidates = self.evaluator.candidates(scripts.collect())?;
        let mut known: BTreeSet<Behaviour> = [winner.candidate.allotted.behaviour.clone()].into();
        let (texts, candidates): (Vec<String>, Vec<Candidate>) = parts
            .into_iter()
            .zip(candidates)
            .filter_map(|(part, candidate)| Some((part.text, candidate?)))
            .filter(|(_, candidate)| known.insert(candidate.allotted.behaviour.clone()))
            .take(MOST)
            .unzip();
        let split = match self.evaluator.windows(Split::Selection) {
            0 => Split::Fitness,
            _ => Split::Selection,
        };
        let losses = self.losses(split, &candidates)?;
        let part_left_out = |((part, candidate), losses): ((String, &Candidate), &_)| PartLeftOut {
            part,
            rest: candidate.genome.script().map(print::script).unwrap_or_default(),
            loss: self.loss(split, losses),
        };
        Ok(texts.into_iter().zip(&candidates).zip(&losses).map(part_left_out).collect())
    }
}
