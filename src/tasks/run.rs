//! Measures a model on tasks.

use std::sync::atomic::AtomicBool;

use sha2::{Digest, Sha256};

use super::description::{Generation, Metric};
use super::encode::{EncodeError, Encoder, Protocol};
use super::error::{DocumentProblem, TaskError};
use super::extract::is_match;
use super::generate::{Writing, answers};
use super::prompts::{Asked, Prompt, Prompts};
use super::questions::Question;
use super::results::{DocumentResult, PartResult, Reported, TaskResult};
use super::score::{Likelihood, Request, likelihoods};
use crate::interrupt;
use crate::model::{Decoder, Tokenizer};

/// Settings for measuring a model on tasks.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The rules that prompts follow.
    pub protocol: Protocol,
    /// The longest sequence in tokens, if it must be shorter than the model's context.
    pub longest: Option<usize>,
    /// Number of tokens that run at a time; no result depends on it.
    pub rows: usize,
    /// The flag that asks the work to stop.
    pub interrupt: Option<&'a AtomicBool>,
}

/// The default number of tokens that run at a time.
pub const ROWS: usize = 512;

/// Number of tokens that show how prompts begin.
const FIRST_IDS: usize = 5;

/// Number of tokens run at a time for each prompt answered in parallel.
const ROWS_BESIDE: usize = 32;

impl Default for Asking<'_> {
    fn default() -> Self {
        Self { protocol: Protocol::Harness, longest: None, rows: ROWS, interrupt: None }
    }
}

/// A model during a measurement.
struct Session<'a> {
    decoder: &'a Decoder,
    preparing: Preparing,
    asking: Asking<'a>,
}

/// Tokenises documents.
pub(super) struct Preparing {
    encoder: Encoder,
    longest: usize,
}

/// Measures a model on several tasks; `progress` is called with the finished share of the documents.
///
/// # Errors
/// When a document cannot be tokenised or does not fit into the context, the model cannot be run, or the work
/// is asked to stop.
pub fn ask(
    decoder: &Decoder,
    tokenizer: Tokenizer,
    tasks: &[Asked],
    asking: Asking<'_>,
    progress: &mut dyn FnMut(f64),
) -> Result<Vec<TaskResult>, TaskError> {
    let context = decoder.checkpoint().config().positions;
    let session = Session { decoder, preparing: Preparing::new(tokenizer, context, &asking)?, asking };
    // Tokenise everything first, so that problems of documents show before the work starts.
    let prepared: Vec<Vec<Vec<Prepared>>> = tasks
        .iter()
        .map(|asked| asked.parts.iter().map(|part| session.preparing.prepare(asked, part)).collect())
        .collect::<Result<_, TaskError>>()?;
    let all: usize = tasks.iter().map(Asked::documents).sum();
    let mut before = 0;
    let mut results = Vec::with_capacity(tasks.len());
    for (asked, prepared) in tasks.iter().zip(prepared) {
        let mut parts = Vec::with_capacity(asked.parts.len());
        let first = prepared.iter().flatten().next().map_or(&[][..], Prepared::first_ids);
        let first = first[..first.len().min(FIRST_IDS)].to_vec();
        for (part, prepared) in asked.parts.iter().zip(prepared) {
            let mut done = |documents: usize| {
                progress((before + documents) as f64 / all.max(1) as f64);
                Ok::<(), TaskError>(interrupt::check(asking.interrupt)?)
            };
            let documents = session.ask(asked, part, prepared, &mut done)?;
            before += part.prompts.len();
            parts.push(PartResult::new(asked, part.subject.clone(), documents));
        }
        results.push(TaskResult::new(asked, parts, first));
    }
    Ok(results)
}

/// The tokens of a document.
pub(super) enum Prepared {
    /// Sequences that are scored, and the number of those that were cut.
    Scored(Vec<Request>, usize),
    /// A prompt that the model continues, and whether it was cut.
    Answered(Vec<u32>, bool),
}

impl Prepared {
    fn first_ids(&self) -> &[u32] {
        match self {
            Self::Scored(requests, _) => requests.first().map_or(&[], |request| &request.ids),
            Self::Answered(ids, _) => ids,
        }
    }
}

