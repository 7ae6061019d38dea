//! A forecast: what each step takes, and all of them together.

use serde::Serialize;

use super::machine::Machine;
use super::sizes::Sizes;
use super::step::{Amount, Step};
use super::work::Work;

/// What a command takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Forecast {
    /// The model.
    pub model: Sizes,
    /// The machine.
    pub machine: Machine,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The most memory that a step takes, or reading the texts, with the program itself, in bytes.
    pub memory: u64,
    /// The most bytes of the model's files that a step reads through mapped pages, beside `memory`.
    pub mapped: u64,
    /// All that goes to the disk, in bytes.
    pub disk: u64,
    /// How many tokens the model reads in all.
    pub tokens: u64,
    /// How many seconds it takes.
    pub seconds: f64,
}

/// Bytes that the tokenizer takes for each byte of a text that it reads at once.
const TOKENISING: u64 = 110;

impl Forecast {
    /// Forecasts some work, each as often as is said. `memory` is how many bytes it may take: more is streamed, or waits on the disk; `None` for what is free.
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
    /// Does it so often; what stands on the disk is written anew each time.
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
