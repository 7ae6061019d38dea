//! NumPy's file of one vector of doubles, version 1.0.

use super::{ExchangeError, Format};

/// What such a file begins with.
pub const MAGIC: &[u8] = b"\x93NUMPY";

/// Returns values as a file: float64, little-endian, of shape `(values,)`.
pub fn write(values: &[f64]) -> Vec<u8> {
    let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({},), }}", values.len());
    // Magic, version, length and header with its new line come to a multiple of 64.
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

/// Reads a file of one vector of little-endian floats of 32 or 64 bits.
///
/// # Errors
/// When it is something else, or cut off.
pub fn read(bytes: &[u8]) -> Result<Vec<f64>, ExchangeError> {
    let wrong = |problem: &str| ExchangeError::malformed(Format::AlphaPruning, problem);
    let cut = || wrong("the file is cut off");
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| wrong("it does not begin as a .npy file does"))?;
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
    let count = count.ok_or_else(|| wrong("it does not hold one vector"))?;
    let size = match () {
        () if header.contains("'<f8'") => 8,
        () if header.contains("'<f4'") => 4,
        () => return Err(wrong("it does not hold floats of 32 or 64 bits")),
    };
    let data = count.checked_mul(size).and_then(|length| data.get(..length)).ok_or_else(cut)?;
    let value = |bytes: &[u8]| match bytes.try_into() {
        Ok(eight) => f64::from_le_bytes(eight),
        Err(_) => bytes.try_into().map_or(f64::NAN, |four| f64::from(f32::from_le_bytes(four))),
    };
    Ok(data.chunks_exact(size).map(value).collect())
}