impl Preparing {
    /// Wraps a tokenizer and the model's context.
    ///
    /// # Errors
    /// When the requested sequences are longer than the context, or the tokenizer cannot decode its first token.
    pub(super) fn new(tokenizer: Tokenizer, context: usize, asking: &Asking<'_>) -> Result<Self, TaskError> {
        let longest = asking.longest.unwrap_or(context);
        if longest > context {
            return Err(TaskError::Length { asked: longest, longest: context });
        }
        Ok(Self { encoder: Encoder::new(tokenizer, asking.protocol)?, longest })
    }

    /// Returns the tokens of each document of a part.
    ///
    /// # Errors
    /// When a document cannot be tokenised or does not fit into the context.
    pub(super) fn prepare(&self, asked: &Asked, part: &Prompts) -> Result<Vec<Prepared>, TaskError> {
        part.prompts
            .iter()
            .map(|prompt| match &asked.task.generation {
                Some(generation) => self.answered(prompt, generation),
                None => self.scored(prompt),
            })
            .collect()
    }

    fn scored(&self, prompt: &Prompt) -> Result<Prepared, TaskError> {
        let (requests, cut) = scored(&self.encoder, self.longest, prompt)?;
        Ok(Prepared::Scored(requests, cut))
    }

    fn answered(&self, prompt: &Prompt, generation: &Generation) -> Result<Prepared, TaskError> {
        let Question::Answer { text, .. } = &prompt.question else { return self.scored(prompt) };
        let room = self.longest.saturating_sub(generation.longest);
        if room == 0 {
            return Err(TaskError::NoRoom { answer: generation.longest, longest: self.longest });
        }
        let mut ids = self.encoder.encode(&format!("{}{text}", prompt.before))?;
        if ids.is_empty() {
            return Err(prompt.document.wrong()(DocumentProblem::EmptyContext));
        }
        let beyond = ids.len().saturating_sub(room);
        ids.drain(..beyond);
        Ok(Prepared::Answered(ids, beyond > 0))
    }
}

impl Session<'_> {
    fn ask(
        &self,
        asked: &Asked,
        part: &Prompts,
        prepared: Vec<Prepared>,
        done: &mut dyn FnMut(usize) -> Result<(), TaskError>,
    ) -> Result<Vec<DocumentResult>, TaskError> {
        let (mut groups, mut prompts, mut cuts) = (Vec::new(), Vec::new(), Vec::new());
        for prepared in prepared {
            match prepared {
                Prepared::Scored(requests, cut) => {
                    groups.push(requests);
                    cuts.push(cut);
                }
                Prepared::Answered(ids, cut) => {
                    prompts.push(ids);
                    cuts.push(usize::from(cut));
                }
            }
        }
        let Some(generation) = &asked.task.generation else {
            let found = likelihoods(self.decoder, &groups, self.asking.rows, done)?;
            let documents = part.prompts.iter().zip(found).zip(groups).zip(cuts);
            return Ok(documents
                .map(|(((prompt, found), requests), cut)| scored_result(prompt, &found, &requests, cut))
                .collect());
        };
        let writing = Writing { longest: generation.longest, stops: generation.stops.clone() };
        let beside = side_by_side(self.asking.rows);
        let tokenizer = self.preparing.encoder.tokenizer();
        let texts = answers(self.decoder, tokenizer, &prompts, &writing, beside, done)?;
        let documents = part.prompts.iter().zip(texts).zip(prompts).zip(cuts);
        Ok(documents
            .map(|(((prompt, text), ids), cut)| answered_result(prompt, generation, text, ids.len(), cut))
            .collect())
    }
}

/// Returns the number of answers that are written in parallel if `rows` tokens run at a time.
pub(super) fn side_by_side(rows: usize) -> usize {
    (rows / ROWS_BESIDE).max(1)
}

