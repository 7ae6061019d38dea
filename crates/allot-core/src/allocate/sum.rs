//! Sums that do not drift with the number of units.

use super::error::{AllocationError, same_length};

/// A running sum with Neumaier's compensation, so that a budget over 100 000 units is met to the last digits.
#[derive(Clone, Copy, Default)]
pub(super) struct Sum {
    total: f64,
    lost: f64,
}

impl Sum {
    pub(super) fn add(&mut self, term: f64) {
        let total = self.total + term;
        self.lost += if self.total.abs() >= term.abs() {
            (self.total - total) + term
        } else {
            (term - total) + self.total
        };
        self.total = total;
    }

    pub(super) fn value(self) -> f64 {
        self.total + self.lost
    }
}

impl FromIterator<f64> for Sum {
    fn from_iter<I: IntoIterator<Item = f64>>(terms: I) -> Self {
        let mut sum = Self::default();
        for term in terms {
            sum.add(term);
        }
        sum
    }
}

/// Returns how many weights the units have in all.
pub(super) fn total_parameters(parameters: &[u64]) -> Result<u64, AllocationError> {
    let units = parameters.len();
    let total = parameters
        .iter()
        .try_fold(0_u64, |sum, &count| sum.checked_add(count))
        .ok_or(AllocationError::TooManyWeights { units })?;
    if total == 0 { Err(AllocationError::NoWeights { units }) } else { Ok(total) }
}

/// Returns the mean of `values`, weighted by the number of weights in each unit.
pub(super) fn weighted_mean(values: &[f64], parameters: &[u64]) -> Result<f64, AllocationError> {
    same_length("values", parameters.len(), values.len())?;
    let total = total_parameters(parameters)? as f64;
    let sum: Sum = values
        .iter()
        .zip(parameters)
        // A unit without weights is left out, because 0 times an infinite value is NaN.
        .filter(|&(_, &count)| count > 0)
        .map(|(&value, &count)| value * count as f64)
        .collect();
    Ok(sum.value() / total)
}
