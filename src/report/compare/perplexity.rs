//! The figure of perplexity over sparsity, with one line per allocation. Results of `write!` are ignored,
//! because writing to a `String` cannot fail.

use std::fmt::Write;

use super::style::{class, open};
use super::table::caption;
use super::words::{label, number};
use crate::compare::summary::{Comparison, Row};
use crate::report::axis::LogAxis;
use crate::report::chart::{Frame, line, log_ticks};
use crate::report::number::{percent, plain_percent};
use crate::report::svg::text;

/// The height of a label next to the end of its line.
const LABEL: f64 = 14.0;

/// The maximum multiple of the dense perplexity that is drawn; beyond it, a model is useless.
const MOST: f64 = 1e4;

/// Returns a standalone SVG: sparsity on the horizontal axis, perplexity on a logarithmic vertical axis, each
/// line labelled at its end.
pub fn figure(comparison: &Comparison) -> String {
    let labels = comparison.rows.len() as f64 * LABEL;
    let frame = Frame {
        name: "perplexity",
        width: 860.0,
        height: 70.0 + (300.0_f64).max(labels + 20.0),
        left: 60.0,
        right: 650.0,
        top: 34.0,
        bottom: 20.0 + (300.0_f64).max(labels + 20.0),
    };
    let caption = caption(comparison);
    let mut svg = open(frame.width, frame.height, &caption);
    let shown = |value: f64| value.is_finite() && value <= MOST * comparison.dense_perplexity;
    let values = comparison.rows.iter().flat_map(|row| &row.cells).filter_map(|cell| cell.damage());
    let values: Vec<f64> = values.map(|it| it.perplexity).filter(|it| shown(*it)).collect();
    let (Some(low), Some(high)) =
        (values.iter().copied().reduce(f64::min), values.iter().copied().reduce(f64::max))
    else {
        svg.push_str("</svg>\n");
        return svg;
    };
    let low = low.min(comparison.dense_perplexity);
    let up = LogAxis::over(low / 1.03, (high * 1.03).max(low * 1.2));
    frame.vertical(&mut svg, log_ticks(&up), "perplexity");
    let (first, last) = (comparison.sparsities[0], comparison.sparsities[comparison.sparsities.len() - 1]);
    let margin = (0.06 * (last - first)).max(0.01);
    let across = |target: f64| frame.x((target - first + margin) / (last - first + 2.0 * margin));
    let position = |target: f64| (across(target) - frame.left) / (frame.right - frame.left);
    frame.horizontal(
        &mut svg,
        comparison.sparsities.iter().map(|target| (position(*target), plain_percent(*target))),
        "sparsity",
    );
    let dense = frame.y(up.position(comparison.dense_perplexity));
    let _ = writeln!(svg, "<path class=\"target\" d=\"M{:.1} {dense:.1}H{:.1}\"/>", frame.left, frame.right);
    text(&mut svg, "tick", frame.left + 6.0, dense - 5.0, "start", "dense");
    let mut ends: Vec<(f64, f64, usize)> = Vec::new();
    for (place, row) in comparison.rows.iter().enumerate() {
        let places: Vec<(f64, f64)> = row
            .cells
            .iter()
            .filter_map(|cell| Some((cell.target, cell.damage()?.perplexity)))
            .filter(|(_, perplexity)| shown(*perplexity))
            .map(|(target, perplexity)| (across(target), frame.y(up.position(perplexity))))
            .collect();
        line(&mut svg, &class(place), &places, &tip(row));
        for (x, y) in &places {
            let _ = writeln!(svg, "<circle class=\"{}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2\"/>", class(place));
        }
        if let Some((x, y)) = places.last() {
            ends.push((*x, *y, place));
        }
    }
    named(&mut svg, &frame, ends, comparison);
    svg.push_str("</svg>\n");
    svg
}

/// Writes each line's name next to its end, with names spread so that they do not overlap.
fn named(svg: &mut String, frame: &Frame, mut ends: Vec<(f64, f64, usize)>, comparison: &Comparison) {
    ends.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.2.cmp(&b.2)));
    let mut places: Vec<f64> = Vec::with_capacity(ends.len());
    for (_, y, _) in &ends {
        let least = places.last().map_or(frame.top, |before| before + LABEL);
        places.push(y.max(least));
    }
    // Names that ran over the bottom are pushed back up.
    let mut most = frame.bottom;
    for place in places.iter_mut().rev() {
        *place = place.min(most);
        most = *place - LABEL;
    }
    let x = frame.right + 26.0;
    for ((end, y, row), place) in ends.into_iter().zip(places) {
        let _ = writeln!(
            svg,
            "<path class=\"lead\" d=\"M{:.1} {y:.1}L{:.1} {place:.1}\"/><path class=\"{}\" d=\"M{x:.1} {place:.1}h20\"/>",
            end + 4.0,
            x - 3.0,
            class(row)
        );
        text(svg, "tick", x + 26.0, place + 4.0, "start", &label(&comparison.rows[row]));
    }
}

fn tip(row: &Row) -> String {
    let cells = row.cells.iter().filter_map(|cell| {
        Some(format!("{} at {}", number(cell.damage()?.perplexity), percent(cell.target, 0)))
    });
    format!("{}: {}", label(row), cells.collect::<Vec<_>>().join(", "))
}
