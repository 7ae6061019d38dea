//! The search curve: every candidate against the evaluations spent, and the best so far.

use super::loss::LossScale;
use super::rows::by_searcher;
use crate::report::axis::{Axis, LogAxis};
use crate::report::chart::{self, Frame, log_ticks};
use crate::report::number::{grouped, significant};
use crate::report::svg::escaped;
use crate::search::searcher::Searcher;
use crate::search::summary::{RunSummary, Summary};

/// The curve of the search and of its controls.
pub(super) struct Curve<'a> {
    summary: &'a Summary,
    scale: LossScale,
    searchers: Vec<(Searcher, Vec<&'a RunSummary>)>,
    losses: LogAxis,
    /// How many evaluations the longest run took.
    last: f64,
}

impl<'a> Curve<'a> {
    /// Returns nothing when no candidate has a loss that can be drawn.
    pub(super) fn new(summary: &'a Summary) -> Option<Self> {
        let scale = LossScale::of(summary);
        let searchers = by_searcher(summary);
        let losses = losses(summary, scale)?;
        let last = summary.runs.iter().flat_map(|run| &run.points).map(|point| point.evaluation).max()?;
        Some(Self { summary, scale, searchers, losses, last: last.max(1) as f64 })
    }

    /// Returns the charts with their legends.
    pub(super) fn html(&self) -> String {
        let mut out = String::new();
        out.push_str(&chart::legend(&self.legend()));
        for frame in [Frame::WIDE, Frame::NARROW] {
            out.push_str(&self.search(&frame));
        }
        let controls: Vec<usize> =
            (0..self.searchers.len()).filter(|place| !self.searchers[*place].0.is_search()).collect();
        if !controls.is_empty() {
            out.push_str("<h3>The controls</h3>\n<div class=\"panels\">\n");
            for place in controls {
                out.push_str(&self.control(place));
            }
            out.push_str("</div>\n");
        }
        let above = self.above();
        if above > 0 {
            let verb = if above == 1 { "candidate lies" } else { "candidates lie" };
            out.push_str(&format!(
                "<p class=\"note\">{} {verb} above the charts and {} drawn as ticks at their upper edge.</p>\n",
                grouped(above as u64),
                if above == 1 { "is" } else { "are" }
            ));
        }
        out
    }

    fn legend(&self) -> Vec<(String, String)> {
        let mut entries = Vec::new();
        for (place, (searcher, runs)) in self.searchers.iter().enumerate() {
            let count = match runs.len() {
                1 => String::new(),
                seeds => format!(", {seeds} seeds"),
            };
            let sample = format!("<path class=\"best c{place}\" d=\"M1 6h26\"/>");
            entries.push((sample, format!("{}, best so far{count}", searcher.name())));
        }
        entries.push((
            "<path class=\"full c0\" d=\"M14 6h.01\"/>".to_owned(),
            "candidate, fully measured".to_owned(),
        ));
        entries.push((
            "<path class=\"raced\" d=\"M11.5 6h5\"/>".to_owned(),
            "stopped early by racing".to_owned(),
        ));
        if self.uniform().is_some() {
            entries.push((
                "<path class=\"reference\" d=\"M1 6h26\"/>".to_owned(),
                "uniform sparsity".to_owned(),
            ));
        }
        entries
    }

    /// Returns the chart of the search itself, with the controls' best so far.
    fn search(&self, frame: &Frame) -> String {
        let title = "Search curve";
        let mut svg = frame.open("curve", title, &self.description());
        self.axes(&mut svg, frame, true);
        for (place, (searcher, runs)) in self.searchers.iter().enumerate() {
            if searcher.is_search() {
                self.candidates(&mut svg, frame, place, runs);
            }
        }
        // The search's own lines last, so that they lie above the others.
        for (place, (searcher, runs)) in self.searchers.iter().enumerate().rev() {
            for run in runs {
                self.best(&mut svg, frame, &format!("best c{place}"), *searcher, run);
            }
        }
        svg.push_str("</svg>\n");
        svg
    }

    /// Returns the chart of a control's candidates, with the search's best so far.
    fn control(&self, place: usize) -> String {
        let (searcher, runs) = &self.searchers[place];
        let frame = Frame::PANEL;
        let title = format!("Candidates of the control: {}", searcher.name());
        let description = self.ended(*searcher, runs);
        let mut svg = format!("<figure>\n<figcaption>{}</figcaption>\n", escaped(searcher.name()));
        svg.push_str(&frame.open(&format!("control{place}"), &title, &description));
        self.axes(&mut svg, &frame, false);
        self.candidates(&mut svg, &frame, place, runs);
        for (other, (searcher, runs)) in self.searchers.iter().enumerate().filter(|(_, it)| it.0.is_search())
        {
            for run in runs {
                self.best(&mut svg, &frame, &format!("best other c{other}"), *searcher, run);
            }
        }
        for run in runs {
            self.best(&mut svg, &frame, &format!("best c{place}"), *searcher, run);
        }
        svg.push_str("</svg>\n</figure>\n");
        svg
    }

