//! The command line: it parses arguments, calls the library and prints results, and computes nothing itself. `commands` has one
//! file for each command, `shared` the code that several commands use.

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
#[command(after_help = "Exit codes: 0 success, 1 a check found a problem, 2 error, 130 interrupted.

The file ~/.config/allot/config.toml can set defaults of --device, --precision, --memory, --threads and --color, one key per line.")]
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
    // Boxed because it is much larger than the others.
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

/// Runs the command in `words`, whose first entry is the program's name, and returns the process's exit code.
///
/// It installs signal handlers. Call it at most once in a process, before any other thread runs.
pub fn run_words(words: &[OsString]) -> u8 {
    sleep_when_idle();
    if let Err(error) = configure() {
        help::report(&error);
        return FAILED;
    }
    let mut definition = command();
    let parsed = definition.try_get_matches_from_mut(words);
    let (matches, cli) = match parsed.and_then(|it| Cli::from_arg_matches(&it).map(|cli| (it, cli))) {
        Ok(parsed) => parsed,
        Err(error) => return refused(&error, words),
    };
    terminal::color(cli.common.color);
    if let Some(threads) = cli.common.threads {
        // Nothing has used rayon's pool yet, so this call builds it.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    }
    let given = Given::of(&definition, &matches);
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

/// Prints clap's answer to the arguments: the requested help, or what is wrong with them.
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

/// Checks before any work begins that the arguments are compatible and that the outputs can be written.
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

/// Limits candle's own thread pool to one thread, as its idle threads spin. The heavy work runs on rayon's threads, which sleep.
fn sleep_when_idle() {
    const THREADS: &str = "CANDLE_NUM_THREADS";
    if std::env::var_os(THREADS).is_none() {
        // SAFETY: no other thread runs yet that could read the environment meanwhile.
        unsafe { std::env::set_var(THREADS, "1") };
    }
}

/// Passes the settings of the configuration file to clap as environment variables.
fn configure() -> Result<(), CliError> {
    for (name, value) in configuration::variables()? {
        // SAFETY: no other thread runs yet that could read the environment meanwhile.
        unsafe { std::env::set_var(name, value) };
    }
    Ok(())
}

/// Returns the text of `--version`: the version, the commit of a release build, and the enabled features.
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

/// Returns clap's definition of the command line, from which the reference page is generated.
pub fn command() -> clap::Command {
    layout::laid_out(Cli::command())
}

/// Refuses a command line whose options contradict each other or would be ignored, as the command itself does before any work.
///
/// # Errors
/// With clap's error, or with the first option that the table of rules refuses.
pub fn refuse(words: &[&str]) -> Result<(), Box<dyn std::error::Error>> {
    let mut definition = command();
    let matches = definition.try_get_matches_from_mut(words)?;
    Ok(Given::of(&definition, &matches).map_or(Ok(()), |given| rules::check(&given))?)
}

/// Returns the table of incompatible options as text: commands, options, when they are refused, and why.
pub fn refusals() -> Vec<[String; 4]> {
    rules::listed(&command())
}

/// Returns every kind of JSON document: the value of its field `schema`, where it occurs, and its JSON Schema.
pub fn schemas() -> impl Iterator<Item = (&'static str, &'static str, serde_json::Value)> {
    DocumentKind::ALL.into_iter().map(|kind| (kind.tag(), kind.place(), json_schema::of(kind)))
}
