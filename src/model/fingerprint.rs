//! One pass over every byte of a model's tensors, for their fingerprint and the first non-finite number.

use rayon::prelude::*;
use safetensors::Dtype;
use sha2::{Digest, Sha256};
use twox_hash::XxHash3_128;

use super::files::TensorFiles;
use super::hexadecimal::{FINGERPRINT, hexadecimal};
use super::numbers::all_finite;

/// Number of bytes hashed and checked at a time: they are still in the core's cache for the second read.
const PIECE: usize = 1 << 20;

/// The results of a pass over all tensors.
#[derive(Clone, Debug)]
pub(super) struct Examined {
    /// The fingerprint of all tensors.
    pub(super) fingerprint: String,
    /// The names of the float tensors that hold a NaN or infinite number, sorted.
    pub(super) not_finite: Vec<String>,
}

/// Returns the fingerprint of all tensors in the files.
pub(crate) fn fingerprint(files: &TensorFiles) -> String {
    examine(files).fingerprint
}

/// A part of a tensor.
struct Piece<'a> {
    name: &'a str,
    /// The tensor's index among the names.
    tensor: usize,
    /// The piece's index within the tensor.
    part: usize,
    dtype: Dtype,
    bytes: &'a [u8],
}

/// Reads every byte of every tensor once.
///
/// The fingerprint depends on each tensor's name, type, shape and bytes, but not on the files that hold them:
/// resharding a model keeps its fingerprint. XXH3 hashes the bytes in pieces of 1 MiB, which takes as long as
/// reading them, and SHA-256 hashes the pieces' 128-bit hashes. The fingerprint detects changes; it does not
/// resist someone who constructs another model with the same fingerprint.
pub(super) fn examine(files: &TensorFiles) -> Examined {
    let names: Vec<&str> = files.names().collect();
    let mut order: Vec<usize> = (0..names.len()).collect();
    // In file order, so that the disk is read sequentially.
    order.sort_by_key(|&tensor| files.offset(names[tensor]));
    let mut pieces = Vec::new();
    for tensor in order {
        let name = names[tensor];
        let Ok(stored) = files.tensor(name) else { continue };
        let parts = stored.bytes.chunks(PIECE).enumerate();
        let dtype = stored.dtype;
        pieces.extend(parts.map(|(part, bytes)| Piece { name, tensor, part, dtype, bytes }));
    }
    let look = |piece: &Piece<'_>| {
        let seen = (XxHash3_128::oneshot(piece.bytes), all_finite(piece.dtype, piece.bytes));
        // Immediately, so that a streamed model is never whole in memory.
        files.release_part(piece.name, piece.part * PIECE, piece.bytes.len());
        seen
    };
    let seen: Vec<(u128, bool)> = pieces.par_iter().map(look).collect();
    let mut hashes: Vec<Vec<u128>> = vec![Vec::new(); names.len()];
    let mut finite = vec![true; names.len()];
    for (piece, (hash, is_finite)) in pieces.iter().zip(seen) {
        hashes[piece.tensor].push(hash);
        finite[piece.tensor] &= is_finite;
    }
    let mut whole = Sha256::new();
    for (name, hashes) in names.iter().zip(&hashes) {
        let Ok(stored) = files.tensor(name) else { continue };
        whole.update(format!("{name}\n{:?}\n{:?}\n", stored.dtype, stored.shape));
        hashes.iter().for_each(|hash| whole.update(hash.to_le_bytes()));
    }
    let not_finite = names.iter().zip(finite).filter(|(_, finite)| !finite);
    Examined {
        fingerprint: format!("{FINGERPRINT}{}", hexadecimal(&whole.finalize())),
        not_finite: not_finite.map(|(name, _)| (*name).to_owned()).collect(),
    }
}
