//! The command line: arguments in, calls out, nothing computed here. `commands` has one file for each command, `shared` what
//! several of them use.

mod commands;
pub mod host;
mod json_schema;
mod shared;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub use shared::error::CliError;

use crate::json::DocumentKind;
use commands::{
    check, compare, completions, descend, diff, enumerate, eval, explain, export, fmt, generate, import,
    import_dsa, inspect, kl, list, man, ops, pdf, ppl, prune, schema, search, show, snapshot, stats, tasks,
};
use shared::common::{Common, Verdict};
use shared::failure::Failure;
use shared::given::Given;
use shared::{configuration, help, interrupt, layout, rules, target, terminal};

/// A small typed language for sparsity allocation functions, and the tools around it.
#[derive(Debug, Parser)]
#[command(name = "allot", version, long_version = long_version(), max_term_width = 100)]
#[command(after_help = "Exit codes: 0 all is well, 1 a check found something, 2 an error, 130 interrupted.

What one always says may stand in ~/.config/allot/config.toml, a line each: device, precision, memory, threads, color.")]
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
    Snapshot(snapshot::Arguments),
    Inspect(inspect::Arguments),
    Stats(stats::Arguments),
    Prune(prune::Arguments),
    Ppl(ppl::Arguments),
    Kl(kl::Arguments),
    Tasks(tasks::Arguments),
    Generate(generate::Arguments),
    // Boxed, as it has many more options than the others.
    Search(Box<search::Arguments>),
    Descend(descend::Arguments),
    Enumerate(enumerate::Arguments),
    Compare(compare::Arguments),
    Show(show::Arguments),
    List(list::Arguments),
    Ops(ops::Arguments),
    Explain(explain::Arguments),
    ImportDsa(import_dsa::Arguments),
    Export(export::Arguments),
    Import(import::Arguments),
    Pdf(pdf::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
    Schema(schema::Arguments),
}

/// The exit code of a failure.
const FAILED: u8 = 2;

/// Runs the command that the process's arguments name, and returns the process's exit code.
pub fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    ExitCode::from(run_words(&words))
}

/// Runs the command that words name, the first of which is the program's name, and returns the process's exit code.
///
/// It takes over the signals, and may be called once in a process, before another thread runs.
pub fn run_words(words: &[OsString]) -> u8 {
    sleep_when_idle();
    if let Err(error) = configure() {
        help::report(&error);
        return FAILED;
    }
    let parsed = command().try_get_matches_from(words);
    let (matches, cli) = match parsed.and_then(|it| Cli::from_arg_matches(&it).map(|cli| (it, cli))) {
        Ok(parsed) => parsed,
        Err(error) => return refused(&error, words),
    };
    terminal::color(cli.common.color);
    if let Some(threads) = cli.common.threads {
        // Nothing has used the pool yet, so that it is built here and nowhere else.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    }
    let given = Given::of(&matches);
    let json = given.is_some_and(|it| it.is("format", &["json"]));
    interrupt::watch(move |said| {
        if json {
            Failure::interrupted(said, interrupt::EXIT_CODE).print();
        }
    });
    let result = check(given).and_then(|()| run(&cli, given));
    match result {
        Ok(Verdict::Fine) | Err(CliError::BrokenPipe) => 0,
        Ok(Verdict::Found) => 1,
        Err(CliError::Reported) => FAILED,
        Err(error) => {
            let stopped = error.is_interrupted();
            let code = if stopped { interrupt::EXIT_CODE } else { FAILED };
            if stopped {
                terminal::message(&help::explained(&error));
            } else {
                help::report(&error);
            }
            if json {
                Failure::of(&error, code).print();
            }
            code
        }
    }
}

/// Shows what clap has to say of the arguments: the help that was asked for, or what is wrong with them.
fn refused(error: &clap::Error, words: &[OsString]) -> u8 {
    let _ = error.print();
    let code = u8::try_from(error.exit_code()).unwrap_or(FAILED);
    let json = words.iter().any(|word| word == "--format=json")
        || words.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "json");
    if code != 0 && json {
        Failure::of_arguments(error, code).print();
    }
    code
}

/// Looks at arguments before any work begins: whether they go together, and whether what is to be written can be.
fn check(given: Option<Given<'_>>) -> Result<(), CliError> {
    let Some(given) = given else { return Ok(()) };
    rules::check(&given)?;
    target::check(&given)
}

