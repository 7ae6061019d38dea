//! The language words that `allot explain` knows, in addition to operators: keywords, symbols, types, units
//! and diagnostic codes.

use serde::Serialize;

/// A word of the language, explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Word {
    /// The word as written in scripts.
    pub name: &'static str,
    /// Kind of word, such as keyword or type.
    pub kind: &'static str,
    /// Meaning of the word.
    pub text: &'static str,
    /// A correct script that uses it.
    pub example: &'static str,
}

const fn word(name: &'static str, kind: &'static str, text: &'static str, example: &'static str) -> Word {
    Word { name, kind, text, example }
}

/// Every word, in listing order.
pub const WORDS: &[Word] = &[
    word(
        "let",
        "keyword",
        "Names a value: `let NAME = VALUE`. Later lines can use the name; the value is computed once.",
        "let outliers = mean(score > 5 * mean(score))\noutliers |> scale",
    ),
    word(
        "metric",
        "keyword",
        "Defines how weights are scored: `metric VALUE`, where the value is a Matrix. `score` stands for it in the allocation, and pruning \
         removes the weights with the lowest scores. `metric(per = matrix)` compares the weights of a whole matrix, \
         `metric(per = row)`, the default, those of each row.",
        "metric(per = row) abs(weight) * input_norm\nmean(score) |> scale",
    ),
    word(
        "unit",
        "keyword",
        "Sets the allocation unit, which gets its own ratio: `unit block` (the default), `unit projection` or `unit row`.",
        "unit projection\nmean(score) |> scale",
    ),
    word(
        "per",
        "option",
        "Sets the group of weights within which a metric's scores are compared: `row` or `matrix`.",
        "metric(per = matrix) abs(weight)\nuniform()",
    ),
    word(
        "over",
        "option",
        "Makes a reduction run along one side of each linear: `over = inputs` gives one value for each output channel (an Output), and \
         `over = outputs` one for each input channel (an Input).",
        "mean(std(score, over = inputs)) |> scale",
    ),
    word(
        "|>",
        "symbol",
        "Passes a value on: `x |> f(y)` is `f(x, y)`. A pipeline reads in the order of computation, and ends in an allocator.",
        "score |> log |> mean |> scale(lambda = 0.1)",
    ),
    word(
        "?",
        "symbol",
        "A hole, which can replace any value, stage or parameter. `allot check` lists what fits there.",
        "mean(score) |> scale",
    ),
    word(
        "#",
        "symbol",
        "Starts a comment, which runs to the end of the line.",
        "uniform()  # the same ratio for all",
    ),
    word(
        "Number",
        "type",
        "One value: a constant, or `target`, the requested sparsity.",
        "ramp(beta = 0.1 * 0.5)",
    ),
    word(
        "Layer",
        "type",
        "One value for each allocation unit, a block or a projection. Allocators take one.",
        "mean(score) + depth |> scale",
    ),
    word(
        "Input",
        "type",
        "One value for each input channel of each linear, such as `input_norm`.",
        "mean(input_norm) |> scale",
    ),
    word(
        "Output",
        "type",
        "One value for each output channel of each linear. With `unit row`, allocators take one.",
        "unit row\nmean(score, over = inputs) |> scale",
    ),
    word(
        "Matrix",
        "type",
        "One value for each weight, such as `weight` and `score`. Reductions turn it into a Layer.",
        "mean(score) |> scale",
    ),
    word(
        "Sparsity",
        "type",
        "One ratio from 0 to 1 for each unit, whose mean over all weights is the target. Allocators produce one, and every script ends with it.",
        "mean(score) |> scale",
    ),
    word(
        "block",
        "unit",
        "One ratio for each block of the model; all linears in it get that ratio.",
        "unit block\nmean(score) |> scale",
    ),
    word(
        "projection",
        "unit",
        "One ratio for each linear, such as `self_attn.q_proj`.",
        "unit projection\nmean(score) |> scale",
    ),
    word(
        "row",
        "unit",
        "One ratio for each row of each linear: for each output channel.",
        "unit row\nmean(score, over = inputs) |> scale",
    ),
];

/// The page that explains every diagnostic, generated from the code.
const DIAGNOSTICS: &str = include_str!("../../docs/reference/diagnostics.md");

/// Returns the word with a name.
pub fn find(name: &str) -> Option<&'static Word> {
    WORDS.iter().find(|word| word.name == name)
}

impl Word {
    /// Returns the word's page.
    pub fn page(&self) -> String {
        let example = self.example.replace('\n', "\n    ");
        format!("{} ({})\n\n{}\n\nExample\n    {example}\n", self.name, self.kind, self.text)
    }
}

/// Returns the codes of diagnostics, in the order of their page.
pub fn codes() -> Vec<&'static str> {
    let headings = DIAGNOSTICS.lines().filter_map(|line| line.strip_prefix("### `")?.split('`').next());
    let rows = DIAGNOSTICS.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    headings.chain(rows).collect()
}

/// Returns the meaning of a diagnostic code, with an example; `None` if the word is not a code.
pub fn diagnostic(code: &str) -> Option<String> {
    let row = DIAGNOSTICS.lines().find_map(|line| line.strip_prefix(&format!("| `{code}` | ")));
    if let Some(row) = row {
        return Some(format!("{code} (diagnostic)\n\n{}\n", row.trim_end_matches(['|', ' '])));
    }
    let heading = format!("### `{code}`");
    let (_, section) = DIAGNOSTICS.split_once(&heading)?;
    let (title, rest) = section.split_once('\n')?;
    let kind = if title.contains("warning") { "warning" } else { "error" };
    let end = rest.find("\n### ").or_else(|| rest.find("\n## ")).unwrap_or(rest.len());
    let mut out = format!("{code} ({kind})\n");
    let mut fenced = false;
    for line in rest[..end].lines() {
        match (line.starts_with("```"), fenced) {
            (true, _) => fenced = !fenced,
            (false, true) => out.push_str(&format!("    {line}\n")),
            (false, false) => out.push_str(&format!("{line}\n")),
        }
    }
    Some(format!("{}\n", out.trim_end()))
}
