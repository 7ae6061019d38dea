//! `allot export`: a script, or its allocation on a model, in the formats of other tools.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;

use crate::allocate::Bounds;
use crate::cli::shared::allocation::{self, RatioSource, named};
use crate::cli::shared::calibration::EvaluationArguments;
use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::error::CliError;
use crate::cli::shared::progress::watch;
use crate::cli::shared::scripts::{self, WrittenScript};
use crate::cli::shared::{context, model, output};
use crate::exchange::dsa;
use crate::exchange::{
    AllocationFile, ExchangeError, alphapruning, csv, dlp, evopress, llm_compressor, npy, numpy,
};
use crate::json::DocumentKind;
use crate::lang::types::UnitKind;
use crate::lang::{canonical, latex, print};
use crate::session::{LoadedScript, Session, calibration_name, metric_of, model_name};

/// Writes a script, or its allocation on a model, in another tool's format
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot export owl --to latex
  allot export dsa --to dsa
  allot export owl --to numpy -o owl.py
  allot export owl --to llm-compressor --model MODEL --sparsity 0.7 --stats S.safetensors -o recipe.yaml
  allot export owl --to json --model MODEL --sparsity 0.7 --text calibration.jsonl -o allocation.json
  allot export allocation.json --to evopress -o levels.txt

The formats latex, dsa, canonical and numpy hold the script itself. The others hold ratios: a script then needs `--model` and
`--sparsity`, an allocation file does not.")]
pub(in crate::cli) struct Arguments {
    /// The script: a file, `-` for standard input, or the name of a published script; or an allocation file in JSON
    #[arg(required_unless_present = "expression")]
    script: Option<String>,
    #[command(flatten)]
    written: WrittenScript,
    /// Output format
    #[arg(long, value_enum)]
    to: Form,
    /// The model: a folder in Hugging Face's layout, or an id in the hub, `OWNER/NAME`
    #[arg(long)]
    model: Option<PathBuf>,
    /// The target sparsity, from 0 to 1: the share of all weights in the blocks' linears to prune
    #[arg(long, short, value_name = "RATIO", allow_negative_numbers = true, value_parser = crate::cli::shared::values::ratio)]
    sparsity: Option<f64>,
    #[command(flatten)]
    evaluation: EvaluationArguments,
    /// For llm-compressor: modifier that chooses the weights to prune
    #[arg(long, value_enum, default_value_t = Modifier::Wanda)]
    modifier: Modifier,
    /// For evopress: number of weights per level, as in the database (default: the smallest number with which all levels fit)
    #[arg(long, value_name = "WEIGHTS")]
    weights_diff: Option<u64>,
    /// For evopress: number of levels above the sparsity, and as many below it
    #[arg(long, default_value_t = evopress::LEVELS)]
    levels: u32,
    /// Output file, instead of standard output
    #[arg(long, short, alias = "output", value_name = "FILE")]
    out: Option<PathBuf>,
    /// Overwrites an existing output file
    #[arg(long, requires = "out")]
    force: bool,
}

/// The output formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// LaTeX, for papers
    Latex,
    /// The graph string of DSA's released engine, if the formula has one
    Dsa,
    /// The script in its normal form
    Canonical,
    /// A Python function that needs only NumPy
    Numpy,
    /// allot's allocation file
    Json,
    /// A table with one line for each linear
    Csv,
    /// A recipe of llm-compressor
    LlmCompressor,
    /// A level file of EvoPress
    #[value(name = "evopress")]
    EvoPress,
    /// DLP's list of keep ratios, one for each block
    Dlp,
    /// AlphaPruning's metric, from which its mapping computes the ratios
    #[value(name = "alphapruning")]
    AlphaPruning,
}

/// The modifier of llm-compressor that chooses the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Modifier {
    /// `WandaPruningModifier`
    Wanda,
    /// `SparseGPTModifier`
    #[value(name = "sparsegpt")]
    SparseGpt,
}

/// The output, with its note and its data.
struct Written {
    bytes: Vec<u8>,
    /// The settings that the other tool needs besides the file.
    note: Option<String>,
    /// The document of `--format json`, without the text.
    data: Printed,
}

/// The document of `--format json`: the text, and the settings that belong to it.
#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
pub(in crate::cli) struct Printed {
    /// The content of the file, if the format is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// The hash of the formula, if the format holds the script.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    /// EvoPress: the number of weights per level.
    #[serde(skip_serializing_if = "Option::is_none")]
    weights_diff: Option<u64>,
    /// AlphaPruning: the `epsilon` of its mapping.
    #[serde(skip_serializing_if = "Option::is_none")]
    epsilon: Option<f64>,
    /// AlphaPruning: its metric, one value for each linear.
    #[serde(skip_serializing_if = "Option::is_none")]
    metric: Option<Vec<f64>>,
}

