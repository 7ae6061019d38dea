//! `allot diff`: two scripts, and their ratios on a model, side by side.

use std::path::PathBuf;

use serde::Serialize;

use crate::allocate::Bounds;
use crate::cli::shared::calibration::EvaluationArguments;
use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::error::CliError;
use crate::cli::shared::scripts::{Named, WrittenScripts};
use crate::cli::shared::{output, terminal};
use crate::json::DocumentKind;
use crate::lang::difference::{self, Difference};
use crate::report::TableOptions;
use crate::report::difference::{self as tables, SideBySide};
use crate::session::LoadedScript;

/// Compares two scripts: units, metrics and formulas, and with a model their ratios
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot diff owl my.allot
  allot diff dlp -e 'neg(mean(score)) |> scale(lambda = 0.15)'
  allot diff owl dsa --model MODEL --stats MODEL.stats.safetensors --sparsity 0.7
  allot diff global RUN/best.allot --model MODEL --text calibration.jsonl --length 256 --sparsity 0.7 --format json

Ratios are compared unit by unit if both scripts have the same unit, and projection by projection otherwise.")]
pub(in crate::cli) struct Arguments {
    /// The two scripts: files, `-` for standard input, or names of published scripts
    #[arg(value_name = "SCRIPT", num_args = 0..=2)]
    scripts: Vec<String>,
    #[command(flatten)]
    written: WrittenScripts,
    /// The model on which to compare ratios as well: a folder, or an id in the hub
    #[arg(long, value_name = "MODEL", requires = "sparsity")]
    model: Option<PathBuf>,
    /// The target sparsity, from 0 to 1: the share of all weights in the blocks' linears to prune
    #[arg(long, short, value_name = "RATIO", allow_negative_numbers = true, value_parser = crate::cli::shared::values::ratio, requires = "model")]
    sparsity: Option<f64>,
    #[command(flatten)]
    evaluation: EvaluationArguments,
}

/// The document of `--format json`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(in crate::cli) struct Printed<'a> {
    /// The differences of the formulas; empty if they are the same.
    formulas: &'a [Difference],
    /// The ratios of both scripts on the model, if one is given.
    ratios: Option<&'a SideBySide>,
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    let named = arguments.scripts.iter().cloned().map(Named::Name).chain(arguments.written.named());
    let load = |it: Named| it.load(arguments.evaluation.unit, common.quiet);
    let loaded: [LoadedScript; 2] = named
        .map(load)
        .collect::<Result<Vec<_>, _>>()?
        .try_into()
        .map_err(|loaded: Vec<_>| CliError::NotTwo { given: loaded.len() })?;
    let [first, second] = loaded.each_ref().map(|it| &it.script);
    let formulas = difference::scripts(first, second);
    let ratios = match (&arguments.model, arguments.sparsity) {
        (Some(model), Some(sparsity)) => Some(ratios(arguments, &loaded, model, sparsity, common)?),
        _ => None,
    };
    match common.format {
        Format::Json => output::print_json(
            DocumentKind::Difference,
            &Printed { formulas: &formulas, ratios: ratios.as_ref() },
        )?,
        Format::Text => {
            output::print(&tables::formulas(&formulas))?;
            if let Some(ratios) = &ratios {
                let options = TableOptions {
                    width: terminal::width(),
                    color: terminal::styled(&std::io::stdout()),
                    ascii: false,
                };
                output::print(&format!("\n{}", tables::table(ratios, &options)))?;
            }
        }
    }
    Ok(Verdict::Fine)
}

fn ratios(
    arguments: &Arguments,
    loaded: &[LoadedScript; 2],
    folder: &std::path::Path,
    sparsity: f64,
    common: Common,
) -> Result<SideBySide, CliError> {
    let bounds = Bounds::default();
    let evaluated = arguments.evaluation.evaluate(folder, loaded.each_ref(), sparsity, bounds, common)?;
    let ([first, second], _) = evaluated;
    let names = loaded.each_ref().map(|script| script.name.clone());
    Ok(SideBySide::new(names, &first.allocation, &second.allocation))
}
