//! The loop: measures marginals of the pruned model on fresh windows and moves the ratios; the selection text
//! chooses the result.

use super::error::DescentError;
use super::ground::{Ground, Measured};
use super::rule::{scale, unevenness};
use super::settings::DescentSettings;
use super::state::{Direction, State};
use super::steps::{Step, StepLog};
use super::summary::{Descended, Ended};
use super::windows;
use crate::trial::evaluator::Evaluator;
use crate::trial::text::Split;

/// The mean reliability between two checks below which the marginals count as noise.
const NOISE: f64 = 0.1;

/// The start of a descent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Start {
    /// The ratios, which are moved onto the budget; uniform if `None`.
    pub ratios: Option<Vec<f64>>,
    /// Number of earlier steps at other targets, whose windows are not read again.
    pub steps: usize,
    /// Maximum number of tokens to spend; `None` for no limit.
    pub tokens: Option<u64>,
}

/// Callback for progress, called with each stored step.
pub type Watch<'a> = dyn FnMut(&Step) + 'a;

/// Descends at the evaluator's only target.
///
/// Each step prunes at the current ratios by the ranks of the dense scores, runs fresh windows of the fitness
/// text forward and backward, and lowers the ratios of units whose marginal damage is above the median. The
/// result is the iterate with the lowest loss on the selection text. Results are identical bit for bit on any
/// number of threads.
///
/// # Errors
/// When the settings are refused, a model cannot run, the log cannot be written, or the work was interrupted.
pub fn descend(
    evaluator: &Evaluator,
    settings: &DescentSettings,
    start: Start,
    log: &mut dyn StepLog,
    watch: &mut Watch<'_>,
) -> Result<Descended, DescentError> {
    settings.check().map_err(DescentError::Refused)?;
    let ground = Ground::new(evaluator, settings)?;
    Descent::begin(&ground, start)?.run(log, watch)
}

/// The best iterate so far.
struct Best {
    ratios: Vec<f64>,
    step: usize,
    selection: Option<f64>,
}

/// The state of a descent at one target.
struct Descent<'a> {
    ground: &'a Ground<'a>,
    start: Start,
    state: State,
    best: Best,
    began: Option<f64>,
    tokens: u64,
    steps: usize,
    /// Number of consecutive checks without a gain.
    idle: usize,
    unevenness: Option<[f64; 2]>,
    /// The reliabilities since the last check.
    reliabilities: Vec<f64>,
}

impl<'a> Descent<'a> {
    fn begin(ground: &'a Ground<'a>, start: Start) -> Result<Self, DescentError> {
        let uniform = || vec![ground.target.sparsity; ground.holders.count()];
        let ratios = start.ratios.clone().unwrap_or_else(uniform);
        let state = State::begin(&ratios, &ground.shared, ground.parts.len())?;
        let best = Best { ratios: state.ratios.clone(), step: 0, selection: None };
        Ok(Self {
            ground,
            start,
            state,
            best,
            began: None,
            tokens: 0,
            steps: 0,
            idle: 0,
            unevenness: None,
            reliabilities: Vec::new(),
        })
    }

    fn run(mut self, log: &mut dyn StepLog, watch: &mut Watch<'_>) -> Result<Descended, DescentError> {
        let Ground { settings, target, .. } = self.ground;
        let mut ended = Ended::AllSteps;
        for step in 1..=settings.steps {
            if self.start.tokens.is_some_and(|most| self.tokens + self.cost(step) > most) {
                ended = Ended::Budget;
                break;
            }
            let made = match log.find(target.sparsity, step) {
                Some(made) => made,
                None => {
                    let made = self.make(step)?;
                    log.keep(made.clone())?;
                    made
                }
            };
            watch(&made);
            self.take(made, step);
            if let Some(reason) = self.ends(step) {
                ended = reason;
                break;
            }
        }
        let without_choice = self.best.selection.is_none();
        if without_choice {
            self.best = Best { ratios: self.state.ratios.clone(), step: self.steps, selection: None };
        }
        let allocation = self.ground.allocation(&self.best.ratios)?;
        Ok(Descended {
            dead_rows: self.ground.shared.rows.is_some().then(|| allocation.dead_rows()),
            allocation,
            ratios: self.best.ratios,
            step: self.best.step,
            selection: self.best.selection,
            began: self.began,
            steps: self.steps,
            ended,
            tokens: self.tokens,
            unevenness: self.unevenness.unwrap_or([f64::NAN; 2]),
        })
    }

