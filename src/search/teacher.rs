//! Teachers: allocations found by a descent. Formulas are first judged by the distance of their ratios from
//! the teachers', without a forward pass.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::teacher_error::TeacherError;
use crate::trial::behaviour::Allotted;

/// A block or a projection of a teacher.
#[derive(Clone, Debug, PartialEq)]
pub struct TaughtUnit {
    /// The indices of its linears among the model's.
    pub linears: Vec<usize>,
    /// Number of weights.
    pub parameters: u64,
    /// The share of them that the teacher prunes.
    pub ratio: f64,
    /// How steeply the marginal damage rises in the unit, relative to all units together; 1 if unknown.
    pub steepness: f64,
}

/// An allocation of one model at one sparsity, which formulas should approach.
#[derive(Clone, Debug, PartialEq)]
pub struct Teacher {
    name: String,
    target: usize,
    sparsity: f64,
    held_out: bool,
    /// Whether the steepness of the units is known.
    steep: bool,
    units: Vec<TaughtUnit>,
    /// The distance of uniform sparsity, before normalisation.
    uniform: f64,
}

impl Teacher {
    /// Takes the ratios of an allocation at a search's target, given as its index and sparsity. The search
    /// does not learn from a held-out teacher.
    ///
    /// # Errors
    /// When all ratios are equal, so that there is nothing to learn.
    pub fn new(
        name: impl Into<String>,
        (target, sparsity): (usize, f64),
        units: Vec<TaughtUnit>,
        held_out: bool,
    ) -> Result<Self, TeacherError> {
        let name = name.into();
        let uniform = deviation(&units, |_| sparsity);
        let steep = units.iter().any(|unit| unit.steepness != 1.0);
        if uniform > 0.0 {
            Ok(Self { name, target, sparsity, held_out, steep, units, uniform })
        } else {
            Err(TeacherError::Uniform { name, sparsity })
        }
    }

    /// Returns the distance of an allocation's ratios from the teacher's: the mean squared deviation over the
    /// teacher's units, weighted by number of weights times steepness, divided by that of uniform sparsity. 0
    /// is the teacher itself, and 1 is as far away as uniform sparsity.
    ///
    /// Infinite for an allocation of another model.
    pub fn distance(&self, allotted: &Allotted) -> f64 {
        let Some(shares) = allotted.shares.get(self.target) else { return f64::INFINITY };
        let pruned = |place: &usize| shares.get(*place).map_or(f64::NAN, |share| share.pruned as f64);
        let ratio =
            |unit: &TaughtUnit| unit.linears.iter().map(pruned).sum::<f64>() / unit.parameters.max(1) as f64;
        let distance = deviation(&self.units, ratio) / self.uniform;
        if distance.is_nan() { f64::INFINITY } else { distance }
    }
}

/// Returns the mean squared deviation of ratios from those of some units, weighted by number of weights times
/// steepness. If the marginals are even, this is proportional to the second-order cost of the deviations.
fn deviation(units: &[TaughtUnit], ratio: impl Fn(&TaughtUnit) -> f64) -> f64 {
    let weighted =
        |unit: &TaughtUnit| unit.parameters as f64 * unit.steepness * (ratio(unit) - unit.ratio).powi(2);
    let parameters: u64 = units.iter().map(|unit| unit.parameters).sum();
    units.iter().map(weighted).sum::<f64>() / parameters.max(1) as f64
}

/// All teachers of a search.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Teachers(Vec<Teacher>);

impl Teachers {
    /// Returns whether there is no teacher to learn from.
    pub fn is_empty(&self) -> bool {
        self.learned().next().is_none()
    }

    fn learned(&self) -> impl Iterator<Item = &Teacher> {
        self.0.iter().filter(|teacher| !teacher.held_out)
    }

    /// Returns the mean distance of an allocation from the teachers that are not held out, first over those
    /// of a target and then over targets, so that each target counts the same; infinite if there are none.
    pub fn distance(&self, allotted: &Allotted) -> f64 {
        let mut of_targets: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for teacher in self.learned() {
            of_targets.entry(teacher.target).or_default().push(teacher.distance(allotted));
        }
        if of_targets.is_empty() {
            return f64::INFINITY;
        }
        let mean = |distances: &Vec<f64>| distances.iter().sum::<f64>() / distances.len() as f64;
        of_targets.values().map(mean).sum::<f64>() / of_targets.len() as f64
    }

    /// Returns the distance of an allocation from each teacher.
    pub fn distances(&self, allotted: &Allotted) -> Vec<TeacherDistance> {
        let of = |teacher: &Teacher| TeacherDistance {
            teacher: teacher.name.clone(),
            target: teacher.target,
            sparsity: teacher.sparsity,
            held_out: teacher.held_out,
            steep: teacher.steep,
            distance: teacher.distance(allotted),
        };
        self.0.iter().map(of).collect()
    }
}

impl From<Vec<Teacher>> for Teachers {
    fn from(teachers: Vec<Teacher>) -> Self {
        Self(teachers)
    }
}

