//! Task options of `compare` and `search`.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::tasks::{Protocol, Purpose, Selection, TaskPlan};

/// The documents of tasks, and how they are asked.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Tasks")]
pub(in crate::cli) struct TaskArguments {
    /// Folder with the tasks' documents; `allot tasks --describe TASK` names the files that a task looks for
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Number of examples before each question (default: set by the task, 5 for gsm8k and 0 for the others)
    #[arg(long, value_name = "COUNT")]
    shots: Option<usize>,
    /// Takes a task's examples from this file instead of the task's own file in the folder
    #[arg(long, value_name = "TASK=FILE", value_parser = task_file)]
    shots_from: Vec<(String, PathBuf)>,
    /// Largest number of documents of each task, or of each subject of a task, counted from the first one
    #[arg(long, value_name = "COUNT", value_parser = super::values::count)]
    limit: Option<usize>,
    /// Protocol: `harness` starts prompts as the tokenizer does, `wanda` never adds a token at the start
    #[arg(long, value_enum, default_value_t = Rules::Harness)]
    protocol: Rules,
}

/// The rules that prompts follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Rules {
    /// The current lm-evaluation-harness
    Harness,
    /// lm-evaluation-harness 0.3, used by Wanda and most papers up to 2025
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
    /// Returns the plan for some tasks; `None` if there are none. The table of rules ensures that tasks come with a folder.
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

/// Parses a task and the file of its examples.
pub(in crate::cli) fn task_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((task, file)) if !task.is_empty() && !file.is_empty() => Ok((task.to_owned(), file.into())),
        _ => Err("write a task and a file, such as `gsm8k=train.jsonl`".to_owned()),
    }
}
