//! `allot snapshot`: records a script's formula and ratios, and checks them later.

use std::path::{Path, PathBuf};

use crate::cli::shared::calibration::EvaluationArguments;
use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::dry_run::{DryRun, Outline};
use crate::cli::shared::error::CliError;
use crate::cli::shared::output;
use crate::cli::shared::scripts::WrittenScript;
use crate::forecast::Work;
use crate::json::DocumentKind;
use crate::snapshot::compare::compare;
use crate::snapshot::{self, Snapshot, text};

/// Records a script's formula, hash and ratios on a model in a file, or checks that they still equal such a file
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot snapshot best.allot --model MODEL --stats S.safetensors --sparsity 0.5,0.6,0.7 --out best.snap
  allot snapshot best.allot --model MODEL --stats S.safetensors --check best.snap
  allot snapshot owl --model MODEL --text calibration.jsonl --length 256 --sparsity 0.7
  allot snapshot best.allot --model MODEL --stats S.safetensors --check best.snap --tolerance 0.001 --format json

A check exits with 0 if nothing differs, and with 1 if the formula or a ratio differs, or if the snapshot is of another model or other
statistics; it prints the differences. Give it the options that the snapshot was made with, except the sparsities, which the file holds.
Without --out, the snapshot is printed. With --format json it is printed as JSON, which a check can read too.")]
pub(in crate::cli) struct Arguments {
    /// The script: a file, `-` for standard input, or the name of a published script
    #[arg(required_unless_present = "expression")]
    script: Option<String>,
    #[command(flatten)]
    written: WrittenScript,
    /// The model: a folder in Hugging Face's layout, or an id in the hub, `OWNER/NAME`
    #[arg(long)]
    model: PathBuf,
    /// The target sparsities, from 0 to 1, separated by commas: the shares of all weights in the blocks' linears to prune
    #[arg(long, short, value_name = "RATIO", allow_negative_numbers = true, value_parser = crate::cli::shared::values::ratio, value_delimiter = ',', required_unless_present = "check")]
    sparsity: Vec<f64>,
    #[command(flatten)]
    evaluation: EvaluationArguments,
    /// Output file, instead of standard output
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Overwrites an existing output file
    #[arg(long)]
    force: bool,
    /// Compares with the snapshot in this file instead of writing one
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
    /// Largest difference allowed between a unit's ratio and the snapshot's; a difference of one weight is always allowed, as
    /// processors differ in the last digits
    #[arg(long, value_name = "RATIO", allow_negative_numbers = true, value_parser = crate::cli::shared::values::ratio, default_value_t = 1e-6)]
    tolerance: f64,
    #[command(flatten)]
    dry_run: DryRun,
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    let before = arguments.check.as_deref().map(read).transpose()?;
    let sparsities = match &before {
        Some(before) => before.sparsities(),
        None => arguments.sparsity.clone(),
    };
    let twice = |place: &usize| sparsities[..*place].contains(&sparsities[*place]);
    if let Some(place) = (0..sparsities.len()).find(twice) {
        return Err(CliError::SparsityTwice { sparsity: sparsities[place] });
    }
    let named = arguments.written.or(arguments.script.as_deref());
    let loaded = named.load(arguments.evaluation.unit, common.quiet)?;
    if arguments.dry_run.dry_run {
        let outline = Outline::read(&arguments.model)?;
        let mut work = vec![(Work::Check, 1)];
        work.extend(arguments.evaluation.work(&outline, &loaded)?);
        return outline.show(&work, arguments.evaluation.memory(), None, common);
    }
    let now = arguments.evaluation.snapshot(&arguments.model, &loaded, &sparsities, common)?;
    match (before, &arguments.check) {
        (Some(before), Some(path)) => check(&before, &now, path, arguments, common),
        _ => write(&now, arguments, common),
    }
}

/// Reads a snapshot.
fn read(path: &Path) -> Result<Snapshot, CliError> {
    let bytes = std::fs::read(path).map_err(|cause| CliError::Read { path: path.to_owned(), cause })?;
    snapshot::read(&bytes)
        .map_err(|cause| CliError::Snapshot { name: path.display().to_string(), cause: Box::new(cause) })
}

/// Writes a snapshot to the output file as text, and prints it as JSON, or as text if there is no output file.
fn write(snapshot: &Snapshot, arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    if let Some(path) = &arguments.out {
        output::write_file(path, text::write(snapshot).as_bytes())?;
    }
    match common.format {
        Format::Json => output::print_json(DocumentKind::Snapshot, snapshot)?,
        Format::Text if arguments.out.is_some() => {}
        Format::Text => output::print(&text::write(snapshot))?,
    }
    Ok(Verdict::Fine)
}

/// Prints how the current formula and ratios differ from a snapshot.
fn check(
    before: &Snapshot,
    now: &Snapshot,
    path: &Path,
    arguments: &Arguments,
    common: Common,
) -> Result<Verdict, CliError> {
    let found = compare(before, now, arguments.tolerance);
    match common.format {
        Format::Json => output::print_json(DocumentKind::SnapshotCheck, &found)?,
        Format::Text if found.same && common.quiet => {}
        Format::Text if found.same => output::print(&format!("{}: {found}", path.display()))?,
        Format::Text => {
            output::print(&format!(
                "{} differs from what {} gives now\n{found}",
                path.display(),
                now.script
            ))?;
        }
    }
    Ok(if found.same { Verdict::Fine } else { Verdict::Found })
}
