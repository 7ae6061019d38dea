//! A search as one HTML page, which fetches nothing and runs no scripts.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::column::Measured;
use super::curve::Curve;
use super::formula::Reading;
use super::loss::{LossScale, deciding, deciding_text};
use super::rows::{self, Results};
use super::text::{comparisons, elements, leaving_out, overview, overview_title, spent, tables};
use super::{front, ratios};
use crate::lang::mathml::mathml;
use crate::model::Identity;
use crate::report::grid::Grid;
use crate::report::made_from;
use crate::report::number::{percent, plain_percent};
use crate::report::standalone;
use crate::report::svg::escaped;
use crate::search::summary::{Formula, Summary, Winner, WinnerName};
use crate::trial::loss::Damage;

/// The page's style sheet.
const STYLE: &str = include_str!("../style.css");

/// The maximum size of a formula of the front that is shown open.
const SHORT: usize = 12;

/// Returns the results of a search as one HTML page. `identity` lists the inputs that losses depend on;
/// `commands` are the commands that use the result, to be run in the folder of the page.
///
/// The page needs no network and no script, follows the reader's choice of light or dark, and fits a phone.
/// Charts have descriptions, and tables repeat their numbers. The same summary gives the same bytes. Names
/// and formulas are escaped.
pub fn html(summary: &Summary, identity: &Identity, commands: &[String]) -> String {
    let title = title(summary);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n",
        title = escaped(&format!("allot search: {title}"))
    );
    out.push_str(&head(summary, &title));
    if let Some(curve) = Curve::new(summary) {
        let text = "Every measured candidate, and the best so far among those measured on the whole fitness text. \
                    A candidate that falls behind is stopped early, so its loss is an estimate.";
        section(&mut out, "curve", "Search curve", text, &curve.html());
    }
    table(&mut out, summary);
    if let Some(chart) = ratios::blocks(summary) {
        let target = summary.settings.first().map_or_else(String::new, |it| plain_percent(it.target));
        let text = format!(
            "The share of weights that each block loses, in whole weights; over all weights it is {target} for every allocation."
        );
        section(&mut out, "ratios", "Ratios", &text, &chart);
    }
    if let Some(map) = ratios::projections(summary) {
        let _ = write!(
            out,
            "<section>\n<h3>The discovered allocation, projection by projection</h3>\n{map}</section>\n"
        );
    }
    if let Some(chart) = front::html(summary) {
        let text = "The best formula of each size: a longer one is listed only if its loss is lower.";
        section(&mut out, "front", "Loss against size", text, &format!("{chart}{}", formulas(summary)));
    }
    if !summary.leaving_out.is_empty() {
        let title = "The value of each part";
        let table = leaving_out(summary).html("The function without each of its parts");
        section(&mut out, "parts", title, rows::PARTS, &table);
    }
    let teachers = rows::teachers(summary);
    if !teachers.is_empty() {
        let lines: Vec<String> =
            teachers.iter().map(|line| format!("<li>{}</li>\n", escaped(line))).collect();
        let text = "The distance of the found ratios from those of the descents.";
        section(&mut out, "teachers", "Teachers", text, &format!("<ul>\n{}</ul>\n", lines.concat()));
    }
    let hits = "Known formula: its canonical form was proposed before. Known behaviour: a new formula that prunes the same \
                weights as one measured before. Both cost nothing. Tokens: all tokens that went through a pruned model.";
    let screened = rows::screened(summary).map(|it| format!(" {it}"));
    let hits = &format!("{hits}{}", screened.unwrap_or_default());
    section(
        &mut out,
        "spent",
        "Budget spent",
        hits,
        &spent(summary).html("Spent by each searcher, over its seeds"),
    );
    out.push_str(&made_from::html(identity));
    out.push_str(&again(summary, commands));
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

/// Returns the page's charts as SVG files for a paper, each with its file name.
pub fn figures(summary: &Summary) -> Vec<(&'static str, String)> {
    let curve = Curve::new(summary).map(|it| it.html());
    let sections =
        [("curve.svg", curve), ("ratios.svg", ratios::blocks(summary)), ("front.svg", front::html(summary))];
    let drawn = sections.into_iter().filter_map(|(name, section)| Some((name, standalone::svg(&section?)?)));
    drawn.collect()
}

fn section(out: &mut String, id: &str, title: &str, text: &str, content: &str) {
    // Writing to a `String` cannot fail.
    let _ = write!(
        out,
        "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{}</h2>\n<p>{}</p>\n{content}</section>\n",
        escaped(title),
        escaped(text)
    );
}

/// Returns the settings in a few words.
fn title(summary: &Summary) -> String {
    let place = |setting: &crate::search::summary::TargetSummary| {
        format!("{} at {} sparsity", setting.model, plain_percent(setting.target))
    };
    summary.settings.iter().map(place).collect::<Vec<_>>().join(", ")
}

