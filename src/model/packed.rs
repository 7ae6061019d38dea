//! Runs several sequences in one pass and computes their shared parts once: a piece can follow another piece,
//! or kept keys and values.
//!
//! On the CPU, the result of a token depends only on its sequence up to the token, bit for bit: neither on
//! the other pieces nor on how its sequence is cut. Products of few rows would sum in another order, so a
//! small pass is padded with rows.

use std::ops::Range;

use candle_core::Tensor;
use rayon::prelude::*;

use super::attention::Attention;
use super::block::{Angles, no_tap};
use super::checkpoint::Checkpoint;
use super::decoder::Decoder;
use super::error::ModelError;
use super::steps;

/// What precedes a piece.
#[derive(Clone, Copy, Debug)]
pub enum After<'a> {
    /// Nothing: the piece begins its sequence.
    Nothing,
    /// An earlier piece of the same pass, by its index, and everything before that piece.
    Piece(usize),
    /// Keys and values kept from another pass.
    Kept(&'a KeptKeys),
}

/// Consecutive tokens.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// What precedes them.
    pub after: After<'a>,
    /// The tokens, at least one.
    pub ids: &'a [u32],
}

/// The keys and values of a sequence in every block.
#[derive(Clone, Debug)]
pub struct KeptKeys {
    length: usize,
    /// For each block, keys and values `[1, length, key_value_heads, head_size]`.
    blocks: Vec<[Tensor; 2]>,
}

impl KeptKeys {
    /// Returns the number of tokens in the sequence.
    pub const fn length(&self) -> usize {
        self.length
    }
}

/// The result of a packed pass.
#[derive(Debug)]
pub struct Packed {
    /// The last hidden states of all pieces' tokens, piece by piece, `[tokens, hidden]`, followed by rows of
    /// padding.
    pub hidden: Tensor,
    /// The keys and values of the requested sequences, each including everything before its piece.
    pub kept: Vec<KeptKeys>,
}

/// The location of a piece in a pass.
struct Place {
    rows: Range<usize>,
    /// The position of its first token in its sequence.
    start: usize,
}

impl Decoder {
    /// Runs pieces in one pass, and keeps the keys and values of the sequences that end with the pieces
    /// `keep`.
    ///
    /// # Errors
    /// When an id is outside the vocabulary, a sequence is longer than the context, a piece follows itself or a later one, or a tensor
    /// operation fails.
    pub fn packed(&self, pieces: &[Piece<'_>], keep: &[usize]) -> Result<Packed, ModelError> {
        let padding = vec![0; self.padding(pieces.iter().map(|piece| piece.ids.len()).sum())];
        let mut all: Vec<Piece<'_>> = pieces.to_vec();
        if !padding.is_empty() {
            all.push(Piece { after: After::Nothing, ids: &padding });
        }
        let places = places(&all)?;
        let ids: Vec<u32> = all.iter().flat_map(|piece| piece.ids).copied().collect();
        let positions: Vec<u32> =
            places.iter().flat_map(|it| it.start..it.start + it.rows.len()).map(|it| it as u32).collect();
        let longest = positions.iter().max().map_or(0, |last| *last as usize + 1);
        let angles = Angles::at(self.checkpoint(), &positions, longest, self.device())?;
        let mut hidden = self.embedding.run_at(&ids, &positions)?;
        let mut kept: Vec<KeptKeys> = keep
            .iter()
            .map(|piece| KeptKeys {
                length: places[*piece].start + places[*piece].rows.len(),
                blocks: Vec::new(),
            })
            .collect();
        for block in &self.blocks {
            let mut mixing = |attention: &Attention, [queries, keys, values]: [Tensor; 3]| {
                let own = [keys, values];
                for (kept, piece) in kept.iter_mut().zip(keep) {
                    kept.blocks.push(seen_by(&all, &places, *piece, &own, block.index())?);
                }
                // One small piece at a time would not use all cores.
                let mixed: Vec<Tensor> = (0..all.len())
                    .into_par_iter()
                    .map(|piece| {
                        let [keys, values] = seen_by(&all, &places, piece, &own, block.index())?;
                        let rows = &places[piece].rows;
                        let queries = queries.narrow(1, rows.start, rows.len())?;
                        let engine = self.checkpoint().engine();
                        steps::attended(engine, attention, [&queries, &keys, &values])
                    })
                    .collect::<Result<_, ModelError>>()?;
                Ok(Tensor::cat(&mixed, 1)?)
            };
            hidden = block.forward_mixing(&hidden, &angles, &mut no_tap(), &mut mixing)?;
        }
        Ok(Packed { hidden: hidden.squeeze(0)?, kept })
    }

    /// Returns [`Config::longest_shared`](crate::model::Config::longest_shared) of the model.
    pub fn longest_shared(&self) -> usize {
        self.checkpoint().config().longest_shared()
    }

    /// Returns the number of padding rows that a product of `rows` rows needs in the blocks' linears and the
    /// head.
    pub fn padding(&self, rows: usize) -> usize {
        match self.device().is_cpu() {
            true => fewest_rows(self.checkpoint(), self.head.vocabulary()).saturating_sub(rows),
            false => 0,
        }
    }
}

/// Returns the smallest number of rows for which the CPU multiplies all rows of a model's linears in the same
/// order.
///
/// `gemm` 0.19 uses other code paths for one row, for at most 256 results, and for at most 64 by 64 results
/// of depths over 512.
fn fewest_rows(checkpoint: &Checkpoint, vocabulary: usize) -> usize {
    let linears = checkpoint.linears().iter().map(|it| (it.rows, it.columns));
    linears
        .chain([(vocabulary, checkpoint.config().hidden)])
        .map(|(width, depth)| match width <= 64 && depth > 512 {
            true => 65,
            false => (256 / width.max(1) + 1).max(2),
        })
        .max()
        .unwrap_or(2)
}

/// Returns the locations of consecutive pieces.
fn places(pieces: &[Piece<'_>]) -> candle_core::Result<Vec<Place>> {
    let mut places: Vec<Place> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let first = places.last().map_or(0, |before| before.rows.end);
        let start = match piece.after {
            After::Nothing => 0,
            After::Piece(other) => match places.get(other) {
                Some(before) => before.start + before.rows.len(),
                None => candle_core::bail!("piece {} follows piece {other}", places.len()),
            },
            After::Kept(kept) => kept.length,
        };
        places.push(Place { rows: first..first + piece.ids.len(), start });
    }
    Ok(places)
}

/// Returns the keys and values that a piece's last token sees, ordered by position: kept ones, those of the
/// preceding pieces, its own.
fn seen_by(
    pieces: &[Piece<'_>],
    places: &[Place],
    piece: usize,
    own: &[Tensor; 2],
    block: usize,
) -> Result<[Tensor; 2], ModelError> {
    let mut parts = [Vec::new(), Vec::new()];
    let mut at = piece;
    loop {
        let rows = &places[at].rows;
        for (parts, own) in parts.iter_mut().zip(own) {
            parts.push(own.narrow(1, rows.start, rows.len())?);
        }
        match pieces[at].after {
            After::Nothing => break,
            After::Piece(other) => at = other,
            After::Kept(kept) => {
                for (parts, kept) in parts.iter_mut().zip(&kept.blocks[block]) {
                    parts.push(kept.clone());
                }
                break;
            }
        }
    }
    let joined = |mut parts: Vec<Tensor>| -> Result<Tensor, ModelError> {
        parts.reverse();
        Ok(Tensor::cat(&parts, 1)?)
    };
    let [keys, values] = parts;
    Ok([joined(keys)?, joined(values)?])
}