/// Returns the sequences that answer a prompt's question, and the number of those that were cut on the left.
///
/// # Errors
/// When the document cannot be tokenised, or does not fit into the longest sequence.
pub(super) fn scored(
    encoder: &Encoder,
    longest: usize,
    prompt: &Prompt,
) -> Result<(Vec<Request>, usize), TaskError> {
    let mut cut = 0;
    let mut requests = Vec::new();
    for (context, continuation) in prompt.question.pairs(&prompt.before) {
        let pair = encoder.pair(&context, &continuation).map_err(|error| match error {
            EncodeError::Document(problem) => prompt.document.wrong()(problem),
            EncodeError::Model(error) => error.into(),
        })?;
        let scored = pair.continuation.len();
        if scored > longest {
            return Err(prompt.document.wrong()(DocumentProblem::Long { tokens: scored, longest }));
        }
        let mut ids = pair.context;
        ids.extend(pair.continuation);
        // The last token is not read, so a sequence may have one token more than the context.
        let beyond = ids.len().saturating_sub(longest + 1);
        cut += usize::from(beyond > 0);
        ids.drain(..beyond);
        requests.push(Request { ids, scored });
    }
    Ok((requests, cut))
}

fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the index of the first largest value.
fn largest(values: impl Iterator<Item = f64>) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (place, value) in values.enumerate() {
        if best.is_none_or(|(_, most)| value > most) {
            best = Some((place, value));
        }
    }
    best.map(|(place, _)| place)
}

fn empty_result(prompt: &Prompt, cut: usize) -> DocumentResult {
    let texts = prompt.question.texts(&prompt.before);
    DocumentResult {
        line: prompt.document.line,
        prompt: hash(&texts.join("\u{0}")),
        right: prompt.question.right(),
        right_hash: hash(prompt.question.right_text()),
        log_likelihoods: Vec::new(),
        greedy: Vec::new(),
        tokens: Vec::new(),
        cut,
        margin: None,
        answer: None,
        reported: Vec::new(),
    }
}

fn scored_result(prompt: &Prompt, found: &[Likelihood], requests: &[Request], cut: usize) -> DocumentResult {
    let sums: Vec<f64> = found.iter().map(|it| it.log_likelihood).collect();
    let measured = prompt.question.measured();
    let by = |length: fn(&str) -> usize| {
        largest(sums.iter().zip(&measured).map(|(sum, text)| sum / length(text) as f64))
    };
    let right = prompt.question.right();
    let one = |metric, is: bool| Reported { metric, name: None, value: f64::from(u8::from(is)) };
    let reported = match right {
        Some(_) => vec![
            one(Metric::Accuracy, largest(sums.iter().copied()) == right),
            one(Metric::NormalisedAccuracy, by(|text| text.chars().count()) == right),
            one(Metric::ByteAccuracy, by(str::len) == right),
        ],
        None => vec![
            one(Metric::Accuracy, found.iter().all(|it| it.greedy)),
            Reported { metric: Metric::Perplexity, name: None, value: sums.iter().sum() },
        ],
    };
    let margin = right.map(|right| {
        let others = sums.iter().enumerate().filter(|(place, _)| *place != right).map(|(_, sum)| *sum);
        let margin = sums[right] - others.fold(f64::NEG_INFINITY, f64::max);
        // Rounded like the log-likelihoods that it is computed from, so that it stays the same when read from
        // a file.
        (margin * 1e9).round() / 1e9
    });
    DocumentResult {
        log_likelihoods: sums.clone(),
        greedy: found.iter().map(|it| it.greedy).collect(),
        tokens: requests.iter().map(|it| [it.ids.len() - it.scored, it.scored]).collect(),
        margin,
        reported,
        ..empty_result(prompt, cut)
    }
}

fn answered_result(
    prompt: &Prompt,
    generation: &Generation,
    text: String,
    tokens: usize,
    cut: usize,
) -> DocumentResult {
    let right = prompt.question.right_text();
    let reported = generation.extractions.iter().map(|extraction| Reported {
        metric: Metric::ExactMatch,
        name: Some(extraction.name.clone()),
        value: f64::from(u8::from(is_match(&extraction.find(&text), right, &generation.ignored))),
    });
    DocumentResult {
        reported: reported.collect(),
        tokens: vec![[tokens, 0]],
        answer: Some(text),
        ..empty_result(prompt, cut)
    }
}
