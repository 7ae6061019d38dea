//! Published scripts and the user's own scripts, listed or shown in full.

use serde::Serialize;

use super::TableOptions;
use super::grid::{Field, Flexible, Grid, Line};
use crate::baselines::program::Baseline;
use crate::lang::program::Script;
use crate::lang::published::{self, PUBLISHED};
use crate::lang::{canonical, latex, print};

/// A function that commands know by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Listed {
    /// Name in commands.
    pub name: &'static str,
    /// The part of a model that it decides on.
    pub decides: Decides,
    /// Source in the literature.
    pub source: String,
}

/// The part of a model that a function decides on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Decides {
    /// The ratio of each block.
    Blocks,
    /// The ratio of each projection.
    Projections,
    /// The ratio of each row.
    Rows,
    /// Which weights are pruned.
    Weights,
}

impl Decides {
    const fn name(self) -> &'static str {
        match self {
            Self::Blocks => "blocks",
            Self::Projections => "projections",
            Self::Rows => "rows",
            Self::Weights => "weights",
        }
    }

    fn of(script: &Script) -> Self {
        use crate::lang::types::UnitKind::{Block, Projection, Row};
        match (&script.allocation, script.unit.unwrap_or_default()) {
            (None, _) => Self::Weights,
            (Some(_), Block) => Self::Blocks,
            (Some(_), Projection) => Self::Projections,
            (Some(_), Row) => Self::Rows,
        }
    }
}

/// Returns every published script.
pub fn scripts() -> Vec<Listed> {
    let row = |name: &'static str| {
        let script = published::script(name)?;
        let source = published::find(name)?.source;
        let comment = source.lines().next().unwrap_or_default();
        let source = comment.trim_start_matches('#').trim().to_owned();
        Some(Listed { name, decides: Decides::of(&script), source })
    };
    PUBLISHED.iter().filter_map(|it| row(it.name)).collect()
}

/// Returns the programs available to `compare` and as controls of a search, as pairs of key and name in
/// tables.
pub fn programs() -> Vec<(&'static str, &'static str)> {
    Baseline::ALL.iter().map(|program| (program.key(), program.name())).collect()
}

/// Returns the list of everything that commands know by name; ends with a newline.
pub fn list(options: &TableOptions) -> String {
    let grid = |head: Vec<&str>, rows: Vec<Vec<String>>| {
        let last = head.len() - 1;
        let rows = rows
            .into_iter()
            .map(|cells| Line { class: "script", cells: cells.into_iter().map(Field::new).collect() });
        let grid = Grid {
            numbers: vec![false; head.len()],
            head: head.into_iter().map(str::to_owned).collect(),
            rows: rows.collect(),
            flexible: Flexible::Formula(last),
        };
        grid.text(options)
    };
    let scripts = scripts().into_iter();
    let scripts =
        scripts.map(|it| vec![it.name.to_owned(), it.decides.name().to_owned(), it.source]).collect();
    let programs = programs().into_iter().map(|(key, name)| vec![key.to_owned(), name.to_owned()]).collect();
    format!(
        "{}\n{}",
        grid(vec!["script", "decides on", "from"], scripts),
        grid(vec!["program, for `allot compare`", ""], programs)
    )
}

/// A script, with everything known about it without a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Shown {
    /// File of the script, or its published name.
    pub name: String,
    /// Text of the script.
    pub text: String,
    /// The part of a model that it decides on.
    pub decides: Decides,
    /// Statistics that it needs from a calibration text; a script without a metric uses Wanda's.
    pub needs: Vec<&'static str>,
    /// Number of operators and constants in its allocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// Normal form of the script.
    pub canonical: String,
    /// Hash that identifies the script.
    pub hash: String,
    /// The script as LaTeX.
    pub latex: String,
}

/// Returns everything known about a script without a model; `needs` are the statistics that it is evaluated
/// with.
pub fn shown(name: &str, text: &str, script: &Script, needs: Vec<&'static str>) -> Shown {
    let normal = canonical::script(script);
    Shown {
        name: name.to_owned(),
        text: text.to_owned(),
        decides: Decides::of(script),
        needs,
        size: normal.allocation.as_ref().map(|it| it.size()),
        canonical: print::script(&normal),
        hash: canonical::hash(script),
        latex: latex::script(script),
    }
}

impl Shown {
    /// Returns it as text; ends with a newline.
    pub fn page(&self) -> String {
        let needs = match self.needs[..] {
            [] => "the weights alone".to_owned(),
            _ => format!("a calibration text, for {}", self.needs.join(", ")),
        };
        let size = self.size.map_or_else(String::new, |size| match size {
            1 => "1 operator".to_owned(),
            _ => format!("{size} operators and constants"),
        });
        let mut facts = vec![("decides on", self.decides.name().to_owned()), ("needs", needs)];
        if !size.is_empty() {
            facts.push(("size", size));
        }
        facts.push(("hash", self.hash.clone()));
        let facts: String = facts.iter().map(|(name, value)| format!("{name:<12}{value}\n")).collect();
        format!(
            "{}\n{facts}\nNormal form\n{}\nLaTeX\n{}",
            ended(&self.text),
            indented(&self.canonical),
            indented(&self.latex)
        )
    }
}

fn ended(text: &str) -> String {
    format!("{}\n", text.trim_end())
}

fn indented(text: &str) -> String {
    text.trim_end().lines().map(|line| format!("    {line}\n")).collect()
}
