//! The ratios of allocations: block by block as lines, and projection by projection as a map.

use std::fmt::Write;

use crate::report::axis::{Axis, label_stride};
use crate::report::chart::{self, Frame};
use crate::report::grid::{Field, Flexible, Grid, Line};
use crate::report::number::percent;
use crate::report::svg::{escaped, text};
use crate::search::summary::Summary;
use crate::trial::ratios::RealisedRatios;

/// The minimum difference of ratios within a block that makes a map of projections worth drawing: more than
/// rounding to whole weights.
const VARIES: f64 = 0.005;

/// The maximum opacity of the map's colours, at which text on it is still easy to read.
const STRONGEST: f64 = 0.6;

/// Returns the chart of the ratios per block, with its legend and its numbers; `None` without ratios.
pub(super) fn blocks(summary: &Summary) -> Option<String> {
    let drawn =
        |it: &&RealisedRatios| !it.blocks.is_empty() && it.blocks.iter().all(|share| share.is_finite());
    let ratios: Vec<&RealisedRatios> = summary.ratios.iter().filter(drawn).collect();
    let count = ratios.iter().map(|it| it.blocks.len()).max()?;
    let axis = Axis::percent(ratios.iter().flat_map(|it| it.blocks.iter().copied()))?;

    // The winner is drawn last, above the allocations that it is compared with.
    let legend: Vec<(String, String)> = ratios
        .iter()
        .enumerate()
        .map(|(place, it)| {
            (format!("<path class=\"ratio r{place}\" d=\"M1 6h26\"/>{}", sample(place)), it.name.clone())
        })
        .collect();
    let mut out = chart::legend(&legend);
    for frame in [Frame::WIDE.with_plot_height(240.0), Frame::NARROW] {
        let description: Vec<String> = ratios.iter().map(|it| spoken(it)).collect();
        let mut svg = frame.open("blocks", "Sparsity of each block", &description.join(" "));
        frame.vertical(
            &mut svg,
            axis.ticks.iter().map(|tick| (axis.position(*tick), axis.label(*tick))),
            "sparsity (%)",
        );
        let middle = |block: usize| (block as f64 + 0.5) / count as f64;
        let stride = label_stride(count, ((frame.right - frame.left) / 26.0) as usize);
        frame.horizontal(
            &mut svg,
            (0..count).step_by(stride).map(|block| (middle(block), block.to_string())),
            "block",
        );
        for (place, it) in ratios.iter().enumerate().rev() {
            let places: Vec<(f64, f64)> = it
                .blocks
                .iter()
                .enumerate()
                .map(|(block, share)| (frame.x(middle(block)), frame.y(axis.position(100.0 * share))))
                .collect();
            chart::line(&mut svg, &format!("ratio r{place}"), &places, &it.name);
            for ((x, y), (block, share)) in places.iter().zip(it.blocks.iter().enumerate()) {
                let tip = format!("{}, block {block}: {}", it.name, percent(*share, 2));
                marker(&mut svg, place, *x, *y, &tip);
            }
        }
        svg.push_str("</svg>\n");
        out.push_str(&svg);
    }
    let _ = write!(out, "<details><summary>The numbers</summary>\n{}</details>\n", numbers(&ratios, count));
    Some(out)
}

/// Returns a sample of a line's markers for the legend.
fn sample(place: usize) -> String {
    let mut out = String::new();
    marker(&mut out, place, 14.0, 6.0, "");
    out.trim_end().to_owned()
}

/// Draws a marker with the line's own shape, so that lines can be told apart without colours.
fn marker(svg: &mut String, place: usize, x: f64, y: f64, tip: &str) {
    let tip = if tip.is_empty() { String::new() } else { format!("<title>{}</title>", escaped(tip)) };
    let _ = match place {
        0 => writeln!(svg, "<circle class=\"point r0\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\">{tip}</circle>"),
        1 => writeln!(
            svg,
            "<rect class=\"point r1\" x=\"{:.1}\" y=\"{:.1}\" width=\"7\" height=\"7\">{tip}</rect>",
            x - 3.5,
            y - 3.5
        ),
        _ => Ok(()),
    };
}

fn spoken(ratios: &RealisedRatios) -> String {
    let shares: Vec<String> = ratios.blocks.iter().map(|share| percent(*share, 1)).collect();
    format!("{}: {}.", ratios.name, shares.join(", "))
}

fn numbers(ratios: &[&RealisedRatios], count: usize) -> String {
    let rows = (0..count).map(|block| {
        let share =
            |it: &&RealisedRatios| it.blocks.get(block).map_or_else(String::new, |share| percent(*share, 2));
        let cells = std::iter::once(block.to_string()).chain(ratios.iter().map(share));
        Line { class: "block", cells: cells.map(Field::new).collect() }
    });
    let grid = Grid {
        head: std::iter::once("block".to_owned()).chain(ratios.iter().map(|it| it.name.clone())).collect(),
        numbers: std::iter::once(false).chain(ratios.iter().map(|_| true)).collect(),
        rows: rows.collect(),
        flexible: Flexible::Name(0),
    };
    grid.html("Sparsity of each block")
}

/// The ratios of one allocation by block and kind of projection.
struct Map {
    /// The kinds, in model order, with the ratio of each block.
    kinds: Vec<(String, Vec<Option<f64>>)>,
    blocks: usize,
}

