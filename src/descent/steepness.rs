//! How steeply the marginal damage of each unit rises with its ratio, estimated from the steps of a descent:
//! the cost of a deviation in that unit.

/// The minimum number of steps with marginals.
const FEWEST: usize = 4;

/// The maximum factor between a unit's steepness and that of all units together.
const FARTHEST: f64 = 4.0;

/// Returns the slope of each unit's marginal with its ratio, relative to that of all units together,
/// `[units]`; computed from the ratios and the marginals of each step, both `[steps]` of `[units]`.
///
/// The marginals of a step are divided by their mean size, because all of them fall during a descent. A
/// unit's steepness is the slope of the least-squares line through its steps, shrunk towards that of all
/// units the less its ratio moved, and limited to between a quarter and 4 times the latter. `None` with fewer
/// than 4 steps, or if marginals do not rise with ratios overall.
pub fn steepness(steps: &[(Vec<f64>, Vec<f64>)]) -> Option<Vec<f64>> {
    let units = steps.first()?.0.len();
    let whole =
        |(ratios, marginals): &(Vec<f64>, Vec<f64>)| ratios.len() == units && marginals.len() == units;
    if steps.len() < FEWEST || units == 0 || !steps.iter().all(whole) {
        return None;
    }
    let sizes: Vec<f64> = steps
        .iter()
        .map(|(_, marginals)| marginals.iter().map(|it| it.abs()).sum::<f64>() / units as f64)
        .collect();
    let n = steps.len() as f64;
    // The sums of squares and products around each unit's means.
    let of_unit = |unit: usize| {
        let pairs = || steps.iter().zip(&sizes).map(|(step, size)| (step.0[unit], step.1[unit] / size));
        let (x, y) = pairs().fold((0.0, 0.0), |(x, y), pair| (x + pair.0 / n, y + pair.1 / n));
        pairs().fold((0.0, 0.0), |(square, product), pair| {
            (square + (pair.0 - x).powi(2), product + (pair.0 - x) * (pair.1 - y))
        })
    };
    let sums: Vec<(f64, f64)> = (0..units).map(of_unit).collect();
    let (square, product) =
        sums.iter().fold((0.0, 0.0), |(square, product), it| (square + it.0, product + it.1));
    let together = product / square;
    if !(together.is_finite() && together > 0.0) {
        return None;
    }
    let typical = square / units as f64;
    let drawn = |(square, product): &(f64, f64)| {
        let own = (product + together * typical) / (square + typical);
        (own / together).clamp(1.0 / FARTHEST, FARTHEST)
    };
    Some(sums.iter().map(drawn).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns five steps of three units: two whose relative marginals rise by 1 and by 3 with their ratios,
    /// and one that does not move.
    fn steps() -> Vec<(Vec<f64>, Vec<f64>)> {
        let step = |at: i32| {
            let moved = 0.1 * f64::from(at);
            let relative = [1.0 + moved, 1.0 - 3.0 * moved, 1.0 + 2.0 * moved];
            // The sum stays 3, so that the mean size equals the size of the step, which falls.
            let size = 10.0 / f64::from(at + 3);
            (vec![0.5 + moved, 0.5 - moved, 0.5], relative.map(|it| size * it).to_vec())
        };
        (-2..=2).map(step).collect()
    }

    #[test]
    fn steepness_is_a_slope_shrunk_towards_that_of_all_units() {
        // Sums of squares are 0.1, 0.1 and 0; of products, 0.1, 0.3 and 0. Together 0.4 / 0.2 = 2, and a
        // typical square is 0.2 / 3.
        let found = steepness(&steps()).expect("marginals rise");
        let typical = 0.2 / 3.0;
        let expected = [0.1, 0.3].map(|product| (product + 2.0 * typical) / (0.1 + typical) / 2.0);
        assert!(
            (found[0] - expected[0]).abs() < 1e-9 && (found[1] - expected[1]).abs() < 1e-9,
            "{found:?} {expected:?}"
        );
        assert!(
            (found[2] - 1.0).abs() < 1e-9,
            "a unit that did not move has the common steepness: {found:?}"
        );
    }

    #[test]
    fn too_few_steps_or_falling_marginals_give_no_steepness() {
        assert_eq!(steepness(&steps()[..3]), None);
        assert_eq!(steepness(&[]), None);
        let falling: Vec<_> = steps()
            .into_iter()
            .map(|(ratios, marginals)| (ratios.iter().map(|it| 1.0 - it).collect(), marginals))
            .collect();
        assert_eq!(steepness(&falling), None);
        let still = vec![(vec![0.5, 0.5], vec![1.0, 2.0]); 6];
        assert_eq!(steepness(&still), None, "no ratio moved");
        // A unit whose marginal stays constant while its ratio moves far is limited to a quarter.
        let mut wild = steps();
        wild.iter_mut().for_each(|(ratios, marginals)| {
            ratios.push(0.5 + 10.0 * (ratios[0] - 0.5));
            marginals.push(marginals.iter().sum::<f64>() / 3.0);
        });
        assert_eq!(steepness(&wild).expect("marginals rise")[3], 0.25);
    }
}
