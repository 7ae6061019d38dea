//! Tasks that pruned models are asked, as `compare` and `search` take them.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::tasks::{Protocol, Purpose, Selection, TaskPlan};

/// Where the documents of tasks are, and how they are asked.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Tasks")]
pub(in crate::cli) struct TaskArguments {
    /// The folder of the tasks' documents; each description names the files that it looks for
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// How many examples stand before a question (default: as the task says, 5 for gsm8k and none for the others)
    #[arg(long, value_name = "COUNT")]
    shots: Option<usize>,
    /// Where a task's examples come from, instead of its own file in the folder
    #[arg(long, value_name = "TASK=FILE", value_parser = task_file)]
    shots_from: Vec<(String, PathBuf)>,
    /// The most documents of each task, and of each subject of one, from the first on
    #[arg(long, value_name = "COUNT", value_parser = super::values::count)]
    limit: Option<usize>,
    /// Whose rules: `harness` begins prompts as the tokenizer says, `wanda` never with a token of its own
    #[arg(long, value_enum, default_value_t = Rules::Harness)]
    protocol: Rules,
}

/// Whose rules prompts follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Rules {
    /// Today's lm-evaluation-harness
    Harness,
    /// Version 0.3, by which Wanda and most papers up to 2025 report
    Wanda,
}

impl From<Rules> for Protocol {
    fn from(rules: Rules) -> Self {
        match rules {
            Rules::Harness => Self::Harness,
            Rules::Wanda => Self::Wanda,
        }
    }
}

impl TaskArguments {
    /// Returns how some tasks are asked; `None` where there are none. The folder is there then: the table of refusals asks for it.
    pub(in crate::cli) fn plan(&self, tasks: &[String]) -> Option<TaskPlan> {
        let data = self.data.clone().filter(|_| !tasks.is_empty())?;
        Some(TaskPlan {
            tasks: tasks.to_vec(),
            protocol: self.protocol.into(),
            selection: Selection {
                data,
                shots: self.shots,
                shot_files: self.shots_from.iter().cloned().collect(),
                limit: self.limit,
                seed: None,
                purpose: Purpose::All,
            },
        })
    }
}

/// Reads a task and the file of its examples.
pub(in crate::cli) fn task_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((task, file)) if !task.is_empty() && !file.is_empty() => Ok((task.to_owned(), file.into())),
        _ => Err("write a task and a file, such as `gsm8k=train.jsonl`".to_owned()),
    }
}
