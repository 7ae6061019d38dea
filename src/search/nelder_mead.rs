//! The simplex search of Nelder and Mead (1965): a minimum of a function of a few variables, found without
//! gradients.
//!
//! The search asks for points and is told their values, so that several searches can have theirs computed
//! together.

/// Step of the first simplex in each coordinate: a share of its value, or [`FIRST_OF_ZERO`] where the value
/// is 0.
const FIRST: f64 = 0.25;
const FIRST_OF_ZERO: f64 = 0.1;

/// The search ends when no coordinate of a vertex deviates from the best vertex by more than this share.
const SMALL: f64 = 1e-4;

/// A point and its value.
#[derive(Clone, Debug, PartialEq)]
struct Vertex {
    point: Vec<f64>,
    value: f64,
}

/// The kind of points asked for.
#[derive(Clone, Debug)]
enum Trial {
    /// Vertices of the simplex.
    Vertices,
    /// The worst vertex, reflected at the centroid of the others.
    Reflection,
    /// The same direction, twice as far.
    Expansion { reflection: Vertex },
    /// A point nearer to the centroid, which must be lower than `than`.
    Contraction { than: f64 },
}

/// A search for a minimum.
#[derive(Clone, Debug)]
pub(super) struct NelderMead {
    /// The simplex, lowest value first.
    vertices: Vec<Vertex>,
    asked: Vec<Vec<f64>>,
    trial: Trial,
    /// How many more values may be asked for.
    left: usize,
}

impl NelderMead {
    /// Starts around a point; asks for about `most` values, and at least for those of the first simplex.
    pub(super) fn new(start: &[f64], most: usize) -> Self {
        let moved = |place: usize| {
            let mut point = start.to_vec();
            point[place] += if point[place] == 0.0 { FIRST_OF_ZERO } else { FIRST * point[place] };
            point
        };
        let asked = std::iter::once(start.to_vec()).chain((0..start.len()).map(moved)).collect();
        Self { vertices: Vec::new(), asked, trial: Trial::Vertices, left: most }
    }

    /// Returns the points whose values are needed; empty when the search is over.
    pub(super) fn asked(&self) -> &[Vec<f64>] {
        &self.asked
    }

    /// Returns the point with the lowest value so far, and that value.
    pub(super) fn best(&self) -> Option<(&[f64], f64)> {
        self.vertices.first().map(|it| (it.point.as_slice(), it.value))
    }

    /// Takes the values of the points that were asked for; NaN counts as infinite.
    pub(super) fn tell(&mut self, values: &[f64]) {
        self.left = self.left.saturating_sub(values.len());
        let value = |value: &f64| if value.is_nan() { f64::INFINITY } else { *value };
        let points = std::mem::take(&mut self.asked).into_iter().zip(values);
        let mut told: Vec<Vertex> = points.map(|(point, it)| Vertex { point, value: value(it) }).collect();
        match std::mem::replace(&mut self.trial, Trial::Vertices) {
            Trial::Vertices => self.vertices.append(&mut told),
            Trial::Reflection => {
                let Some(reflection) = told.pop() else { return };
                return self.reflected(reflection);
            }
            Trial::Expansion { reflection } => {
                let lower = told.pop().filter(|it| it.value < reflection.value);
                self.replace_worst(lower.unwrap_or(reflection));
            }
            Trial::Contraction { than } => match told.pop().filter(|it| it.value < than) {
                Some(contracted) => self.replace_worst(contracted),
                None => return self.shrink(),
            },
        }
        self.reflect();
    }

    /// Continues from the value of the reflected worst vertex.
    fn reflected(&mut self, reflection: Vertex) {
        let lowest = self.vertices.first().map_or(f64::INFINITY, |it| it.value);
        let worst = self.vertices.last().map_or(f64::INFINITY, |it| it.value);
        let second = self.vertices.iter().rev().nth(1).map_or(f64::INFINITY, |it| it.value);
        if self.left == 0 {
            if reflection.value < worst {
                self.replace_worst(reflection);
                self.sort();
            }
        } else if reflection.value < lowest {
            self.ask(2.0, Trial::Expansion { reflection });
        } else if reflection.value < second {
            self.replace_worst(reflection);
            self.reflect();
        } else if reflection.value < worst {
            let than = reflection.value;
            // Outside the simplex, on the side of the reflected vertex.
            self.ask(0.5, Trial::Contraction { than });
            self.replace_worst(reflection);
        } else {
            self.ask(-0.5, Trial::Contraction { than: worst });
        }
    }

