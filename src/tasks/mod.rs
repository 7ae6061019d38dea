//! Tasks: accuracy as lm-evaluation-harness defines it.
//!
//! A [`Task`] is described by a file: the documents that it reads, the question that it asks, and the right
//! answer. Built-in tasks are such files too.

pub mod builtin;
mod cost;
pub mod description;
mod documents;
mod encode;
mod error;
mod extract;
mod generate;
pub mod log;
mod loss;
mod named;
mod parquet;
pub mod plan;
mod prompts;
mod purpose;
mod python_random;
mod questions;
mod report;
mod results;
mod run;
mod score;
pub mod statistics;
pub mod template;

pub use cost::Cost;
pub use description::{Metric, Task};
pub use documents::Document;
pub use encode::{EncodeError, Encoder, Pair, Protocol};
pub use error::{DocumentProblem, TaskError};
pub use generate::{Writing, answers, continued};
pub use loss::{ScoredDocument, document_losses, scored_documents};
pub use named::named;
pub use plan::TaskPlan;
pub use prompts::{Asked, Prompt, Prompts, SHOT_SEED, Selection};
pub use purpose::Purpose;
pub use python_random::PythonRandom;
pub use questions::Question;
pub use report::{About, TaskReport, TaskWarning};
pub use results::{
    DocumentResult, GroupResult, Means, MetricResult, PartResult, Reported, TaskDifference, TaskResult,
    TaskScore, differences, means,
};
pub use run::{Asking, ROWS, ask};
pub use score::{Likelihood, Request, likelihoods};
