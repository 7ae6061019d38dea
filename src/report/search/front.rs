//! The Pareto front: the loss of the best formula of each size, beside the published ones.

use std::fmt::Write;

use super::formula;
use super::loss::{LossScale, deciding, deciding_text};
use crate::report::axis::{Axis, LogAxis};
use crate::report::chart::{self, Frame, log_ticks, whole_ticks};
use crate::report::svg::{escaped, text};
use crate::search::summary::{Summary, Winner};

/// How wide a character of a label is about, and how high it is.
const CHARACTER: (f64, f64) = (6.2, 13.0);

/// A point of the chart.
struct Mark {
    size: f64,
    loss: f64,
    label: String,
    tip: String,
}

/// Returns the charts of the front; nothing when there is none.
pub(super) fn html(summary: &Summary) -> Option<String> {
    let scale = LossScale::of(summary);
    let front: Vec<Mark> = summary.front.iter().filter_map(|winner| mark(scale, winner, true)).collect();
    let published: Vec<Mark> =
        summary.published.iter().filter_map(|winner| mark(scale, winner, false)).collect();
    let least = front.iter().map(|mark| mark.loss).reduce(f64::min)?;
    let simplest = front.iter().map(|mark| mark.loss).reduce(f64::max)?;

    // As in the curve: what is much worse than the rest would squash it.
    let mut others: Vec<f64> = published.iter().map(|mark| mark.loss).collect();
    others.sort_by(f64::total_cmp);
    let usual = others.get(others.len() / 2).copied().unwrap_or(simplest);
    let high = 1.06 * simplest.max(usual).max(1.1 * least);
    let axis = LogAxis::over(least / (high / least).powf(0.08), high);
    let (seen, above): (Vec<Mark>, Vec<Mark>) = published.into_iter().partition(|mark| mark.loss <= high);
    let largest = front.iter().chain(&seen).map(|mark| mark.size).fold(1.0, f64::max);
    let sizes = Axis::over(0.0, largest, 6);

    let mut entries = vec![(
        "<path class=\"best c0\" d=\"M1 6h26\"/><path class=\"full big c0\" d=\"M14 6h.01\"/>".to_owned(),
        "front".to_owned(),
    )];
    if !seen.is_empty() {
        let sample = "<circle class=\"hollow\" cx=\"14\" cy=\"6\" r=\"4\"/>".to_owned();
        entries.push((sample, "published allocation".to_owned()));
    }
    let mut out = chart::legend(&entries);
    for frame in [Frame::WIDE, Frame::NARROW] {
        out.push_str(&draw(summary, scale, &frame, (&sizes, &axis), &front, &seen));
    }
    if !above.is_empty() {
        let names: Vec<String> =
            above.iter().map(|mark| format!("{} ({})", mark.label, super::loss::figure(mark.loss))).collect();
        let _ = writeln!(out, "<p class=\"note\">Above the chart: {}.</p>", escaped(&names.join(", ")));
    }
    Some(out)
}

fn mark(scale: LossScale, winner: &Winner, formula: bool) -> Option<Mark> {
    let found = winner.formula.as_ref()?;
    let loss = scale.shown(deciding(winner));
    let line = formula::line(found);
    let tip = format!("{}: size {}, {}: {line}", winner.name, found.size, scale.text(deciding(winner)));
    let label = if formula { line } else { winner.name.to_string() };
    (loss.is_finite() && loss > 0.0).then_some(Mark { size: found.size as f64, loss, label, tip })
}

