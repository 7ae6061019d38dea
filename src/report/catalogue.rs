//! The catalogue of operators, for people and for programs.

use serde::Serialize;

use crate::lang::ops::{CATALOGUE, Class, Op, Operator};

/// An operator of the language.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Entry {
    /// Name in scripts.
    pub name: &'static str,
    /// Symbol, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<&'static str>,
    /// Heading under which it is listed.
    pub class: &'static str,
    /// Signature: the types of its operands and of its result.
    pub signature: String,
    /// One line on its result.
    pub summary: &'static str,
    /// Definition of its value for every input.
    pub definition: &'static str,
    /// Parameters of the operator.
    pub parameters: Vec<ParameterEntry>,
    /// LaTeX template.
    pub latex: &'static str,
    /// Source in the literature.
    pub source: &'static str,
    /// A script that uses it.
    pub example: &'static str,
}

/// A parameter of an operator.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ParameterEntry {
    /// Name in scripts.
    pub name: &'static str,
    /// One line on its effect.
    pub summary: &'static str,
    /// Permitted values.
    pub domain: String,
    /// Value if the script does not set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// Returns an operator in serialisable form.
pub fn entry(row: &Operator) -> Entry {
    Entry {
        name: row.name,
        symbol: row.symbol(),
        class: row.class.heading(),
        signature: row.signature(),
        summary: row.summary,
        definition: row.definition,
        parameters: row
            .parameters
            .iter()
            .map(|parameter| ParameterEntry {
                name: parameter.name,
                summary: parameter.summary,
                domain: parameter.domain.to_string(),
                default: parameter.default.map(|default| default.to_string()),
            })
            .collect(),
        latex: row.latex,
        source: row.source,
        example: row.example,
    }
}

/// Returns the operators in serialisable form; `all` adds those that only imported formulas use.
pub fn data(all: bool) -> Vec<Entry> {
    listed(all).map(entry).collect()
}

fn listed(all: bool) -> impl Iterator<Item = &'static Operator> {
    CATALOGUE.iter().filter(move |row| all || !row.op.is_dsa())
}

/// Returns the list of operators under their headings.
pub fn list(all: bool) -> String {
    let mut out =
        String::from("S is any of Number, Layer, Input, Output and Matrix, where that makes sense.\n");
    for (heading, rows) in sections(all) {
        out.push_str(&format!("\n{heading}\n"));
        let width = rows.iter().map(|row| row.signature().len()).max().unwrap_or(0).min(56);
        for row in rows {
            let symbol = row.symbol().map_or(String::new(), |symbol| format!(" (`{symbol}`)"));
            out.push_str(&format!("  {:width$}  {}{symbol}\n", row.signature(), row.summary));
        }
    }
    out
}

/// Returns the operators under their headings, in catalogue order.
pub fn sections(all: bool) -> Vec<(&'static str, Vec<&'static Operator>)> {
    let mut sections: Vec<(&'static str, Vec<&'static Operator>)> = Vec::new();
    for row in listed(all) {
        let heading = if row.op.is_dsa() { "DSA's released operators" } else { row.class.heading() };
        match sections.iter_mut().find(|(known, _)| *known == heading) {
            Some((_, rows)) => rows.push(row),
            None => sections.push((heading, vec![row])),
        }
    }
    sections
}

/// Returns the page of an operator.
pub fn page(op: Op) -> String {
    let row = op.info();
    let mut out = format!("{}\n\n    {}\n", row.summary, row.signature());
    if let Some(symbol) = row.symbol() {
        let written = match row.operands {
            [x] => format!("{symbol}{x}"),
            [x, y] => format!("{x} {symbol} {y}"),
            _ => symbol.to_owned(),
        };
        out.push_str(&format!("    {written}\n"));
    }
    if matches!(row.class, Class::Elementwise | Class::Normaliser) {
        let but = if row.class == Class::Normaliser { " except Number" } else { "" };
        out.push_str(&format!(
            "\nS is any shape{but}; operands widen to the smallest shape that they share.\n"
        ));
    }
    out.push_str(&format!("\nDefinition\n    {}\n", row.definition));
    if !row.parameters.is_empty() {
        out.push_str("\nParameters\n");
        for parameter in row.parameters {
            let default = match parameter.default {
                Some(default) => format!("default {default}"),
                None => "required".to_owned(),
            };
            out.push_str(&format!(
                "    {}: {}; {} ({default})\n",
                parameter.name, parameter.summary, parameter.domain
            ));
        }
    }
    out.push_str(&format!("\nSource\n    {}\n", row.source));
    let example = row.example.replace('\n', "\n    ");
    out.push_str(&format!("\nExample\n    {example}\n"));
    out
}
