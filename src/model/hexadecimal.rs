//! Formats hashes as text.

use twox_hash::XxHash3_128;

/// Prefix of a fingerprint, which shows how it was made; earlier versions used SHA-256 of parts of the
/// tensors.
pub(crate) const FINGERPRINT: &str = "xxh3-";

/// Returns bytes as lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the XXH3 hash of pieces of data, one after the other, as text.
pub(crate) fn hash_of_data<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> String {
    let mut hash = XxHash3_128::new();
    pieces.for_each(|piece| hash.write(piece));
    format!("{FINGERPRINT}{:032x}", hash.finish_128())
}
