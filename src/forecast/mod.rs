//! What long work takes, before it begins: memory, disk, tokens, and time on this machine.
//!
//! A model is known by its configuration alone ([`Sizes`]), so one that is not downloaded can be forecast too. A command is a list of
//! [`Work`]; the formulas are those of `work.rs`, each beside its source. A short measurement says how fast the machine is ([`Machine`]).

mod machine;
mod sizes;
mod step;
mod total;
mod work;

pub use machine::Machine;
pub use sizes::Sizes;
pub use step::{Amount, Step};
pub use total::Forecast;
pub use work::{Calibration, Evaluation, Pruning, Questions, Trial, Windows, Work};
