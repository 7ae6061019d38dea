//! The results of a search: as text for a terminal, as Markdown, and as one HTML page that needs neither a
//! network nor a script.
//!
//! All forms are made from the same rows (`rows`), so they agree. They depend only on the summary: the same
//! search gives the same bytes.

mod curve;
mod formula;
mod front;

mod column;
mod loss;
mod measured;
mod page;
mod ratios;
mod rows;
pub mod script;
mod tasks;
mod text;
mod usage;

pub use measured::{measured_csv, measured_table, unfinished};
pub use page::{figures, html};
pub use rows::judged;
pub use text::{front, markdown, text};
pub use usage::commands;
