//! Documents as a search uses them: one loss for each, from the likelihoods of its choices.

use super::encode::{Encoder, Protocol};
use super::error::TaskError;
use super::prompts::Asked;
use super::run::{ROWS, scored};
use super::score::{Likelihood, Request, likelihoods};
use crate::model::{Decoder, ModelError, Tokenizer};

/// A tokenised document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoredDocument {
    /// The sequences whose likelihoods answer it.
    requests: Vec<Request>,
    /// The index of the right one, if there are several.
    right: Option<usize>,
}

/// Tokenises the documents of several tasks. All tasks and subjects take turns, so that the first documents
/// represent all of them.
///
/// # Errors
/// When the model would have to generate the answers, or a document cannot be tokenised or does not fit into
/// the context.
pub fn scored_documents(
    tokenizer: Tokenizer,
    protocol: Protocol,
    longest: usize,
    tasks: &[Asked],
) -> Result<Vec<ScoredDocument>, TaskError> {
    if let Some(asked) = tasks.iter().find(|asked| asked.task.generation.is_some()) {
        return Err(TaskError::Written { task: asked.task.name.clone() });
    }
    let encoder = Encoder::new(tokenizer, protocol)?;
    let parts: Vec<_> = tasks.iter().flat_map(|asked| &asked.parts).map(|part| &part.prompts).collect();
    let longest_part = parts.iter().map(|prompts| prompts.len()).max().unwrap_or(0);
    let turns = (0..longest_part).flat_map(|turn| parts.iter().filter_map(move |prompts| prompts.get(turn)));
    turns
        .map(|prompt| {
            let (requests, _) = scored(&encoder, longest, prompt)?;
            Ok(ScoredDocument { requests, right: prompt.question.right() })
        })
        .collect()
}

/// Returns the loss of each document, in nats; all are infinite if the model's logits are not finite.
///
/// With choices, the loss is the logistic loss of the margin, ln(1 + exp(-margin)): about 0 if the right
/// choice is much more likely than all others, and the missing margin itself if it is much less likely.
/// Without choices, it is the negative log-likelihood.
///
/// # Errors
/// When a tensor operation fails, or `progress` stops the work.
pub fn document_losses(
    decoder: &Decoder,
    documents: &[ScoredDocument],
    progress: &mut dyn FnMut() -> Result<(), TaskError>,
) -> Result<Vec<f64>, TaskError> {
    let groups: Vec<Vec<Request>> = documents.iter().map(|it| it.requests.clone()).collect();
    match likelihoods::<TaskError>(decoder, &groups, ROWS, &mut |_| progress()) {
        Err(TaskError::Model(ModelError::Destroyed)) => Ok(vec![f64::INFINITY; documents.len()]),
        found => Ok(documents.iter().zip(found?).map(|(document, found)| document.loss(&found)).collect()),
    }
}

impl ScoredDocument {
    /// Returns the number of tokens in its sequences.
    pub fn tokens(&self) -> usize {
        self.requests.iter().map(|request| request.ids.len()).sum()
    }

    fn loss(&self, found: &[Likelihood]) -> f64 {
        let sums = || found.iter().map(|it| it.log_likelihood);
        match self.right.and_then(|right| found.get(right).map(|it| (right, it.log_likelihood))) {
            None => -sums().sum::<f64>(),
            Some((right, of_right)) => {
                let others = sums().enumerate().filter(|(place, _)| *place != right).map(|(_, sum)| sum);
                logistic(of_right - others.fold(f64::NEG_INFINITY, f64::max))
            }
        }
    }
}

/// Returns ln(1 + exp(-margin)), without overflow.
fn logistic(margin: f64) -> f64 {
    (-margin).max(0.0) + (-margin.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_the_missing_margin_where_it_is_large() {
        assert!((logistic(0.0) - 2.0_f64.ln()).abs() < 1e-15);
        assert!((logistic(-800.0) - 800.0).abs() < 1e-12);
        assert!(logistic(800.0) >= 0.0 && logistic(800.0) < 1e-300);
        assert!(
            logistic(1.0) < logistic(0.5) && (logistic(1.0) - (1.0 + (-1.0_f64).exp()).ln()).abs() < 1e-12
        );
        let likelihood = |log_likelihood| Likelihood { log_likelihood, greedy: false };
        let found = [likelihood(-4.0), likelihood(-1.0), likelihood(-2.0)];
        let document = |right| ScoredDocument { requests: Vec::new(), right };
        assert_eq!(document(Some(1)).loss(&found), logistic(1.0));
        assert_eq!(document(Some(0)).loss(&found), logistic(-3.0));
        assert_eq!(document(None).loss(&found[..1]), 4.0);
    }
}
