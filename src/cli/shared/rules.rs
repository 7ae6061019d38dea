//! Options that contradict each other, or would be ignored: one table, checked before any work begins.
//!
//! An option without effect is refused like a contradiction, as the user expected an effect. Conflicts that clap can check itself,
//! such as two options that always exclude each other, are declared with the options.

use super::error::CliError;
use super::given::Given;
use crate::baselines::program::Baseline;
use crate::exchange::Format;
use crate::lang::published;
use crate::prune::Pattern;

/// When an option is refused.
#[derive(Clone, Copy, Debug)]
enum When {
    /// Always: the command ignores it.
    Always,
    /// One of these is given as well.
    Beside(&'static [&'static str]),
    /// None of these is given.
    Without(&'static [&'static str]),
    /// An argument has one of these values.
    Is(&'static str, &'static [&'static str]),
    /// An argument has none of these values.
    IsNot(&'static str, &'static [&'static str]),
    /// An argument names an allocation file.
    Allocation(&'static str),
    /// The function returns true; the text describes the condition.
    Holds(&'static str, fn(&Given<'_>) -> bool),
    /// All of these hold.
    All(&'static [Self]),
}

use When::{All, Allocation, Always, Beside, Holds, Is, IsNot, Without};

/// The commands that a row applies to.
#[derive(Clone, Copy, Debug)]
enum Commands {
    /// These.
    These(&'static [&'static str]),
    /// All others.
    AllBut(&'static [&'static str]),
    /// Those that have no argument with this id in clap.
    Lacking(&'static str),
}

/// The commands that neither run a model nor evaluate a script on one; all others have `--length`.
const WITHOUT_MODEL: Commands = Commands::Lacking("length");

impl Commands {
    fn has(self, given: &Given<'_>) -> bool {
        match self {
            Self::These(names) => names.contains(&given.command),
            Self::AllBut(names) => !names.contains(&given.command),
            Self::Lacking(id) => !given.has_argument(id),
        }
    }

    /// Returns their names, as listed in the reference.
    fn listed(self, all: &clap::Command) -> String {
        let quoted = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            names.join(", ")
        };
        match self {
            Self::These(names) => quoted(names),
            Self::AllBut(names) => format!("all but {}", quoted(names)),
            Self::Lacking(id) => {
                let lacks = |it: &&clap::Command| it.get_arguments().all(|argument| argument.get_id() != id);
                let names: Vec<&str> =
                    all.get_subcommands().filter(lacks).map(clap::Command::get_name).collect();
                quoted(&names)
            }
        }
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
struct Rule {
    commands: Commands,
    /// The options that are refused when given.
    options: &'static [&'static str],
    when: When,
    why: &'static str,
}

const fn rule(
    commands: &'static [&'static str],
    options: &'static [&'static str],
    when: When,
    why: &'static str,
) -> Rule {
    Rule { commands: Commands::These(commands), options, when, why }
}

const fn rule_of(
    commands: Commands,
    options: &'static [&'static str],
    when: When,
    why: &'static str,
) -> Rule {
    Rule { commands, options, when, why }
}

/// The options of a calibration besides its text.
const WINDOWS: &[&str] = &["samples", "length", "seed", "memory"];
/// All options for evaluating a script on a model.
const EVALUATION: &[&str] = &["stats", "text", "tokens", "samples", "length", "seed", "memory", "method"];
/// The same without the method.
const CALIBRATION: &[&str] = &["stats", "text", "tokens", "samples", "length", "seed", "memory"];
/// The task options besides the names of tasks.
const TASK_OPTIONS: &[&str] = &["data", "shots", "shots_from", "limit", "protocol"];
/// The commands that calibrate on `--text` or `--tokens`, or read `--stats`.
const CALIBRATED: &[&str] = &["eval", "prune", "diff", "export", "snapshot"];
/// The commands that read a calibration, a fitness, a selection and a report text.
const TRIALS: &[&str] = &["search", "enumerate", "compare", "descend"];
/// The options of trials about the calibration text: the number of its windows, and what is collected on them.
const OF_CALIBRATION: &[&str] = &[
    "samples",
    "no_gradients",
    "reconstruction_error",
    "input_kurtosis",
    "block_changes",
    "damage",
    "marginals",
    "marginal_slopes",
];
/// The same without the number of windows.
const COLLECTED: &[&str] = OF_CALIBRATION.split_at(1).1;
const FIXED: When = Holds("with a fixed pattern", has_fixed_pattern);

