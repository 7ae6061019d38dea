//! The steps of a descent, kept so that it goes on where it was stopped: an append-only file of JSON lines behind a small trait.
//!
//! A line is forced to the disk before the descent goes on. A process that is killed leaves at worst a torn last line, which is cut off.
//! A step follows from the state before it, so a descent that goes on from its last line is the one that was never stopped.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::DescentError;
use super::state::State;
use crate::model::ModelError;

/// A step that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The target sparsity.
    pub target: f64,
    /// The step at this target, from 1.
    pub step: usize,
    /// The mean loss of the step's windows before it, in nats.
    pub loss: f64,
    /// How far two halves of the windows agreed about the units' marginals.
    pub reliability: f64,
    /// The interquartile range of the marginals before the step over their median size.
    pub unevenness: f64,
    /// How many units stand at a bound behind the step.
    pub bounded: usize,
    /// The loss on the selection text before the first step.
    pub began: Option<f64>,
    /// The loss on the selection text behind the step, where it was read.
    pub selection: Option<f64>,
    /// Where the descent stands behind the step.
    pub state: State,
}

/// Where steps are kept.
pub trait StepLog {
    /// Returns a step, if it was made.
    fn find(&self, target: f64, step: usize) -> Option<Step>;

    /// Keeps a step for good: when this returns, it survives the process.
    ///
    /// # Errors
    /// When it cannot be written; then nothing of it is kept.
    fn keep(&mut self, step: Step) -> Result<(), DescentError>;
}

/// Steps in memory, which end with the process.
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

/// A line of the journal; numbers are text, because a reader of JSON numbers may be off by the last bit.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    target: String,
    step: usize,
    loss: String,
    reliability: String,
    unevenness: String,
    bounded: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    began: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    selection: Option<String>,
    ratios: String,
    velocity: String,
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
            unevenness: text(step.unevenness),
            bounded: step.bounded,
            began: step.began.map(text),
            selection: step.selection.map(text),
            ratios: texts(&state.ratios),
            velocity: texts(&state.velocity),
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
            unevenness: number(&line.unevenness)?,
            bounded: line.bounded,
            began: line.began.as_deref().map(number).transpose()?,
            selection: line.selection.as_deref().map(number).transpose()?,
            state: State {
                ratios: numbers(&line.ratios)?,
                velocity: numbers(&line.velocity)?,
                slopes: numbers(&line.slopes)?,
                before,
            },
        })
    }
}

/// Steps in a file of JSON lines.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
    known: Memory,
}

impl Journal {
    /// Opens a journal for writing, or makes an empty one; one process at a time.
    ///
    /// # Errors
    /// When another process has it open, it cannot be read or written, or a line before the last cannot be understood.
    pub fn open(path: &Path) -> Result<Self, DescentError> {
        let failed = |source| ModelError::Write { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let folder = path.parent().unwrap_or(path).to_owned();
                return Err(DescentError::Locked { folder });
            }
            // A file system without locks is no reason not to descend.
            Err(TryLockError::Error(_)) | Ok(()) => {}
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        // What stands behind the last line break was torn.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let mut known = Memory::default();
        for (index, line) in bytes[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
            let wrong = |problem| DescentError::Journal { path: path.to_owned(), line: index + 1, problem };
            known.steps.push(Line::read(line).map_err(wrong)?);
        }
        file.set_len(whole as u64).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file, length: whole as u64, known })
    }

    /// Returns the steps, in the order in which they were made.
    pub fn steps(&self) -> &[Step] {
        &self.known.steps
    }
}

impl StepLog for Journal {
    fn find(&self, target: f64, step: usize) -> Option<Step> {
        self.known.find(target, step)
    }

    fn keep(&mut self, step: Step) -> Result<(), DescentError> {
        let failed = |source| ModelError::Write { path: self.path.clone(), source };
        let mut bytes = serde_json::to_vec(&Line::from(&step)).map_err(|error| failed(error.into()))?;
        bytes.push(b'\n');
        if let Err(error) = self.file.write_all(&bytes).and_then(|()| self.file.sync_data()) {
            // A full disk may have taken half a line.
            let _ = self.file.set_len(self.length);
            return Err(failed(error).into());
        }
        self.length += bytes.len() as u64;
        self.known.keep(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_every_bit_of_a_step() {
        let state = State {
            ratios: vec![0.1 + 0.2, 1.0 / 3.0, 5e-324],
            velocity: vec![-0.0, 1e300, 0.7],
            slopes: Vec::new(),
            before: Some((vec![2.0f64.sqrt()], vec![f64::MIN_POSITIVE])),
        };
        let step = Step {
            target: 0.7,
            step: 3,
            loss: std::f64::consts::E,
            reliability: 0.25,
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
