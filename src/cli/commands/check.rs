//! `allot check`: checks the syntax and types of scripts.

use serde::Serialize;

use crate::cli::shared::common::{Common, Verdict};
use crate::cli::shared::error::CliError;
use crate::cli::shared::help;
use crate::cli::shared::input::Input;
use crate::cli::shared::scripts::{self, Named, WrittenScripts};
use crate::cli::shared::{output, terminal};
use crate::json::DocumentKind;
use crate::lang::check::{CheckOptions, check_bytes};
use crate::lang::diagnostic::{Diagnostic, DiagnosticData, Severity};
use crate::lang::edit::{Edit, apply};
use crate::lang::problem::Problem;
use crate::lang::program::Metric;
use crate::lang::types::UnitKind;
use crate::report::diagnostics;
use crate::report::plan::PlanData;
use crate::session::metric_of;
use crate::{lang, report};

/// The most rounds of fixes per file, as fixing one mistake may reveal another.
const ROUNDS: usize = 20;

/// Checks scripts: syntax, names, arguments and types
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  allot check my.allot
  allot check scripts/ owl
  allot check -e 'mean(abs(score)) |> ?'
  allot check --fix my.allot
  allot check scripts/ --deny-warnings --format github
  allot check --plan owl
  echo 'mean(score) |> scale' | allot check -

With `--format sarif` or `--format github`, mistakes are printed in the format that code scanners or GitHub's workflows read.")]
pub(in crate::cli) struct Arguments {
    /// The scripts: files, folders with files that end in .allot, names of published scripts, or `-` for standard input
    #[arg(required_unless_present = "expression", value_name = "SCRIPT")]
    scripts: Vec<String>,
    #[command(flatten)]
    written: WrittenScripts,
    /// Applies unambiguous fixes to the files, such as `^` for `**`
    #[arg(long)]
    fix: bool,
    /// Also exits with 1 if there are warnings
    #[arg(long)]
    deny_warnings: bool,
    /// Also prints each script's evaluation plan: rounds of reductions, reads of the weights, buffers
    #[arg(long)]
    plan: bool,
    /// Method that scores weights in the plan when a script has no metric
    #[arg(long, default_value = "wanda")]
    method: String,
    /// Allocation unit to use instead of the scripts' own: block, projection or row
    #[arg(long, value_parser = crate::cli::shared::values::unit)]
    unit: Option<UnitKind>,
}

/// The form in which mistakes are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Form {
    /// Text, with each mistake under its code.
    Text,
    /// JSON.
    Json,
    /// SARIF, for code scanners.
    Sarif,
    /// Annotations of GitHub's workflows.
    Github,
}

impl Form {
    /// Returns the form that `--format` names.
    pub(in crate::cli) fn named(name: Option<&str>) -> Self {
        match name {
            Some("json") => Self::Json,
            Some("sarif") => Self::Sarif,
            Some("github") => Self::Github,
            _ => Self::Text,
        }
    }
}

/// The findings of all scripts.
#[derive(Default)]
struct Found {
    scripts: usize,
    unread: Vec<String>,
    errors: usize,
    warnings: usize,
    fixed: usize,
    data: Vec<DiagnosticData>,
    plans: Vec<Planned>,
}

/// The document of `--format json`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(in crate::cli) struct Printed<'a> {
    /// The mistakes of all scripts, in order.
    diagnostics: &'a [DiagnosticData],
    /// Each script's evaluation plan, with `--plan`.
    #[serde(skip_serializing_if = "Option::is_none")]
    plans: Option<&'a [Planned]>,
    /// The errors of scripts that could not be read.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    unread: &'a [String],
}

/// A script's evaluation plan.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Planned {
    /// The script's file.
    file: String,
    /// The plan.
    plan: PlanData,
}