/// The table; the first row that refuses an option gives the message.
const RULES: &[Rule] = &[
    rule_of(
        Commands::AllBut(&["check"]),
        &["format"],
        Is("format", &["sarif", "github"]),
        "only `allot check` reports mistakes in files",
    ),
    rule(&["check"], &["fix"], Holds("with `-` or `-e`", has_no_file), "there is no file to change"),
    rule(&["check"], &["plan"], Is("format", &["sarif", "github"]), "this format holds mistakes, not plans"),
    rule(&["fmt"], &["diff"], Is("format", &["json"]), "both set the format of the changes"),
    rule(
        &["show"],
        &["front", "all", "csv"],
        Holds("with a script", shows_script),
        "only a search has such results",
    ),
    rule_of(WITHOUT_MODEL, &["device", "precision"], Always, "this command does not compute with a model"),
    rule(&["diff", "export"], &["device", "precision"], Without(&["model"]), "no model is read"),
    rule(&["check"], &["method"], Without(&["plan"]), "only the plan depends on the method"),
    rule(&["show"], &["markdown", "csv"], Is("format", &["json"]), "both set the format of the tables"),
    rule(&["compare"], &["table"], Is("format", &["json"]), "both set the format of the table"),
    rule(&["eval"], &["rows", "rows_of"], Is("format", &["json"]), "the JSON always includes the rows"),
    rule(&["export"], &["out"], Is("format", &["json"]), "a file is always in the format of `--to`"),
    // Scripts without effect.
    rule(&["eval"], &["least", "most"], Allocation("script"), "an allocation file has fixed ratios"),
    rule(
        &["eval"],
        EVALUATION,
        All(&[Allocation("script"), Without(&["marginals"])]),
        "an allocation file has fixed ratios",
    ),
    rule(&["export"], EVALUATION, Allocation("script"), "an allocation file has fixed ratios"),
    rule(
        &["prune"],
        &["script", "expression", "unit"],
        Holds("with a fixed pattern", |given| has_fixed_pattern(given) && !given.is("script", &["uniform"])),
        "such a pattern prunes every part alike and leaves nothing to a script; `n:4` lets the script decide",
    ),
    rule(&["prune"], &["unit"], FIXED, "such a pattern prunes every part alike"),
    rule(
        &["prune"],
        &["sparsity"],
        Holds("with a pattern of another sparsity", has_other_sparsity),
        "such a pattern decides the sparsity",
    ),
    rule(
        &["prune"],
        &["propagate"],
        All(&[Is("propagate", &["pruned"]), Beside(&["stats"])]),
        "a statistics file describes the dense model; calibrate with `--text`",
    ),
    rule(
        &["prune"],
        &["propagate"],
        Is("method", &["magnitude"]),
        "magnitudes do not depend on the outputs of earlier blocks",
    ),
    rule(&["ppl"], &["stats", "calibration"], Is("method", &["magnitude"]), "magnitudes need no statistics"),
    // Options that need a model.
    rule(&["diff"], EVALUATION, Without(&["model"]), "formulas are compared without any data"),
    rule(
        &["export"],
        &["model", "sparsity"],
        Is("to", &["latex", "dsa", "canonical", "numpy"]),
        "this format holds the script itself",
    ),
    rule(
        &["export"],
        EVALUATION,
        Is("to", &["latex", "dsa", "canonical"]),
        "this format holds the script itself",
    ),
    rule(&["export"], CALIBRATION, Is("to", &["numpy"]), "this format holds the script itself"),
    // Snapshots.
    rule(&["snapshot"], &["out", "force"], Beside(&["check"]), "a check writes nothing"),
    rule(&["snapshot"], &["sparsity"], Beside(&["check"]), "the snapshot holds the sparsities"),
    rule(&["snapshot"], &["tolerance"], Without(&["check"]), "nothing is compared"),
    rule(&["snapshot"], &["force"], Without(&["out"]), "no file is written"),
    // Other tools.
    rule(&["export"], &["modifier"], IsNot("to", &["llm-compressor"]), "only llm-compressor has modifiers"),
    rule(&["export"], &["weights_diff", "levels"], IsNot("to", &["evopress"]), "only EvoPress has levels"),
    rule(
        &["import"],
        &["weights_diff"],
        Holds("with a file of another format", |given| {
            imported(given).is_some_and(|it| it != Format::EvoPress)
        }),
        "only EvoPress has levels",
    ),
    rule(
        &["import"],
        &["epsilon"],
        Holds("with a file of another format", |given| {
            imported(given).is_some_and(|it| it != Format::AlphaPruning)
        }),
        "only AlphaPruning has a mapping",
    ),
    rule(
        &["stats"],
        &["unit"],
        Without(&["reductions", "expression", "damage"]),
        "no script is evaluated, and no damage is measured",
    ),
    rule(
        &["stats"],
        &["method", "sparsity"],
        Without(&["reductions", "expression", "damage", "marginals", "marginal_slopes"]),
        "no script is evaluated, and neither marginals nor damages are measured",
    ),
    // Options of calibrations that do not take place.
    rule(
        &["stats"],
        WINDOWS,
        Beside(&["stats"]),
        "nothing is calibrated when statistics are added to a file",
    ),
    rule(
        &["stats"],
        &["stats"],
        Without(&["reductions", "expression", "spectra"]),
        "nothing would be added to the file",
    ),
    rule(CALIBRATED, WINDOWS, Without(&["text", "tokens", "marginals"]), "nothing is calibrated"),
    rule(
        &["eval", "prune", "diff", "export", "snapshot", "stats"],
        &["length", "seed"],
        Beside(&["tokens"]),
        "token ids have their own length, and the first rows are taken",
    ),
    rule(&["kl"], &["length"], Beside(&["tokens"]), "token ids have their own length"),
    rule(
        &["ppl"],
        &["length"],
        All(&[Beside(&["tokens"]), Without(&["calibration"])]),
        "token ids have their own length",
    ),
    // Trials.
    rule(TRIALS, OF_CALIBRATION, Beside(&["stats"]), "a statistics file holds what was collected"),
    rule(
        TRIALS,
        OF_CALIBRATION,
        Without(&["texts", "calibration", "resume"]),
        "there is no calibration text",
    ),
    rule(TRIALS, &["report_windows"], Without(&["texts", "report"]), "there is no report text"),
    rule(&["search"], &["report_sparsity"], Without(&["texts", "report"]), "there is no report text"),
    rule(
        &["search"],
        &["report_sparsity"],
        Holds("with a sparsity of the search", reports_what_is_searched),
        "the table has the search's own sparsities anyway",
    ),
    rule(
        &["search"],
        &["sparsity"],
        Holds("with the same sparsity twice", |given| twice(&given.numbers(&["sparsity", "also"]))),
        "every sparsity counts the same",
    ),
    rule(
        &["search"],
        &["report_sparsity"],
        Holds("with the same sparsity twice", |given| twice(&given.numbers(&["report_sparsity"]))),
        "it is measured once",
    ),
    rule(&["compare", "descend"], COLLECTED, Always, "only the statistics that scripts use are collected"),
    rule(
        &["search", "enumerate"],
        &["only"],
        Beside(&["without"]),
        "each decides which operators are allowed",
    ),
    rule(
        &["enumerate"],
        &["constants", "max_size"],
        Is("space", &["dsa"]),
        "the `dsa` space consists of fixed chains",
    ),
    rule(
        &["compare"],
        &["evaluations", "fitness", "selection"],
        Holds("without a program such as `evopress-block`", |given| !has_program(given)),
        "no program searches",
    ),
    rule(&["compare"], TASK_OPTIONS, Without(&["tasks"]), "no tasks are given"),
    rule(&["compare"], &["tasks"], Without(&["data"]), "the tasks' documents must be in a folder"),
    rule(&["search"], TASK_OPTIONS, Without(&["tasks", "report_tasks"]), "no tasks are given"),
    rule(
        &["search"],
        &["tasks", "report_tasks"],
        Without(&["data"]),
        "the tasks' documents must be in a folder",
    ),
    rule(
        &["search"],
        &["tasks"],
        IsNot("measure", &["tasks"]),
        "they would have no effect; `--report-tasks` scores the results",
    ),
    rule(
        &["search"],
        &["measure"],
        All(&[Is("measure", &["tasks"]), Without(&["tasks"])]),
        "tasks are named with `--tasks`",
    ),
    rule(
        &["search"],
        &["fitness", "selection"],
        Is("measure", &["tasks"]),
        "documents of the tasks replace these texts",
    ),
    rule(
        &["search"],
        &["held_out_teacher"],
        Without(&["teacher"]),
        "without a teacher there is nothing to compare it with",
    ),
    rule(
        &["search"],
        &["teacher", "held_out_teacher"],
        Beside(&["dry_run"]),
        "the plan does not include teachers",
    ),
    rule(
        &["search"],
        &["surrogate"],
        Beside(&["dry_run"]),
        "the plan does not include formulas that a surrogate only screens",
    ),
    rule(
        &["enumerate", "descend"],
        &["measure"],
        Is("measure", &["tasks"]),
        "only `allot search` can measure by tasks",
    ),
    rule(
        &["compare"],
        &["unit"],
        Holds("with programs alone", has_programs_alone),
        "programs have their own units",
    ),
];

