//! The figure of an allocation: sparsity ratios over importances, unit by unit, as a standalone SVG.
//!
//! Colours are set by class in a style sheet with literal values, once for light and once for dark mode;
//! renderers without media queries or custom properties (librsvg, Inkscape) then show the light one. The
//! contrast of text is at least 4.5:1 against its background, and of marks at least 3:1. Results of `write!`
//! are ignored, because writing to a `String` cannot fail.

use std::fmt::Write;

use super::axis::{Axis, label_stride};
use super::importances::Importances;
use super::number::{grouped, percent, plain_percent, shortened, significant};
use super::svg::{escaped, text};
use super::table::short_names;
use crate::allocate::Allocation;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 430.0;
/// The edges of the plot within the figure.
const LEFT: f64 = 72.0;
const RIGHT: f64 = 776.0;
const TOP: f64 = 92.0;
const BOTTOM: f64 = 366.0;

const STYLE: &str = "\
.allot-figure{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;font-size:12px}
.allot-figure .page{fill:#ffffff}
.allot-figure text{fill:#4d5761}
.allot-figure .title{fill:#1f2328;font-size:16px;font-weight:600}
.allot-figure .grid{stroke:#e1e5ea;stroke-width:1}
.allot-figure .frame{stroke:#8b949e;stroke-width:1}
.allot-figure .bar{fill:#d3dae3;stroke:#8492a4;stroke-width:1}
.allot-figure .target{stroke:#b35900;stroke-width:1.5;stroke-dasharray:6 4}
.allot-figure .halo{fill:none;stroke:#ffffff;stroke-linejoin:round;stroke-linecap:round}
.allot-figure .line{fill:none;stroke:#0550ae;stroke-linejoin:round;stroke-linecap:round}
.allot-figure .marker{fill:#0550ae;stroke:#ffffff}
.allot-figure .unit{fill:transparent}
@media (prefers-color-scheme:dark){
.allot-figure .page{fill:#0d1117}
.allot-figure text{fill:#a3adb8}
.allot-figure .title{fill:#e6edf3}
.allot-figure .grid{stroke:#262c36}
.allot-figure .frame{stroke:#6e7681}
.allot-figure .bar{fill:#2a3440;stroke:#6b7989}
.allot-figure .target{stroke:#f0a04b}
.allot-figure .halo{stroke:#0d1117}
.allot-figure .line{stroke:#6cb6ff}
.allot-figure .marker{fill:#6cb6ff;stroke:#0d1117}
}
";

/// Returns a standalone SVG of an allocation: realised sparsities as a line, importances as bars, the target
/// as a dashed line.
///
/// Sparsity uses the left axis and importance the right one. The importance axis starts at 0, unless all
/// importances lie within a quarter of their size; its title then says so. Without importances there are
/// neither bars nor a right axis. Each unit has a tooltip. The figure suits one to several hundred units:
/// with many units, fewer get labels, and bars share one outline. The text can be saved as a file or embedded
/// in a page.
pub fn allocation_figure(allocation: &Allocation, title: &str) -> String {
    let figure = Figure::new(allocation);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"allot-figure\" role=\"img\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         viewBox=\"0 0 {WIDTH} {HEIGHT}\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n\
         <rect class=\"page\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n",
        escaped(title)
    );
    figure.head(&mut svg, title);
    figure.left_axis(&mut svg);
    figure.bars(&mut svg);
    figure.target(&mut svg);
    figure.bottom_axis(&mut svg);
    figure.line(&mut svg);
    figure.tooltips(&mut svg);
    svg.push_str("</svg>\n");
    svg
}

struct Figure<'a> {
    allocation: &'a Allocation,
    names: Vec<String>,
    /// In percent.
    sparsity: Vec<f64>,
    axis: Axis,
    importances: Option<Importances>,
}

impl<'a> Figure<'a> {
    fn new(allocation: &'a Allocation) -> Self {
        let units = &allocation.units;
        let sparsity: Vec<f64> = units.iter().map(|unit| 100.0 * unit.achieved()).collect();
        Self {
            allocation,
            names: short_names(units),
            axis: sparsity_axis(&sparsity, 100.0 * allocation.target),
            sparsity,
            importances: Importances::new(units.iter().map(|unit| unit.importance)),
        }
    }

    /// Returns the width of one unit.
    fn step(&self) -> f64 {
        (RIGHT - LEFT) / self.sparsity.len().max(1) as f64
    }

    /// Returns the horizontal centre of a unit.
    fn x(&self, unit: usize) -> f64 {
        LEFT + (unit as f64 + 0.5) * self.step()
    }

    fn head(&self, svg: &mut String, title: &str) {
        let achieved = percent(self.allocation.achieved(), 2);
        let pruned = grouped(self.allocation.pruned());
        let parameters = grouped(self.allocation.parameters());
        let mut note = format!("{achieved} pruned: {pruned} of {parameters} weights");
        if self.allocation.noise {
            note.push_str("; importances differ by rounding only, so uniform");
        }
        text(svg, "title", LEFT, 32.0, "start", &shortened(title, 84, "…"));
        text(svg, "note", LEFT, 52.0, "start", &note);

        let y = 76.0;
        let mut x = LEFT;
        let _ = writeln!(
            svg,
            "<path class=\"line\" stroke-width=\"2\" d=\"M{x} {y}h26\"/><circle class=\"marker\" cx=\"{}\" cy=\"{y}\" r=\"4\"/>",
            x + 13.0
        );
        text(svg, "note", x + 34.0, y + 4.0, "start", "sparsity");
        x += 112.0;
        let _ = writeln!(svg, "<path class=\"target\" d=\"M{x} {y}h26\"/>");
        let target = format!("target {}", plain_percent(self.allocation.target));
        text(svg, "note", x + 34.0, y + 4.0, "start", &target);
        if self.importances.is_some() {
            x += 58.0 + 7.0 * target.chars().count() as f64;
            let _ = writeln!(
                svg,
                "<rect class=\"bar\" x=\"{x}\" y=\"{}\" width=\"14\" height=\"12\" rx=\"1\"/>",
                y - 6.0
            );
            text(svg, "note", x + 22.0, y + 4.0, "start", "importance");
        }
    }

    fn left_axis(&self, svg: &mut String) {
        for &tick in &self.axis.ticks {
            let y = y(self.axis.position(tick));
            let _ = writeln!(svg, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>");
            text(svg, "tick", LEFT - 8.0, y + 4.0, "end", &self.axis.label(tick));
        }
        side_title(svg, 22.0, "sparsity (%)");
    }

    fn bars(&self, svg: &mut String) {
        let Some(importances) = &self.importances else {
            return;
        };
        for &tick in &importances.axis.ticks {
            let y = y(importances.axis.position(tick)) + 4.0;
            text(svg, "tick", RIGHT + 8.0, y, "start", &importances.axis.label(tick));
        }
        side_title(svg, WIDTH - 8.0, &importances.title);
        let base = y(importances.base);
        let ends = importances.values.iter().map(|value| {
            let value = value.as_ref()?;
            Some(y(importances.axis.position(*value)))
        });
        if self.step() < 14.0 {
            self.skyline(svg, base, ends);
        } else {
            self.columns(svg, base, ends);
        }
        if importances.base > 0.0 {
            let _ = writeln!(svg, "<path class=\"frame\" d=\"M{LEFT} {base:.1}H{RIGHT}\"/>");
        }
    }

    fn columns(&self, svg: &mut String, base: f64, ends: impl Iterator<Item = Option<f64>>) {
        let width = (0.68 * self.step()).min(56.0);
        for (unit, end) in ends.enumerate() {
            let Some(end) = end else { continue };
            let _ = writeln!(
                svg,
                "<rect class=\"bar\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\"/>",
                self.x(unit) - width / 2.0,
                base.min(end),
                (base - end).abs()
            );
        }
    }

    /// Draws adjoining bars under one outline, because gaps between many narrow bars would look like a
    /// pattern.
    fn skyline(&self, svg: &mut String, base: f64, ends: impl Iterator<Item = Option<f64>>) {
        let step = self.step();
        let mut path = String::new();
        for (unit, end) in ends.enumerate() {
            // A unit without an importance has no height.
            let end = end.unwrap_or(base);
            let left = self.x(unit) - step / 2.0;
            if unit == 0 {
                let _ = write!(path, "M{left:.1} {base:.1}");
            }
            let _ = write!(path, "V{end:.1}H{:.1}", left + step);
        }
        let _ = writeln!(svg, "<path class=\"bar\" d=\"{path}V{base:.1}Z\"/>");
    }

    fn target(&self, svg: &mut String) {
        let y = y(self.axis.position(100.0 * self.allocation.target));
        let _ = writeln!(svg, "<path class=\"target\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>");
    }

    fn bottom_axis(&self, svg: &mut String) {
        let _ = writeln!(svg, "<path class=\"frame\" d=\"M{LEFT} {BOTTOM}H{RIGHT}\"/>");
        let (labels, title) = unit_labels(&self.names);
        let widest = labels.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(1);
        let room = (RIGHT - LEFT) / (7.0 * widest as f64 + 9.0);
        let stride = label_stride(labels.len(), room as usize);
        // Labels of groups of units are placed at the group's first unit.
        for (index, (unit, label)) in labels.iter().enumerate() {
            if index % stride == 0 {
                let x = self.x(*unit);
                let _ = writeln!(svg, "<path class=\"frame\" d=\"M{x:.1} {BOTTOM}v5\"/>");
                text(svg, "tick", x, BOTTOM + 19.0, "middle", label);
            }
        }
        let middle = (LEFT + RIGHT) / 2.0;
        text(svg, "axis", middle, BOTTOM + 42.0, "middle", &title);
    }

    fn line(&self, svg: &mut String) {
        let step = self.step();
        let width = if step < 6.0 { 1.4 } else { 2.2 };
        let points: Vec<(f64, f64)> = (self.sparsity.iter().enumerate())
            .map(|(unit, &sparsity)| (self.x(unit), y(self.axis.position(sparsity))))
            .collect();
        // Adjacent projections are of different kinds, so a line between them would mean nothing.
        let joined = self.allocation.units.iter().any(|unit| unit.projections.len() != 1);
        let mut path = String::new();
        for (index, (x, y)) in points.iter().enumerate() {
            let _ = match joined {
                true => write!(path, "{}{x:.1} {y:.1}", if index == 0 { "M" } else { "L" }),
                false => write!(path, "M{:.1} {y:.1}h{:.1}", x - 0.36 * step, 0.72 * step),
            };
        }
        let halo = width + 2.6;
        let _ = writeln!(
            svg,
            "<path class=\"halo\" stroke-width=\"{halo:.1}\" d=\"{path}\"/>\n\
             <path class=\"line\" stroke-width=\"{width}\" d=\"{path}\"/>"
        );
        // At smaller steps, the markers would overlap.
        if joined && step >= 3.5 {
            let radius = (0.28 * step).clamp(1.6, 4.5);
            let edge = if step < 9.0 { 0.5 } else { 1.2 };
            for (x, y) in points {
                let _ = writeln!(
                    svg,
                    "<circle class=\"marker\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\" stroke-width=\"{edge}\"/>"
                );
            }
        }
    }

    fn tooltips(&self, svg: &mut String) {
        let step = self.step();
        for (index, unit) in self.allocation.units.iter().enumerate() {
            let mut tip = format!("{}: sparsity {}", unit.name, percent(unit.achieved(), 2));
            if let Some(importance) = unit.importance {
                let _ = write!(tip, ", importance {}", significant(importance, 4));
            }
            let _ = writeln!(
                svg,
                "<rect class=\"unit\" x=\"{:.2}\" y=\"{TOP}\" width=\"{step:.2}\" height=\"{}\"><title>{}</title></rect>",
                self.x(index) - step / 2.0,
                BOTTOM - TOP,
                escaped(&tip)
            );
        }
    }
}

/// Returns an axis in percent around the sparsities and the target, at least a few points wide so that
/// rounding does not look large.
fn sparsity_axis(sparsity: &[f64], target: f64) -> Axis {
    let low = sparsity.iter().copied().fold(target, f64::min);
    let high = sparsity.iter().copied().fold(target, f64::max);
    let margin = (0.06 * (high - low)).max((4.0 - (high - low)) / 2.0);
    Axis::over((low - margin).max(0.0), (high + margin).min(100.0), 5)
}

/// Returns the labelled units with their labels, and the axis title.
///
/// Names made of a word and a number (`block 3`) are labelled by the number. Module names are labelled where
/// their first number, the block, changes, and other names by their index.
fn unit_labels(names: &[String]) -> (Vec<(usize, String)>, String) {
    let indexes = || (0..names.len()).map(|unit| (unit, unit.to_string())).collect();
    let numbered: Option<Vec<(&str, &str)>> =
        names.iter().map(|name| name.rsplit_once(' ').filter(|(_, number)| is_number(number))).collect();
    if let Some(numbered) = numbered
        && let Some(&(word, _)) = numbered.first()
        && numbered.iter().all(|(other, _)| *other == word)
    {
        let numbers = numbered.iter().map(|(_, number)| (*number).to_owned());
        return (numbers.enumerate().collect(), word.to_owned());
    }
    let blocks: Option<Vec<&str>> =
        names.iter().map(|name| name.split('.').find(|component| is_number(component))).collect();
    match blocks {
        Some(blocks) if !blocks.is_empty() => {
            let starts = |unit: &usize| *unit == 0 || blocks[*unit] != blocks[*unit - 1];
            let labels = (0..names.len()).filter(starts);
            let labels = labels.map(|unit| (unit, blocks[unit].to_owned())).collect();
            (labels, "block (projections in module order)".to_owned())
        }
        _ => (indexes(), "allocation unit".to_owned()),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the vertical pixel position of a value from 0, the bottom of the plot, to 1, its top.
fn y(position: f64) -> f64 {
    BOTTOM - position * (BOTTOM - TOP)
}

/// Writes a vertical axis title, which reads upwards.
fn side_title(svg: &mut String, x: f64, content: &str) {
    let (middle, content) = ((TOP + BOTTOM) / 2.0, escaped(content));
    let _ = writeln!(
        svg,
        "<text class=\"axis\" text-anchor=\"middle\" transform=\"translate({x} {middle}) rotate(-90)\">{content}</text>"
    );
}
