//! The tables of task results, and of their differences from earlier results.

use super::TableOptions;
use super::grid::{Field, Flexible, Grid, Line};
use super::number::{grouped, significant};
use crate::tasks::statistics::Estimate;
use crate::tasks::{Metric, Protocol, TaskReport, TaskResult};

/// Returns the tables for a terminal.
pub fn text(report: &TaskReport, options: &TableOptions) -> String {
    let mut text = format!("{}\n\n{}", caption(report), results(report).text(options));
    for line in means(report) {
        text.push_str(&line);
        text.push('\n');
    }
    if !report.differences.is_empty() {
        text.push_str(&format!("\n{}{PAIRED}\n", differences(report).text(options)));
    }
    text
}

const PAIRED: &str = "\
after minus before on the same documents, and the 95 % interval of the mean difference; it is noise if the interval contains 0";

/// Returns the protocol under which the model was scored.
fn caption(report: &TaskReport) -> String {
    let about = &report.about;
    let begins = match (about.protocol, about.special_tokens.before.is_empty()) {
        (Protocol::Wanda, _) => "no token before a prompt".to_owned(),
        (Protocol::Harness, true) => "the tokenizer puts no token before a prompt".to_owned(),
        (Protocol::Harness, false) => {
            format!("{} before a prompt", about.special_tokens.before_text.join(" "))
        }
    };
    format!(
        "protocol {}: {begins}; sequences of at most {} tokens, cut on their left",
        about.protocol.name(),
        grouped(about.longest as u64)
    )
}

fn estimate(estimate: Estimate) -> String {
    match estimate.error {
        Some(error) => format!("{:.4} ± {error:.4}", estimate.value),
        None => format!("{:.4}", estimate.value),
    }
}

fn results(report: &TaskReport) -> Grid {
    let head = ["task", "version", "shots", "documents", "metric", "value", "margin"];
    let mut rows = Vec::new();
    for task in &report.tasks {
        for (place, metric) in task.metrics.iter().enumerate() {
            let once = |text: String| Field::new(if place == 0 { text } else { String::new() });
            let cells = vec![
                once(task.task.clone()),
                once(task.version.clone()),
                once(task.shots.to_string()),
                once(grouped(task.documents as u64)),
                Field::new(metric.label()),
                Field::new(match metric.metric {
                    Metric::Perplexity => wide(metric.estimate),
                    _ => estimate(metric.estimate),
                }),
                once(margin(task)),
            ];
            rows.push(Line { class: "task", cells });
        }
        for group in &task.groups {
            for (place, metric) in group.metrics.iter().enumerate() {
                let once = |text: String| Field::new(if place == 0 { text } else { String::new() });
                let cells = vec![
                    once(format!("  {}", group.group)),
                    Field::new(String::new()),
                    Field::new(String::new()),
                    once(grouped(group.documents as u64)),
                    Field::new(metric.label()),
                    Field::new(estimate(metric.estimate)),
                    Field::new(String::new()),
                ];
                rows.push(Line { class: "group", cells });
            }
        }
    }
    Grid {
        numbers: vec![false, true, true, true, false, true, true],
        rows,
        flexible: Flexible::Name(0),
        head: head.map(str::to_owned).into(),
    }
}

/// Returns a value of any magnitude with its error.
fn wide(estimate: Estimate) -> String {
    let number = |it| significant(it, 4);
    match estimate.error {
        Some(error) => format!("{} ± {}", number(estimate.value), number(error)),
        None => number(estimate.value),
    }
}

fn margin(task: &TaskResult) -> String {
    match task.margin {
        None => String::new(),
        Some(Estimate { value, error: Some(error) }) => format!("{value:.2} ± {error:.2}"),
        Some(Estimate { value, error: None }) => format!("{value:.2}"),
    }
}

/// Returns the two means, which papers often confuse.
fn means(report: &TaskReport) -> Vec<String> {
    let Some(means) = &report.means else { return Vec::new() };
    let with = |task: &&TaskResult| task.metric(Metric::NormalisedAccuracy).is_some();
    let with: Vec<&str> = report.tasks.iter().filter(with).map(|task| task.task.as_str()).collect();
    let mut lines = vec![format!("mean acc of {} tasks: {}", means.tasks, estimate(means.acc))];
    if !with.is_empty() {
        lines.push(format!(
            "mean acc_norm*: {} (acc_norm for {})",
            estimate(means.acc_norm),
            with.join(", ")
        ));
    }
    lines
}

fn differences(report: &TaskReport) -> Grid {
    let head = ["task", "metric", "difference", "95 % interval", "changed", ""];
    let rows = report.differences.iter().map(|it| {
        let found = &it.difference;
        let cells = [
            it.task.clone(),
            it.metric.clone(),
            format!("{:+.4}", found.mean),
            format!("{:+.4} to {:+.4}", found.low, found.high),
            format!("{} of {}", grouped(found.changed as u64), grouped(found.documents as u64)),
            if found.noise { "noise".to_owned() } else { String::new() },
        ];
        Line { class: "difference", cells: cells.into_iter().map(Field::new).collect() }
    });
    Grid {
        numbers: vec![false, false, true, true, true, false],
        rows: rows.collect(),
        flexible: Flexible::Name(0),
        head: head.map(str::to_owned).into(),
    }
}
