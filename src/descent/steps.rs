//! The stored steps of a descent, so that it can be resumed.
//!
//! Each step follows from the state before it, so a descent resumed from its last line equals an
//! uninterrupted one.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::DescentError;
use super::state::State;
use crate::trial::lines::Lines;

/// A finished step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The target sparsity.
    pub target: f64,
    /// The step at this target, counted from 1.
    pub step: usize,
    /// The mean loss of the step's windows before the step, in nats.
    pub loss: f64,
    /// Agreement of two halves of the windows about the units' marginals.
    pub reliability: f64,
    /// Agreement of two halves about the differences of rows from their projections, if each row gets a
    /// ratio.
    pub row_reliability: Option<f64>,
    /// Interquartile range of the marginals before the step, divided by their median size.
    pub unevenness: f64,
    /// Number of units at a bound after the step.
    pub bounded: usize,
    /// The loss on the selection text before the first step.
    pub began: Option<f64>,
    /// The loss on the selection text after the step, if it was measured.
    pub selection: Option<f64>,
    /// The state of the descent after the step.
    pub state: State,
}

/// Storage for steps.
pub trait StepLog {
    /// Returns a step, if it was made.
    fn find(&self, target: f64, step: usize) -> Option<Step>;

    /// Stores a step; once this returns, it survives the process.
    ///
    /// # Errors
    /// When it cannot be written; nothing of it is kept then.
    fn keep(&mut self, step: Step) -> Result<(), DescentError>;
}

/// Steps stored in memory.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The steps, in the order in which they were made.
    pub steps: Vec<Step>,
}

impl StepLog for Memory {
    fn find(&self, target: f64, step: usize) -> Option<Step> {
        self.steps.iter().find(|it| it.target == target && it.step == step).cloned()
    }

    fn keep(&mut self, step: Step) -> Result<(), DescentError> {
        self.steps.push(step);
        Ok(())
    }
}

/// A line of the journal; numbers are text, because a JSON reader may change the last bit of a number.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    target: String,
    step: usize,
    loss: String,
    reliability: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    row_reliability: Option<String>,
    unevenness: String,
    bounded: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    began: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    selection: Option<String>,
    ratios: String,
    velocity: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    rows: String,
    slopes: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<[String; 2]>,
}

fn text(number: f64) -> String {
    format!("{number:?}")
}

fn texts(numbers: &[f64]) -> String {
    numbers.iter().map(|it| text(*it)).collect::<Vec<_>>().join(" ")
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|error| format!("`{text}`: {error}"))
}

fn numbers(text: &str) -> Result<Vec<f64>, String> {
    text.split_whitespace().map(number).collect()
}

impl From<&Step> for Line {
    fn from(step: &Step) -> Self {
        let state = &step.state;
        Self {
            target: text(step.target),
            step: step.step,
            loss: text(step.loss),
            reliability: text(step.reliability),
            row_reliability: step.row_reliability.map(text),
            unevenness: text(step.unevenness),
            bounded: step.bounded,
            began: step.began.map(text),
            selection: step.selection.map(text),
            ratios: texts(&state.ratios),
            velocity: texts(&state.velocity),
            rows: texts(&state.rows),
            slopes: texts(&state.slopes),
            before: state.before.as_ref().map(|(ratios, marginals)| [texts(ratios), texts(marginals)]),
        }
    }
}

impl Line {
    fn read(bytes: &[u8]) -> Result<Step, String> {
        let line: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let before = match &line.before {
            Some([ratios, marginals]) => Some((numbers(ratios)?, numbers(marginals)?)),
            None => None,
        };
        Ok(Step {
            target: number(&line.target)?,
            step: line.step,
            loss: number(&line.loss)?,
            reliability: number(&line.reliability)?,
            row_reliability: line.row_reliability.as_deref().map(number).transpose()?,
            unevenness: number(&line.unevenness)?,
            bounded: line.bounded,
            began: line.began.as_deref().map(number).transpose()?,
            selection: line.selection.as_deref().map(number).transpose()?,
            state: State {
                ratios: numbers(&line.ratios)?,
                velocity: numbers(&line.velocity)?,
                rows: numbers(&line.rows)?,
                slopes: numbers(&line.slopes)?,
                before,
            },
        })
    }
}

/// Steps in a file of JSON lines.
#[derive(Debug)]
pub struct Journal {
    lines: Lines,
    known: Memory,
}

impl Journal {
    /// Opens a journal for writing, creating it if needed. Only one process can have it open.
    ///
    /// # Errors
    /// When another process has it open, it cannot be read or written, or a line before the last cannot be
    /// parsed.
    pub fn open(path: &Path) -> Result<Self, DescentError> {
        let mut known = Memory::default();
        let lines = Lines::open(path, |line| {
            known.steps.push(Line::read(line)?);
            Ok(())
        })?;
        Ok(Self { lines, known })
    }
}

impl StepLog for Journal {
    fn find(&self, target: f64, step: usize) -> Option<Step> {
        self.known.find(target, step)
    }

    fn keep(&mut self, step: Step) -> Result<(), DescentError> {
        self.lines.add(&Line::from(&step))?;
        self.known.keep(step)
    }
}

/// Returns the ratios and the marginals of each step of a descent at a target, in order, from its journal.
/// Lines that cannot be parsed, such as a torn last line, are skipped.
///
/// # Errors
/// When the journal cannot be read.
pub fn observed(path: &Path, target: f64) -> std::io::Result<Vec<(Vec<f64>, Vec<f64>)>> {
    let bytes = std::fs::read(path)?;
    let steps = bytes.split(|byte| *byte == b'\n').filter_map(|line| Line::read(line).ok());
    Ok(steps.filter(|step| step.target == target).filter_map(|step| step.state.before).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_every_bit_of_a_step() {
        let state = State {
            ratios: vec![0.1 + 0.2, 1.0 / 3.0, 5e-324],
            velocity: vec![-0.0, 1e300, 0.7],
            rows: vec![0.1, -3.0],
            slopes: Vec::new(),
            before: Some((vec![2.0f64.sqrt()], vec![f64::MIN_POSITIVE])),
        };
        let step = Step {
            target: 0.7,
            step: 3,
            loss: std::f64::consts::E,
            reliability: 0.25,
            row_reliability: Some(0.125),
            unevenness: 1e-7,
            bounded: 2,
            began: None,
            selection: Some(0.1),
            state,
        };
        let bytes = serde_json::to_vec(&Line::from(&step)).expect("data");
        assert_eq!(Line::read(&bytes).expect("the same step"), step);
    }
}
