//! The tables of tasks in a comparison: accuracies with perplexities, one table per sparsity.

use super::words::{label, number};
use crate::compare::summary::{CellResult, Comparison};
use crate::report::grid::{Field, Flexible, Grid, Line};
use crate::report::number::plain_percent;
use crate::tasks::statistics::{Estimate, mean, mean_of_tasks, paired};
use crate::tasks::{DocumentResult, Metric, TaskResult};

/// The legend of the tables' marks.
pub(super) const MARKS: &str = "* the highest in its column; ≈ not distinguishable from it: the 95 % interval of their difference on the same documents contains 0";

/// The values of a column: one number for each document of some tasks, weighted equally.
#[derive(Clone, Debug)]
struct Column {
    title: String,
    /// The indices of the tasks, each with the number that is taken from their documents.
    tasks: Vec<(usize, Shown)>,
    decimals: usize,
}

/// A number that each document of a task has.
#[derive(Clone, Debug, PartialEq)]
enum Shown {
    Metric(Metric, Option<String>),
    Margin,
}

impl Shown {
    fn of(&self, result: &DocumentResult) -> f64 {
        let found = match self {
            Self::Metric(metric, name) => {
                result.reported.iter().find(|it| it.metric == *metric && it.name == *name).map(|it| it.value)
            }
            Self::Margin => result.margin,
        };
        found.unwrap_or(f64::NAN)
    }
}

impl Column {
    /// Returns the number of each document, task by task; `None` for a model without results.
    fn values(&self, found: &[TaskResult]) -> Option<Vec<Vec<f64>>> {
        let of = |(place, shown): &(usize, Shown)| {
            Some(found.get(*place)?.results().map(|(_, result)| shown.of(result)).collect())
        };
        self.tasks.iter().map(of).collect()
    }
}

/// Returns the mean of some tasks' means, with its error.
fn estimate(values: &[Vec<f64>]) -> Estimate {
    mean_of_tasks(&values.iter().map(|it| mean(it)).collect::<Vec<_>>())
}

/// Returns whether the same documents cannot distinguish two models.
fn is_noise(one: &[Vec<f64>], other: &[Vec<f64>]) -> bool {
    let differences: Option<Vec<_>> = one.iter().zip(other).map(|(one, other)| paired(one, other)).collect();
    // A single document cannot distinguish them.
    let Some(differences) = differences else { return true };
    let reach: f64 = differences.iter().map(|it| ((it.high - it.low) / 2.0).powi(2)).sum::<f64>().sqrt();
    let difference: f64 = differences.iter().map(|it| it.mean).sum();
    difference.abs() <= reach
}

/// Returns the columns: the accuracy of each task, both means, and the margin.
fn columns(tasks: &[TaskResult]) -> Vec<Column> {
    let first = |task: &TaskResult| task.metrics.first().map(|it| Shown::Metric(it.metric, it.name.clone()));
    let mut columns: Vec<Column> = Vec::new();
    let (mut plain, mut normalised, mut margins) = (Vec::new(), Vec::new(), Vec::new());
    for (place, task) in tasks.iter().enumerate() {
        let Some(shown) = first(task) else { continue };
        let of = |metric| task.metric(metric).map(|_| (place, Shown::Metric(metric, None)));
        plain.extend(of(Metric::Accuracy));
        normalised.extend(of(Metric::NormalisedAccuracy).or_else(|| of(Metric::Accuracy)));
        margins.extend(task.margin.map(|_| (place, Shown::Margin)));
        let title = match &shown {
            Shown::Metric(Metric::Accuracy, _) | Shown::Margin => task.task.clone(),
            Shown::Metric(metric, _) => format!("{} {}", task.task, metric.name()),
        };
        columns.push(Column { title, tasks: vec![(place, shown)], decimals: 4 });
    }
    let is_normalised = normalised != plain;
    if plain.len() > 1 {
        columns.push(Column { title: "mean acc".to_owned(), tasks: plain, decimals: 4 });
    }
    if normalised.len() > 1 && is_normalised {
        columns.push(Column { title: "mean acc_norm*".to_owned(), tasks: normalised, decimals: 4 });
    }
    if !margins.is_empty() {
        columns.push(Column { title: "margin".to_owned(), tasks: margins, decimals: 2 });
    }
    columns
}

