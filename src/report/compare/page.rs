//! A comparison as one HTML page: it fetches nothing and runs nothing.

use super::table::{COST, caption, grid, problems};
use super::{perplexity_figure, ratios_figure};
use crate::compare::summary::Comparison;
use crate::model::Identity;
use crate::report::made_from;
use crate::report::svg::escaped;

/// The page's file name.
pub const PAGE: &str = "report.html";

/// Returns a comparison as one HTML page: the table, perplexity against sparsity, and the ratios of each block, and what it was
/// measured with.
pub fn html(comparison: &Comparison, seconds: &[f64], identity: &Identity) -> String {
    let title = escaped(&format!("{}: allocations compared", comparison.model));
    let problems: String =
        problems(comparison).iter().map(|it| format!("<p class=\"note\">{}</p>\n", escaped(it))).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{title}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n\
         <header>\n<p class=\"eyebrow\">allot compare</p>\n<h1>{title}</h1>\n<p class=\"settings\">{}</p>\n</header>\n\
         <section aria-labelledby=\"table\">\n<h2 id=\"table\">Perplexity</h2>\n{}<p class=\"note\">Bold: the least of its column. {}.</p>\n\
         {problems}</section>\n\
         <section aria-labelledby=\"curve\">\n<h2 id=\"curve\">Perplexity against sparsity</h2>\n<div class=\"scroll\">{}</div>\n</section>\n\
         <section aria-labelledby=\"ratios\">\n<h2 id=\"ratios\">Ratios</h2>\n<p>The realised sparsity of each block; dashed, the \
         target.</p>\n<div class=\"scroll\">{}</div>\n</section>\n{}</main>\n</body>\n</html>\n",
        include_str!("../style.css"),
        escaped(&caption(comparison)),
        grid(comparison, Some(seconds)).html("Perplexity by sparsity"),
        escaped(&COST.replacen("tokens", "Tokens", 1)),
        perplexity_figure(comparison),
        ratios_figure(comparison),
        made_from::html(identity),
    )
}
