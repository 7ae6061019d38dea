//! `allot import`: turns another tool's ratios into an allocation file.

use std::path::PathBuf;

use crate::cli::shared::allocation::{blocks, named};
use crate::cli::shared::common::{Common, Verdict};
use crate::cli::shared::error::CliError;
use crate::cli::shared::progress::watch;
use crate::cli::shared::{context, model, output};
use crate::exchange::{
    AllocationFile, ExchangeError, Format, Unsaid, alphapruning, csv, dlp, evopress, llm_compressor,
    modules::allocation, npy,
};
use crate::json::DocumentKind;
use crate::report::number::percent;
use crate::session::{Session, model_name};

/// Largest difference between the sparsity of a file's ratios and the requested one that is not reported.
const UNNOTICED: f64 = 1e-6;

/// Converts another tool's ratios for a model into an allocation file
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot import ratios.json --model MODEL -o allocation.json
  allot import recipe.yaml --from llm-compressor --model MODEL -o allocation.json
  allot import levels.txt --model MODEL --sparsity 0.7 --weights-diff 1000000 -o allocation.json
  allot import alpha_peak.npy --model MODEL --sparsity 0.7 --epsilon 0.2 -o allocation.json

FILE is a recipe of llm-compressor, a level file of EvoPress, DLP's list of keep ratios, AlphaPruning's metric, an allocation file, or
a table with the columns `module` and `sparsity`.")]
pub(in crate::cli) struct Arguments {
    /// The other tool's file
    file: PathBuf,
    /// The model: a folder in Hugging Face's layout, or an id in the hub, `OWNER/NAME`
    #[arg(long)]
    model: PathBuf,
    /// Format of the file, if its content does not show it
    #[arg(long, value_parser = format, value_name = "FORMAT")]
    from: Option<Format>,
    /// The target sparsity, from 0 to 1: the share of all weights in the blocks' linears to prune (default: the mean of the file's
    /// ratios over all weights)
    #[arg(long, short, value_name = "RATIO", allow_negative_numbers = true, value_parser = crate::cli::shared::values::ratio)]
    sparsity: Option<f64>,
    /// For evopress: number of weights per level, as in the database
    #[arg(long, value_name = "WEIGHTS")]
    weights_diff: Option<u64>,
    /// For alphapruning: epsilon of its mapping; without it, the file's values are taken as ratios
    #[arg(long)]
    epsilon: Option<f64>,
    /// Output file, instead of standard output
    #[arg(long, short, alias = "output", value_name = "FILE")]
    out: Option<PathBuf>,
    /// Overwrites an existing output file
    #[arg(long, requires = "out")]
    force: bool,
}

fn format(word: &str) -> Result<Format, String> {
    Format::ALL.into_iter().find(|format| format.name() == word).ok_or_else(|| {
        let names: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
        format!("the formats are {}", names.join(", "))
    })
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    let path = &arguments.file;
    let name = path.display().to_string();
    let content = std::fs::read(path).map_err(|cause| CliError::Read { path: path.clone(), cause })?;
    let checkpoint = model::open(&arguments.model, common)?;
    let format = arguments
        .from
        .or_else(|| Format::guess(&content))
        .ok_or_else(|| CliError::UnknownFormat { path: path.clone() })?;
    let imported = match format {
        Format::Json => {
            let file = AllocationFile::read(&content).map_err(named(&name))?;
            let session = Session::of(checkpoint.clone()).watched(watch(common.quiet));
            session.allocation_of_file(&file, &name, arguments.sparsity)?;
            file
        }
        _ => {
            let imported = ratios(arguments, format, &content, &checkpoint).map_err(named(&name))?;
            let target = imported.allocation.target;
            if (imported.read - target).abs() > UNNOTICED {
                let (read, target) = (percent(imported.read, 4), percent(target, 4));
                let note =
                    format!("the file's ratios have a mean of {read} and are all shifted to reach {target}");
                context::warn("note", &note, common.quiet);
            }
            AllocationFile::new(&imported.allocation, imported.unit, &name, None)
        }
    };
    let file = AllocationFile { model: Some(model_name(&checkpoint)), ..imported };
    match &arguments.out {
        None => output::print_json(DocumentKind::Allocation, &file)?,
        Some(path) => {
            output::write_file(
                path,
                format!("{}\n", serde_json::to_string_pretty(&DocumentKind::Allocation.of(&file))?)
                    .as_bytes(),
            )?;
        }
    }
    Ok(Verdict::Fine)
}

/// Reads a file's ratios and projects them onto the target sparsity.
fn ratios(
    arguments: &Arguments,
    format: Format,
    content: &[u8],
    checkpoint: &crate::model::Checkpoint,
) -> Result<crate::exchange::modules::Imported, ExchangeError> {
    let blocks = blocks(checkpoint);
    let text = String::from_utf8_lossy(content);
    let missing = |what| ExchangeError::Missing { format: format.name(), what };
    let ratios = match format {
        Format::AlphaPruning => {
            alphapruning::read(&npy::read(content)?, arguments.epsilon, arguments.sparsity, &blocks)?
        }
        Format::EvoPress => {
            let target = arguments.sparsity.ok_or(missing(Unsaid::LevelSparsity))?;
            let step = arguments.weights_diff.ok_or(missing(Unsaid::LevelStep))?;
            evopress::read(&text, target, step, &blocks)?
        }
        Format::Dlp => dlp::read(&text, &blocks)?,
        Format::LlmCompressor => llm_compressor::read(&text, &blocks)?,
        Format::Csv | Format::Json => csv::read(&text, &blocks)?,
    };
    allocation(&blocks, &ratios, arguments.sparsity)
}
