//! Log-likelihoods of continuations; tokens that sequences share are computed once.

use rayon::prelude::*;

use crate::measure::{Logits, row_likelihoods};
use crate::model::{After, Decoder, KeptKeys, ModelError, Piece, positions_together};

/// A sequence whose last tokens are scored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The tokens; the last one is never read by the model.
    pub ids: Vec<u32>,
    /// Number of scored tokens at the end, fewer than all tokens.
    pub scored: usize,
}

/// The likelihood of a continuation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likelihood {
    /// The log-likelihood of its tokens, in nats.
    pub log_likelihood: f64,
    /// Whether each of its tokens is the most likely one.
    pub greedy: bool,
}

impl Request {
    /// Returns the tokens that the model reads.
    fn input(&self) -> &[u32] {
        &self.ids[..self.ids.len() - 1]
    }

    /// Returns the first position in the input that predicts a scored token.
    fn first(&self) -> usize {
        self.ids.len() - 1 - self.scored
    }
}

/// The smallest number of shared tokens worth keeping for all requests.
const WORTH_KEEPING: usize = 16;

/// Scores groups of requests, where a group's requests belong to one document, and returns a likelihood for
/// each request.
///
/// Tokens that all groups share at the start are computed once, and so are those that a group's requests
/// share. About `rows` tokens run at a time. On the CPU, no result depends on any of this. `progress` is
/// called with the number of finished groups, and can stop the work with an error.
///
/// # Errors
/// When a sequence is longer than the context, a tensor operation fails, or `progress` stops the work.
pub fn likelihoods<E: From<ModelError>>(
    decoder: &Decoder,
    groups: &[Vec<Request>],
    rows: usize,
    progress: &mut dyn FnMut(usize) -> Result<(), E>,
) -> Result<Vec<Vec<Likelihood>>, E> {
    let mut results = Vec::with_capacity(groups.len());
    let longest_shared = decoder.longest_shared();
    let prefix = shared_prefix(longest_shared, groups);
    let kept = match prefix.is_empty() {
        true => None,
        false => {
            let mut pass = decoder.packed(&[Piece { after: After::Nothing, ids: &prefix }], &[0])?;
            pass.kept.pop()
        }
    };
    let mut from = 0;
    while from < groups.len() {
        let mut pass = Pass::new(kept.as_ref(), prefix.len());
        from += pass.fill(&groups[from..], rows, longest_shared);
        results.extend(pass.run(decoder)?);
        progress(from)?;
    }
    Ok(results)
}

/// The computation that a model needs to score requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Tokens that pass through the blocks.
    pub tokens: u64,
    /// Rows that pass through the head.
    pub predictions: u64,
    /// Pairs of a token and a token that it attends to, itself included, in one block.
    pub attended: u64,
    /// The maximum number of tokens in one pass and the kept prefix together.
    pub most: u64,
}

/// Counts the computation of [`likelihoods`] for these groups, without a model; `longest_shared` is
/// [`Decoder::longest_shared`].
pub fn reading(longest_shared: usize, groups: &[Vec<Request>], rows: usize) -> Reading {
    let prefix = shared_prefix(longest_shared, groups).len();
    let mut all = Reading { tokens: prefix as u64, attended: triangle(0, prefix), ..Reading::default() };
    let mut from = 0;
    while from < groups.len() {
        let mut pass = Pass::new(None, prefix);
        from += pass.fill(&groups[from..], rows, longest_shared);
        let mut predicting: Vec<usize> = pass.requests.iter().flatten().map(|(row, _)| *row).collect();
        predicting.sort_unstable();
        predicting.dedup();
        all.tokens += pass.rows as u64;
        all.predictions += predicting.len() as u64;
        all.attended += pass.attended;
        all.most = all.most.max((prefix + pass.rows) as u64);
    }
    all
}

/// Returns the number of pairs in causal attention for `count` tokens that follow `before` others.
pub(super) fn triangle(before: usize, count: usize) -> u64 {
    let (before, count) = (before as u64, count as u64);
    before * count + count * (count + 1) / 2
}

/// Returns the unscored tokens that all requests share at the start, if they are worth keeping.
fn shared_prefix(longest_shared: usize, groups: &[Vec<Request>]) -> Vec<u32> {
    let mut requests = groups.iter().flatten();
    let Some(first) = requests.next().filter(|_| groups.len() > 1) else { return Vec::new() };
    let mut length = first.first();
    let mut longest = first.ids.len();
    for request in requests {
        length = length.min(request.first()).min(common(&first.ids[..length], request.input()));
        longest = longest.max(request.ids.len());
    }
    match length >= WORTH_KEEPING && longest <= longest_shared {
        true => first.ids[..length].to_vec(),
        false => Vec::new(),
    }
}

/// Returns the length of the common prefix of two sequences.
fn common(left: &[u32], right: &[u32]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

/// A pass over several groups: its pieces, and the rows that predict each token.
struct Pass<'a> {
    kept: Option<&'a KeptKeys>,
    /// Number of tokens in the kept prefix.
    before: usize,
    pieces: Vec<(After<'a>, &'a [u32])>,
    rows: usize,
    attended: u64,
    /// Number of requests in each group.
    groups: Vec<usize>,
    /// For each request, the predicting row and the predicted token, in order.
    requests: Vec<Vec<(usize, u32)>>,
}

impl<'a> Pass<'a> {
    const fn new(kept: Option<&'a KeptKeys>, before: usize) -> Self {
        Self {
            kept,
            before,
            pieces: Vec::new(),
            rows: 0,
            attended: 0,
            groups: Vec::new(),
            requests: Vec::new(),
        }
    }

