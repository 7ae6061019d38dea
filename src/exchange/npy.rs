//! NumPy's file format for one vector of f64, version 1.0.

use super::{ExchangeError, Format};

/// The first bytes of such a file.
pub const MAGIC: &[u8] = b"\x93NUMPY";

/// Returns values as a file: float64, little-endian, of shape `(values,)`.
pub fn write(values: &[f64]) -> Vec<u8> {
    let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({},), }}", values.len());
    // Magic, version, length and header with its line break take a multiple of 64 bytes.
    while !(MAGIC.len() + 4 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// Reads a file with one vector of little-endian 32- or 64-bit floats.
///
/// # Errors
/// When the file has other contents, or is truncated.
pub fn read(bytes: &[u8]) -> Result<Vec<f64>, ExchangeError> {
    let wrong = |problem: &str| ExchangeError::malformed(Format::AlphaPruning, problem);
    let cut = || wrong("the file is truncated");
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| wrong("it does not begin like a .npy file"))?;
    let (version, rest) = rest.split_at_checked(2).ok_or_else(cut)?;
    let (length, rest) = match version {
        [1, _] => {
            let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        _ => {
            let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
            (u32::from_le_bytes(*length) as usize, rest)
        }
    };
    let (header, data) = rest.split_at_checked(length).ok_or_else(cut)?;
    let header = String::from_utf8_lossy(header);
    let shape = header.split_once('(').and_then(|(_, rest)| Some(rest.split_once(')')?.0));
    let count = shape.and_then(|shape| {
        let mut sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
        let count = sizes.next()?.parse::<usize>().ok()?;
        sizes.next().is_none().then_some(count)
    });
    let count = count.ok_or_else(|| wrong("it does not hold a single vector"))?;
    let size = match () {
        () if header.contains("'<f8'") => 8,
        () if header.contains("'<f4'") => 4,
        () => return Err(wrong("it does not hold 32- or 64-bit floats")),
    };
    let data = count.checked_mul(size).and_then(|length| data.get(..length)).ok_or_else(cut)?;
    let value = |bytes: &[u8]| match bytes.try_into() {
        Ok(eight) => f64::from_le_bytes(eight),
        Err(_) => bytes.try_into().map_or(f64::NAN, |four| f64::from(f32::from_le_bytes(four))),
    };
    Ok(data.chunks_exact(size).map(value).collect())
}
