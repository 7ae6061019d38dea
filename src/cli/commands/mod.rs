//! The commands, one file each.

pub(super) mod check;
pub(super) mod compare;
pub(super) mod completions;
pub(super) mod descend;
pub(super) mod diff;
pub(super) mod enumerate;
pub(super) mod eval;
pub(super) mod explain;
pub(super) mod export;
pub(super) mod fmt;
pub(super) mod generate;
pub(super) mod import;
pub(super) mod import_dsa;
pub(super) mod inspect;
pub(super) mod kl;
pub(super) mod list;
pub(super) mod man;
pub(super) mod ops;
pub(super) mod ppl;
pub(super) mod prune;
pub(super) mod schema;
pub(super) mod search;
pub(super) mod show;
pub(super) mod snapshot;
pub(super) mod stats;
pub(super) mod tasks;