/// The distance of the found ratios from a teacher's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TeacherDistance {
    /// Folder of the descent.
    pub teacher: String,
    /// Index of the setting within the search, counted from 0.
    pub target: usize,
    /// Sparsity of that setting.
    pub sparsity: f64,
    /// Whether the teacher was held out, so that the search did not learn from it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held_out: bool,
    /// Whether deviations are weighted by the steepness of the unit's marginal damage; otherwise only by the
    /// number of weights.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub steep: bool,
    /// Mean squared deviation of the ratios, weighted by each unit's number of weights and, if known, its
    /// steepness, divided by that of uniform sparsity: 0 is the teacher itself, 1 is as far away as uniform
    /// sparsity.
    pub distance: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prune::Share;
    use crate::trial::behaviour::Behaviour;

    /// Two units of 100 and 300 weights: one linear, and two.
    fn units(ratios: [f64; 2]) -> Vec<TaughtUnit> {
        let unit = |linears: &[usize], parameters, ratio| TaughtUnit {
            linears: linears.to_vec(),
            parameters,
            ratio,
            steepness: 1.0,
        };
        vec![unit(&[0], 100, ratios[0]), unit(&[1, 2], 300, ratios[1])]
    }

    fn teacher(name: &str, ratios: [f64; 2], held_out: bool) -> Teacher {
        Teacher::new(name, (0, 0.5), units(ratios), held_out).expect("ratios that differ")
    }

    fn pruned(counts: [u64; 3]) -> Allotted {
        let shares = vec![counts.map(|pruned| Share::new(0.5, pruned)).to_vec()];
        Allotted { behaviour: Behaviour::new("", &shares), shares }
    }

    #[test]
    fn deviations_are_weighted_by_unit_size_and_relative_to_uniform() {
        // Uniform is off by 0.3 in 100 weights and by 0.1 in 300: 100 * 0.09 + 300 * 0.01 = 12.
        let teacher = teacher("a", [0.8, 0.4], false);
        assert!((teacher.distance(&pruned([50, 50, 100])) - 1.0).abs() < 1e-12);
        assert_eq!(teacher.distance(&pruned([80, 20, 100])), 0.0);
        // A teacher of whole units does not care how a unit splits its loss among its linears.
        assert_eq!(teacher.distance(&pruned([80, 120, 0])), 0.0);
        // Off by 0.1 and by 1/30: 100 * 0.01 + 300 / 900 = 4/3, a ninth of 12.
        assert!((teacher.distance(&pruned([70, 30, 100])) - 1.0 / 9.0).abs() < 1e-12);
        assert_eq!(teacher.distance(&Allotted { shares: Vec::new(), ..pruned([0; 3]) }), f64::INFINITY);
    }

    #[test]
    fn the_distance_from_several_is_the_mean_of_those_that_are_not_held_out() {
        let mirrored = [0.2, 0.6];
        let teachers = Teachers::from(vec![
            teacher("a", [0.8, 0.4], false),
            teacher("b", mirrored, false),
            teacher("c", mirrored, true),
        ]);
        // The first teacher itself: from the other it is off by 0.6 and 0.2, twice as far as uniform, so 4.
        let first = pruned([80, 20, 100]);
        assert!((teachers.distance(&first) - 2.0).abs() < 1e-12);
        let each: Vec<(String, bool)> = teachers
            .distances(&first)
            .into_iter()
            .map(|it| (format!("{} {:.3}", it.teacher, it.distance), it.held_out))
            .collect();
        assert_eq!(
            each,
            [("a 0.000", false), ("b 4.000", false), ("c 4.000", true)]
                .map(|(text, out)| (text.to_owned(), out))
        );
        let held_out = Teachers::from(vec![teacher("c", mirrored, true)]);
        assert!(held_out.is_empty() && held_out.distance(&first).is_infinite());
    }

    #[test]
    fn a_deviation_costs_more_where_the_damage_rises_steeply() {
        let mut steep = units([0.8, 0.4]);
        steep[0].steepness = 3.0;
        let teacher = Teacher::new("a", (0, 0.5), steep, false).expect("ratios that differ");
        // Uniform costs 300 * 0.09 + 300 * 0.01 = 30, and this 300 * 0.01 + 300 / 900 = 10/3.
        assert!((teacher.distance(&pruned([70, 30, 100])) - 1.0 / 9.0).abs() < 1e-12);
        // Off by 0.1 in the flat unit costs 300 * 0.01 of that, and off by 0.3 in the steep one 300 * 0.09.
        let [flat, steep] = [[80, 50, 100], [50, 20, 100]].map(|counts| teacher.distance(&pruned(counts)));
        assert!((flat - 0.1).abs() < 1e-12 && (steep - 0.9).abs() < 1e-12, "{flat} {steep}");
        assert!(Teachers::from(vec![teacher]).distances(&pruned([80, 20, 100]))[0].steep);
    }

    #[test]
    fn uniform_ratios_teach_nothing() {
        let refused = Teacher::new("a", (0, 0.5), units([0.5, 0.5]), false);
        assert!(matches!(refused, Err(TeacherError::Uniform { sparsity: 0.5, .. })));
    }
}