pub(in crate::cli) fn run(arguments: &Arguments, form: Form, common: Common) -> Result<Verdict, CliError> {
    let metric = metric_of(&scripts::method(&arguments.method)?)?;
    let names = scripts::expanded(&arguments.scripts)?;
    let names = names.into_iter().map(Named::Name).chain(arguments.written.named());
    let mut found = Found::default();
    for name in names {
        match name.read() {
            Ok(input) => found.look_at(&input, arguments, form, &metric)?,
            // The other scripts are still checked.
            Err(error) => {
                found.unread.push(error.to_string());
                help::report(&error);
            }
        }
    }
    match form {
        Form::Text => {}
        Form::Json => {
            let plans = arguments.plan.then_some(&found.plans[..]);
            output::print_json(
                DocumentKind::Check,
                &Printed { diagnostics: &found.data, plans, unread: &found.unread },
            )?;
        }
        Form::Sarif => output::print_plain_json(&diagnostics::sarif(&found.data))?,
        Form::Github => output::print(&diagnostics::github(&found.data))?,
    }
    if !common.quiet && (found.scripts + found.unread.len() > 1 || found.fixed > 0) {
        terminal::message(&found.summary());
    }
    let bad = found.errors > 0 || (arguments.deny_warnings && found.warnings > 0);
    match (found.unread.len(), bad) {
        (0, false) => Ok(Verdict::Fine),
        (0, true) => Ok(Verdict::Found),
        _ => Err(CliError::Reported),
    }
}

impl Found {
    fn look_at(
        &mut self,
        input: &Input,
        arguments: &Arguments,
        form: Form,
        metric: &Metric,
    ) -> Result<(), CliError> {
        let options = CheckOptions { unit: arguments.unit };
        let mended = if arguments.fix { self.mended(input, options)? } else { None };
        let bytes = mended.as_deref().map_or(&input.bytes[..], str::as_bytes);
        let text = String::from_utf8_lossy(bytes);
        let checked = check_bytes(bytes, options);
        let diagnostics: Vec<Diagnostic> = checked.problems.iter().map(Problem::diagnostic).collect();
        let count = |severity| diagnostics.iter().filter(|it| it.severity == severity).count();
        self.scripts += 1;
        self.errors += count(Severity::Error);
        self.warnings += count(Severity::Warning);
        match form {
            Form::Text => {
                let styled = terminal::styled(&std::io::stdout());
                output::print(&lang::render::render(&diagnostics, &input.name, &text, styled))?;
            }
            Form::Json | Form::Sarif | Form::Github => {
                self.data.extend(diagnostics.iter().map(|it| it.to_data(&input.name, &text)));
            }
        }
        let Some(script) = checked.script.filter(|_| arguments.plan) else { return Ok(()) };
        let plan = report::plan::plan(&script, metric);
        match form {
            Form::Text => output::print(&report::plan::text(&input.name, &plan))?,
            Form::Json | Form::Sarif | Form::Github => {
                self.plans.push(Planned { file: input.name.clone(), plan });
            }
        }
        Ok(())
    }

    /// Fixes a file, and returns its new text if there was an unambiguous fix.
    fn mended(&mut self, input: &Input, options: CheckOptions) -> Result<Option<String>, CliError> {
        let (Some(path), Ok(before)) = (&input.path, std::str::from_utf8(&input.bytes)) else {
            return Ok(None);
        };
        let mut text = before.to_owned();
        for _ in 0..ROUNDS {
            let problems = check_bytes(text.as_bytes(), options).problems;
            let edits: Vec<Edit> = problems.iter().filter_map(Problem::edit).collect();
            if edits.is_empty() {
                break;
            }
            self.fixed += edits.len();
            text = apply(&text, edits);
        }
        if text == before {
            return Ok(None);
        }
        output::write_file(path, text.as_bytes())?;
        Ok(Some(text))
    }

    fn summary(&self) -> String {
        let counted = |count: usize, noun: &str| match count {
            1 => format!("1 {noun}"),
            _ => format!("{count} {noun}s"),
        };
        let mut parts = vec![counted(self.errors, "error"), counted(self.warnings, "warning")];
        if !self.unread.is_empty() {
            parts.push(format!("{} not read", self.unread.len()));
        }
        if self.fixed > 0 {
            parts.push(format!("{} fixed", counted(self.fixed, "mistake")));
        }
        format!("{}: {}\n", counted(self.scripts, "script"), parts.join(", "))
    }
}
