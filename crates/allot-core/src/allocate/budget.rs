//! The budget: moves a proposal onto {parameter-weighted mean = target, lower <= sparsity <= upper}.
//!
//! Both movements, one addend or one factor for all units followed by a clamp, trace a curve in one unknown along which every unit's
//! sparsity, and so the mean, never falls. The curve is piecewise linear; its corners are where a unit leaves the lower bound or
//! reaches the upper one. [`budget`] finds the piece that crosses the target by bisecting the corners in order of the proposal, and
//! solves that piece. The unknown itself is never computed: a state is given by one unit and its sparsity, and the others follow by
//! their difference (or ratio) to that unit. This keeps all digits when proposals are huge (1e300).

use super::error::{AllocationError, same_length, valid_target};
use super::proposal::Proposal;
use super::sum::{Sum, total_parameters, weighted_mean};

/// The distance between target and mean sparsity below which a budget counts as met, and a proposal is left as it is.
pub const TOLERANCE: f64 = 1e-13;

/// The lowest and the highest sparsity that a unit may get, with `0 <= lower <= upper <= 1`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    lower: f64,
    upper: f64,
}

impl Bounds {
    /// Returns the bounds `lower` and `upper`.
    ///
    /// # Errors
    /// Fails unless `0 <= lower <= upper <= 1`.
    pub fn new(lower: f64, upper: f64) -> Result<Self, AllocationError> {
        if 0.0 <= lower && lower <= upper && upper <= 1.0 {
            Ok(Self { lower, upper })
        } else {
            Err(AllocationError::InvalidBounds { lower, upper })
        }
    }

    /// Returns the lowest sparsity that a unit may get.
    pub fn lower(self) -> f64 {
        self.lower
    }

    /// Returns the highest sparsity that a unit may get.
    pub fn upper(self) -> f64 {
        self.upper
    }

    fn contain(self, sparsity: f64) -> bool {
        self.lower <= sparsity && sparsity <= self.upper
    }
}

impl Default for Bounds {
    /// Returns the bounds 0 and 1, which every share of weights satisfies.
    fn default() -> Self {
        Self { lower: 0.0, upper: 1.0 }
    }
}

/// Moves a proposal to sparsities whose parameter-weighted mean is `target`, `[units]`.
///
/// The mean is met to [`TOLERANCE`], and every sparsity lies within the bounds. One addend (or one factor, for relative proposals)
/// moves all units, and the bounds clamp them; so units keep their order, equal values stay equal, and a proposal that already
/// satisfies both conditions comes back bit for bit. Units that a factor cannot move (a relative value of 0) share the remainder
/// evenly once all others have reached their bound. Takes O(n log n).
///
/// # Errors
/// Fails when the lengths differ, no unit has a weight, a proposed value is not finite, the target is not between 0 and 1, or the
/// target is not between the bounds (in which case no allocation meets it).
pub fn budget(
    proposal: &Proposal,
    parameters: &[u64],
    target: f64,
    bounds: Bounds,
) -> Result<Vec<f64>, AllocationError> {
    let values = proposal.values();
    same_length("proposed values", parameters.len(), values.len())?;
    total_parameters(parameters)?;
    valid_target(target)?;
    if let Some(unit) = values.iter().position(|value| !value.is_finite()) {
        let value = values[unit];
        return Err(AllocationError::NonFiniteProposal { unit, value });
    }
    let Bounds { lower, upper } = bounds;
    if !bounds.contain(target) {
        return Err(AllocationError::Infeasible { target, lower, upper });
    }
    let proposed: Vec<f64> = match proposal {
        Proposal::Sparsity(values) | Proposal::RelativeSparsity(values) => values.clone(),
        Proposal::RelativeDensity(values) => values.iter().map(|density| 1.0 - density).collect(),
    };
    if proposed.iter().all(|&sparsity| bounds.contain(sparsity))
        && (weighted_mean(&proposed, parameters)? - target).abs() <= TOLERANCE
    {
        return Ok(proposed);
    }
    // Only one allocation is possible when the target is itself a bound.
    if target == lower || target == upper {
        return Ok(vec![target; values.len()]);
    }
    let solve =
        |movement, mean, lower, upper| Curve { movement, values, parameters, lower, upper }.through(mean);
    Ok(match proposal {
        Proposal::Sparsity(_) => solve(Movement::Addend, target, lower, upper),
        Proposal::RelativeSparsity(_) => solve(Movement::Factor, target, lower, upper),
        Proposal::RelativeDensity(_) => {
            let (least, most) = (1.0 - upper, 1.0 - lower);
            let densities = solve(Movement::Factor, 1.0 - target, least, most);
            // A unit at a bound gets the bound itself, which 1 - (1 - bound) may miss.
            let sparsity = |density: f64| match density {
                _ if density >= most => lower,
                _ if density <= least => upper,
                _ => (1.0 - density).clamp(lower, upper),
            };
            densities.into_iter().map(sparsity).collect()
        }
    })
}

/// Returns the mean of the sparsities, weighted by the number of weights in each unit.
///
/// # Errors
/// Fails when the lengths differ, or no unit has a weight.
pub fn mean_sparsity(sparsity: &[f64], parameters: &[u64]) -> Result<f64, AllocationError> {
    weighted_mean(sparsity, parameters)
}

