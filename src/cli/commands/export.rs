//! `allot export`: a script, or the allocation that it gives on a model, in the forms that other tools read.

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

/// Writes a script, or the allocation that it gives on a model, in another tool's form
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot export owl --to latex
  allot export dsa --to dsa
  allot export owl --to numpy -o owl.py
  allot export owl --to llm-compressor --model MODEL --sparsity 0.7 --stats S.safetensors -o recipe.yaml
  allot export owl --to json --model MODEL --sparsity 0.7 --text calibration.jsonl -o allocation.json
  allot export allocation.json --to evopress -o levels.txt

latex, dsa, canonical and numpy write the script itself. The others write ratios, for which a script needs `--model` and
`--sparsity`; an allocation file has them already.")]
pub(in crate::cli) struct Arguments {
    /// The script: a file, `-`, or the name of a published one; or an allocation file in JSON
    #[arg(required_unless_present = "expression")]
    script: Option<String>,
    #[command(flatten)]
    written: WrittenScript,
    /// The form
    #[arg(long, value_enum)]
    to: Form,
    /// The model's folder, as Hugging Face lays it out, or its id in the hub, `OWNER/NAME`
    #[arg(long)]
    model: Option<PathBuf>,
    /// The share of all weights in the blocks' linears that is to be pruned, from 0 to 1
    #[arg(long, short, value_name = "RATIO", allow_negative_numbers = true, value_parser = crate::cli::shared::values::ratio)]
    sparsity: Option<f64>,
    #[command(flatten)]
    evaluation: EvaluationArguments,
    /// llm-compressor: what chooses weights
    #[arg(long, value_enum, default_value_t = Modifier::Wanda)]
    modifier: Modifier,
    /// evopress: how many weights one level is, as the database was made (default: the least with which all levels fit)
    #[arg(long, value_name = "WEIGHTS")]
    weights_diff: Option<u64>,
    /// evopress: how many levels there are above the sparsity, and below it
    #[arg(long, default_value_t = evopress::LEVELS)]
    levels: u32,
    /// The file to be written, instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The forms that a script, or its allocation, is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// LaTeX, for papers
    Latex,
    /// The graph string of DSA's released engine, where the formula is one
    Dsa,
    /// The normal form, as a script
    Canonical,
    /// A function of Python that needs NumPy only
    Numpy,
    /// allot's allocation file
    Json,
    /// A table with a line for each linear
    Csv,
    /// A recipe of llm-compressor
    LlmCompressor,
    /// A level file of EvoPress
    #[value(name = "evopress")]
    EvoPress,
    /// DLP's list of keep ratios, one for each block
    Dlp,
    /// AlphaPruning's metric, of which its mapping makes the ratios
    #[value(name = "alphapruning")]
    AlphaPruning,
}

/// What chooses weights in llm-compressor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Modifier {
    /// `WandaPruningModifier`
    Wanda,
    /// `SparseGPTModifier`
    #[value(name = "sparsegpt")]
    SparseGpt,
}

/// What is written, and what there is to say of it.
struct Written {
    bytes: Vec<u8>,
    /// What the tool has to be told beside the file.
    note: Option<String>,
    /// The same as data, and the formula's hash.
    data: Printed,
}

/// What `--format json` prints: the text, and what is to be said beside it.
#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
pub(in crate::cli) struct Printed {
    /// What a file of that form holds, where it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// The hash that names the formula, where the form holds the script.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    /// EvoPress: how many weights a level is.
    #[serde(skip_serializing_if = "Option::is_none")]
    weights_diff: Option<u64>,
    /// AlphaPruning: how far its mapping goes.
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
    if let Some(path) = &arguments.output {
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

/// Returns whether a script could give each block a ratio, if it was told to.
fn has_blocks(source: &RatioSource) -> bool {
    match source {
        RatioSource::File(..) => false,
        RatioSource::Script(loaded) => {
            LoadedScript::check(&loaded.name, loaded.text.as_bytes(), Some(UnitKind::Block)).is_ok()
        }
    }
}

/// Writes an allocation in a form that holds ratios.
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

/// Returns the allocation that is to be written, and what it is called.
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
