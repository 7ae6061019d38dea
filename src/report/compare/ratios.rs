//! The figure of ratios per block, with one panel per allocation and one line per sparsity. Results of
//! `write!` are ignored, because writing to a `String` cannot fail.

use std::fmt::Write;

use super::style::{class, open};
use super::table::caption;
use super::words::label;
use crate::compare::summary::{Cell, Comparison};
use crate::report::axis::{Axis, label_stride};
use crate::report::chart::{Frame, line};
use crate::report::number::{percent, plain_percent, shortened};
use crate::report::svg::text;

const COLUMNS: usize = 3;
const PANEL: (f64, f64) = (280.0, 190.0);

/// Returns a standalone SVG with the sparsity of each block for each allocation, all panels on one scale,
/// targets dashed.
pub fn figure(comparison: &Comparison) -> String {
    let rows = comparison.rows.len().div_ceil(COLUMNS);
    let (width, head) = (PANEL.0 * COLUMNS as f64 + 20.0, 44.0);
    let mut svg = open(width, head + PANEL.1 * rows as f64 + 10.0, &caption(comparison));
    let cells = comparison.rows.iter().flat_map(|row| &row.cells).filter_map(Cell::ratios);
    let shares = cells.flat_map(|it| it.blocks.iter().copied()).chain(comparison.sparsities.iter().copied());
    let Some(axis) = Axis::percent(shares) else {
        svg.push_str("</svg>\n");
        return svg;
    };
    let mut x = 54.0;
    for (place, target) in comparison.sparsities.iter().enumerate() {
        let _ = writeln!(svg, "<path class=\"{}\" d=\"M{x:.1} 20h24\"/>", class(place));
        text(&mut svg, "tick", x + 30.0, 24.0, "start", &plain_percent(*target));
        x += 84.0;
    }
    text(&mut svg, "tick", x, 24.0, "start", "sparsity (%) of each block");
    for (place, row) in comparison.rows.iter().enumerate() {
        let (left, top) = (PANEL.0 * (place % COLUMNS) as f64, head + PANEL.1 * (place / COLUMNS) as f64);
        let frame = Frame {
            name: "panel",
            width: PANEL.0,
            height: PANEL.1,
            left: left + 54.0,
            right: left + PANEL.0 - 8.0,
            top: top + 22.0,
            bottom: top + PANEL.1 - 44.0,
        };
        text(&mut svg, "title", frame.left, top + 14.0, "start", &shortened(&label(row), 30, "…"));
        frame.vertical(&mut svg, axis.ticks.iter().map(|tick| (axis.position(*tick), axis.label(*tick))), "");
        let blocks = row.cells.iter().filter_map(Cell::ratios).map(|it| it.blocks.len()).max().unwrap_or(0);
        let middle = |block: usize| (block as f64 + 0.5) / blocks.max(1) as f64;
        let stride = label_stride(blocks, ((frame.right - frame.left) / 24.0) as usize);
        frame.horizontal(
            &mut svg,
            (0..blocks).step_by(stride).map(|block| (middle(block), block.to_string())),
            if place / COLUMNS + 1 == rows { "block" } else { "" },
        );
        for (line_of, cell) in row.cells.iter().enumerate() {
            let y = frame.y(axis.position(100.0 * cell.target));
            let _ =
                writeln!(svg, "<path class=\"target\" d=\"M{:.1} {y:.1}H{:.1}\"/>", frame.left, frame.right);
            let Some(ratios) = cell.ratios() else { continue };
            let places: Vec<(f64, f64)> = ratios
                .blocks
                .iter()
                .enumerate()
                .map(|(block, share)| (frame.x(middle(block)), frame.y(axis.position(100.0 * share))))
                .collect();
            let shares: Vec<String> = ratios.blocks.iter().map(|share| percent(*share, 1)).collect();
            line(&mut svg, &class(line_of), &places, &format!("{}: {}", label(row), shares.join(", ")));
        }
    }
    svg.push_str("</svg>\n");
    svg
}
