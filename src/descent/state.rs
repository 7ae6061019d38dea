//! The state of a descent: unrounded ratios, and the variables that steer the next step.

use super::error::DescentError;
use super::link::Link;
use super::rule::{MOST, Rule, clamped, median, scale};
use super::settings::DescentSettings;
use crate::allocate::Bounds;

/// The state of a descent.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The ratio of each unit or row, `[units]` or `[rows]`, on budget and not rounded, because a step may be
    /// less than half a weight.
    pub ratios: Vec<f64>,
    /// The direction so far, `[units]`; if each row gets a ratio, the units are the rows' projections.
    pub velocity: Vec<f64>,
    /// The direction of rows relative to their projections so far, `[rows]`; empty unless each row gets a
    /// ratio.
    pub rows: Vec<f64>,
    /// The observed rise of each unit's marginal with its ratio, `[units]`; used by [`Rule::Secant`].
    pub slopes: Vec<f64>,
    /// The ratios and marginals of the previous step, if there was one at this target.
    pub before: Option<(Vec<f64>, Vec<f64>)>,
}

/// The measurements that a step uses.
#[derive(Clone, Copy, Debug)]
pub struct Direction<'a> {
    /// The marginals of units, `[units]`.
    pub units: &'a [f64],
    /// The difference of rows' marginals from their projections', `[rows]`, if each row gets a ratio.
    pub rows: Option<&'a [f64]>,
}

/// The units or rows that share a budget.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Number of weights of each, `[units]` or `[rows]`.
    pub parameters: Vec<u64>,
    /// The share of all weights to prune.
    pub target: f64,
    /// The bounds of ratios.
    pub bounds: Bounds,
    /// The coordinate that moves.
    pub link: Link,
    /// Number of rows of each unit, if each row gets a ratio.
    pub rows: Option<Vec<usize>>,
}

/// Weight of the previous slope in a running mean, and the largest factor between a slope and the median one.
const REMEMBERED: f64 = 0.7;
const FARTHEST: f64 = 4.0;

impl State {
    /// Starts with ratios, moved onto the budget, and no direction for `units` units.
    ///
    /// # Errors
    /// When no ratios meet the target.
    pub fn begin(ratios: &[f64], shared: &Shared, units: usize) -> Result<Self, DescentError> {
        let coordinates = ratios.iter().enumerate().map(|(unit, it)| shared.link.coordinate(unit, *it));
        let coordinates: Vec<f64> = coordinates.collect();
        let ratios = shared.link.ratios(&coordinates, &shared.parameters, shared.target, shared.bounds)?;
        let rows = if shared.rows.is_some() { vec![0.0; ratios.len()] } else { Vec::new() };
        Ok(Self { ratios, velocity: vec![0.0; units], rows, slopes: vec![0.0; units], before: None })
    }

    /// Takes a step that lowers the ratios of units whose marginals are above the median; `left` is the share
    /// of the steps that remain, including this one.
    ///
    /// # Errors
    /// When no ratios meet the target.
    pub fn step(
        &mut self,
        measured: Direction<'_>,
        left: f64,
        shared: &Shared,
        settings: &DescentSettings,
    ) -> Result<(), DescentError> {
        let marginals = measured.units;
        let direction = match settings.rule {
            Rule::Secant => self.by_slopes(marginals, settings.step_size),
            rule => rule.direction(marginals),
        };
        let kept = settings.momentum;
        for (velocity, direction) in self.velocity.iter_mut().zip(direction) {
            *velocity = kept * *velocity + direction;
        }
        if let Some(differences) = measured.rows {
            let size = scale(marginals);
            for (velocity, difference) in self.rows.iter_mut().zip(differences) {
                *velocity = settings.rows.momentum * *velocity + clamped(difference / size);
            }
        }
        // Makes logits and logarithms move as fast as ratios do at the target.
        let steepness = match &shared.link {
            Link::Ratio => 1.0,
            Link::Logit | Link::Scores(_) => 1.0 / (shared.target * (1.0 - shared.target)),
        };
        let moves = self.moves(left, shared, settings);
        let moved = self.ratios.iter().zip(moves).enumerate();
        let coordinates: Vec<f64> =
            moved.map(|(unit, (ratio, by))| shared.link.coordinate(unit, *ratio) - steepness * by).collect();
        let ratios = shared.link.ratios(&coordinates, &shared.parameters, shared.target, shared.bounds)?;
        let before = std::mem::replace(&mut self.ratios, ratios);
        // Only a rule that does not support rows reads it.
        self.before = shared.rows.is_none().then(|| (before, marginals.to_vec()));
        Ok(())
    }

    /// Returns the decrease of each ratio, before the budget is restored.
    fn moves(&self, left: f64, shared: &Shared, settings: &DescentSettings) -> Vec<f64> {
        let size = settings.step_size * left * (1.0 - settings.momentum);
        let of_units = self.velocity.iter().map(|it| size * it);
        let Some(rows) = &shared.rows else { return of_units.collect() };
        let row_size = settings.rows.step_size * left * (1.0 - settings.rows.momentum);
        let of_rows = of_units.zip(rows).flat_map(|(by, rows)| std::iter::repeat_n(by, *rows));
        of_rows.zip(&self.rows).map(|(by, row)| by + row_size * row).collect()
    }

    /// Returns the distance of each unit from the median marginal by its slope, in step sizes.
    fn by_slopes(&mut self, marginals: &[f64], step_size: f64) -> Vec<f64> {
        let first = Rule::Shift.direction(marginals);
        let Some((ratios, before)) = &self.before else { return first };
        for unit in 0..marginals.len() {
            let moved = self.ratios[unit] - ratios[unit];
            if moved.abs() > 1e-4 {
                let seen = (marginals[unit] - before[unit]) / moved;
                let slope = &mut self.slopes[unit];
                *slope = if *slope == 0.0 { seen } else { REMEMBERED * *slope + (1.0 - REMEMBERED) * seen };
            }
        }
        let middle_slope = median(self.slopes.iter().copied().filter(|it| *it > 0.0).collect());
        if middle_slope <= 0.0 {
            return first;
        }
        let middle = median(marginals.to_vec());
        let of_unit = |(marginal, slope): (&f64, &f64)| {
            let slope = slope.clamp(middle_slope / FARTHEST, middle_slope * FARTHEST);
            ((marginal - middle) / slope / step_size.max(f64::MIN_POSITIVE)).clamp(-MOST, MOST)
        };
        marginals.iter().zip(&self.slopes).map(of_unit).collect()
    }
}
