//! Greedy text generation for several prompts at once.

use rayon::prelude::*;

use super::score::logits_of;
use crate::measure::row_likelihoods;
use crate::model::{After, Decoder, KeptKeys, ModelError, Piece, Tokenizer};

/// Limits of generated text.
#[derive(Clone, Debug, Default)]
pub struct Writing {
    /// The maximum number of tokens.
    pub longest: usize,
    /// Texts that end it; the first one and everything after it is cut off.
    pub stops: Vec<String>,
}

/// A text during generation.
struct Draft {
    kept: Option<KeptKeys>,
    prompt: Vec<u32>,
    written: Vec<u32>,
    done: bool,
}

/// Returns the model's greedy continuation of each prompt, generating `side_by_side` of them at a time.
///
/// On the CPU, an answer does not depend on the other prompts. `progress` is called with the number of
/// finished prompts, and can stop the work with an error.
///
/// # Errors
/// When a prompt and its answer are longer than the context, a tensor operation fails, or `progress` stops
/// the work.
pub fn answers<E: From<ModelError>>(
    decoder: &Decoder,
    tokenizer: &Tokenizer,
    prompts: &[Vec<u32>],
    writing: &Writing,
    side_by_side: usize,
    progress: &mut dyn FnMut(usize) -> Result<(), E>,
) -> Result<Vec<String>, E> {
    let mut texts = Vec::with_capacity(prompts.len());
    for prompts in prompts.chunks(side_by_side.max(1)) {
        let mut drafts: Vec<Draft> = prompts
            .iter()
            .map(|prompt| Draft { kept: None, prompt: prompt.clone(), written: Vec::new(), done: false })
            .collect();
        while drafts.iter().any(|draft| !draft.done) {
            step(decoder, tokenizer, &mut drafts, writing)?;
            progress(texts.len())?;
        }
        for draft in drafts {
            texts.push(cut(tokenizer.decode(&draft.written, false)?, &writing.stops));
        }
        progress(texts.len())?;
    }
    Ok(texts)
}

/// Returns the model's continuation of a prompt; `choose` selects each token from the logits, and `each` is
/// called with the text so far.
///
/// # Errors
/// As [`answers`], and any error that `choose` or `each` returns.
pub fn continued<E: From<ModelError>>(
    decoder: &Decoder,
    tokenizer: &Tokenizer,
    prompt: &[u32],
    writing: &Writing,
    choose: &mut dyn FnMut(&[f32]) -> Result<u32, E>,
    each: &mut dyn FnMut(&str) -> Result<(), E>,
) -> Result<String, E> {
    let mut drafts =
        [Draft { kept: None, prompt: prompt.to_vec(), written: Vec::new(), done: writing.longest == 0 }];
    while !drafts[0].done {
        let logits = next_logits(decoder, &mut drafts, &[0])?;
        let token = choose(&logits[0])?;
        drafts[0].add(token, tokenizer, writing)?;
        each(&cut(tokenizer.decode(&drafts[0].written, false)?, &writing.stops))?;
    }
    Ok(cut(tokenizer.decode(&drafts[0].written, false)?, &writing.stops))
}

/// Adds a token to each unfinished draft.
fn step(
    decoder: &Decoder,
    tokenizer: &Tokenizer,
    drafts: &mut [Draft],
    writing: &Writing,
) -> Result<(), ModelError> {
    let going: Vec<usize> = (0..drafts.len()).filter(|draft| !drafts[*draft].done).collect();
    let next = next_logits(decoder, drafts, &going)?;
    for (draft, logits) in going.into_iter().zip(next) {
        let (_, likeliest) = row_likelihoods(&logits, &[]);
        drafts[draft].add(likeliest, tokenizer, writing)?;
    }
    Ok(())
}

impl Draft {
    /// Adds a token, and marks the draft as finished if the text ends with it.
    fn add(&mut self, token: u32, tokenizer: &Tokenizer, writing: &Writing) -> Result<(), ModelError> {
        if tokenizer.ends().contains(&token) {
            self.done = true;
            return Ok(());
        }
        self.written.push(token);
        let text = tokenizer.decode(&self.written, true)?;
        self.done = self.written.len() >= writing.longest
            || writing.stops.iter().any(|stop| !stop.is_empty() && text.contains(stop));
        Ok(())
    }
}

/// Returns the logits of the next token of several drafts.
fn next_logits(
    decoder: &Decoder,
    drafts: &mut [Draft],
    going: &[usize],
) -> Result<Vec<Vec<f32>>, ModelError> {
    let whole: Vec<Vec<u32>> = going
        .iter()
        .map(|draft| {
            let draft = &drafts[*draft];
            match (&draft.kept, draft.written.last()) {
                // Tokens that were already read need not be read again.
                (Some(_), Some(last)) => vec![*last],
                _ => [&draft.prompt[..], &draft.written[..]].concat(),
            }
        })
        .collect();
    let pieces: Vec<Piece<'_>> = going
        .iter()
        .zip(&whole)
        .map(|(draft, ids)| Piece {
            after: drafts[*draft].kept.as_ref().map_or(After::Nothing, After::Kept),
            ids,
        })
        .collect();
    let length = |draft: &usize| drafts[*draft].prompt.len() + drafts[*draft].written.len();
    // Beyond this length all angles change with each token, so nothing can be kept.
    let keeps: Vec<usize> =
        (0..going.len()).filter(|place| length(&going[*place]) < decoder.longest_shared()).collect();
    let pass = decoder.packed(&pieces, &keeps)?;
    let mut last = Vec::with_capacity(whole.len());
    let mut rows = 0;
    for ids in &whole {
        rows += ids.len();
        last.push(rows - 1);
    }
    going.iter().for_each(|draft| drafts[*draft].kept = None);
    for (place, kept) in keeps.into_iter().zip(pass.kept) {
        drafts[going[place]].kept = Some(kept);
    }
    let logits = logits_of(decoder, &pass.hidden, &last)?;
    let mut rows: Vec<Vec<f32>> = logits.rows().map(<[f32]>::to_vec).collect();
    rows.truncate(going.len());
    Ok(rows)
}

/// Cuts a text before each of the stops in turn.
fn cut(text: String, stops: &[String]) -> String {
    stops.iter().filter(|stop| !stop.is_empty()).fold(text, |text, stop| match text.find(stop.as_str()) {
        Some(at) => text[..at].to_owned(),
        None => text,
    })
}