    /// Returns whether the selection text is measured after a step.
    fn checks(&self, step: usize) -> bool {
        let settings = self.ground.settings;
        step.is_multiple_of(settings.check) || step == settings.steps
    }

    /// Returns the number of tokens of a step; a backward pass counts as two forward passes.
    fn cost(&self, step: usize) -> u64 {
        let ground = self.ground;
        let windows = ground.settings.windows.min(ground.evaluator.windows(Split::Fitness));
        let read = ground.tokens(Split::Selection, ground.evaluator.windows(Split::Selection));
        3 * ground.tokens(Split::Fitness, windows)
            + (u64::from(self.checks(step)) + u64::from(step == 1)) * read
    }

    fn make(&self, step: usize) -> Result<Step, DescentError> {
        let Ground { evaluator, settings, shared, .. } = self.ground;
        let all = evaluator.windows(Split::Fitness);
        let windows = windows::of_step(settings.seed, self.start.steps + step - 1, settings.windows, all);
        let model = self.ground.model(&self.ground.allocation(&self.state.ratios)?)?;
        let Measured { units: marginals, rows, loss } = self.ground.marginals(&model, &windows)?;
        if let Some(unit) = marginals.means.iter().position(|it| !it.is_finite()) {
            return Err(DescentError::NotFinite {
                unit: self.ground.holders.name(unit),
                value: marginals.means[unit],
                target: shared.target,
                step,
            });
        }
        let used = if settings.shrinks { marginals.shrunk() } else { marginals.means.clone() };
        let differences = rows.as_ref().map(|rows| match settings.shrinks {
            true => rows.shrunk(),
            false => rows.differences(),
        });
        let measured = Direction { units: &used, rows: differences.as_deref() };
        let mut state = self.state.clone();
        let left = (settings.steps - step + 1) as f64 / settings.steps as f64;
        state.step(measured, left, shared, settings)?;
        let at_bound = |ratio: &&f64| **ratio <= shared.bounds.lower() || **ratio >= shared.bounds.upper();
        Ok(Step {
            target: shared.target,
            step,
            loss,
            reliability: marginals.reliability,
            row_reliability: rows.map(|it| it.reliability()),
            unevenness: unevenness(&marginals.means, scale(&marginals.means)),
            bounded: state.ratios.iter().filter(at_bound).count(),
            began: if step == 1 { self.ground.selection(&self.state.ratios)? } else { None },
            selection: if self.checks(step) { self.ground.selection(&state.ratios)? } else { None },
            state,
        })
    }

    fn take(&mut self, made: Step, step: usize) {
        self.tokens += self.cost(step);
        self.steps = step;
        // Marginals of rows may still be reliable when those of their projections no longer are.
        self.reliabilities.push(made.row_reliability.map_or(made.reliability, |it| it.max(made.reliability)));
        let first = self.unevenness.map_or(made.unevenness, |[first, _]| first);
        self.unevenness = Some([first, made.unevenness]);
        if let Some(loss) = made.began {
            self.began = Some(loss);
            self.best.selection = Some(loss);
        }
        self.state = made.state;
        if let Some(loss) = made.selection {
            if self.best.selection.is_none_or(|best| loss < best) {
                self.best = Best { ratios: self.state.ratios.clone(), step, selection: Some(loss) };
                self.idle = 0;
            } else {
                self.idle += 1;
            }
        }
    }

    /// Returns the reason to stop after a step, if there is one.
    fn ends(&mut self, step: usize) -> Option<Ended> {
        if !self.checks(step) {
            return None;
        }
        let reliabilities = std::mem::take(&mut self.reliabilities);
        let mean = reliabilities.iter().sum::<f64>() / reliabilities.len().max(1) as f64;
        if self.idle >= self.ground.settings.patience.max(1) {
            return Some(Ended::NoGain);
        }
        (mean < NOISE).then_some(Ended::Noise)
    }
}
