//! The command line: arguments in, calls out, nothing computed here. `commands` has one file for each command, `shared` what
//! several of them use.

mod commands;
mod shared;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

pub use shared::error::CliError;

use commands::{
    check, compare, descend, diff, enumerate, eval, explain, export, fmt, generate, import, import_dsa,
    inspect, kl, ops, ppl, prune, search, show, stats, tasks,
};
use shared::common::{Common, Verdict};
use shared::{help, interrupt, terminal};

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
    Tasks(tasks::Arguments),
    Generate(generate::Arguments),
    Search(search::Arguments),
    Descend(descend::Arguments),
    Enumerate(enumerate::Arguments),
    Compare(compare::Arguments),
    Show(show::Arguments),
    Ops(ops::Arguments),
    Explain(explain::Arguments),
    ImportDsa(import_dsa::Arguments),
    Export(export::Arguments),
    Import(import::Arguments),
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
        Command::Tasks(arguments) => tasks::run(&arguments, cli.common),
        Command::Generate(arguments) => generate::run(&arguments, cli.common),
        Command::Search(arguments) => search::run(&arguments, cli.common),
        Command::Descend(arguments) => descend::run(&arguments, cli.common),
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
        Ok(Verdict::Fine) => ExitCode::SUCCESS,
        Ok(Verdict::Found) => ExitCode::from(1),
        Err(CliError::BrokenPipe) => ExitCode::SUCCESS,
        Err(error) if error.is_interrupted() => {
            terminal::message(&help::explained(&error));
            ExitCode::from(interrupt::EXIT_CODE)
        }
        Err(error) => {
            help::report(&error);
            ExitCode::from(2)
        }
    }
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