/// Refuses arguments that contradict each other or would be ignored, before any work begins.
///
/// # Errors
/// With the first option that a row of the table refuses, and the reason.
pub(in crate::cli) fn check(given: &Given<'_>) -> Result<(), CliError> {
    if given.readers_of_standard_input() > 1 {
        return Err(CliError::StandardInputTwice);
    }
    for rule in RULES.iter().filter(|rule| rule.commands.has(given)) {
        let written = rule.options.iter().find(|option| given.is_written(option));
        if let Some(option) = written.filter(|_| rule.when.holds(given)) {
            return Err(rule.refusal(option, given));
        }
    }
    Ok(())
}

/// Returns the table as text: the commands, the options, when they are refused, and why.
pub(in crate::cli) fn listed(all: &clap::Command) -> Vec<[String; 4]> {
    let row = |rule: &Rule| {
        let options: Vec<String> = rule.options.iter().map(|option| format!("`{}`", shown(option))).collect();
        [rule.commands.listed(all), options.join(", "), rule.when.listed(), rule.why.to_owned()]
    };
    RULES.iter().map(row).collect()
}

impl Rule {
    /// Returns the error for an option that the row refuses, with its value if the row depends on it.
    fn refusal(&self, option: &str, given: &Given<'_>) -> CliError {
        let of_itself = |when: &When| matches!(when, Is(id, _) if *id == option);
        let parts = match &self.when {
            All(parts) => parts,
            single => std::slice::from_ref(single),
        };
        let others: Vec<String> =
            parts.iter().filter(|part| !of_itself(part)).map(|part| part.phrase(given)).collect();
        let when = if others.is_empty() { Always.listed() } else { others.join(" and ") };
        let value = given.value(option).filter(|_| parts.iter().any(of_itself));
        let option = value.map_or_else(|| shown(option), |value| format!("{} {value}", shown(option)));
        CliError::Refused { option, when, why: self.why }
    }
}

