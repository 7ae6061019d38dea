//! The command line: arguments in, calls out, nothing computed here. One file for each command.

mod allocation;
mod calibration;
mod check;
mod compare;
mod device;
mod diff;
mod enumerate;
mod eval;
mod explain;
mod export;
mod fmt;
mod help;
mod import;
mod import_dsa;
mod input;
mod inspect;
mod interrupt;
mod kl;
mod model;
mod ops;
mod output;
mod ppl;
mod progress;
mod prune;
mod scripts;
mod search;
mod show;
mod space;
mod stats;
mod text;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

pub use output::CliError;

use crate::interrupt::Interrupted;

/// A small typed language for sparsity allocation functions, and the tools around it.
#[derive(Debug, Parser)]
#[command(name = "allot", version, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 all is well, 1 a check found something, 2 an error, 130 interrupted.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

/// What every command takes.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Common {
    /// How results are written
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Writes results only, no messages and no progress
    #[arg(long, short, global = true)]
    quiet: bool,
    #[command(flatten)]
    device: device::DeviceArguments,
}

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Arguments),
    Fmt(fmt::Arguments),
    Eval(eval::Arguments),
    Diff(diff::Arguments),
    Inspect(inspect::Arguments),
    Stats(stats::Arguments),
    Prune(prune::Arguments),
    Ppl(ppl::Arguments),
    Kl(kl::Arguments),
    Search(search::Arguments),
    Enumerate(enumerate::Arguments),
    Compare(compare::Arguments),
    Show(show::Arguments),
    Ops(ops::Arguments),
    Explain(explain::Arguments),
    ImportDsa(import_dsa::Arguments),
    Export(export::Arguments),
    Import(import::Arguments),
}

/// What a command found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// All is well.
    Fine,
    /// A check found something.
    Found,
}

/// Runs the command that the process's arguments name, and returns the process's exit code.
pub fn main() -> ExitCode {
    sleep_when_idle();
    let cli = Cli::parse();
    interrupt::watch();
    let result = match cli.command {
        Command::Check(arguments) => check::run(&arguments, cli.common),
        Command::Fmt(arguments) => fmt::run(&arguments, cli.common),
        Command::Eval(arguments) => eval::run(&arguments, cli.common),
        Command::Diff(arguments) => diff::run(&arguments, cli.common),
        Command::Inspect(arguments) => inspect::run(&arguments, cli.common),
        Command::Stats(arguments) => stats::run(&arguments, cli.common),
        Command::Prune(arguments) => prune::run(&arguments, cli.common),
        Command::Ppl(arguments) => ppl::run(&arguments, cli.common),
        Command::Kl(arguments) => kl::run(&arguments, cli.common),
        Command::Search(arguments) => search::run(&arguments, cli.common),
        Command::Enumerate(arguments) => enumerate::run(&arguments, cli.common),
        Command::Compare(arguments) => compare::run(&arguments, cli.common),
        Command::Show(arguments) => show::run(&arguments, cli.common),
        Command::Ops(arguments) => ops::run(&arguments, cli.common),
        Command::Explain(arguments) => explain::run(&arguments, cli.common),
        Command::ImportDsa(arguments) => import_dsa::run(&arguments, cli.common),
        Command::Export(arguments) => export::run(&arguments, cli.common),
        Command::Import(arguments) => import::run(&arguments, cli.common),
    };
    match result {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Found) => ExitCode::from(1),
        Err(CliError::BrokenPipe) => ExitCode::SUCCESS,
        Err(error) if is_interrupted(&error) => {
            output::message(&help::explained(&error));
            ExitCode::from(interrupt::EXIT_CODE)
        }
        Err(CliError::Diagnosed(text)) => {
            output::message(&text);
            ExitCode::from(2)
        }
        Err(error) => {
            help::report(&error);
            ExitCode::from(2)
        }
    }
}

/// Returns whether an error is, or follows from, somebody's asking the work to stop.
fn is_interrupted(error: &CliError) -> bool {
    let mut causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.any(|cause| cause.is::<Interrupted>())
}

/// Keeps candle's own threads from waiting in a loop: the work that pays runs on rayon's, which sleep.
fn sleep_when_idle() {
    const THREADS: &str = "CANDLE_NUM_THREADS";
    if std::env::var_os(THREADS).is_none() {
        // SAFETY: no other thread runs yet that could read the environment meanwhile.
        unsafe { std::env::set_var(THREADS, "1") };
    }
}

/// Returns the description of the command line, from which its reference is made.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Reads a kind of allocation unit.
fn unit(word: &str) -> Result<crate::lang::types::UnitKind, String> {
    use crate::lang::types::UnitKind;
    UnitKind::ALL
        .into_iter()
        .find(|unit| unit.name() == word)
        .ok_or_else(|| "the units are `block` and `projection`".to_owned())
}