fn run(cli: &Cli, given: Option<Given<'_>>) -> Result<Verdict, CliError> {
    match &cli.command {
        Command::Check(arguments) => {
            check::run(arguments, check::Form::named(given.and_then(|it| it.value("format"))), cli.common)
        }
        Command::Fmt(arguments) => fmt::run(arguments, cli.common),
        Command::Eval(arguments) => eval::run(arguments, cli.common),
        Command::Diff(arguments) => diff::run(arguments, cli.common),
        Command::Snapshot(arguments) => snapshot::run(arguments, cli.common),
        Command::Inspect(arguments) => inspect::run(arguments, cli.common),
        Command::Stats(arguments) => stats::run(arguments, cli.common),
        Command::Prune(arguments) => prune::run(arguments, cli.common),
        Command::Ppl(arguments) => ppl::run(arguments, cli.common),
        Command::Kl(arguments) => kl::run(arguments, cli.common),
        Command::Tasks(arguments) => tasks::run(arguments, cli.common),
        Command::Generate(arguments) => generate::run(arguments, cli.common),
        Command::Search(arguments) => search::run(arguments, cli.common),
        Command::Descend(arguments) => descend::run(arguments, cli.common),
        Command::Enumerate(arguments) => enumerate::run(arguments, cli.common),
        Command::Compare(arguments) => compare::run(arguments, cli.common),
        Command::Show(arguments) => show::run(arguments, cli.common),
        Command::List(arguments) => list::run(arguments, cli.common),
        Command::Ops(arguments) => ops::run(arguments, cli.common),
        Command::Explain(arguments) => explain::run(arguments, cli.common),
        Command::ImportDsa(arguments) => import_dsa::run(arguments, cli.common),
        Command::Export(arguments) => export::run(arguments, cli.common),
        Command::Import(arguments) => import::run(arguments, cli.common),
        Command::Pdf(arguments) => pdf::run(arguments, cli.common),
        Command::Completions(arguments) => completions::run(arguments, command()),
        Command::Man(arguments) => man::run(arguments, command()),
        Command::Schema(arguments) => schema::run(arguments, cli.common),
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

/// Hands what the configuration file says to clap, as the environment would.
fn configure() -> Result<(), CliError> {
    for (name, value) in configuration::variables()? {
        // SAFETY: no other thread runs yet that could read the environment meanwhile.
        unsafe { std::env::set_var(name, value) };
    }
    Ok(())
}

/// What `--version` says beside the version: the commit that a release is built from, and what the build can do.
fn long_version() -> &'static str {
    static SAID: OnceLock<String> = OnceLock::new();
    SAID.get_or_init(|| {
        let features = [
            ("hub", cfg!(feature = "hub")),
            ("pdf", cfg!(feature = "pdf")),
            ("cuda", cfg!(feature = "cuda")),
        ];
        let features: Vec<&str> = features.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
        let features = if features.is_empty() { "none".to_owned() } else { features.join(", ") };
        let commit = option_env!("ALLOT_COMMIT").unwrap_or("not recorded in this build");
        format!("{}\ncommit: {commit}\nfeatures: {features}", env!("CARGO_PKG_VERSION"))
    })
}

/// Returns the description of the command line, from which its reference is made.
pub fn command() -> clap::Command {
    layout::laid_out(Cli::command())
}

/// Refuses a command line whose options contradict each other or would be ignored, as the command itself does before any work begins.
///
/// # Errors
/// With clap's message, or the first option that the table refuses.
pub fn refuse(words: &[&str]) -> Result<(), Box<dyn std::error::Error>> {
    let matches = command().try_get_matches_from(words)?;
    Ok(Given::of(&matches).map_or(Ok(()), |given| rules::check(&given))?)
}

/// Returns the table of options that do not go together, in words: commands, options, when they are refused, and why.
pub fn refusals() -> Vec<[String; 4]> {
    rules::listed(&command())
}

/// Returns the kinds of JSON that are printed and written: what documents say in their field `schema`, where they are met, and the JSON
/// Schema.
pub fn schemas() -> impl Iterator<Item = (&'static str, &'static str, serde_json::Value)> {
    DocumentKind::ALL.into_iter().map(|kind| (kind.tag(), kind.place(), json_schema::of(kind)))
}