impl When {
    fn holds(self, given: &Given<'_>) -> bool {
        match self {
            Always => true,
            Beside(others) => others.iter().any(|other| given.is_written(other)),
            Without(others) => !others.iter().any(|other| given.is_written(other)),
            Is(id, values) => given.is(id, values),
            IsNot(id, values) => !given.is(id, values),
            Allocation(id) => given.is_allocation(id),
            Holds(_, test) => test(given),
            All(parts) => parts.iter().all(|part| part.holds(given)),
        }
    }

    /// Returns the condition that holds for the given arguments, such as "together with `--stats`".
    fn phrase(self, given: &Given<'_>) -> String {
        match self {
            Beside(others) => {
                let other = others.iter().find(|other| given.is_written(other));
                format!("together with `{}`", other.map_or_else(String::new, |other| shown(other)))
            }
            Is(id, _) | IsNot(id, _) => match given.value(id) {
                Some(value) => format!("with `{} {value}`", shown(id)),
                None => format!("without `{}`", shown(id)),
            },
            All(parts) => {
                let parts: Vec<String> = parts.iter().map(|part| part.phrase(given)).collect();
                parts.join(" and ")
            }
            Always | Without(_) | Allocation(_) | Holds(..) => self.listed(),
        }
    }

    /// Returns the condition for any arguments.
    fn listed(self) -> String {
        let names = |ids: &[&str]| -> String {
            let names: Vec<String> = ids.iter().map(|id| format!("`{}`", shown(id))).collect();
            names.join(" or ")
        };
        match self {
            Always => "in this command".to_owned(),
            Beside(others) => format!("together with {}", names(others)),
            Without(others) => format!("without {}", names(others)),
            Is(id, values) => format!("with `{} {}`", shown(id), values.join("|")),
            IsNot(id, values) => format!("unless `{} {}`", shown(id), values.join("|")),
            Allocation(_) => "with an allocation file".to_owned(),
            Holds(words, _) => words.to_owned(),
            All(parts) => parts.iter().map(|part| part.listed()).collect::<Vec<_>>().join(" and "),
        }
    }
}

