//! A forecast: the cost of each step, and of all of them together.

use serde::Serialize;

use super::machine::Machine;
use super::sizes::Sizes;
use super::step::{Amount, Step};
use super::work::Work;

/// The cost of a command.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Forecast {
    /// The model.
    pub model: Sizes,
    /// The machine.
    pub machine: Machine,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// Peak memory in bytes: the maximum over the steps and over reading the texts, including the program
    /// itself.
    pub memory: u64,
    /// The maximum bytes of the model's files that a step reads through mapped pages, in addition to
    /// `memory`.
    pub mapped: u64,
    /// Bytes written to the disk in total.
    pub disk: u64,
    /// Number of tokens that the model reads in total.
    pub tokens: u64,
    /// Duration in seconds.
    pub seconds: f64,
}

/// Bytes of memory that tokenising takes for each byte of text.
const TOKENISING: u64 = 110;

impl Forecast {
    /// Forecasts the work, with the number of repetitions of each part. `memory` is the limit in bytes,
    /// beyond which work is streamed or waits on the disk; `None` for all free memory.
    pub fn new(model: Sizes, machine: Machine, work: &[(Work, u64)], memory: Option<u64>) -> Self {
        let room = memory.or(machine.free_memory).unwrap_or(u64::MAX);
        let steps: Vec<Step> =
            work.iter().map(|(work, times)| work.step(&model, &machine, room).times(*times)).collect();
        let text = work.iter().flat_map(|(work, _)| work.windows()).map(|it| it.text).max().unwrap_or(0);
        let tokenising = machine.reading.max(machine.program + TOKENISING * text);
        let all = |amounts: &[Amount]| amounts.iter().map(|it| it.bytes).sum::<u64>();
        Self {
            memory: tokenising
                .max(machine.program + steps.iter().map(|step| all(&step.memory)).max().unwrap_or(0)),
            mapped: steps.iter().map(|step| step.mapped).max().unwrap_or(0),
            disk: steps.iter().map(|step| all(&step.disk)).sum(),
            tokens: steps.iter().map(|step| step.tokens).sum(),
            seconds: steps.iter().map(|step| step.seconds).sum(),
            model,
            machine,
            steps,
        }
    }
}

impl Step {
    /// Repeats the step; each repetition overwrites its files on the disk.
    fn times(self, times: u64) -> Self {
        let all = times as f64;
        Self {
            times,
            tokens: times * self.tokens,
            operations: all * self.operations,
            seconds: all * self.seconds,
            ..self
        }
    }
}
