//! One pass over every byte of a model's tensors: their fingerprint, and the first number that is not finite.

use rayon::prelude::*;
use safetensors::Dtype;
use sha2::{Digest, Sha256};
use twox_hash::XxHash3_128;

use super::files::TensorFiles;
use super::hexadecimal::hexadecimal;
use super::numbers::all_finite;

/// What a fingerprint begins with, which says how it was made: those of earlier versions were SHA-256 of parts of the tensors.
pub(crate) const FINGERPRINT: &str = "xxh3-";

/// How many bytes are hashed and checked at a time: they are still in the core's cache when they are read the second time.
const PIECE: usize = 1 << 20;

/// What a pass over all tensors shows.
#[derive(Clone, Debug)]
pub(super) struct Examined {
    /// The fingerprint of all tensors.
    pub(super) fingerprint: String,
    /// The names of the tensors of floats that hold a number that is NaN or infinite, sorted.
    pub(super) not_finite: Vec<String>,
}

/// Returns the fingerprint of all tensors of some files.
pub(crate) fn fingerprint(files: &TensorFiles) -> String {
    examine(files).fingerprint
}

/// A part of a tensor.
struct Piece<'a> {
    name: &'a str,
    /// The tensor's place among the names.
    tensor: usize,
    /// The piece's place in the tensor.
    part: usize,
    dtype: Dtype,
    bytes: &'a [u8],
}

/// Reads every byte of every tensor once.
///
/// The fingerprint depends on each tensor's name, type, shape and bytes, and not on the files that hold them: a model keeps its
/// fingerprint when it is cut into other shards. Bytes are hashed by XXH3 in pieces of 1 MiB, which takes as long as reading them, and
/// the pieces' hashes of 128 bits by SHA-256. It is made to find what changed, not to withstand whoever looks for another model of the
/// same fingerprint.
pub(super) fn examine(files: &TensorFiles) -> Examined {
    let names: Vec<&str> = files.names().collect();
    let mut order: Vec<usize> = (0..names.len()).collect();
    // As they lie in the files, so that the disk reads forward.
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
        // At once, so that a model that streams is never whole in memory.
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