/// Returns the title, the winning function and its results.
fn head(summary: &Summary, title: &str) -> String {
    let settings = rows::settings(summary);
    let mut out = format!(
        "<header>\n<p class=\"eyebrow\">allot search</p>\n<h1>{}</h1>\n<p class=\"settings\">{}</p>\n",
        escaped(title),
        escaped(&settings[1..].join("; "))
    );
    if let Some(formula) = &summary.best.formula {
        let unit = Reading::of(formula).map_or("unit", |it| it.unit());
        let _ = write!(
            out,
            "<div class=\"winner\">\n<p class=\"what\">The function found: one ratio for each {unit}, from {}</p>\n{}{}</div>\n",
            elements(formula),
            typeset(formula),
            words(formula)
        );
        if let Some(simplified) = rows::simplified(formula) {
            let _ = writeln!(out, "<p class=\"note\">{}</p>", escaped(&simplified));
        }
    }
    out.push_str(&cards(summary));
    for better in rows::better(summary) {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", escaped(&better));
    }
    out.push_str("</header>\n");
    out
}

/// Returns a formula's equations as MathML, or the script's text if it has no such form.
fn typeset(formula: &Formula) -> String {
    match Reading::of(formula).and_then(|it| it.typeset()) {
        Some((equations, rounded)) => {
            let mut out = String::new();
            for equation in equations {
                let _ = writeln!(out, "<div class=\"equation\">{equation}</div>");
            }
            if rounded {
                out.push_str("<p class=\"note\">Constants are rounded to four digits here; the script has all digits.</p>\n");
            }
            out
        }
        None => format!("<pre><code>{}</code></pre>\n", lines(&formula.script)),
    }
}

/// Returns the script and the meaning of its names.
fn words(formula: &Formula) -> String {
    let mut out = format!(
        "<details>\n<summary>The script and the meaning of its names</summary>\n<pre tabindex=\"0\"><code>{}</code></pre>\n",
        lines(&formula.script)
    );
    if let Some(reading) = Reading::of(formula) {
        out.push_str("<dl>\n");
        for op in reading.operators() {
            let row = op.info();
            if row.symbol().is_some() {
                // Arithmetic symbols need no explanation.
                continue;
            }
            // A terminal's LaTeX is its symbol; an operator's is a template.
            let symbol =
                if row.operands.is_empty() && row.parameters.is_empty() { mathml(row.latex) } else { None };
            let symbol = symbol.map_or_else(String::new, |it| {
                format!(" {}", it.replace("display=\"block\"", "display=\"inline\""))
            });
            let _ = writeln!(
                out,
                "<dt><code>{}</code>{symbol}</dt><dd>{}</dd>",
                escaped(row.name),
                escaped(row.summary)
            );
        }
        out.push_str("</dl>\n");
    }
    out.push_str("</details>\n");
    out
}

/// Returns escaped text with its line breaks kept.
fn lines(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", escaped(line))).collect()
}

/// Returns the most important numbers, each with its references.
fn cards(summary: &Summary) -> String {
    let uniform = summary.published("uniform");
    let mut cards: Vec<(String, String, String)> = Vec::new();
    let several = summary.settings.len() > 1;
    let of = |winner: Option<&Winner>, place: usize, what: fn(&Damage) -> f64| {
        winner.and_then(|it| it.report.get(place)).map(what)
    };
    for (place, (setting, damage)) in summary.settings.iter().zip(&summary.best.report).enumerate() {
        let at = if several {
            format!(", {} at {}", setting.model, plain_percent(setting.target))
        } else {
            String::new()
        };
        let least = |what: fn(&Damage) -> f64| {
            let all = summary.published.iter().filter_map(|it| Some((it, what(it.report.get(place)?))));
            all.min_by(|a, b| a.1.total_cmp(&b.1))
        };
        for (name, found, what, dense, decimals) in [
            ("KL to the dense model", damage.kl, (|it| it.kl) as fn(&Damage) -> f64, None, 4),
            ("Perplexity", damage.perplexity, |it| it.perplexity, Some(setting.dense_perplexity), 2),
        ] {
            let figure = |number: f64| Measured::once(number).text(decimals);
            let mut against = Vec::new();
            if let Some(uniform) = of(uniform, place, what) {
                let change = percent((found / uniform - 1.0).abs(), 0);
                let word = if found <= uniform { "less" } else { "more" };
                against.push(format!("{change} {word} than uniform, {}", figure(uniform)));
            }
            against.extend(
                least(what).map(|(it, value)| format!("best published: {} {}", it.name, figure(value))),
            );
            against.extend(dense.filter(|it| it.is_finite()).map(|it| format!("dense: {}", figure(it))));
            cards.push((format!("{name}{at}"), figure(found), against.join("\n")));
        }
    }
    if summary.best.report.is_empty() {
        let scale = LossScale::of(summary);
        let least = summary.published.iter().min_by(|a, b| deciding(a).total_cmp(&deciding(b)));
        let least = least.map(|it| format!("best published: {} {}", it.name, scale.text(deciding(it))));
        let name = format!("{} on the {} text", scale.title(), deciding_text(summary));
        cards.push((name, scale.text(deciding(&summary.best)), least.unwrap_or_default()));
    }
    let mut out = String::from("<ul class=\"figures\">\n");
    for (name, value, against) in cards {
        let against: String =
            against.lines().map(|line| format!("<span class=\"against\">{}</span>", escaped(line))).collect();
        let _ = writeln!(
            out,
            "<li><span class=\"name\">{}</span><span class=\"value\">{}</span>{against}</li>",
            escaped(&name),
            escaped(&value)
        );
    }
    out.push_str("</ul>\n");
    let text = if summary.best.report.is_empty() { deciding_text(summary) } else { "report" };
    let _ = writeln!(out, "<p class=\"note\">{}</p>", escaped(&read_once(text)));
    out
}

