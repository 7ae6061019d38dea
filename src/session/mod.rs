//! The front door: one value for a model, its statistics, and what is done with them.
//!
//! [`Session`] opens a model and collects the statistics that scripts and pruning methods need when they need them. The
//! commands call what programs call: [`Session::allocate`], [`Session::masks`], [`Session::prune`], [`Session::perplexity`].

mod calibration;
mod error;
mod event;
mod needs;
mod open;
mod prune;
mod scoring;
mod script;

pub use calibration::Calibration;
pub use error::SessionError;
pub use event::{Event, Note, Phase, Watch};
pub use needs::Needs;
pub use open::{AllocationOptions, Session};
pub use prune::PruneOptions;
pub use scoring::Scoring;
pub use script::LoadedScript;
