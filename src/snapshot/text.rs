//! Snapshots in plain text with one fact per line, so that version control shows each change.

use std::str::FromStr;

use super::document::{RatiosAt, Snapshot, SnapshotModel, SnapshotText, UnitRatio};
use super::error::{LineProblem, SnapshotError};
use crate::allocate::RowCounts;
use crate::lang::types::UnitKind;

/// The format version, which rises when an older program can no longer read it.
pub const FORMAT: u32 = 1;

/// The first line, before the version.
const HEAD: &str = "allot snapshot ";
const SPARSITY: &str = "sparsity ";
const ROWS: &str = "rows ";
/// The value for the windows if the formula needs no statistics.
const NONE: &str = "none is needed";

/// The keys of the lines above the ratios, in order.
const KEYS: [&str; 13] = [
    "made by",
    "script",
    "formula",
    "hash",
    "score",
    "unit",
    "model",
    "weights",
    "configuration",
    "place",
    "calibration",
    "text",
    "ids",
];

/// Returns a snapshot as text.
pub fn write(snapshot: &Snapshot) -> String {
    let mut out = format!("{HEAD}{FORMAT}\n\n");
    let mut say = |key: &str, value: &str| out.push_str(&format!("{key}: {value}\n"));
    say("made by", &format!("allot {}", snapshot.version));
    say("script", &snapshot.script);
    snapshot.formula.iter().for_each(|statement| say("formula", statement));
    say("hash", &snapshot.hash);
    say("score", &snapshot.score);
    say("unit", snapshot.unit.name());
    say("model", &snapshot.model.name);
    say("weights", &snapshot.model.fingerprint);
    say("configuration", &snapshot.model.configuration);
    say("place", &snapshot.model.place);
    match &snapshot.calibration {
        None => say("calibration", NONE),
        Some(of) => {
            say("calibration", &windows(of));
            say("text", &of.source);
            say("ids", &of.ids);
        }
    }
    for at in &snapshot.allocations {
        let total = |count: fn(&UnitRatio) -> u64| at.units.iter().map(count).sum::<u64>();
        let (pruned, parameters) = (total(|it| it.pruned), total(|it| it.parameters));
        out.push_str(&format!("\n{SPARSITY}{}: {pruned} of {parameters} weights\n", at.sparsity));
        let width = |count: fn(&UnitRatio) -> u64| {
            at.units.iter().map(|it| count(it).to_string().len()).max().unwrap_or(0)
        };
        let (wide, wider) = (width(|it| it.pruned), width(|it| it.parameters));
        for unit in &at.units {
            let UnitRatio { name, ratio, pruned, parameters, rows } = unit;
            out.push_str(&format!("{ratio:.6}  {pruned:wide$} of {parameters:wider$}  {name}\n"));
            if let Some(rows) = rows {
                let counts: Vec<String> = rows.counts().iter().map(u32::to_string).collect();
                out.push_str(&format!("{ROWS}{}\n", counts.join(" ")));
            }
        }
    }
    out
}

/// Returns a description of the windows that statistics were collected on.
pub(super) fn windows(of: &SnapshotText) -> String {
    format!("{} windows of {} tokens, seed {}", of.samples, of.length, of.seed)
}

/// Reads the output of [`write`].
///
/// # Errors
/// When it is not a snapshot, has another format version, or a line is invalid.
pub(super) fn read(text: &str) -> Result<Snapshot, SnapshotError> {
    let mut lines = text.lines().enumerate();
    let first = lines.next().map_or("", |(_, line)| line);
    let form = first.strip_prefix(HEAD).ok_or(SnapshotError::NotASnapshot)?.trim();
    if form != FORMAT.to_string() {
        return Err(SnapshotError::Version { found: form.to_owned(), known: FORMAT });
    }
    let mut above = Above::default();
    let mut below = Below::default();
    for (index, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |problem| SnapshotError::Line { line: index + 1, problem };
        match line.strip_prefix(SPARSITY) {
            Some(rest) => below.begin(rest, index + 1)?,
            None if below.last.is_some() => below.take(line).map_err(wrong)?,
            None => above.take(line).map_err(wrong)?,
        }
    }
    let allocations = below.end()?;
    above.snapshot(allocations)
}

/// The lines above the ratios, by key.
#[derive(Default)]
struct Above<'a> {
    formula: Vec<String>,
    values: Vec<(&'static str, &'a str)>,
}

impl<'a> Above<'a> {
    fn take(&mut self, line: &'a str) -> Result<(), LineProblem> {
        let (key, value) = line.split_once(':').unwrap_or((line, ""));
        let unknown = || LineProblem::UnknownKey { key: key.to_owned() };
        let known = KEYS.into_iter().find(|known| *known == key).ok_or_else(unknown)?;
        let value = value.trim();
        match known {
            "formula" => self.formula.push(value.to_owned()),
            _ if self.find(known).is_some() => return Err(LineProblem::Twice { key: known }),
            "unit" if UnitKind::from_str(value).is_err() => {
                return Err(LineProblem::Unit { word: value.to_owned() });
            }
            "calibration" if value != NONE && counted(value).is_none() => return Err(LineProblem::Windows),
            _ => self.values.push((known, value)),
        }
        Ok(())
    }

