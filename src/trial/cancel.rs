//! Stopping long work.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::interrupt::{self, Interrupted};

/// A flag that another thread or a signal sets to stop the work after the running measurements.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Flag);

#[derive(Clone, Debug, Default)]
enum Flag {
    #[default]
    Never,
    Static(&'static AtomicBool),
    Shared(Arc<AtomicBool>),
}

impl Cancel {
    /// Returns the flag; `None` if the work cannot be stopped.
    pub fn flag(&self) -> Option<&AtomicBool> {
        match &self.0 {
            Flag::Never => None,
            Flag::Static(flag) => Some(flag),
            Flag::Shared(flag) => Some(flag),
        }
    }

    /// Fails if the work was asked to stop.
    ///
    /// # Errors
    /// [`Interrupted`], in that case.
    pub fn check(&self) -> Result<(), Interrupted> {
        interrupt::check(self.flag())
    }
}

impl From<&'static AtomicBool> for Cancel {
    fn from(flag: &'static AtomicBool) -> Self {
        Self(Flag::Static(flag))
    }
}

impl From<Arc<AtomicBool>> for Cancel {
    fn from(flag: Arc<AtomicBool>) -> Self {
        Self(Flag::Shared(flag))
    }
}
