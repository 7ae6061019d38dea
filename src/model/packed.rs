//! Several sequences in one pass, what they share computed once: pieces that go on after other pieces, or after kept keys and values.
//!
//! On a processor the result of a token depends on its sequence alone, bit for bit: on what stands before it, and neither on the
//! pieces beside it nor on how its sequence is cut into pieces. Products of few rows would be added up in another order, so a small
//! pass has rows of padding.

use std::ops::Range;

use candle_core::Tensor;
use rayon::prelude::*;

use super::attention::Attention;
use super::block::{Angles, no_tap};
use super::checkpoint::Checkpoint;
use super::decoder::Decoder;
use super::error::ModelError;
use super::steps;

/// What stands before a piece.
#[derive(Clone, Copy, Debug)]
pub enum After<'a> {
    /// Nothing: it begins its sequence.
    Nothing,
    /// An earlier piece of the same pass, by its number, and what stands before that.
    Piece(usize),
    /// What another pass kept.
    Kept(&'a KeptKeys),
}

/// Tokens that follow one another.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// What stands before them.
    pub after: After<'a>,
    /// The tokens, at least one.
    pub ids: &'a [u32],
}

/// The keys and values of a sequence in every block.
#[derive(Clone, Debug)]
pub struct KeptKeys {
    length: usize,
    /// Of each block, `[1, length, key_value_heads, head_size]`.
    blocks: Vec<[Tensor; 2]>,
}

impl KeptKeys {
    /// Returns how many tokens the sequence has.
    pub const fn length(&self) -> usize {
        self.length
    }
}

/// What a packed pass gives.
#[derive(Debug)]
pub struct Packed {
    /// The last hidden states of all pieces' tokens, one piece after the other, `[tokens, hidden]`, and rows of padding after them.
    pub hidden: Tensor,
    /// The keys and values of the sequences that were to be kept, each with all that stands before its piece.
    pub kept: Vec<KeptKeys>,
}

/// Where a piece lies in a pass.
struct Place {
    rows: Range<usize>,
    /// The position of its first token in its sequence.
    start: usize,
}

impl Decoder {
    /// Runs pieces in one pass, and keeps the keys and values of the sequences that end with the pieces `keep`.
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
                // Small pieces do not fill the cores one by one.
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

    /// Returns how many rows of padding a product of so many rows needs in front of the blocks' linears and the head.
    pub fn padding(&self, rows: usize) -> usize {
        match self.device().is_cpu() {
            true => fewest_rows(self.checkpoint(), self.head.vocabulary()).saturating_sub(rows),
            false => 0,
        }
    }
}

/// Returns from how many rows on a processor multiplies all rows of a model's linears in the same order.
///
/// `gemm` 0.19 takes other ways for one row, for at most 256 results, and for at most 64 by 64 results of depths over 512.
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

/// Returns where pieces lie, one after the other.
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

/// Returns the keys and values that a piece's last token sees, in the order of their positions: kept ones, those of the pieces
/// before, its own.
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
