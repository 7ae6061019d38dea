//! `allot tasks`: accuracy by the rules of lm-evaluation-harness.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::cli::shared::asked::{Rules, task_file};
use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::dry_run::{DryRun, Outline};
use crate::cli::shared::error::CliError;
use crate::cli::shared::progress::Progress;
use crate::cli::shared::pruned::PrunedArguments;
use crate::cli::shared::{context, model, output, terminal};
use crate::forecast::Work;
use crate::json::DocumentKind;
use crate::model::Tokenizer;
use crate::report::{TableOptions, tasks as tables};
use crate::tasks::log::{Earlier, write};
use crate::tasks::{About, Asked, Asking, Purpose, SHOT_SEED, Selection, TaskReport, ask, builtin, named};

/// Measures accuracy on tasks with given or written answers, by the rules of lm-evaluation-harness
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Tasks: boolq, rte, hellaswag, winogrande, arc_easy, arc_challenge, openbookqa (together `seven`),
piqa, lambada_openai, mmlu, gsm8k (with the seven `all`), or a file that describes a task.

Examples:
  allot tasks MODEL --tasks seven --data DATA
  allot tasks MODEL --tasks mmlu --shots 5 --data DATA --format json
  allot tasks MODEL --tasks gsm8k --shots-from gsm8k=train.jsonl --data DATA --limit 100
  allot tasks MODEL --tasks boolq,my.yaml --data DATA --protocol wanda --out dense.jsonl
  allot tasks MODEL --tasks boolq --data DATA --allocation A.json --stats S.safetensors --against dense.jsonl
  allot tasks MODEL --tasks mmlu,gsm8k --data DATA --dry-run
  allot tasks --describe boolq"
)]
pub(in crate::cli) struct Arguments {
    /// The model: a folder in Hugging Face's layout, or an id in the hub, `OWNER/NAME`
    #[arg(required_unless_present = "describe")]
    model: Option<PathBuf>,
    /// The tasks, separated by commas: names, `seven`, `all`, or files that describe a task
    #[arg(long, value_name = "NAMES", value_delimiter = ',', required_unless_present = "describe")]
    tasks: Vec<String>,
    /// Folder with the tasks' documents; `allot tasks --describe TASK` names the files that a task looks for
    #[arg(long, value_name = "FOLDER", required_unless_present = "describe")]
    data: Option<PathBuf>,
    /// Number of examples before each question (default: set by the task, 5 for gsm8k and 0 for the others)
    #[arg(long, value_name = "COUNT")]
    shots: Option<usize>,
    /// Takes a task's examples from this file instead of the task's own file in the folder
    #[arg(long, value_name = "TASK=FILE", value_parser = task_file)]
    shots_from: Vec<(String, PathBuf)>,
    /// Seed for drawing the examples
    #[arg(long, default_value_t = SHOT_SEED)]
    shots_seed: u32,
    /// Largest number of documents of each task, or of each subject of a task, counted from the first one
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
    /// Protocol: `harness` starts prompts as the tokenizer does, `wanda` never adds a token at the start
    #[arg(long, value_enum, default_value_t = Rules::Harness)]
    protocol: Rules,
    /// Longest sequence in tokens; longer ones are cut on the left (default: the model's context)
    #[arg(long, value_name = "TOKENS")]
    max_length: Option<usize>,
    /// Number of tokens that the model reads at a time; results on the processor do not depend on it
    #[arg(long, value_name = "TOKENS", default_value_t = crate::tasks::ROWS)]
    batch: usize,
    #[command(flatten)]
    pruned: PrunedArguments,
    /// Output file for the result of every document, as JSON lines
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Compares with an earlier measurement, document by document: a file written by `--out`
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Overwrites an existing output file
    #[arg(long, requires = "out")]
    force: bool,
    /// Prints the description of a built-in task, as a start for your own
    #[arg(long, value_name = "TASK", exclusive = true)]
    describe: Option<String>,
    #[command(flatten)]
    dry_run: DryRun,
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    if let Some(name) = &arguments.describe {
        let text = builtin::text(name).ok_or_else(|| CliError::NoTask { name: name.clone() })?;
        output::print(text)?;
        return Ok(Verdict::Fine);
    }
    let (Some(folder), Some(data)) = (&arguments.model, &arguments.data) else { return Ok(Verdict::Fine) };
    // Wrong files are reported before the model is opened.
    let selection = Selection {
        data: data.clone(),
        shots: arguments.shots,
        shot_files: arguments.shots_from.iter().cloned().collect::<BTreeMap<_, _>>(),
        limit: arguments.limit,
        seed: Some(arguments.shots_seed),
        purpose: Purpose::All,
    };
    let asked: Vec<Asked> = named(&arguments.tasks)?
        .into_iter()
        .map(|task| Asked::read(task, &selection))
        .collect::<Result<_, _>>()?;
    if arguments.dry_run.dry_run {
        return forecast(arguments, folder, &asked, common);
    }
    let earlier = match &arguments.against {
        Some(path) => Some((path, Earlier::read(path)?)),
        None => None,
    };
    let mut report = measured(arguments, folder, &asked, common)?;
    if let Some((path, earlier)) = &earlier {
        report.compare(path, earlier)?;
    }
    if let Some(path) = &arguments.out {
        output::write_file(path, write(&report.about, &report.tasks)?.as_bytes())?;
    }
    show(&report, common)?;
    Ok(Verdict::Fine)
}