/// Returns a note on the text of the main figures.
fn read_once(text: &str) -> String {
    match text {
        "report" => {
            "On the report text, which was read once, at the end, and influenced no choice.".to_owned()
        }
        _ => format!("On the {text} text, which also chose the winner, because there was no report text."),
    }
}

/// Writes the final table and the comparisons with controls.
fn table(out: &mut String, summary: &Summary) {
    let results = Results::of(summary);
    let mut text = format!(
        "All rows are measured the same way, on the {} text. Bold: the best in its column.",
        results.text
    );
    let seeds: BTreeSet<u64> = summary.runs.iter().map(|run| run.seed).collect();
    if seeds.len() > 1 {
        text.push_str(" For several seeds: mean ± standard deviation over the seeds.");
    }
    let caption = |grid: &Grid| {
        let place = if results.columns.iter().any(|it| it.setting.is_some()) { &*grid.head[0] } else { "" };
        let on = format!("on the {} text", results.text);
        if place.is_empty() { format!("Damage {on}") } else { format!("Damage {on}: {place}") }
    };
    let overview = overview(summary, &results).map(|grid| grid.html(&overview_title(&results)));
    let content: String =
        overview.into_iter().chain(tables(&results).iter().map(|grid| grid.html(&caption(grid)))).collect();
    section(out, "table", "Against published allocations and controls", &text, &content);
    if !summary.comparisons.is_empty() {
        let grid = comparisons(summary).html("The search minus each control; below 0, the search is better");
        let _ = write!(
            out,
            "<section>\n<h3>Is the difference significant?</h3>\n<p>The loss of the search minus that of each control, on the \
             report text. {}</p>\n{grid}</section>\n",
            rows::CHANCE
        );
    }
}

/// Returns the formulas of the front, typeset, smallest first; long ones are collapsed.
fn formulas(summary: &Summary) -> String {
    let scale = LossScale::of(summary);
    let mut out = String::from("<ol class=\"formulas\">\n");
    for winner in &summary.front {
        let Some(formula) = &winner.formula else { continue };
        let unit = Reading::of(formula).map_or_else(String::new, |it| format!(", per {}", it.unit()));
        let name = if winner.name == WinnerName::Discovered {
            String::new()
        } else {
            format!(", published as {}", winner.name)
        };
        let facts = format!(", {} {}{unit}{name}", scale.name(), scale.text(deciding(winner)));
        let open = if formula.size <= SHORT { " open=\"\"" } else { "" };
        let _ = write!(
            out,
            "<li><details{open}>\n<summary><strong>size {}</strong>{}</summary>\n{}<pre tabindex=\"0\"><code>{}</code></pre>\n\
             </details></li>\n",
            formula.size,
            escaped(&facts),
            allocation(formula),
            escaped(&super::formula::line(formula))
        );
    }
    out.push_str("</ol>\n");
    out
}

/// Returns a formula's equations without the metric's, which is the same for the whole front.
fn allocation(formula: &Formula) -> String {
    let equations = Reading::of(formula).and_then(|it| it.allocation()).unwrap_or_default();
    equations.iter().map(|it| format!("<div class=\"equation\">{it}</div>\n")).collect()
}

/// Returns a section on using the function and reproducing the search.
fn again(summary: &Summary, commands: &[String]) -> String {
    format!(
        "<section aria-labelledby=\"again\">\n<h2 id=\"again\">Use and reproduce</h2>\n\
         <p>Run in the folder of this page, these commands evaluate the function, prune the model by it as the search did, and \
         measure the pruned model on the report text, which gives the perplexity in the table above. For another model, replace the \
         model's folder.</p>\n\
         <pre tabindex=\"0\"><code>{}</code></pre>\n\
         <p><code>settings.json</code> in the same folder holds every setting of this search, including its seeds, and the hashes of the \
         models and texts that it read. The journal holds every measurement. With allot {}, the same settings on the same kind of \
         CPU reproduce this page byte for byte.</p>\n</section>\n",
        lines(&commands.join("\n")),
        escaped(&summary.version)
    )
}
