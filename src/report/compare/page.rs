//! A comparison as one HTML page, which fetches nothing and runs no scripts.

use super::table::{COST, caption, grid, problems};
use super::{perplexity_figure, ratios_figure};
use crate::compare::summary::Comparison;
use crate::model::Identity;
use crate::report::made_from;
use crate::report::svg::escaped;

/// The page's file name.
pub const PAGE: &str = "report.html";

/// Returns a comparison as one HTML page: the table, perplexity over sparsity, the ratios of each block, and
/// the inputs.
pub fn html(comparison: &Comparison, seconds: &[f64], identity: &Identity) -> String {
    let title = escaped(&format!("{}: allocations compared", comparison.model));
    let of_tasks = match super::tasks::grids(comparison) {
        grids if grids.is_empty() => String::new(),
        grids => {
            let tables = grids
                .iter()
                .map(|(title, grid)| format!("<h3>{}</h3>\n{}", escaped(title), grid.html(title)));
            format!(
                "<section aria-labelledby=\"tasks\">\n<h2 id=\"tasks\">Tasks</h2>\n<p>{}</p>\n{}<p class=\"note\">{}.</p>\n</section>\n",
                escaped(&super::tasks::caption(comparison)),
                tables.collect::<String>(),
                escaped(
                    super::tasks::MARKS
                        .trim_start_matches("* ")
                        .replacen("the highest", "Bold: the highest", 1)
                        .as_str()
                ),
            )
        }
    };
    let problems: String =
        problems(comparison).iter().map(|it| format!("<p class=\"note\">{}</p>\n", escaped(it))).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{title}</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n\
         <header>\n<p class=\"eyebrow\">allot compare</p>\n<h1>{title}</h1>\n<p class=\"settings\">{}</p>\n</header>\n\
         <section aria-labelledby=\"table\">\n<h2 id=\"table\">Perplexity</h2>\n{}<p class=\"note\">Bold: the lowest in its column. {}.</p>\n\
         {problems}</section>\n{of_tasks}\
         <section aria-labelledby=\"curve\">\n<h2 id=\"curve\">Perplexity against sparsity</h2>\n<div class=\"scroll\">{}</div>\n</section>\n\
         <section aria-labelledby=\"ratios\">\n<h2 id=\"ratios\">Ratios</h2>\n<p>The realised sparsity of each block; the dashed line is the \
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
