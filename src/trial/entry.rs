//! A candidate on its way through the stages of a race, one measurement after the other.

use std::ops::Range;
use std::sync::Arc;

use super::candidate::Candidate;
use super::loss::Losses;
use super::objective::Objective;
use crate::measure::paired::signed_rank;

/// The p-value of Wilcoxon's test at which a candidate that loses to the reference is given up. With the four windows of a first
/// stage it is reached by losing on all of them.
const GIVEN_UP: f64 = 0.1;

/// What is known of an allocation on the fitness text.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The losses of the windows that it was measured on, from the first one on.
    pub(super) losses: Losses,
    /// Its loss: measured, or estimated against the reference it was given up for.
    pub loss: f64,
    /// Whether it was measured on the whole text.
    pub full: bool,
}

impl Measured {
    /// Returns what is known after the first `to` windows of `all`: of a candidate that was given up, the loss is the reference's and
    /// the mean of the paired differences.
    pub(super) fn after(
        losses: Losses,
        to: usize,
        all: usize,
        objective: &Objective,
        reference: Option<&Self>,
    ) -> Self {
        let full = to == all;
        let own = objective.value(&losses, to);
        let loss = match reference {
            Some(reference) if !full => reference.loss + own - objective.value(&reference.losses, to),
            _ => own,
        };
        Self { losses, loss, full }
    }

    /// Returns whether losses are significantly higher than these on the first `to` windows.
    pub(super) fn beats(&self, losses: &Losses, to: usize, objective: &Objective) -> bool {
        signed_rank(&objective.differences(losses, &self.losses, to)).greater <= GIVEN_UP
    }
}

/// A candidate that is being measured, stage by stage. Whether it goes on depends on its own losses and those of its reference alone.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What is measured.
    pub candidate: Candidate,
    /// Behind which window each stage ends.
    stages: Vec<usize>,
    /// How many stages are done.
    done: usize,
    losses: Losses,
    reference: Option<Arc<Measured>>,
    settled: Option<Measured>,
}

impl Entry {
    /// Begins with nothing measured. Without a reference the candidate runs through all stages.
    pub fn new(
        candidate: Candidate,
        stages: Vec<usize>,
        targets: usize,
        reference: Option<Arc<Measured>>,
    ) -> Self {
        Self { candidate, stages, done: 0, losses: vec![Vec::new(); targets], reference, settled: None }
    }

    /// Returns how many stages are done.
    pub fn stages_done(&self) -> usize {
        self.done
    }

    /// Returns how many windows it was measured on.
    pub fn windows_done(&self) -> usize {
        self.done.checked_sub(1).map_or(0, |last| self.stages[last])
    }

    /// Returns the windows that it is to be measured on next, or `None` when it goes no further.
    pub fn next_windows(&self) -> Option<Range<usize>> {
        let to = self.stages.get(self.done).filter(|_| self.settled.is_none())?;
        Some(self.windows_done()..*to)
    }

    /// Takes the losses of the next windows, `[targets][windows]`, and gives the candidate up where it is significantly worse than its
    /// reference.
    pub fn add(&mut self, losses: Losses, objective: &Objective) {
        let Some(windows) = self.next_windows() else { return };
        for (all, more) in self.losses.iter_mut().zip(losses) {
            all.extend(more);
        }
        self.done += 1;
        let last = self.done == self.stages.len();
        let beaten = |reference: &Arc<Measured>| reference.beats(&self.losses, windows.end, objective);
        if last || self.reference.as_ref().is_some_and(beaten) {
            let losses = std::mem::take(&mut self.losses);
            let all = self.stages.last().copied().unwrap_or(0);
            self.settled =
                Some(Measured::after(losses, windows.end, all, objective, self.reference.as_deref()));
        }
    }

    /// Returns what is known of the candidate once it goes no further.
    pub fn settled(&self) -> Option<&Measured> {
        self.settled.as_ref()
    }
}
