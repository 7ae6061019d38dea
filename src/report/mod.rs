//! What people look at: diagnostics under the code, tables for a terminal, figures as SVG.
//!
//! Everything here returns a `String` that depends on its arguments alone: the caller knows the terminal's width, whether
//! to colour (`NO_COLOR`), and where the text goes.

mod axis;
pub mod catalogue;
mod chart;
pub mod compare;
pub mod descent;
pub mod diagnostics;
pub mod difference;
pub mod figure;
pub mod forecast;
mod grid;
mod importances;
pub mod language;
mod made_from;
pub mod marginals;
pub mod model;
pub mod number;
pub mod pdf;
pub mod plan;
pub mod pruned;
pub mod published;
mod row_range;
pub mod rows;
pub mod search;
mod standalone;
mod svg;
pub mod table;
pub mod tasks;

pub use figure::allocation_figure;
pub use table::{TableOptions, allocation_table};
