//! The columns that reported tasks add to the final table: accuracies, their means, and margins.

use super::column::{Column, Measured};
use crate::report::number::plain_percent;
use crate::search::summary::{Summary, Winner};
use crate::tasks::statistics::{Estimate, mean_of_tasks};
use crate::tasks::{Metric, TaskScore};

/// The note on the numbers of tasks.
pub(super) const NOTE: &str = "± of a task is its standard error over documents or, for several seeds, the standard deviation over them; the margin is the log-likelihood of the right choice minus that of the likeliest other one, in nats";

/// Returns whether tasks are reported.
pub(super) fn are_reported(summary: &Summary) -> bool {
    summary.settings.iter().any(|setting| !setting.dense_tasks.is_empty())
}

/// Returns the columns of each setting: the tasks, the mean of the accuracies, and the mean of the margins.
pub(super) fn columns(summary: &Summary) -> Vec<Column> {
    let mut columns = Vec::new();
    for setting in summary.settings.iter().filter(|setting| !setting.dense_tasks.is_empty()) {
        let place = match summary.settings.len() {
            1 => "tasks".to_owned(),
            _ => format!("tasks, {} at {}", setting.model, plain_percent(setting.target)),
        };
        for (title, decimals, _) in numbers(&setting.dense_tasks) {
            columns.push(Column { title, highest: true, setting: Some(place.clone()), decimals });
        }
    }
    columns
}

/// Returns the numbers of the dense model, column by column.
pub(super) fn dense(summary: &Summary) -> impl Iterator<Item = Option<Measured>> {
    let tasks = summary.settings.iter().map(|setting| &setting.dense_tasks);
    tasks.flat_map(|tasks| numbers(tasks)).map(|(_, _, estimate)| Some(measured(estimate)))
}

/// Returns the numbers of winners, column by column: a single winner's own, or the mean over several.
pub(super) fn values(summary: &Summary, winners: &[&Winner]) -> Vec<Option<Measured>> {
    let mut values = Vec::new();
    for (place, setting) in summary.settings.iter().enumerate() {
        let found: Vec<_> =
            winners.iter().filter_map(|it| it.tasks.get(place)).map(|it| numbers(it)).collect();
        for column in 0..numbers(&setting.dense_tasks).len() {
            let estimates: Vec<Estimate> =
                found.iter().filter_map(|numbers| Some(numbers.get(column)?.2)).collect();
            values.push(match estimates[..] {
                [one] => Some(measured(one)),
                _ => Measured::over(&estimates.iter().map(|it| it.value).collect::<Vec<_>>()),
            });
        }
    }
    values
}

const fn measured(estimate: Estimate) -> Measured {
    Measured { mean: estimate.value, deviation: estimate.error }
}

/// Returns titles, decimals and values of task results.
fn numbers(tasks: &[TaskScore]) -> Vec<(String, usize, Estimate)> {
    let of =
        |task: &TaskScore, metric| task.metrics.iter().find(|it| it.metric == metric).map(|it| it.estimate);
    let first = |task: &TaskScore| {
        let metric = task.metrics.first()?;
        let title = match metric.metric {
            Metric::Accuracy => task.task.clone(),
            other => format!("{} {}", task.task, other.name()),
        };
        Some((title, 4, metric.estimate))
    };
    let mut numbers: Vec<_> = tasks.iter().filter_map(first).collect();
    let mut mean_of = |title: &str, decimals, estimates: Vec<Estimate>, fewest| {
        if estimates.len() >= fewest {
            numbers.push((title.to_owned(), decimals, mean_of_tasks(&estimates)));
        }
    };
    let plain = |task: &TaskScore| of(task, Metric::Accuracy);
    let normalised = |task: &TaskScore| of(task, Metric::NormalisedAccuracy).or_else(|| plain(task));
    mean_of("mean acc", 4, tasks.iter().filter_map(plain).collect(), 2);
    if tasks.iter().any(|task| of(task, Metric::NormalisedAccuracy).is_some()) {
        mean_of("mean acc_norm*", 4, tasks.iter().filter_map(normalised).collect(), 2);
    }
    mean_of("margin", 2, tasks.iter().filter_map(|task| task.margin).collect(), 1);
    numbers
}
