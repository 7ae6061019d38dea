//! Generates the book's reference pages from the code: operators, command line, diagnostics, statistics file, search, grammar.
//!
//! `ALLOT_UPDATE_DOCS=1 cargo test --test it docs::reference` writes the pages again.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::support::book;
use allot::lang::check::{CheckOptions, check};
use allot::lang::diagnostic::{Diagnostic, Severity};
use allot::lang::ops::{CATALOGUE, Class, DsaStage, Notation, Operator};
use allot::lang::problem::Problem;
use allot::lang::types::Type;
use allot::search::space::VARIATIONS;
use allot::{lang::render::render, report::catalogue};

/// The first line of every generated page, which says not to edit it by hand.
const MADE: &str = "<!-- Made by tests/it/docs/reference.rs from the code. To change it, change the code, then run \
                    `ALLOT_UPDATE_DOCS=1 cargo test --test it docs::reference`. -->\n";

#[test]
fn operators() {
    keep("docs/reference/operators.md", &operators_page());
}

#[test]
fn command_line() {
    keep("docs/reference/command-line.md", &command_line_page());
}

#[test]
fn diagnostics() {
    keep("docs/reference/diagnostics.md", &diagnostics_page());
}

#[test]
fn statistics_file() {
    keep("docs/reference/statistics-file.md", &statistics_page());
}

#[test]
fn search() {
    keep("docs/reference/search.md", &search_page());
}

#[test]
fn grammar() {
    keep("docs/reference/grammar.md", &grammar_page());
}

/// Compares a page with what it should say, or writes it.
pub fn keep(path: &str, text: &str) {
    keep_whole(path, &format!("{MADE}\n{}\n", text.trim()));
}

