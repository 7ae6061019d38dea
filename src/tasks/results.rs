//! Results of tasks: for each document, each subject, and each task.

use serde::{Deserialize, Serialize};

use super::description::Metric;
use super::prompts::Asked;
use super::statistics::{Estimate, PairedDifference, mean, mean_of_tasks, paired, perplexity, pooled};

/// The result of a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DocumentResult {
    /// Its line in its file, from 1.
    pub line: usize,
    /// The first digits of the SHA-256 of all its prompts and continuations.
    pub prompt: String,
    /// The index of the right choice, if there are choices.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub right: Option<usize>,
    /// The first digits of the SHA-256 of the right answer.
    pub right_hash: String,
    /// The log-likelihood of each continuation, in nats.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub log_likelihoods: Vec<f64>,
    /// Whether each continuation is the model's greedy continuation.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub greedy: Vec<bool>,
    /// For each sequence, the numbers of tokens of the context and of the continuation.
    pub tokens: Vec<[usize; 2]>,
    /// Number of its sequences that were cut on the left because they were longer than the context.
    pub cut: usize,
    /// Log-likelihood of the right choice minus that of the most likely other one, in nats.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub margin: Option<f64>,
    /// The text that the model generated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub answer: Option<String>,
    /// The document's value in each metric: 1 for right and 0 for wrong, or a log-likelihood.
    pub reported: Vec<Reported>,
}

/// A document's value in a metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Reported {
    /// The metric.
    pub metric: Metric,
    /// The extraction that found the result in an answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// The value.
    pub value: f64,
}

/// A metric over all documents of a task or a subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MetricResult {
    /// The metric.
    pub metric: Metric,
    /// The extraction that finds results in answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The value and its error.
    #[serde(flatten)]
    pub estimate: Estimate,
}

impl MetricResult {
    /// Returns the metric's name, with the name of the extraction: `exact_match,strict-match`.
    pub fn label(&self) -> String {
        match &self.name {
            Some(name) => format!("{},{name}", self.metric.name()),
            None => self.metric.name().to_owned(),
        }
    }
}

/// The result of a task's subject, or of a task without subjects.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PartResult {
    /// The subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Number of documents.
    pub documents: usize,
    /// The metrics.
    pub metrics: Vec<MetricResult>,
    /// The result of each document, in order.
    #[serde(skip)]
    pub results: Vec<DocumentResult>,
}

/// The result of a group of subjects.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GroupResult {
    /// Its name.
    pub group: String,
    /// Number of documents.
    pub documents: usize,
    /// The metrics: means of the subjects, weighted by size.
    pub metrics: Vec<MetricResult>,
}

/// The result of a task.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TaskResult {
    /// Its name.
    pub task: String,
    /// The version of its definition.
    pub version: String,
    /// Number of examples in a prompt.
    pub shots: usize,
    /// Number of documents.
    pub documents: usize,
    /// Number of sequences that were cut on the left.
    pub cut: usize,
    /// The first tokens of the first sequence, which show how prompts begin.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub first_ids: Vec<u32>,
    /// Whether the model generated its answers, instead of choosing.
    pub written: bool,
    /// The metrics; with subjects, their means weighted by size.
    pub metrics: Vec<MetricResult>,
    /// The mean margin: log-likelihood of the right choice minus that of the most likely other one, in nats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin: Option<Estimate>,
    /// The measured groups of subjects, in the order of the description.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupResult>,
    /// The subjects, or the task itself.
    pub parts: Vec<PartResult>,
}

impl PartResult {
    /// Combines the results of a subject's documents.
    pub fn new(asked: &Asked, subject: Option<String>, results: Vec<DocumentResult>) -> Self {
        let mut metrics: Vec<MetricResult> = Vec::new();
        let Some(first) = results.first() else {
            return Self { subject, documents: 0, metrics, results };
        };
        for (place, reported) in first.reported.iter().enumerate() {
            if asked.task.metrics.contains(&reported.metric) {
                let values: Vec<f64> = results.iter().map(|it| it.reported[place].value).collect();
                let estimate = over_documents(reported.metric, &values);
                metrics.push(MetricResult { metric: reported.metric, name: reported.name.clone(), estimate });
            }
        }
        Self { subject, documents: results.len(), metrics, results }
    }
}

impl TaskResult {
    /// Combines the parts of a task.
    pub fn new(asked: &Asked, parts: Vec<PartResult>, first_ids: Vec<u32>) -> Self {
        let all: Vec<&PartResult> = parts.iter().collect();
        let groups = asked.task.groups.iter().map(|(group, subjects)| {
            let within = |part: &&PartResult| part.subject.as_ref().is_some_and(|it| subjects.contains(it));
            let of: Vec<&PartResult> = parts.iter().filter(within).collect();
            let documents = of.iter().map(|part| part.documents).sum();
            GroupResult { group: group.clone(), documents, metrics: over_parts(&of) }
        });
        let margins: Vec<f64> =
            parts.iter().flat_map(|part| &part.results).filter_map(|it| it.margin).collect();
        Self {
            task: asked.task.name.clone(),
            version: asked.task.version.clone(),
            shots: asked.shots,
            documents: asked.documents(),
            cut: parts.iter().flat_map(|part| &part.results).map(|it| it.cut).sum(),
            first_ids,
            written: asked.task.generation.is_some(),
            metrics: over_parts(&all),
            groups: groups.filter(|group| group.documents > 0).collect(),
            margin: (!margins.is_empty()).then(|| mean(&margins)),
            parts,
        }
    }