    fn axes(&self, svg: &mut String, frame: &Frame, titled: bool) {
        let title = match (titled, frame.name) {
            (false, _) => String::new(),
            (_, "wide") => format!("{} on the fitness text, logarithmic", self.scale.title()),
            _ => format!("{} on the fitness text, logarithmic", self.scale.name()),
        };
        frame.vertical(svg, log_ticks(&self.losses), &title);
        let ticks = Axis::over(0.0, self.last, 5).ticks.into_iter().filter(|tick| *tick <= self.last);
        let whole = ticks.filter(|tick| tick.fract() == 0.0);
        frame.horizontal(svg, whole.map(|tick| (tick / self.last, format!("{tick:.0}"))), "evaluations");
        if let Some(uniform) = self.uniform() {
            let y = frame.y(self.losses.position(uniform));
            chart::line(svg, "reference", &[(frame.left, y), (frame.right, y)], "uniform sparsity");
        }
    }

    fn candidates(&self, svg: &mut String, frame: &Frame, place: usize, runs: &[&RunSummary]) {
        let within = |full: bool| {
            runs.iter().flat_map(|run| &run.points).filter_map(move |point| {
                let shown = self.drawable(point.loss)?;
                let inside = shown <= self.losses.most;
                (inside && point.full == full).then(|| {
                    let x = frame.x(self.share(point.evaluation));
                    (x, frame.y(self.losses.position(shown)))
                })
            })
        };
        chart::points(svg, "raced", within(false), 5.0);
        chart::points(svg, &format!("full c{place}"), within(true), 0.01);
        let above = runs.iter().flat_map(|run| &run.points).filter(|point| self.is_above(point.loss));
        for point in above {
            let x = frame.x(self.share(point.evaluation));
            let class = if point.full { format!("above c{place}") } else { "above raced".to_owned() };
            svg.push_str(&format!("<path class=\"{class}\" d=\"M{x:.1} {:.1}v5\"/>\n", frame.top - 5.0));
        }
    }

    /// Draws the best loss among those measured in full, as it falls.
    fn best(&self, svg: &mut String, frame: &Frame, class: &str, searcher: Searcher, run: &RunSummary) {
        let mut least = f64::INFINITY;
        let mut places = Vec::new();
        for point in run.points.iter().filter(|point| point.full) {
            let Some(shown) = self.drawable(point.loss) else { continue };
            if shown < least {
                least = shown;
                let x = frame.x(self.share(point.evaluation));
                places.push((x, frame.y(self.losses.position(shown))));
            }
        }
        let last = run.points.iter().map(|point| point.evaluation).max().unwrap_or(0);
        let end = frame.x(self.share(last));
        let tip = format!("{}, seed {}: {}", searcher.name(), run.seed, significant(least, 4));
        chart::steps(svg, class, &places, end, &tip);
    }

    /// Returns the horizontal place of an evaluation, from 0 to 1.
    fn share(&self, evaluation: usize) -> f64 {
        evaluation as f64 / self.last
    }

    fn drawable(&self, loss: f64) -> Option<f64> {
        let shown = self.scale.shown(loss);
        (shown.is_finite() && shown > 0.0).then_some(shown)
    }

    fn is_above(&self, loss: f64) -> bool {
        self.scale.shown(loss) > self.losses.most
    }

    fn above(&self) -> usize {
        let points = self.summary.runs.iter().flat_map(|run| &run.points);
        points.filter(|point| self.is_above(point.loss)).count()
    }

    fn uniform(&self) -> Option<f64> {
        let range = self.losses.least..=self.losses.most;
        self.scale.uniform(self.summary).filter(|uniform| range.contains(uniform))
    }

    fn description(&self) -> String {
        let ends: Vec<String> =
            self.searchers.iter().map(|(searcher, runs)| self.ended(*searcher, runs)).collect();
        format!("Loss of every candidate against evaluations, with the best so far. {}", ends.join(" "))
    }

    /// Returns a sentence on where a searcher's runs ended.
    fn ended(&self, searcher: Searcher, runs: &[&RunSummary]) -> String {
        let least = |run: &RunSummary| {
            let full = run.points.iter().filter(|point| point.full);
            full.filter_map(|point| self.drawable(point.loss)).fold(f64::INFINITY, f64::min)
        };
        let ends: Vec<String> = runs.iter().map(|run| significant(least(run), 4)).collect();
        format!("{} ends at {}.", searcher.name(), ends.join(", "))
    }
}

/// Returns the axis of losses: from the least to a little above uniform's, or to nine tenths of the fully measured candidates if
/// that is higher. Bad candidates are often worse by orders of magnitude, and nobody needs to see by how many.
fn losses(summary: &Summary, scale: LossScale) -> Option<LogAxis> {
    let drawn = |full: bool| {
        let points = summary.runs.iter().flat_map(|run| &run.points).filter(move |point| point.full || !full);
        let mut shown: Vec<f64> = points
            .map(|point| scale.shown(point.loss))
            .filter(|shown| shown.is_finite() && *shown > 0.0)
            .collect();
        shown.sort_by(f64::total_cmp);
        shown
    };
    let all = drawn(false);
    let (least, most) = (*all.first()?, *all.last()?);
    let full = drawn(true);
    let usual = full.get(full.len() * 9 / 10).copied().unwrap_or(least);
    let uniform = scale.uniform(summary).filter(|uniform| *uniform > 0.0).unwrap_or(least);
    let high = (1.15 * uniform).max(usual).min(most.max(1.03 * uniform)).max(1.05 * least);
    let margin = (high / least).powf(0.05);
    Some(LogAxis::over(least / margin, high))
}