/// Like [`keep`], for a file without the line that says it is generated.
pub fn keep_whole(path: &str, text: &str) {
    let file = book::root(path);
    if book::updating() {
        std::fs::create_dir_all(file.parent().expect("a page has a folder")).expect("a folder can be made");
        std::fs::write(&file, text).expect("a page can be written");
        return;
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    if let Some((line, is, should)) = book::first_difference(&committed, text) {
        panic!(
            "{path} is behind the code, from line {line} on.\nIt says:        {is}\nIt should say:  {should}\n\
             Write it again with `ALLOT_UPDATE_DOCS=1 cargo test --test it docs::reference`, and look at the difference."
        );
    }
}

fn operators_page() -> String {
    let mut out = String::from(
        "# Operators\n\n\
         All operators, as `allot ops --all` lists them and `allot explain NAME` shows them. Types are explained in\n\
         [Types are shapes](../concepts/types-are-shapes.md). In signatures, `S` is any shape, and operands widen to the\n\
         smallest shape that they share; for normalisers `S` is any shape except Number.\n\n\
         Elementwise operators act on each value separately. Normalisers compare a value with the others of its unit, or,\n\
         for a Layer, with those of the other units. Reductions take all values of a unit; with `over = inputs` or\n\
         `over = outputs` they take a Matrix, work within each linear, and return an Output or an Input. Matrix reductions\n\
         work on each linear and then take the plain mean over the unit's linears. Unless stated otherwise, a value that is\n\
         not finite is an error that names the place.\n",
    );
    for (heading, rows) in catalogue::sections(true) {
        let _ = write!(out, "\n## {heading}\n\n");
        if rows.iter().any(|row| row.op.is_dsa()) {
            out.push_str(
                "These operators compute as the released engine does, so that imported formulas give their published ratios.\n\
                 Typed holes do not offer them.\n\n",
            );
        }
        out.push_str("| operator | result |\n|---|---|\n");
        for row in &rows {
            let _ = writeln!(out, "| [`{}`](#{}) | {} |", row.name, anchor(row), cell(row.summary));
        }
        for row in rows {
            operator(&mut out, row);
        }
    }
    out
}

fn search_page() -> String {
    let mut out = String::from(
        "# Search spaces and variations\n\n\
         The formulas that a search may draw, and its variations. [How the search works](../concepts/search.md) explains them.\n\n\
         ## The `dsa` space\n\n\
         A formula is a chain on `score` or `weight` with the four stages of DSA, followed by `scale`. The catalogue says in which\n\
         stages each operator may stand.\n\n| stage | at most | operators |\n|---|---|---|\n",
    );
    let stages = [
        (DsaStage::PreProcess, "pre-process", 2),
        (DsaStage::Reduce, "reduce", 1),
        (DsaStage::Transform, "transform", 1),
        (DsaStage::PostProcess, "post-process", 2),
    ];
    for (stage, name, most) in stages {
        let operators: Vec<String> = CATALOGUE
            .iter()
            .filter(|row| row.stages.contains(&stage))
            .map(|row| format!("[`{}`](operators.md#{})", row.name, anchor(row)))
            .collect();
        let _ = writeln!(out, "| {name} | {most} | {} |", operators.join(" "));
    }
    out.push_str(
        "\n## The `full` space\n\n\
         A formula is any well-typed expression up to `--max-size`. It uses all [operators](operators.md) except those of the\n\
         released DSA engine, and the terminals whose statistics were collected.\n\n\
         ## Variations\n\n\
         A variation makes a new formula from old ones. The weights say how often each variation is drawn at the start; those that\n\
         help are drawn more often as the search continues.\n\n| variation | what it does | source | weight in `full` | in `dsa` |\n|---|---|---|---|---|\n",
    );
    for info in VARIATIONS {
        let weight = |weight: f64| if weight > 0.0 { weight.to_string() } else { "-".to_owned() };
        let _ = writeln!(
            out,
            "| {} | {}. | {} | {} | {} |",
            info.name,
            cell(info.summary),
            cell(info.source),
            weight(info.full),
            weight(info.dsa)
        );
    }
    out
}

fn operator(out: &mut String, row: &Operator) {
    let _ = write!(out, "\n### `{}` {{#{}}}\n\n{}.\n\n", row.name, anchor(row), row.summary);
    let _ = writeln!(out, "```text\n{}", row.signature());
    if let Some(symbol) = row.symbol() {
        let _ = match row.operands {
            [x] => writeln!(out, "{symbol}{x}"),
            [x, y] => writeln!(out, "{x} {symbol} {y}"),
            _ => writeln!(out, "{symbol}"),
        };
    }
    let _ = write!(out, "```\n\n{}\n", prose(row.definition));
    if !row.parameters.is_empty() {
        out.push_str("\n| parameter | sets | values | default |\n|---|---|---|---|\n");
        for parameter in row.parameters {
            let default = parameter.default.map_or("required".to_owned(), |default| format!("`{default}`"));
            let _ = writeln!(
                out,
                "| `{}` | {} | {} | {default} |",
                parameter.name,
                cell(parameter.summary),
                cell(&parameter.domain.to_string())
            );
        }
    }
    let _ = write!(out, "\nSource: {}. LaTeX: `{}`.\n\n", prose(row.source), row.latex);
    let _ = write!(out, "```allot\n{}\n```\n", row.example);
}

fn anchor(row: &Operator) -> String {
    format!("op-{}", row.name.replace("::", "-").replace('_', "-"))
}

/// Returns text escaped for a cell of a table.
fn cell(text: &str) -> String {
    prose(text).replace('|', "\\|")
}

/// Returns text with Markdown's special characters escaped outside code.
fn prose(text: &str) -> String {
    let mut out = String::new();
    let mut in_code = false;
    for character in text.chars() {
        in_code ^= character == '`';
        if !in_code && matches!(character, '*' | '_' | '<' | '[' | ']') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

fn command_line_page() -> String {
    let mut command = allot::cli::command();
    command.build();
    let mut out = format!("# Command line\n\n{}.\n\n", said(command.get_about()).trim_end_matches('.'));
    let common: Vec<&clap::Arg> =
        command.get_arguments().filter(|argument| argument.is_global_set()).collect();
    out.push_str("| command | |\n|---|---|\n");
    let subcommands: Vec<&clap::Command> =
        command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help").collect();
    for subcommand in &subcommands {
        let name = subcommand.get_name();
        let _ =
            writeln!(out, "| [`allot {name}`](#allot-{name}) | {} |", cell(&said(subcommand.get_about())));
    }
    out.push_str("\nEvery command also takes:\n\n");
    arguments(&mut out, &common);
    let _ = write!(
        out,
        "\n{}\n\nResults go to standard output, messages and progress to standard error. `NO_COLOR` turns colours off, and\n\
         `COLUMNS` sets the width of tables.\n",
        said(command.get_after_help())
    );
    for subcommand in subcommands {
        let name = subcommand.get_name();
        let usage = subcommand.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ");
        let _ = write!(out, "\n## `allot {name}` {{#allot-{name}}}\n\n{}.\n\n", said(subcommand.get_about()));
        let _ = write!(out, "```text\n{usage}\n```\n");
        let own: Vec<&clap::Arg> = subcommand
            .get_arguments()
            .filter(|argument| !argument.is_global_set() && !is_builtin(argument))
            .collect();
        if !own.is_empty() {
            out.push('\n');
            arguments(&mut out, &own);
        }
        let help = said(subcommand.get_after_help());
        if !help.is_empty() {
            let _ = write!(out, "\n```text\n{help}\n```\n");
        }
    }
    out.push_str(
        "\n## Options that do not go together\n\n\
         Commands refuse these before any work begins, as well as two arguments that are both `-`. They also refuse options that exclude\n\
         or need another one according to the usage line.\n\n\
         | commands | options | refused | because |\n|---|---|---|---|\n",
    );
    for row in allot::cli::refusals() {
        let _ = writeln!(out, "| {} |", row.map(|text| cell(&text)).join(" | "));
    }
    out
}

fn is_builtin(argument: &clap::Arg) -> bool {
    ["help", "version"].contains(&argument.get_id().as_str())
}

fn said(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

/// Writes a table of arguments.
fn arguments(out: &mut String, arguments: &[&clap::Arg]) {
    out.push_str("| argument | |\n|---|---|\n");
    for argument in arguments {
        let value = argument
            .get_value_names()
            .filter(|_| argument.get_action().takes_values())
            .map(|names| names.join(" "))
            .unwrap_or_default();
        let name = match (argument.get_short(), argument.get_long()) {
            (Some(short), Some(long)) => format!("-{short}, --{long} {value}"),
            (None, Some(long)) => format!("--{long} {value}"),
            (Some(short), None) => format!("-{short} {value}"),
            (None, None) => value,
        };
        let mut text = cell(&said(argument.get_help()));
        let possible: Vec<String> = argument
            .get_possible_values()
            .iter()
            .filter(|_| argument.get_action().takes_values())
            .map(|value| {
                let help = value.get_help().map(|help| format!(" ({help})")).unwrap_or_default();
                format!("`{}`{help}", value.get_name())
            })
            .collect();
        if !possible.is_empty() {
            let _ = write!(text, ": {}", possible.join(", "));
        }
        let defaults: Vec<String> = argument
            .get_default_values()
            .iter()
            .filter(|_| argument.get_action().takes_values())
            .map(|value| value.to_string_lossy().into_owned())
            .collect();
        if !defaults.is_empty() {
            let _ = write!(text, ". Default: `{}`", defaults.join(" "));
        } else if argument.is_required_set() {
            text.push_str(". Required");
        }
        let _ = writeln!(out, "| `{}` | {text} |", name.trim());
    }
}

/// A kind of diagnostic: whether it is a warning, and when it is reported.
#[derive(Default)]
struct Kind {
    warning: bool,
    when: Vec<String>,
}

fn diagnostics_page() -> String {
    let mut out = String::from(
        "# Diagnostics\n\n\
         A diagnostic has a severity, a stable code in brackets, a message, labels under the code and lines of help.\n\
         `allot check --format json` prints the same as JSON. One run reports every mistake that does not follow from\n\
         another. `allot check` exits with 1 if there is an error, and with 0 if there are only warnings.\n",
    );
    out.push_str("\n## In scripts\n");
    let examples = examples();
    for (code, kind) in kinds_of_problems() {
        let severity = if kind.warning { " (a warning)" } else { "" };
        let _ = write!(out, "\n### `{code}`{severity} {{#{code}}}\n\n{}\n", kind.when.join(" "));
        if let Some((source, rendered)) = examples.get(code.as_str()) {
            let tag = if kind.warning { "warning" } else { "error" };
            let _ = write!(out, "\n```allot,{tag}\n{source}```\n\n```text\n{rendered}\n```\n");
        }
    }
    out.push_str(
        "\n## In values\n\n\
         These occur when a script without errors is evaluated on a model. The command exits with 2.\n\n\
         | code | when |\n|---|---|\n\
         | `not-finite` | A sub-expression is NaN or infinite in a unit. The label names the values that led to it. |\n\
         | `not-collected` | A terminal needs a statistic that was not collected. |\n\
         | `measured-elsewhere` | A marginal or a damage was collected for another sparsity, metric or unit. |\n\
         | `needs-projection` | A terminal that is defined only for projections is evaluated with blocks as units. |\n\
         | `needs-rows` | An importance of rows is evaluated with blocks or projections as units. |\n\
         | `no-value` | The model cannot be evaluated: no linears, a statistic of the wrong length, a spectrum that does not converge. |\n",
    );
    let evaluation = book::read("crates/allot-core/src/interpret/error.rs");
    let mut codes: Vec<&str> = codes(&evaluation).into_iter().map(|(code, _, _)| code).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(
        codes,
        ["measured-elsewhere", "needs-projection", "needs-rows", "no-value", "not-collected", "not-finite"],
        "the codes of crates/allot-core/src/interpret/error.rs changed: update the table in tests/it/docs/reference.rs"
    );
    out
}

/// Returns the codes in a source file, each with whether it is a warning, and its position.
fn codes(source: &str) -> Vec<(&str, bool, usize)> {
    let mut codes = Vec::new();
    for (call, warning) in [("Diagnostic::error(", false), ("Diagnostic::warning(", true)] {
        for (at, _) in source.match_indices(call) {
            let after = source[at + call.len()..].trim_start();
            if let Some((code, _)) = after.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
                codes.push((code, warning, at));
            }
        }
    }
    codes.sort_by_key(|(_, _, at)| *at);
    codes
}

/// The module of the problems in scripts, and the files of its messages.
const PROBLEMS: &str = "crates/allot-lang/src/problem";
const WORDS: [&str; 7] = ["text", "syntax", "statements", "names", "arguments", "types", "hole"];

fn camel_case(name: &str) -> String {
    let capital = |word: &str| {
        let mut characters = word.chars();
        characters.next().map(|first| first.to_ascii_uppercase().to_string() + characters.as_str())
    };
    name.split('_').filter_map(capital).collect()
}

/// Returns the kinds of problems by code, each with the documentation of its variants.
fn kinds_of_problems() -> BTreeMap<String, Kind> {
    // Each variant has a function with its name.
    let words: String = WORDS.map(|file| book::read(&format!("{PROBLEMS}/words/{file}.rs"))).concat();
    let problems = book::read(&format!("{PROBLEMS}.rs"));
    let mut kinds: BTreeMap<String, Kind> = BTreeMap::new();
    for (code, warning, at) in codes(&words) {
        let before = words[..at].rfind("fn ").expect("a code stands in a function");
        let name = words[before + 3..].split('(').next().unwrap_or_default();
        let when = variant_line(&problems, &camel_case(name));
        let kind = kinds.entry(code.to_owned()).or_default();
        kind.warning = warning;
        if !kind.when.contains(&when) {
            kind.when.push(when);
        }
    }
    assert!(kinds.len() > 30, "only {} codes were found in {PROBLEMS}/words", kinds.len());
    kinds
}

/// Returns the documentation of a variant of `Problem`.
fn variant_line(source: &str, variant: &str) -> String {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let starts =
        |line: &str| line.strip_prefix(variant).is_some_and(|rest| rest.starts_with([' ', ',', '{']));
    let at = lines.iter().position(|line| starts(line)).unwrap_or_else(|| panic!("`{variant}` has no line"));
    lines[at - 1].trim_start_matches("///").trim().to_owned()
}

/// Returns for each code a short script in which it is the only problem, and the rendered diagnostic.
fn examples() -> BTreeMap<&'static str, (String, String)> {
    let mut paths: Vec<_> = std::fs::read_dir(book::root("tests/broken"))
        .expect("tests/broken can be read")
        .map(|entry| entry.expect("tests/broken can be read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "allot"))
        .collect();
    paths.sort();
    let mut examples = BTreeMap::new();
    for path in paths {
        let Some(source) = std::fs::read(&path).ok().and_then(|bytes| String::from_utf8(bytes).ok()) else {
            continue;
        };
        let source = format!("{}\n", source.trim_end());
        let plain = source.chars().all(|character| character == '\n' || !character.is_control());
        if !plain || source.len() > 200 || source.trim().is_empty() || source.contains("```") {
            continue;
        }
        let problems = check(&source, CheckOptions::default()).problems;
        let diagnostics: Vec<Diagnostic> = problems.iter().map(Problem::diagnostic).collect();
        if let [diagnostic] = &diagnostics[..] {
            let text = render(&diagnostics, "my.allot", &source, false).trim_end().to_owned();
            let shortest = examples
                .get(diagnostic.code)
                .is_none_or(|(known, _): &(String, String)| source.len() < known.len());
            if shortest && matches!(diagnostic.severity, Severity::Error | Severity::Warning) {
                examples.insert(diagnostic.code, (source, text));
            }
        }
    }
    examples
}

fn statistics_page() -> String {
    let source = book::read("src/stats/file.rs");
    let head: Vec<&str> = source
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .map(|line| line.trim_start_matches("//!").trim_start())
        .collect();
    let layout = head
        .join("\n")
        .replace("[`Provenance`]", "provenance")
        .replace("The statistics file: safetensors", "It is a safetensors file");
    let mut out = format!(
        "# The statistics file\n\n\
         `allot stats` writes the statistics of one model to a file, and `--stats` reads them back. {layout}\n\n\
         The file covers only the linears of the blocks. It has second moments for every one of them, and the other tensors if they\n\
         were collected. Values are finite, and all except reductions, Hessians, marginals, damages and changes of blocks are\n\
         at least 0. allot refuses a file\n\
         of another model or of other weights, and one with a missing or an additional tensor.\n\n\
         ## Provenance\n\n| key | what |\n|---|---|\n"
    );
    let types = book::read("src/stats/statistics.rs");
    let (_, fields) = types.split_once("pub struct Provenance {").expect("the provenance is a struct");
    let (fields, _) = fields.split_once("\n}").expect("a struct ends");
    let mut text = String::new();
    for line in fields.lines().map(str::trim) {
        if let Some(more) = line.strip_prefix("/// ") {
            text.push_str(more);
        } else if let Some((name, _)) = line.strip_prefix("pub ").and_then(|rest| rest.split_once(':')) {
            let _ = writeln!(
                out,
                "| `{name}` | {} |",
                text.replace("([`Checkpoint::fingerprint`])", "").replace(" .", ".")
            );
            text.clear();
        }
    }
    out
}

fn grammar_page() -> String {
    let mut out = String::from(
        "# Grammar\n\n\
         A script is a file of statements, and this page lists all that it may contain. `metric`, `unit` and `let` may come in any\n\
         order, and a name must be bound before it is used. The last statement is the value: an allocation. A script with only a `metric`\n\
         is a pruning method.\n\n\
         | statement | meaning |\n|---|---|\n\
         | `metric EXPR` | scores the weights: a Matrix; `score` has this value from then on |\n\
         | `metric(per = matrix) EXPR` | the same, but a ratio applies to each matrix as a whole, not to each row |\n\
         | `unit block`, `unit projection`, `unit row` | the allocation unit; a flag overrides it |\n\
         | `let NAME = EXPR` | gives an expression a name |\n| `EXPR` | the value |\n\n\
         A new line ends a statement, unless it is inside parentheses, after an operator, `=` or `,`, or before an\n\
         operator other than `-`. `#` starts a comment. `x |> f(a)` is `f(x, a)`. Operands are given by position, parameters\n\
         by position or by name. `?` is a typed hole: the checker lists what fits there.\n\n\
         ```allot\n# Outlier-weighed layer-wise sparsity (Yin et al., ICML 2024)\nmetric abs(weight) * input_norm\n\
         let outliers = mean(score > 5 * mean(score))\noutliers |> scale(lambda = 0.08)\n```\n\n\
         ## Precedence\n\nFrom the loosest to the tightest:\n\n| operators | |\n|---|---|\n| `\\|>` | left to right |\n",
    );
    let mut levels: BTreeMap<u8, Vec<&str>> = BTreeMap::new();
    for row in CATALOGUE {
        if let Notation::Infix { symbol, precedence } = row.notation {
            levels.entry(precedence).or_default().push(symbol);
        }
    }
    levels.insert(allot::lang::ops::NEGATION, vec!["-x"]);
    for (level, symbols) in levels {
        let note = match level {
            allot::lang::ops::COMPARISON => "1 or 0; they do not chain",
            allot::lang::ops::NEGATION => "the sign",
            allot::lang::ops::POWER => "right to left",
            _ => "left to right",
        };
        let symbols: Vec<String> = symbols.iter().map(|symbol| format!("`{symbol}`")).collect();
        let _ = writeln!(out, "| {} | {note} |", symbols.join(" "));
    }
    out.push_str("\n## Types\n\n| type | values |\n|---|---|\n");
    for of_type in [Type::Number, Type::Layer, Type::Input, Type::Output, Type::Matrix, Type::Sparsity] {
        let _ = writeln!(out, "| `{of_type}` | {} |", of_type.one_for_each());
    }
    let count = |class: fn(&Class) -> bool| CATALOGUE.iter().filter(|row| class(&row.class)).count();
    let _ = write!(
        out,
        "\nExpressions start from {} terminals, and a script ends with one of {} allocators.\n\n\
         ## The whole grammar\n\n\
         The parser is compiled from this file, in [pest](https://pest.rs)'s notation.\n\n\
         ```pest\n{{{{#include ../../grammar/allot.pest}}}}\n```\n",
        count(|class| matches!(class, Class::Terminal(_))),
        count(|class| matches!(class, Class::Allocator(_))),
    );
    out
}
