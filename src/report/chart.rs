//! What charts share: frames for wide and narrow screens, axes and marks.
//!
//! A chart is drawn twice, because scaled text is either too small on a phone or too large on a desk; the page shows one of the two.
//! Colours are the page's, by class. Results of `write!` are dropped: writing to a `String` cannot fail.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::report::axis::{Axis, LogAxis};
use crate::report::svg::{escaped, text};

/// A chart's size and the edges of its plot, in pixels at its natural size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// Tells the chart's variants apart.
    pub(super) name: &'static str,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

impl Frame {
    /// For a desk.
    pub(super) const WIDE: Self = Self {
        name: "wide",
        width: 920.0,
        height: 400.0,
        left: 52.0,
        right: 904.0,
        top: 34.0,
        bottom: 350.0,
    };
    /// For a phone.
    pub(super) const NARROW: Self = Self {
        name: "narrow",
        width: 380.0,
        height: 320.0,
        left: 44.0,
        right: 370.0,
        top: 34.0,
        bottom: 272.0,
    };
    /// One of several beside each other.
    pub(super) const PANEL: Self = Self {
        name: "panel",
        width: 380.0,
        height: 230.0,
        left: 44.0,
        right: 372.0,
        top: 12.0,
        bottom: 192.0,
    };

    /// Returns the horizontal place of a position from 0 to 1.
    pub(super) fn x(&self, position: f64) -> f64 {
        self.left + position * (self.right - self.left)
    }

    /// Returns the vertical place of a position from 0, the bottom, to 1.
    pub(super) fn y(&self, position: f64) -> f64 {
        self.bottom - position * (self.bottom - self.top)
    }

    /// Returns the frame with another height of its plot.
    pub(super) fn with_plot_height(self, height: f64) -> Self {
        let bottom = self.top + height;
        Self { bottom, height: bottom + self.height - self.bottom, ..self }
    }

    /// Returns the beginning of a chart; `id` is unique in the page but for the frame's name.
    pub(super) fn open(&self, id: &str, title: &str, description: &str) -> String {
        let Self { name, width, height, .. } = self;
        format!(
            "<svg class=\"chart {name}\" role=\"img\" viewBox=\"0 0 {width} {height}\" \
             aria-labelledby=\"{id}-{name}-t {id}-{name}-d\">\n<title id=\"{id}-{name}-t\">{}</title>\n\
             <desc id=\"{id}-{name}-d\">{}</desc>\n",
            escaped(title),
            escaped(description)
        )
    }

    /// Draws the lines and labels of a vertical axis, and its title above it.
    pub(super) fn vertical(&self, svg: &mut String, ticks: impl Iterator<Item = (f64, String)>, title: &str) {
        for (position, label) in ticks {
            let y = self.y(position);
            let _ = writeln!(svg, "<path class=\"grid\" d=\"M{:.1} {y:.1}H{:.1}\"/>", self.left, self.right);
            text(svg, "tick", self.left - 7.0, y + 4.0, "end", &label);
        }
        if !title.is_empty() {
            text(svg, "axis", 2.0, self.top - 18.0, "start", title);
        }
    }

    /// Draws the labels of a horizontal axis, and its title under it.
    pub(super) fn horizontal(
        &self,
        svg: &mut String,
        ticks: impl Iterator<Item = (f64, String)>,
        title: &str,
    ) {
        let (left, right, bottom) = (self.left, self.right, self.bottom);
        let _ = writeln!(svg, "<path class=\"frame\" d=\"M{left:.1} {bottom:.1}H{right:.1}\"/>");
        for (position, label) in ticks {
            let x = self.x(position);
            let _ = writeln!(svg, "<path class=\"frame\" d=\"M{x:.1} {bottom:.1}v4\"/>");
            text(svg, "tick", x, bottom + 18.0, "middle", &label);
        }
        text(svg, "axis", (left + right) / 2.0, bottom + 36.0, "middle", title);
    }
}

/// Returns the ticks of a logarithmic axis.
pub(super) fn log_ticks(axis: &LogAxis) -> impl Iterator<Item = (f64, String)> + '_ {
    axis.ticks.iter().map(|tick| (axis.position(*tick), axis.label(*tick)))
}

/// Returns the ticks of an axis of whole numbers.
pub(super) fn whole_ticks(axis: &Axis) -> impl Iterator<Item = (f64, String)> + '_ {
    let whole = axis.ticks.iter().filter(|tick| (*tick - tick.round()).abs() < 1e-9);
    whole.map(|tick| (axis.position(*tick), format!("{tick:.0}")))
}

/// Draws many points as one path: a dot each, or with `length` a short line.
///
/// Points that fall on the same tenth of a pixel are drawn once.
pub(super) fn points(svg: &mut String, class: &str, places: impl Iterator<Item = (f64, f64)>, length: f64) {
    let tenth = |place: f64| (10.0 * place).round() as i64;
    let places: BTreeSet<(i64, i64)> = places.map(|(x, y)| (tenth(x - length / 2.0), tenth(y))).collect();
    if places.is_empty() {
        return;
    }
    let mut path = String::with_capacity(14 * places.len());
    for (x, y) in places {
        // Round ends turn a short line into a dot; one without length some programs leave out.
        let _ = write!(path, "M{} {}h{length}", decimal(x), decimal(y));
    }
    let _ = writeln!(svg, "<path class=\"{class}\" d=\"{path}\"/>");
}

/// Returns tenths as a decimal number.
fn decimal(tenths: i64) -> String {
    let text = format!("{:.1}", tenths as f64 / 10.0);
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

/// Draws a line through points, with a tooltip where there is a `tip`.
pub(super) fn line(svg: &mut String, class: &str, places: &[(f64, f64)], tip: &str) {
    let mut path = String::new();
    for (index, (x, y)) in places.iter().enumerate() {
        let _ = write!(path, "{}{x:.1} {y:.1}", if index == 0 { "M" } else { "L" });
    }
    drawn(svg, class, &path, tip);
}

/// Draws a line that keeps its height from one point to the next one.
pub(super) fn steps(svg: &mut String, class: &str, places: &[(f64, f64)], end: f64, tip: &str) {
    let Some(((x, y), rest)) = places.split_first() else { return };
    let mut path = format!("M{x:.1} {y:.1}");
    for (x, y) in rest {
        let _ = write!(path, "H{x:.1}V{y:.1}");
    }
    let _ = write!(path, "H{end:.1}");
    drawn(svg, class, &path, tip);
}

fn drawn(svg: &mut String, class: &str, path: &str, tip: &str) {
    let _ = match tip {
        "" => writeln!(svg, "<path class=\"{class}\" d=\"{path}\"/>"),
        _ => writeln!(svg, "<path class=\"{class}\" d=\"{path}\"><title>{}</title></path>", escaped(tip)),
    };
}

/// Returns a legend: what each kind of mark stands for, with a sample of it, as `(markup, text)`.
pub(super) fn legend(entries: &[(String, String)]) -> String {
    let mut out = String::from("<ul class=\"legend\">\n");
    for (sample, text) in entries {
        let _ = writeln!(
            out,
            "<li><svg class=\"sample\" viewBox=\"0 0 28 12\" aria-hidden=\"true\">{sample}</svg>{}</li>",
            escaped(text)
        );
    }
    out.push_str("</ul>\n");
    out
}