fn draw(
    summary: &Summary,
    scale: LossScale,
    frame: &Frame,
    (sizes, losses): (&Axis, &LogAxis),
    front: &[Mark],
    published: &[Mark],
) -> String {
    let description: Vec<String> = front.iter().map(|mark| mark.tip.clone()).collect();
    let mut svg = frame.open("front", "Pareto front: loss against size", &description.join("; "));
    let loss = if frame.name == "wide" { scale.title() } else { scale.name() };
    let title = format!("{loss} on the {} text, logarithmic", deciding_text(summary));
    frame.vertical(&mut svg, log_ticks(losses), &title);
    frame.horizontal(&mut svg, whole_ticks(sizes), "size: operators and constants");
    let place = |mark: &Mark| (frame.x(sizes.position(mark.size)), frame.y(losses.position(mark.loss)));
    let places: Vec<(f64, f64)> = front.iter().map(place).collect();
    chart::steps(&mut svg, "best c0", &places, frame.right, "");

    let mut labels = Labels::new(frame, places.iter().copied().chain(published.iter().map(place)));
    labels.keep_off_steps(&places);
    for mark in published {
        let (x, y) = place(mark);
        let _ = writeln!(
            svg,
            "<circle class=\"hollow\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"><title>{}</title></circle>",
            escaped(&mark.tip)
        );
    }
    for mark in front {
        let (x, y) = place(mark);
        let tip = escaped(&mark.tip);
        let _ =
            writeln!(svg, "<path class=\"full big c0\" d=\"M{x:.1} {y:.1}h.01\"><title>{tip}</title></path>");
    }
    // Names are short and known; of formulas, those that fit whole. All of them are listed under the chart.
    let longest = if frame.name == "wide" { 48 } else { 26 };
    for mark in published {
        labels.put(&mut svg, "label", place(mark), &mark.label);
    }
    for mark in front.iter().filter(|mark| mark.label.chars().count() <= longest) {
        labels.put(&mut svg, "label strong", place(mark), &mark.label);
    }
    svg.push_str("</svg>\n");
    svg
}

/// Puts labels beside points so that they cover neither points nor each other.
struct Labels<'a> {
    frame: &'a Frame,
    /// What is taken: left, top, right, bottom.
    taken: Vec<[f64; 4]>,
}

impl<'a> Labels<'a> {
    fn new(frame: &'a Frame, points: impl Iterator<Item = (f64, f64)>) -> Self {
        let taken = points.map(|(x, y)| [x - 4.0, y - 4.0, x + 4.0, y + 4.0]).collect();
        Self { frame, taken }
    }

    /// Keeps labels off the line of steps through points, which goes on to the right edge.
    fn keep_off_steps(&mut self, points: &[(f64, f64)]) {
        let ends = points.iter().skip(1).copied().map(Some).chain([None]);
        for ((x, y), next) in points.iter().copied().zip(ends) {
            let end = next.map_or(self.frame.right, |(x, _)| x);
            self.taken.push([x, y - 1.5, end, y + 1.5]);
            if let Some((_, lower)) = next {
                self.taken.push([end - 1.5, y.min(lower), end + 1.5, y.max(lower)]);
            }
        }
    }

    /// Writes a label where there is room for it, or nowhere.
    fn put(&mut self, svg: &mut String, class: &str, (x, y): (f64, f64), label: &str) {
        let (width, height) = (CHARACTER.0 * label.chars().count() as f64, CHARACTER.1);
        let right = (x + 8.0, y + 4.0, "start");
        let left = (x - 8.0, y + 4.0, "end");
        let over = (x, y - 9.0, "middle");
        let under = (x, y + 18.0, "middle");
        let corners = [
            (x + 6.0, y - 8.0, "start"),
            (x + 6.0, y + 16.0, "start"),
            (x - 6.0, y - 8.0, "end"),
            (x - 6.0, y + 16.0, "end"),
        ];
        for (x, y, anchor) in [corners[0], right, over, corners[2], left, under].into_iter().chain(corners) {
            let start = match anchor {
                "start" => x,
                "end" => x - width,
                _ => x - width / 2.0,
            };
            let place = [start, y - height + 3.0, start + width, y + 3.0];
            let inside = place[0] >= self.frame.left
                && place[2] <= self.frame.right + 2.0
                && place[1] >= self.frame.top - 14.0
                && place[3] <= self.frame.bottom;
            let free = self.taken.iter().all(|other| {
                place[0] >= other[2] || place[2] <= other[0] || place[1] >= other[3] || place[3] <= other[1]
            });
            if inside && free {
                text(svg, class, x, y, anchor, label);
                self.taken.push(place);
                return;
            }
        }
    }
}