/// Returns the caption that lists the tasks.
pub(super) fn caption(comparison: &Comparison) -> String {
    let tasks = comparison.dense_tasks.iter();
    let each: Vec<String> =
        tasks.map(|it| format!("{} ({} documents, {} examples)", it.task, it.documents, it.shots)).collect();
    let protocol = comparison.protocol.map_or_else(String::new, |it| format!(", protocol {}", it.name()));
    format!("Accuracy by tasks{protocol}: {}", each.join(", "))
}

/// Returns a titled table per sparsity; empty if no tasks were scored.
pub(super) fn grids(comparison: &Comparison) -> Vec<(String, Grid)> {
    if comparison.dense_tasks.is_empty() {
        return Vec::new();
    }
    let columns = columns(&comparison.dense_tasks);
    let sparsities = comparison.sparsities.iter().enumerate();
    sparsities
        .map(|(place, sparsity)| {
            let title = format!("At {}", plain_percent(*sparsity));
            (title, grid(comparison, &columns, place))
        })
        .collect()
}

fn grid(comparison: &Comparison, columns: &[Column], sparsity: usize) -> Grid {
    let found = |row: usize| -> &[TaskResult] {
        match comparison.rows[row].cells.get(sparsity).map(|cell| &cell.result) {
            Some(CellResult::Measured { tasks, .. }) => tasks,
            Some(CellResult::Problem(_)) | None => &[],
        }
    };
    let rows = 0..comparison.rows.len();
    let mut lines: Vec<Line> = rows
        .clone()
        .map(|row| {
            let perplexity = comparison.rows[row].cells.get(sparsity).and_then(|cell| cell.damage());
            let perplexity = perplexity.map_or_else(|| "–".to_owned(), |it| number(it.perplexity));
            Line {
                class: "published",
                cells: vec![Field::new(label(&comparison.rows[row])), Field::new(perplexity)],
            }
        })
        .collect();
    let dense = ["dense".to_owned(), number(comparison.dense_perplexity)].map(Field::new);
    let mut head_line = Line { class: "dense", cells: dense.into() };
    for column in columns {
        let text = |values: &[Vec<f64>]| {
            let Estimate { value, error } = estimate(values);
            let decimals = column.decimals;
            match error {
                Some(error) => format!("{value:.decimals$} ± {error:.decimals$}"),
                None => format!("{value:.decimals$}"),
            }
        };
        let dense = column.values(&comparison.dense_tasks).map_or_else(String::new, |it| text(&it));
        head_line.cells.push(Field::new(dense));
        let values: Vec<Option<Vec<Vec<f64>>>> = rows.clone().map(|row| column.values(found(row))).collect();
        let value = |row: usize| values[row].as_deref().map(|it| estimate(it).value);
        let highest = rows.clone().filter_map(value).fold(f64::NEG_INFINITY, f64::max);
        let best =
            rows.clone().find(|row| value(*row) == Some(highest)).and_then(|row| values[row].as_deref());
        for (line, of) in lines.iter_mut().zip(&values) {
            line.cells.push(match of {
                None => Field::new("–"),
                Some(of) if estimate(of).value == highest => Field { text: text(of), best: true },
                Some(of) if best.is_some_and(|best| is_noise(best, of)) => {
                    Field::new(format!("{} ≈", text(of)))
                }
                Some(of) => Field::new(text(of)),
            });
        }
    }
    lines.insert(0, head_line);
    let head = ["allocation", "perplexity"].map(str::to_owned);
    let head: Vec<String> = head.into_iter().chain(columns.iter().map(|it| it.title.clone())).collect();
    Grid {
        numbers: (0..head.len()).map(|column| column > 0).collect(),
        rows: lines,
        flexible: Flexible::Name(0),
        head,
    }
}