    fn find(&self, key: &str) -> Option<&'a str> {
        self.values.iter().find(|(own, _)| *own == key).map(|(_, value)| *value)
    }

    fn snapshot(self, allocations: Vec<RatiosAt>) -> Result<Snapshot, SnapshotError> {
        let value = |key| self.find(key).map(str::to_owned).ok_or(SnapshotError::Missing { key });
        if self.formula.is_empty() {
            return Err(SnapshotError::Missing { key: "formula" });
        }
        let calibration = match counted(&value("calibration")?) {
            None => None,
            Some((samples, length, seed)) => {
                let (source, ids) = (value("text")?, value("ids")?);
                Some(SnapshotText { samples, length, seed, source, ids })
            }
        };
        let version = value("made by")?;
        Ok(Snapshot {
            version: version.strip_prefix("allot ").unwrap_or(&version).to_owned(),
            script: value("script")?,
            latex: None,
            hash: value("hash")?,
            score: value("score")?,
            unit: value("unit")?.parse().map_err(|_| SnapshotError::Missing { key: "unit" })?,
            model: SnapshotModel {
                name: value("model")?,
                fingerprint: value("weights")?,
                configuration: value("configuration")?,
                place: value("place")?,
            },
            calibration,
            allocations,
            formula: self.formula,
        })
    }
}

/// Parses the output of [`windows`]: the number of windows, the tokens per window, and the seed.
fn counted(text: &str) -> Option<(usize, usize, u64)> {
    let (samples, rest) = text.split_once(" windows of ")?;
    let (length, seed) = rest.split_once(" tokens, seed ")?;
    Some((samples.parse().ok()?, length.parse().ok()?, seed.parse().ok()?))
}

/// The ratios, sparsity by sparsity.
#[derive(Default)]
struct Below {
    all: Vec<RatiosAt>,
    /// The last sparsity's line number, and the counts that its units must add up to.
    last: Option<(usize, u64, u64)>,
}

impl Below {
    /// Reads a sparsity's line, after its first word.
    fn begin(&mut self, rest: &str, line: usize) -> Result<(), SnapshotError> {
        self.check_total()?;
        let numbers = || {
            let (sparsity, counts) = rest.split_once(": ")?;
            let (pruned, parameters) = counts.trim_end().strip_suffix(" weights")?.split_once(" of ")?;
            Some((sparsity.parse().ok()?, pruned.parse().ok()?, parameters.parse().ok()?))
        };
        let problem = LineProblem::Sparsity;
        let (sparsity, pruned, parameters) = numbers().ok_or(SnapshotError::Line { line, problem })?;
        self.all.push(RatiosAt { sparsity, units: Vec::new() });
        self.last = Some((line, pruned, parameters));
        Ok(())
    }

    /// Reads the line of a unit or of its rows.
    fn take(&mut self, line: &str) -> Result<(), LineProblem> {
        let units = self.all.last_mut().map(|at| &mut at.units).ok_or(LineProblem::Sparsity)?;
        if let Some(counts) = line.strip_prefix(ROWS) {
            let unit = units.last_mut().filter(|unit| unit.rows.is_none()).ok_or(LineProblem::Rows)?;
            let counts: Result<Vec<u32>, _> = counts.split_whitespace().map(str::parse).collect();
            unit.rows = Some(RowCounts::from(counts.map_err(|_| LineProblem::Rows)?));
            return Ok(());
        }
        units.push(unit(line)?);
        Ok(())
    }

    /// Fails unless the units of the last sparsity add up to the counts in its line.
    fn check_total(&self) -> Result<(), SnapshotError> {
        let (Some((line, pruned, parameters)), Some(at)) = (self.last, self.all.last()) else {
            return Ok(());
        };
        let total = |count: fn(&UnitRatio) -> u64| {
            at.units.iter().map(count).try_fold(0_u64, |sum, count| sum.checked_add(count))
        };
        match (total(|it| it.pruned), total(|it| it.parameters)) == (Some(pruned), Some(parameters)) {
            true => Ok(()),
            false => Err(SnapshotError::Line { line, problem: LineProblem::OtherTotal }),
        }
    }

    fn end(self) -> Result<Vec<RatiosAt>, SnapshotError> {
        self.check_total()?;
        Ok(self.all)
    }
}

/// Reads the line of a unit: its ratio, its counts, its name.
fn unit(line: &str) -> Result<UnitRatio, LineProblem> {
    let mut rest = line;
    let mut word = || -> Option<&str> {
        let (word, behind) = rest.trim_start().split_once(' ')?;
        rest = behind;
        Some(word)
    };
    let words = (word(), word(), word(), word());
    let (Some(said), Some(pruned), Some("of"), Some(parameters)) = words else {
        return Err(LineProblem::Ratio);
    };
    let (Ok(_), Ok(pruned), Ok(parameters)) = (said.parse::<f64>(), pruned.parse(), parameters.parse())
    else {
        return Err(LineProblem::Ratio);
    };
    let name = rest.trim();
    if name.is_empty() {
        return Err(LineProblem::Ratio);
    }
    let ratio = UnitRatio::counted(pruned, parameters);
    let counted = format!("{ratio:.6}");
    if said != counted {
        return Err(LineProblem::OtherRatio { said: said.to_owned(), counted });
    }
    Ok(UnitRatio { name: name.to_owned(), ratio, pruned, parameters, rows: None })
}
