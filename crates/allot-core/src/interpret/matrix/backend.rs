//! Where the matrix stage runs: the trait that a device implements.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::sweep::{Collecting, Sweep};
use crate::kernels::reduction::Aggregate;
use crate::kernels::tally::Collected;
use crate::kernels::vector::Histogram;
use crate::lang::types::Over;

/// The matrix stage on a device: each device implements it in its own way.
pub trait Backend: fmt::Debug + Send + Sync {
    /// Returns whether the device takes several units in one call; otherwise several threads pass one unit in each call.
    fn takes_units_together(&self) -> bool;

    /// Returns whether order statistics are found by counting, without a copy of all values.
    fn counts(&self) -> bool;

    /// Reads the weights of units once, and returns for each unit what each tally collected, in order.
    ///
    /// All sweeps must have the same program. A unit's result must not depend on the other units.
    ///
    /// # Errors
    /// Like the other methods, fails when the device does.
    fn collect(
        &self,
        sweeps: &[Sweep<'_>],
        collecting: &Collecting,
    ) -> Result<Vec<Vec<Collected>>, BackendError>;

    /// Reduces the values of a program's only root along the channels of each linear: returns, for each linear and each of `wanted`, a
    /// number for each remaining channel. With `None`, the values are fetched and reduced on the processor.
    fn channels(
        &self,
        sweep: &Sweep<'_>,
        wanted: &[(Aggregate, Over)],
    ) -> Result<Option<Vec<Vec<Vec<f64>>>>, BackendError> {
        let _ = (sweep, wanted);
        Ok(None)
    }

    /// Returns the Gini coefficient of the magnitudes of a program's only root, if the device can sort; `None` as in
    /// [`Backend::channels`].
    fn gini(&self, sweep: &Sweep<'_>) -> Result<Option<f64>, BackendError> {
        let _ = sweep;
        Ok(None)
    }

    /// Returns the values of a program's only root, one task after another.
    fn values(&self, sweep: &Sweep<'_>) -> Result<Vec<f32>, BackendError>;

    /// Counts the values of a program's only root by the upper half of their bits, or those with the upper half `upper` by their
    /// lower half; also returns whether one is NaN.
    fn histogram(&self, sweep: &Sweep<'_>, upper: Option<u16>) -> Result<(Histogram, bool), BackendError>;

    /// Returns how many values of a program's only root are below a threshold, and how many are equal to it.
    fn against(&self, sweep: &Sweep<'_>, threshold: f32) -> Result<(u64, u64), BackendError>;
}

/// The error of a device that failed during an evaluation.
#[derive(Clone, Debug)]
pub struct BackendError(Arc<dyn Error + Send + Sync>);

impl BackendError {
    /// Wraps a device's error.
    pub fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }

    /// Returns the device's error, where it is of this type.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }
}

impl PartialEq for BackendError {
    /// Returns whether one is a clone of the other.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for BackendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