/// Prints the resources that the command would take.
fn forecast(
    arguments: &Arguments,
    folder: &std::path::Path,
    asked: &[Asked],
    common: Common,
) -> Result<Verdict, CliError> {
    let outline = Outline::read(folder)?;
    let mut work = vec![(Work::Check, 1)];
    work.extend(arguments.pruned.work(&outline)?);
    work.push((outline.answers(asked, &asking(arguments))?, 1));
    outline.show(&work, None, None, common)
}

/// Returns the settings for asking the model.
fn asking(arguments: &Arguments) -> Asking<'static> {
    Asking {
        protocol: arguments.protocol.into(),
        longest: arguments.max_length,
        rows: arguments.batch,
        // Nothing is written until the end, so Ctrl-C may end the process at any point.
        interrupt: None,
    }
}

fn measured(
    arguments: &Arguments,
    folder: &std::path::Path,
    asked: &[Asked],
    common: Common,
) -> Result<TaskReport, CliError> {
    let checkpoint = model::open(folder, common)?;
    let tokenizer = Tokenizer::open(&checkpoint)?;
    model::warn_of_texts(Some(tokenizer.special_tokens()), common.quiet);
    let protocol = arguments.protocol.into();
    let decoder = arguments.pruned.decoder(checkpoint.clone(), common.quiet)?;
    let mut about = About::new(&checkpoint, tokenizer.special_tokens().clone(), protocol);
    about.longest = arguments.max_length.unwrap_or(about.longest);
    about.seed = arguments.shots_seed;
    if let Some(path) = &arguments.pruned.allocation {
        about.allocation = Some(path.display().to_string());
        about.method = Some(arguments.pruned.method.clone());
        about.pruned = true;
    }
    let bar = Progress::new("tasks", common.quiet);
    let tasks = ask(&decoder, tokenizer, asked, asking(arguments), &mut |share| bar.at(share))?;
    bar.done();
    Ok(TaskReport::new(about, tasks))
}

fn show(report: &TaskReport, common: Common) -> Result<(), CliError> {
    for warning in &report.warnings {
        context::keep(&warning.to_string());
    }
    match common.format {
        Format::Json => output::print_json(DocumentKind::Tasks, report)?,
        Format::Text => {
            let color = terminal::styled(&std::io::stdout());
            let options = TableOptions { width: terminal::width(), color, ascii: false };
            output::print(&tables::text(report, &options))?;
        }
    }
    for warning in report.warnings.iter().filter(|_| !common.quiet) {
        terminal::message(&format!("warning: {warning}\n"));
    }
    Ok(())
}
