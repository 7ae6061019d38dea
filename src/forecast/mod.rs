//! Forecasts long work before it starts: memory, disk, tokens, and time on this machine.
//!
//! The model's configuration is sufficient ([`Sizes`]), so a model can be forecast before it is downloaded. A
//! command is a list of [`Work`]; the formulas are in `work.rs`, each with its source. A short measurement
//! gives the machine's speed ([`Machine`]).

mod machine;
mod sizes;
mod step;
mod total;
mod work;

pub use machine::Machine;
pub use sizes::Sizes;
pub use step::{Amount, Step};
pub use total::Forecast;
pub use work::{Calibration, Evaluation, Pruning, Trial, Windows, Work};
