//! What several commands use: arguments, errors, the terminal.

pub(super) mod allocation;
pub(super) mod calibration;
pub(super) mod common;
pub(super) mod configuration;
pub(super) mod device;
pub(super) mod dry_run;
pub(super) mod error;
pub(super) mod given;
pub(super) mod help;
pub(super) mod input;
pub(super) mod interrupt;
pub(super) mod labels;
pub(super) mod layout;
pub(super) mod model;
pub(super) mod output;
pub(super) mod preparation;
pub(super) mod progress;
pub(super) mod pruned;
pub(super) mod rules;
pub(super) mod scripts;
pub(super) mod space;
pub(super) mod target;
pub(super) mod terminal;
pub(super) mod text;
pub(super) mod trial;
pub(super) mod values;