impl Map {
    /// Parses blocks and kinds from the modules' names; `None` if a name contains no block.
    fn new(ratios: &RealisedRatios) -> Option<Self> {
        let mut map = Self { kinds: Vec::new(), blocks: 0 };
        for (module, share) in &ratios.projections {
            let mut parts = module.split('.').skip_while(|part| part.parse::<usize>().is_err());
            let block: usize = parts.next()?.parse().ok()?;
            let kind = parts.collect::<Vec<_>>().join(".");
            let place = map.kinds.iter().position(|(known, _)| *known == kind).unwrap_or_else(|| {
                map.kinds.push((kind, Vec::new()));
                map.kinds.len() - 1
            });
            map.blocks = map.blocks.max(block + 1);
            let row = &mut map.kinds[place].1;
            row.resize(row.len().max(block + 1), None);
            row[block] = Some(*share);
        }
        map.kinds.iter_mut().for_each(|(_, row)| row.resize(map.blocks, None));
        (map.blocks > 0).then_some(map)
    }

    /// Returns whether projections of the same block get different ratios.
    fn varies(&self) -> bool {
        (0..self.blocks).any(|block| {
            let shares = || self.kinds.iter().filter_map(|(_, row)| row[block]);
            let least = shares().fold(f64::INFINITY, f64::min);
            shares().fold(f64::NEG_INFINITY, f64::max) - least > VARIES
        })
    }
}

/// Returns the map of the winner's ratios, with blocks across and kinds of projections down; `None` if names
/// contain no blocks.
pub(super) fn projections(summary: &Summary) -> Option<String> {
    let winner = summary.ratios.first()?;
    let target = summary.settings.first()?.target;
    let map = Map::new(winner)?;
    if !map.varies() {
        return Some("<p>All projections of a block get the block's ratio.</p>\n".to_owned());
    }
    let shares = || winner.projections.iter().map(|(_, share)| *share).filter(|share| share.is_finite());
    let farthest = shares().map(|share| (share - target).abs()).fold(1e-9, f64::max);
    let low = target - farthest.min(target);
    let high = target + farthest.min(1.0 - target);
    let mut out = format!(
        "<ul class=\"legend\">\n<li><span class=\"swatch keeps\"></span>keeps more than the target, down to {} sparsity</li>\n\
         <li><span class=\"swatch loses\"></span>loses more, up to {}</li>\n</ul>\n",
        percent(shares().fold(high, f64::min).max(low), 1),
        percent(shares().fold(low, f64::max).min(high), 1),
    );
    for frame in [Frame { left: 92.0, ..Frame::WIDE }, Frame { left: 72.0, ..Frame::NARROW }] {
        let height = if frame.name == "wide" { 30.0 } else { 26.0 };
        let frame = Frame { top: 6.0, ..frame };
        let frame = frame.with_plot_height(height * map.kinds.len() as f64);
        out.push_str(&draw(&map, &frame, height, target, farthest));
    }
    Some(out)
}

fn draw(map: &Map, frame: &Frame, height: f64, target: f64, farthest: f64) -> String {
    let description: Vec<String> = map
        .kinds
        .iter()
        .map(|(kind, row)| {
            let shares: Vec<String> = row
                .iter()
                .map(|share| share.map_or_else(|| "none".to_owned(), |it| percent(it, 1)))
                .collect();
            format!("{kind}: {}.", shares.join(", "))
        })
        .collect();
    let mut svg =
        frame.open("map", "Sparsity of each projection of the discovered allocation", &description.join(" "));
    let width = (frame.right - frame.left) / map.blocks as f64;
    for (row, (kind, shares)) in map.kinds.iter().enumerate() {
        let top = frame.top + row as f64 * height;
        let label = kind.rsplit('.').next().unwrap_or(kind);
        // Uses the whole name if another kind has the same last part.
        let alone =
            map.kinds.iter().filter(|(other, _)| other.rsplit('.').next() == Some(label)).count() == 1;
        text(
            &mut svg,
            "tick",
            frame.left - 7.0,
            top + height / 2.0 + 4.0,
            "end",
            if alone { label } else { kind },
        );
        for (block, share) in shares.iter().enumerate() {
            let Some(share) = share else { continue };
            let left = frame.left + block as f64 * width;
            let side = if *share < target { "keeps" } else { "loses" };
            // Less than proportional, so that the many small differences stay visible.
            let opacity = STRONGEST * ((share - target).abs() / farthest).min(1.0).powf(0.7);
            let tip = escaped(&format!("block {block}, {kind}: {}", percent(*share, 2)));
            let _ = writeln!(
                svg,
                "<rect class=\"cell {side}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height}\" \
                 fill-opacity=\"{opacity:.2}\"><title>{tip}</title></rect>"
            );
            // Adds the number if it fits, with a decimal if that fits too.
            let decimals = if width >= 42.0 { 1 } else { 0 };
            if width >= 20.0 {
                let number = format!("{:.decimals$}", 100.0 * share);
                text(&mut svg, "value", left + width / 2.0, top + height / 2.0 + 4.0, "middle", &number);
            }
        }
    }
    let stride = label_stride(map.blocks, ((frame.right - frame.left) / 26.0) as usize);
    let middle = |block: usize| (block as f64 + 0.5) / map.blocks as f64;
    frame.horizontal(
        &mut svg,
        (0..map.blocks).step_by(stride).map(|block| (middle(block), block.to_string())),
        "block",
    );
    svg.push_str("</svg>\n");
    svg
}