    /// Reassembles a task from its documents, as [`TaskResult::results`] returns them; the first tokens are
    /// then unknown.
    pub fn of_documents(
        asked: &Asked,
        documents: impl Iterator<Item = (Option<String>, DocumentResult)>,
    ) -> Self {
        let mut parts: Vec<(Option<String>, Vec<DocumentResult>)> = Vec::new();
        for (subject, result) in documents {
            match parts.last_mut() {
                Some((last, results)) if *last == subject => results.push(result),
                _ => parts.push((subject, vec![result])),
            }
        }
        let part = |(subject, results)| PartResult::new(asked, subject, results);
        Self::new(asked, parts.into_iter().map(part).collect(), Vec::new())
    }

    /// Returns a metric's value; with several extractions, the first one's.
    pub fn metric(&self, metric: Metric) -> Option<Estimate> {
        self.metrics.iter().find(|it| it.metric == metric).map(|it| it.estimate)
    }

    /// Returns the documents of all subjects, in order.
    pub fn results(&self) -> impl Iterator<Item = (Option<&str>, &DocumentResult)> {
        self.parts.iter().flat_map(|part| part.results.iter().map(|it| (part.subject.as_deref(), it)))
    }
}

/// Returns the metrics over subjects: means weighted by size.
fn over_parts(parts: &[&PartResult]) -> Vec<MetricResult> {
    let full = || parts.iter().filter(|part| part.documents > 0);
    let metrics = full().next().map_or(&[][..], |part| &part.metrics[..]);
    let over = |(place, metric): (usize, &MetricResult)| {
        let estimates: Vec<(Estimate, usize)> =
            full().map(|part| (part.metrics[place].estimate, part.documents)).collect();
        let estimate = match &estimates[..] {
            [(one, _)] => *one,
            several => pooled(several),
        };
        MetricResult { estimate, ..metric.clone() }
    };
    metrics.iter().enumerate().map(over).collect()
}

/// Returns a metric over documents.
fn over_documents(metric: Metric, values: &[f64]) -> Estimate {
    match metric {
        Metric::Perplexity => perplexity(values),
        Metric::Accuracy | Metric::NormalisedAccuracy | Metric::ByteAccuracy | Metric::ExactMatch => {
            mean(values)
        }
    }
}

/// The result of a task, without its documents and subjects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TaskScore {
    /// Its name.
    pub task: String,
    /// Number of documents.
    pub documents: usize,
    /// The metrics.
    pub metrics: Vec<MetricResult>,
    /// The mean margin: log-likelihood of the right choice minus that of the most likely other one, in nats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<Estimate>,
}

impl From<&TaskResult> for TaskScore {
    fn from(result: &TaskResult) -> Self {
        Self {
            task: result.task.clone(),
            documents: result.documents,
            metrics: result.metrics.clone(),
            margin: result.margin,
        }
    }
}

/// The two means that papers report; they differ if a task has a normalised accuracy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Means {
    /// The mean of `acc` over the tasks that have it.
    pub acc: Estimate,
    /// The mean of `acc_norm`, or of `acc` for tasks without `acc_norm`.
    pub acc_norm: Estimate,
    /// Number of tasks in the means.
    pub tasks: usize,
}

/// Returns the means over tasks with an accuracy; `None` if fewer than two have one.
pub fn means(tasks: &[TaskResult]) -> Option<Means> {
    let plain: Vec<Estimate> = tasks.iter().filter_map(|task| task.metric(Metric::Accuracy)).collect();
    let with_norm = tasks
        .iter()
        .filter_map(|task| task.metric(Metric::NormalisedAccuracy).or_else(|| task.metric(Metric::Accuracy)));
    let normalised: Vec<Estimate> = with_norm.collect();
    let (acc, acc_norm) = (mean_of_tasks(&plain), mean_of_tasks(&normalised));
    (plain.len() > 1).then_some(Means { acc, acc_norm, tasks: plain.len() })
}

/// The difference of a task's result from an earlier one on the same documents.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TaskDifference {
    /// The task.
    pub task: String,
    /// The metric's name, or `margin`.
    pub metric: String,
    /// The difference.
    #[serde(flatten)]
    pub difference: PairedDifference,
}

/// Returns the differences of a task from an earlier measurement of the same documents, given in the same
/// order.
pub fn differences(now: &TaskResult, before: &[&DocumentResult]) -> Vec<TaskDifference> {
    let after: Vec<&DocumentResult> = now.results().map(|(_, it)| it).collect();
    let mut all = Vec::new();
    let mut push = |metric: String, before: Option<Vec<f64>>, after: Option<Vec<f64>>| {
        let difference = before.zip(after).and_then(|(before, after)| paired(&before, &after));
        all.extend(difference.map(|difference| TaskDifference {
            task: now.task.clone(),
            metric,
            difference,
        }));
    };
    for metric in &now.metrics {
        let of = |results: &[&DocumentResult]| -> Option<Vec<f64>> {
            let value = |it: &&DocumentResult| {
                let found =
                    it.reported.iter().find(|it| it.metric == metric.metric && it.name == metric.name);
                found.map(|it| it.value)
            };
            results.iter().map(value).collect()
        };
        let label = match metric.metric {
            // The pairs compare log-likelihoods, from which perplexity is computed.
            Metric::Perplexity => "log-likelihood".to_owned(),
            _ => metric.label(),
        };
        push(label, of(before), of(&after));
    }
    let margins =
        |results: &[&DocumentResult]| results.iter().map(|it| it.margin).collect::<Option<Vec<f64>>>();
    push("margin".to_owned(), margins(before), margins(&after));
    all
}
