//! The computation that a model needs to answer tasks, counted from their tokens alone.

use super::error::TaskError;
use super::prompts::Asked;
use super::run::{Asking, Prepared, Preparing, side_by_side};
use super::score::{Reading, Request, reading, triangle};
use crate::model::{Config, Tokenizer};

/// The computation that a model needs to answer tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Tokens of prompts and choices that pass through the blocks; shared tokens are counted once.
    pub tokens: u64,
    /// Rows that pass through the head.
    pub predictions: u64,
    /// Pairs of a token and a token that it attends to, itself included, in one block.
    pub attended: u64,
    /// Tokens of answers, each as long as its task allows.
    pub written: u64,
    /// Passes that each generate one token of every answer that is generated in parallel.
    pub steps: u64,
    /// The maximum number of tokens whose keys and values are held at the same time.
    pub held: u64,
    /// The maximum number of tokens in one pass.
    pub pass: u64,
}

impl Cost {
    /// Counts the computation of [`ask`](super::ask) for these tasks with a model of this configuration. Answers
    /// count with their maximum length, because it is not known in advance where a model stops.
    ///
    /// # Errors
    /// When a document cannot be tokenised or does not fit into the context, as in [`ask`](super::ask).
    pub fn of(
        config: &Config,
        tokenizer: Tokenizer,
        tasks: &[Asked],
        asking: &Asking<'_>,
    ) -> Result<Self, TaskError> {
        let preparing = Preparing::new(tokenizer, config.positions, asking)?;
        let mut all = Self::default();
        for asked in tasks {
            let longest = asked.task.generation.as_ref().map_or(0, |generation| generation.longest);
            for part in &asked.parts {
                let (mut groups, mut prompts) = (Vec::new(), Vec::new());
                for prepared in preparing.prepare(asked, part)? {
                    match prepared {
                        Prepared::Scored(requests, _) => groups.push(requests),
                        Prepared::Answered(ids, _) => prompts.push(ids.len()),
                    }
                }
                all.score(config.longest_shared(), &groups, asking.rows);
                all.write(&prompts, longest, side_by_side(asking.rows));
            }
        }
        Ok(all)
    }

    fn score(&mut self, longest_shared: usize, groups: &[Vec<Request>], rows: usize) {
        let Reading { tokens, predictions, attended, most } = reading(longest_shared, groups, rows);
        self.tokens += tokens;
        self.predictions += predictions;
        self.attended += attended;
        self.held = self.held.max(most);
        self.pass = self.pass.max(most);
    }

    fn write(&mut self, prompts: &[usize], longest: usize, beside: usize) {
        for prompts in prompts.chunks(beside) {
            let read: u64 = prompts.iter().map(|prompt| *prompt as u64).sum();
            let written = (prompts.len() * longest) as u64;
            self.tokens += read;
            self.written += written;
            self.predictions += written;
            self.steps += longest as u64;
            self.attended += prompts.iter().map(|prompt| triangle(0, prompt + longest)).sum::<u64>();
            self.held = self.held.max(read + written);
            self.pass = self.pass.max(read);
        }
    }
}
