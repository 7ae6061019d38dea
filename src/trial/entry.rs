//! A candidate in the stages of a race, measured one stage at a time.

use std::ops::Range;
use std::sync::Arc;

use super::candidate::Candidate;
use super::loss::Losses;
use super::objective::Objective;
use crate::measure::paired::signed_rank;

/// The p-value of Wilcoxon's test at which a candidate that loses to the reference is given up. With the four
/// windows of a first stage, this requires losing on all of them.
const GIVEN_UP: f64 = 0.1;

/// The measurement of an allocation on the fitness text.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Losses of the measured windows, from the first one.
    pub(super) losses: Losses,
    /// Its loss: measured, or estimated relative to the reference if it was given up.
    pub loss: f64,
    /// Whether it was measured on the whole text.
    pub full: bool,
}

impl Measured {
    /// Returns the measurement after the first `to` windows of `all`. For a candidate that was given up, the
    /// loss is the reference's plus the mean of the paired differences.
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

    /// Returns whether other losses are significantly higher than these on the first `to` windows.
    pub(super) fn beats(&self, losses: &Losses, to: usize, objective: &Objective) -> bool {
        signed_rank(&objective.differences(losses, &self.losses, to)).greater <= GIVEN_UP
    }
}

/// A candidate that is measured stage by stage. Whether it continues depends only on its own losses and those
/// of its reference.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The measured candidate.
    pub candidate: Candidate,
    /// End of each stage, in windows.
    stages: Vec<usize>,
    /// Number of finished stages.
    done: usize,
    losses: Losses,
    reference: Option<Arc<Measured>>,
    settled: Option<Measured>,
}

impl Entry {
    /// Starts without measurements. Without a reference, the candidate runs through all stages.
    pub fn new(
        candidate: Candidate,
        stages: Vec<usize>,
        targets: usize,
        reference: Option<Arc<Measured>>,
    ) -> Self {
        Self { candidate, stages, done: 0, losses: vec![Vec::new(); targets], reference, settled: None }
    }

    /// Returns the number of finished stages.
    pub fn stages_done(&self) -> usize {
        self.done
    }

    /// Returns the number of measured windows.
    pub fn windows_done(&self) -> usize {
        self.done.checked_sub(1).map_or(0, |last| self.stages[last])
    }

    /// Returns the windows to measure next, or `None` if the candidate is settled.
    pub fn next_windows(&self) -> Option<Range<usize>> {
        let to = self.stages.get(self.done).filter(|_| self.settled.is_none())?;
        Some(self.windows_done()..*to)
    }

    /// Takes the losses of the next windows, `[targets][windows]`, and gives the candidate up if it is
    /// significantly worse than its reference.
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

    /// Returns the measurement of the candidate once it is settled.
    pub fn settled(&self) -> Option<&Measured> {
        self.settled.as_ref()
    }
}
