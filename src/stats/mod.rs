//! What a calibration pass collects at every linear's input, and the file that keeps it.

mod file;

pub use file::{LinearStatistics, Provenance, Statistics, StatisticsError};