    /// Asks for the point on the line from the worst vertex through the centroid, `times` that distance
    /// beyond the centroid.
    fn ask(&mut self, times: f64, trial: Trial) {
        let Some((worst, others)) = self.vertices.split_last().filter(|_| self.left > 0) else { return };
        let middle =
            |place: usize| others.iter().map(|it| it.point[place]).sum::<f64>() / others.len().max(1) as f64;
        let coordinate = |(place, own): (usize, &f64)| {
            let middle = middle(place);
            middle + times * (middle - own)
        };
        self.asked = vec![worst.point.iter().enumerate().map(coordinate).collect()];
        self.trial = trial;
    }

    fn reflect(&mut self) {
        self.sort();
        if !self.is_small() {
            self.ask(1.0, Trial::Reflection);
        }
    }

    fn sort(&mut self) {
        self.vertices.sort_by(|a, b| a.value.total_cmp(&b.value));
    }

    fn is_small(&self) -> bool {
        let Some((lowest, others)) = self.vertices.split_first() else { return true };
        let near = |(own, to): (&f64, &f64)| (own - to).abs() <= SMALL * to.abs().max(SMALL);
        others.iter().all(|it| it.point.iter().zip(&lowest.point).all(near))
    }

    fn replace_worst(&mut self, vertex: Vertex) {
        self.vertices.pop();
        self.vertices.push(vertex);
    }

    /// Moves all vertices halfway to the lowest.
    fn shrink(&mut self) {
        self.sort();
        let Some((lowest, others)) = self.vertices.split_first() else { return };
        let half =
            |it: &Vertex| it.point.iter().zip(&lowest.point).map(|(own, to)| to + 0.5 * (own - to)).collect();
        let asked: Vec<Vec<f64>> = others.iter().map(half).collect();
        self.vertices.truncate(1);
        if asked.len() <= self.left {
            self.asked = asked;
            self.trial = Trial::Vertices;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lowest(start: &[f64], most: usize, function: impl Fn(&[f64]) -> f64) -> (Vec<f64>, f64, usize) {
        let mut search = NelderMead::new(start, most);
        let mut count = 0;
        while !search.asked().is_empty() {
            let values: Vec<f64> = search.asked().iter().map(|point| function(point)).collect();
            count += values.len();
            search.tell(&values);
        }
        let (point, value) = search.best().expect("a vertex");
        (point.to_vec(), value, count)
    }

    #[test]
    fn it_finds_the_bottom_of_a_curved_valley() {
        // Rosenbrock's function; its minimum is 0 at (1, 1).
        let valley = |x: &[f64]| 100.0 * (x[1] - x[0] * x[0]).powi(2) + (1.0 - x[0]).powi(2);
        let (point, value, count) = lowest(&[-1.2, 1.0], 400, valley);
        assert!((point[0] - 1.0).abs() < 0.01 && (point[1] - 1.0).abs() < 0.02, "{point:?}: {value}");
        assert!(count <= 400, "{count}");
    }

    #[test]
    fn one_number_is_enough_and_a_budget_is_kept() {
        let (point, _, count) = lowest(&[0.0], 100, |x| (x[0] - 3.0).abs());
        assert!((point[0] - 3.0).abs() < 1e-2, "{point:?} after {count}");
        for most in [0, 1, 5, 17] {
            let (_, _, count) = lowest(&[1.0, 2.0, 3.0], most, |x| x.iter().map(|it| it * it).sum());
            assert!(count <= most.max(4), "{count} of {most}");
        }
    }

    #[test]
    fn nan_is_avoided_and_the_start_is_never_lost() {
        let walled = |x: &[f64]| if x[0] > 2.0 { f64::NAN } else { -x[0] };
        let (point, value, _) = lowest(&[1.0], 60, walled);
        assert!(point[0] <= 2.0 && point[0] > 1.9, "{point:?}");
        assert_eq!(value, -point[0]);
        let (point, value, _) = lowest(&[1.0], 60, |x| if x[0] == 1.0 { 5.0 } else { f64::NAN });
        assert_eq!((point, value), (vec![1.0], 5.0));
    }
}