impl Written {
    fn text(text: String) -> Self {
        Self { bytes: text.into_bytes(), note: None, data: Printed::default() }
    }
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    let source = allocation::load(
        &arguments.written.or(arguments.script.as_deref()),
        arguments.evaluation.unit,
        common.quiet,
    )?;
    let written = match (arguments.to, &source) {
        (Form::Latex | Form::Dsa | Form::Canonical | Form::Numpy, RatioSource::File(_, name)) => {
            return Err(CliError::NoScriptInFile { name: name.clone() });
        }
        (Form::Latex | Form::Dsa | Form::Canonical | Form::Numpy, RatioSource::Script(loaded)) => {
            let script = &loaded.script;
            let text = match arguments.to {
                Form::Latex => latex::script(script),
                Form::Dsa => format!("{}\n", dsa::export(script).ok_or(CliError::NoGraphString)?),
                Form::Numpy => {
                    let metric = metric_of(&scripts::method(&arguments.evaluation.method)?)?;
                    numpy::write(script, &loaded.name, &metric, arguments.evaluation.unit)
                        .map_err(named(&loaded.name))?
                }
                _ => print::script(&canonical::script(script)),
            };
            Written {
                data: Printed { hash: Some(canonical::hash(script)), ..Printed::default() },
                ..Written::text(text)
            }
        }
        (form, source) => {
            let (file, name) = decided(source, arguments, common)?;
            ratios(form, &file, arguments).map_err(|cause| match cause {
                ExchangeError::Unequal { .. } if !has_blocks(source) => {
                    CliError::NotByBlock { name, cause: Box::new(cause) }
                }
                cause => named(&name)(cause),
            })?
        }
    };
    if let Some(note) = &written.note {
        context::warn("note", note, common.quiet);
    }
    if let Some(path) = &arguments.out {
        output::write_file(path, &written.bytes)?;
        return Ok(Verdict::Fine);
    }
    match (common.format, String::from_utf8(written.bytes)) {
        (Format::Text, Ok(text)) => output::print(&text)?,
        (Format::Json, text) => {
            output::print_json(DocumentKind::Export, &Printed { text: text.ok(), ..written.data })?;
        }
        (Format::Text, Err(_)) if std::io::stdout().is_terminal() => return Err(CliError::BinaryOutput),
        (Format::Text, Err(bytes)) => {
            let mut out = std::io::stdout().lock();
            out.write_all(bytes.as_bytes()).and_then(|()| out.flush()).map_err(CliError::Standard)?;
        }
    }
    Ok(Verdict::Fine)
}

/// Returns whether a script could allocate by block with `--unit block`.
fn has_blocks(source: &RatioSource) -> bool {
    match source {
        RatioSource::File(..) => false,
        RatioSource::Script(loaded) => {
            LoadedScript::check(&loaded.name, loaded.text.as_bytes(), Some(UnitKind::Block)).is_ok()
        }
    }
}

/// Writes an allocation in a format that holds ratios.
fn ratios(form: Form, file: &AllocationFile, arguments: &Arguments) -> Result<Written, ExchangeError> {
    let allocation = file.allocation();
    Ok(match form {
        Form::Csv => Written::text(csv::write(&allocation)?),
        Form::LlmCompressor => {
            let modifier = match arguments.modifier {
                Modifier::Wanda => llm_compressor::Modifier::Wanda,
                Modifier::SparseGpt => llm_compressor::Modifier::SparseGpt,
            };
            Written::text(llm_compressor::write(&allocation, modifier)?)
        }
        Form::Dlp => Written::text(dlp::write(&allocation)?),
        Form::EvoPress => {
            let levels = evopress::levels(&allocation, arguments.weights_diff, arguments.levels)?;
            let note = format!(
                "the levels are for a database of sparsity {} and weights_diff {}",
                allocation.target, levels.step
            );
            let data = Printed { weights_diff: Some(levels.step), ..Printed::default() };
            Written { note: Some(note), data, ..Written::text(levels.text()) }
        }
        Form::AlphaPruning => {
            let metric = alphapruning::metric(&allocation)?;
            let note = format!(
                "AlphaPruning gives these ratios with `--sparsity_ratio {} --epsilon {}`",
                allocation.target, metric.epsilon
            );
            let bytes = npy::write(&metric.values);
            let data =
                Printed { epsilon: Some(metric.epsilon), metric: Some(metric.values), ..Printed::default() };
            Written { bytes, note: Some(note), data }
        }
        _ => {
            let text = serde_json::to_string_pretty(&DocumentKind::Allocation.of(file)).unwrap_or_default();
            Written::text(format!("{text}\n"))
        }
    })
}

/// Returns the allocation to write, and the name of its script or file.
fn decided(
    source: &RatioSource,
    arguments: &Arguments,
    common: Common,
) -> Result<(AllocationFile, String), CliError> {
    let loaded = match source {
        RatioSource::File(file, name) => {
            match &arguments.model {
                Some(model) => {
                    let session = Session::of(model::open(model, common)?).watched(watch(common.quiet));
                    session.allocation_of_file(file, name, arguments.sparsity)?;
                }
                None if arguments.sparsity.is_some_and(|asked| asked != file.target) => {
                    let (target, asked) = (file.target, arguments.sparsity.unwrap_or(file.target));
                    return Err(CliError::DecidedSparsity { name: name.clone(), target, asked });
                }
                None => {}
            }
            return Ok(((**file).clone(), name.clone()));
        }
        RatioSource::Script(loaded) => loaded,
    };
    let model = arguments.model.as_ref().ok_or(CliError::NoModel)?;
    let sparsity = arguments.sparsity.ok_or(CliError::NoSparsity)?;
    let bounds = Bounds::default();
    let ([outcome], session) = arguments.evaluation.evaluate(model, [loaded], sparsity, bounds, common)?;
    let (checkpoint, statistics) = (session.checkpoint(), session.at_hand());
    let hash = Some(canonical::hash(&loaded.script));
    let file = AllocationFile {
        model: Some(model_name(checkpoint)),
        calibration: statistics.map(calibration_name),
        ..AllocationFile::new(&outcome.allocation, outcome.unit, &loaded.name, hash)
    };
    Ok((file, loaded.name.clone()))
}