    /// Adds groups, at least one, until there are `rows` tokens, and returns the number of added groups.
    fn fill(&mut self, groups: &'a [Vec<Request>], rows: usize, longest_shared: usize) -> usize {
        let mut added = 0;
        while added < groups.len() && (added == 0 || self.rows < rows) {
            self.add(&groups[added], longest_shared);
            added += 1;
        }
        added
    }

    /// Adds a piece that follows `before` tokens, and returns the row of its first token.
    fn piece(&mut self, after: After<'a>, before: usize, ids: &'a [u32]) -> usize {
        let first = self.rows;
        self.rows += ids.len();
        self.attended += triangle(before, ids.len());
        self.pieces.push((after, ids));
        first
    }

    fn add(&mut self, group: &'a [Request], longest_shared: usize) {
        self.groups.push(group.len());
        let shares = group.iter().all(|request| request.ids.len() <= longest_shared);
        let before = self.before;
        let start = self.kept.map_or(After::Nothing, After::Kept);
        if !shares {
            for request in group {
                let row = self.piece(After::Nothing, 0, request.input());
                self.requests.push(predictions(request, |place| row + place));
            }
            return;
        }
        let inputs: Vec<&[u32]> = group.iter().map(|request| &request.input()[before..]).collect();
        let Some(trunk) = inputs.iter().copied().reduce(|trunk, input| &trunk[..common(trunk, input)]) else {
            return;
        };
        let (after, trunk_row) = match trunk.is_empty() {
            true => (start, 0),
            false => {
                let row = self.piece(start, before, trunk);
                (After::Piece(self.pieces.len() - 1), row)
            }
        };
        // Requests with the same input form one piece: choices of one token read only the context.
        let mut branches: Vec<(&[u32], usize)> = Vec::new();
        for (request, input) in group.iter().zip(inputs) {
            let rest = &input[trunk.len()..];
            let row = match branches.iter().find(|(ids, _)| *ids == rest) {
                Some((_, row)) => *row,
                None if rest.is_empty() => 0,
                None => {
                    let row = self.piece(after, before + trunk.len(), rest);
                    branches.push((rest, row));
                    row
                }
            };
            self.requests.push(predictions(request, |place| {
                let place = place - before;
                if place < trunk.len() { trunk_row + place } else { row + place - trunk.len() }
            }));
        }
    }

    /// Runs the pass, and returns the likelihoods of each group's requests.
    fn run(self, decoder: &Decoder) -> Result<Vec<Vec<Likelihood>>, ModelError> {
        let pieces: Vec<Piece<'_>> =
            self.pieces.iter().map(|(after, ids)| Piece { after: *after, ids }).collect();
        let hidden = decoder.packed(&pieces, &[])?.hidden;
        // The tokens that each row predicts.
        let mut targets: Vec<Vec<u32>> = vec![Vec::new(); self.rows];
        for (row, target) in self.requests.iter().flatten() {
            if !targets[*row].contains(target) {
                targets[*row].push(*target);
            }
        }
        let rows: Vec<usize> = (0..self.rows).filter(|row| !targets[*row].is_empty()).collect();
        let mut scores: Vec<(Vec<f64>, u32)> = vec![(Vec::new(), 0); self.rows];
        for rows in rows.chunks(positions_together(decoder.head.vocabulary())) {
            let logits = logits_of(decoder, &hidden, rows)?;
            let found: Vec<(Vec<f64>, u32)> = logits
                .rows()
                .zip(rows)
                .map(|(logits, row)| row_likelihoods(logits, &targets[*row]))
                .collect();
            for (row, found) in rows.iter().zip(found) {
                scores[*row] = found;
            }
        }
        let likelihood = |request: &Vec<(usize, u32)>| {
            let mut sum = Likelihood { log_likelihood: 0.0, greedy: true };
            for (row, target) in request {
                let (likelihoods, likeliest) = &scores[*row];
                let place = targets[*row].iter().position(|it| it == target).unwrap_or(0);
                sum.log_likelihood += likelihoods[place];
                sum.greedy &= likeliest == target;
            }
            sum.log_likelihood = rounded(sum.log_likelihood);
            sum
        };
        let mut requests = self.requests.iter().map(likelihood);
        Ok(self.groups.iter().map(|count| requests.by_ref().take(*count).collect()).collect())
    }
}

/// Returns a log-likelihood rounded to a billionth of a nat, far below the resolution of f32: a number with
/// so few digits is the same after it was written to a file and read again.
fn rounded(nats: f64) -> f64 {
    (nats * 1e9).round() / 1e9
}

/// Returns the rows that predict a request's scored tokens; `row` maps a position in its input to a row.
fn predictions(request: &Request, row: impl Fn(usize) -> usize) -> Vec<(usize, u32)> {
    (request.first()..request.ids.len() - 1).map(|place| (row(place), request.ids[place + 1])).collect()
}

/// Returns the logits of selected rows of hidden states `[rows, hidden]`, followed by padding if a product
/// needs it.
pub(super) fn logits_of(
    decoder: &Decoder,
    hidden: &candle_core::Tensor,
    rows: &[usize],
) -> Result<Logits, ModelError> {
    let mut wanted: Vec<u32> = rows.iter().map(|row| *row as u32).collect();
    let last = wanted.last().copied().unwrap_or(0);
    wanted.extend(std::iter::repeat_n(last, decoder.padding(rows.len())));
    let chosen = hidden.index_select(&candle_core::Tensor::new(&wanted[..], decoder.device())?, 0)?;
    let logits = Logits::read(&decoder.head.run(&chosen)?)?;
    // The most likely of non-finite logits would be arbitrary.
    match logits.rows().all(|row| row.iter().all(|it| *it < f32::INFINITY)) {
        true => Ok(logits),
        false => Err(ModelError::Destroyed),
    }
}