#[derive(Clone, Copy)]
enum Movement {
    Addend,
    Factor,
}

/// One state along the curve: a unit with this proposed value has this level, and the others follow.
#[derive(Clone, Copy)]
struct State {
    value: f64,
    level: f64,
}

/// All allocations that a movement reaches from a proposal; their `levels` are sparsities or densities.
struct Curve<'a> {
    movement: Movement,
    values: &'a [f64],
    parameters: &'a [u64],
    lower: f64,
    upper: f64,
}

impl Curve<'_> {
    /// Returns the level of a unit with the proposed value `value`, unclamped.
    fn free_level(&self, value: f64, state: State) -> f64 {
        match self.movement {
            Movement::Addend => state.level + (value - state.value),
            Movement::Factor => state.level * (value / state.value),
        }
    }

    fn level(&self, value: f64, state: State) -> f64 {
        self.free_level(value, state).clamp(self.lower, self.upper)
    }

    /// Returns the sum over all units of level times parameters at a state.
    fn weights(&self, state: State) -> f64 {
        let units = self.values.iter().zip(self.parameters);
        units.map(|(&value, &count)| self.level(value, state) * count as f64).collect::<Sum>().value()
    }

    fn parameters_of(&self, units: &[usize]) -> f64 {
        let counts = units.iter().map(|&unit| self.parameters[unit] as f64);
        counts.collect::<Sum>().value()
    }

    /// Returns the point of the curve whose mean is `mean`, with `lower < mean < upper` and at least one weight.
    fn through(&self, mean: f64) -> Vec<f64> {
        let all: Sum = self.parameters.iter().map(|&count| count as f64).collect();
        let wanted = mean * all.value();

        // Units with weights, split into those that move, in the order in which they leave the lower bound, and the others.
        let counts = |unit: &usize| self.parameters[*unit] > 0;
        let moves = |unit: &usize| match self.movement {
            Movement::Addend => true,
            Movement::Factor => self.values[*unit] > 0.0,
        };
        let (mut order, fixed): (Vec<usize>, Vec<usize>) =
            (0..self.values.len()).filter(counts).partition(moves);
        order.sort_by(|&a, &b| self.values[b].total_cmp(&self.values[a]));

        let movable = self.parameters_of(&order);
        let unmovable = self.parameters_of(&fixed);
        if self.upper * movable + self.lower * unmovable < wanted {
            return self.shared_by_the_unmovable((wanted - self.upper * movable) / unmovable);
        }

        // Corners at or below the wanted sum: of units leaving the lower bound, of units reaching the upper one.
        let below = |level: f64| {
            order.partition_point(|&unit| {
                let value = self.values[unit];
                self.weights(State { value, level }) <= wanted
            })
        };
        let saturated = below(self.upper);
        let released = match self.movement {
            // A factor of 0 is where all units leave a bound of 0.
            Movement::Factor if self.lower == 0.0 => order.len(),
            _ => below(self.lower).max(saturated),
        };
        // The piece begins where the last saturated unit reaches the upper bound.
        let beginning =
            saturated.checked_sub(1).map(|last| State { value: self.values[order[last]], level: self.upper });
        let free = &order[saturated..released];
        let Some(&first) = free.first() else {
            // A flat piece: some units at the upper bound, the others at the lower one.
            let none_saturated = State { value: self.values[order[0]], level: self.lower };
            return self.levels(beginning.unwrap_or(none_saturated));
        };

        // How far the free units move in all when the first of them moves by 1.
        let slope: Sum = free
            .iter()
            .map(|&unit| match self.movement {
                Movement::Addend => self.parameters[unit] as f64,
                Movement::Factor => self.parameters[unit] as f64 * (self.values[unit] / self.values[first]),
            })
            .collect();
        let value = self.values[first];
        let mut state = State { value, level: self.upper };
        // One step along the piece, exact except for rounding, with the free units unclamped, because a clamp would bend the line.
        let given: Sum = free
            .iter()
            .map(|&unit| self.free_level(self.values[unit], state) * self.parameters[unit] as f64)
            .chain([
                self.upper * self.parameters_of(&order[..saturated]),
                self.lower * self.parameters_of(&order[released..]),
                self.lower * unmovable,
            ])
            .collect();
        self.advance(&mut state, (wanted - given.value()) / slope.value());
        // At the beginning of the piece the saturated unit gives the state: next to a far larger value the level of the first free
        // unit may be 0, which a factor cannot change.
        if let Some(beginning) = beginning
            && state.level <= self.level(value, beginning)
        {
            return self.levels(beginning);
        }
        // Then correct what rounding left over, now with the clamp.
        for _ in 0..2 {
            let missing = wanted - self.weights(state);
            self.advance(&mut state, missing / slope.value());
        }
        self.levels(state)
    }

    fn advance(&self, state: &mut State, by: f64) {
        state.level = (state.level + by).clamp(self.lower, self.upper);
    }

    fn levels(&self, state: State) -> Vec<f64> {
        let values = self.values.iter();
        values.map(|&value| self.level(value, state)).collect()
    }

    /// Returns the movable units at the upper bound, and the others at one level.
    fn shared_by_the_unmovable(&self, level: f64) -> Vec<f64> {
        let level = level.clamp(self.lower, self.upper);
        let values = self.values.iter();
        values.map(|&value| if value > 0.0 { self.upper } else { level }).collect()
    }
}
