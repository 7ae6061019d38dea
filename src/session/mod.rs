//! The main entry point: one value for a model, its statistics, and the operations on them.
//!
//! [`Session`] opens a model, and collects statistics once a script or a pruning method needs them. Commands
//! and programs call the same functions: [`Session::allocate`], [`Session::masks`], [`Session::prune`],
//! [`Session::perplexity`]. [`Search`] is the entry point to a whole search, which opens its own models; in
//! an [`AskedSearch`], losses are measured elsewhere, for example by a [`Worker`] in another process.

mod asked;
mod calibration;
mod error;
mod event;
mod flatness;
mod method;
mod names;
mod needs;
mod open;
mod prune;
mod script;
mod search;
mod snapshot;
mod teachers;
mod worker;

pub use asked::{AskedSearch, SearchProgress};
pub use calibration::Calibration;
pub use error::SessionError;
pub use event::{Event, Note, Phase, Watch};
pub use method::{method_of, metric_of, named_method};
pub use names::{calibration_name, model_name};
pub use needs::Needs;
pub use open::{AllocationOptions, Session};
pub use script::LoadedScript;
pub use search::{Found, PreparedSearch, Search, TrialOptions, include, learn_from};
pub use worker::Worker;
