//! Published scripts, and scripts of one's own: listed, and shown whole.

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
    /// The name.
    pub name: &'static str,
    /// What it decides.
    pub decides: Decides,
    /// Where it comes from.
    pub source: String,
}

/// What a function decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Decides {
    /// How much each block loses.
    Blocks,
    /// How much each projection loses.
    Projections,
    /// How much each row loses.
    Rows,
    /// Which weights go.
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

/// Returns the programs that `compare` and a search's controls know, each by its key and by what tables call it.
pub fn programs() -> Vec<(&'static str, &'static str)> {
    Baseline::ALL.iter().map(|program| (program.key(), program.name())).collect()
}

/// Returns the list of all that commands know by name; ends with a new line.
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

/// A script, with all that can be said of it without a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Shown {
    /// Its file, or its published name.
    pub name: String,
    /// Its text.
    pub text: String,
    /// What it decides.
    pub decides: Decides,
    /// The statistics that it needs of a calibration text, Wanda scoring weights where it does not say how.
    pub needs: Vec<&'static str>,
    /// How many operators and constants its allocation has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// Its normal form.
    pub canonical: String,
    /// The hash that names it.
    pub hash: String,
    /// It in LaTeX.
    pub latex: String,
}

/// Returns what can be said of a script without a model; `needs` are the statistics that it is evaluated with.
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
    /// Returns it as text; ends with a new line.
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
