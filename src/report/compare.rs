//! A comparison as tables for a terminal, Markdown and LaTeX, as figures, and as one page.
//!
//! The output depends only on the comparison and its timings.

mod page;
mod perplexity;
mod ratios;
mod style;
mod table;
mod tasks;
mod words;

pub use page::{PAGE, html};
pub use perplexity::figure as perplexity_figure;
pub use ratios::figure as ratios_figure;
pub use table::{latex, markdown, text};