/// Returns the spelling on the command line of an argument's id in clap.
fn shown(id: &str) -> String {
    match id {
        "script" => "SCRIPT".to_owned(),
        id => format!("--{}", id.replace('_', "-")),
    }
}

/// Returns the share of weights that a fixed pattern prunes.
fn fixed(given: &Given<'_>) -> Option<f64> {
    match given.value("pattern")?.parse() {
        Ok(Pattern::Fixed { n, m }) => Some(n as f64 / m as f64),
        Ok(Pattern::Unstructured | Pattern::Mixed { .. }) | Err(_) => None,
    }
}

fn has_fixed_pattern(given: &Given<'_>) -> bool {
    fixed(given).is_some()
}

fn twice(numbers: &[f64]) -> bool {
    numbers.iter().enumerate().any(|(place, number)| numbers[..place].contains(number))
}

fn reports_what_is_searched(given: &Given<'_>) -> bool {
    let searched = given.numbers(&["sparsity", "also"]);
    given.numbers(&["report_sparsity"]).iter().any(|sparsity| searched.contains(sparsity))
}

fn has_no_file(given: &Given<'_>) -> bool {
    given.is_written("expression") || given.values("scripts").iter().any(|name| *name == "-")
}

fn shows_script(given: &Given<'_>) -> bool {
    given.values("run").first().is_some_and(|name| {
        std::path::Path::new(name).is_file() || published::find(&name.to_string_lossy()).is_some()
    })
}

fn has_other_sparsity(given: &Given<'_>) -> bool {
    let asked = given.value("sparsity").and_then(|value| value.parse::<f64>().ok());
    fixed(given).zip(asked).is_some_and(|(fixed, asked)| fixed != asked)
}

/// Returns the format of the imported file, if it is known.
fn imported(given: &Given<'_>) -> Option<Format> {
    if let Some(name) = given.value("from") {
        return Format::ALL.into_iter().find(|format| format.name() == name);
    }
    let path = *given.values("file").first()?;
    Format::guess(&std::fs::read(path).ok()?)
}

fn has_program(given: &Given<'_>) -> bool {
    given.values("scripts").iter().any(|name| Baseline::ALL.iter().any(|program| program.key() == *name))
}

fn has_programs_alone(given: &Given<'_>) -> bool {
    let names = given.values("scripts");
    let is_program = |name: &&std::ffi::OsStr| Baseline::ALL.iter().any(|program| **name == *program.key());
    !names.is_empty() && !given.is_written("expression") && names.iter().all(is_program)
}
