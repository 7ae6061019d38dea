//! `allot check`: are these scripts well-formed and well-typed?

use std::path::PathBuf;

use crate::cli::shared::common::{Common, Format, Verdict};
use crate::cli::shared::error::CliError;
use crate::cli::shared::input::Input;
use crate::cli::shared::{output, scripts, terminal};
use crate::lang::check::{CheckOptions, check_bytes};
use crate::lang::diagnostic::{Diagnostic, Severity};
use crate::lang::types::UnitKind;
use crate::session::metric_of;
use crate::{lang, report};

/// Checks scripts: syntax, names, arguments and types
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot check my.allot
  allot check examples/*.allot --format json
  allot check --plan owl.allot
  echo 'mean(abs(score)) |> ?' | allot check -")]
pub(in crate::cli) struct Arguments {
    /// The scripts; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Also prints how each script is evaluated: rounds of reductions, reads of the weights, buffers
    #[arg(long)]
    plan: bool,
    /// How weights are scored when a script does not say, for the plan
    #[arg(long, default_value = "wanda")]
    method: String,
    /// The allocation unit, instead of the scripts' own
    #[arg(long, value_parser = crate::cli::shared::values::unit)]
    unit: Option<UnitKind>,
}

pub(in crate::cli) fn run(arguments: &Arguments, common: Common) -> Result<Verdict, CliError> {
    let mut outcome = Verdict::Fine;
    let mut data = Vec::new();
    let mut plans = Vec::new();
    let metric = metric_of(&scripts::method(&arguments.method)?)?;
    for path in &arguments.files {
        let input = Input::read(path)?;
        let checked = check_bytes(&input.bytes, CheckOptions { unit: arguments.unit });
        let diagnostics: Vec<Diagnostic> =
            checked.problems.iter().map(|problem| problem.diagnostic()).collect();
        if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
            outcome = Verdict::Found;
        }
        let text = input.text();
        match common.format {
            Format::Text => {
                let styled = terminal::styled(&std::io::stdout());
                output::print(&lang::render::render(&diagnostics, &input.name, &text, styled))?;
            }
            Format::Json => {
                data.extend(diagnostics.iter().map(|diagnostic| diagnostic.to_data(&input.name, &text)));
            }
        }
        if let Some(script) = checked.script.filter(|_| arguments.plan) {
            let plan = report::plan::plan(&script, &metric);
            match common.format {
                Format::Text => output::print(&report::plan::text(&input.name, &plan))?,
                Format::Json => plans.push(serde_json::json!({ "file": input.name, "plan": plan })),
            }
        }
    }
    if common.format == Format::Json {
        let mut value = serde_json::json!({ "diagnostics": data });
        if arguments.plan {
            value["plans"] = plans.into();
        }
        output::print_json(&value)?;
    }
    Ok(outcome)
}
