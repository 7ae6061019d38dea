//! Decodes the bytes of a text file: decompressed, and in the encoding that its first bytes show.

use std::io::Read;
use std::path::Path;

use bzip2::read::MultiBzDecoder;
use flate2::read::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;

use super::text_error::TextError;

/// Endings of the names of compressed files, without the dot; what counts is how a file starts.
pub const PACKED: [&str; 5] = ["gz", "gzip", "zst", "zstd", "bz2"];

/// First bytes of files that are not texts, with a description.
const OTHERS: [(&[u8], &str); 5] = [
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\xfd7zXZ", "compressed with xz"),
    (b"\x93NUMPY", "a NumPy array"),
];

/// Returns a file's text, with line breaks as `\n`, in UTF-8, or in UTF-16 with a byte order mark, optionally
/// compressed with gzip, zstd or bzip2.
///
/// # Errors
/// When it cannot be decompressed, is not text, or has another encoding.
pub(crate) fn decode(path: &Path, bytes: Vec<u8>) -> Result<String, TextError> {
    let bytes = unpack(path, bytes)?;
    if let Some((_, what)) = OTHERS.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Err(TextError::NoText { path: path.to_owned(), what });
    }
    let text = match &bytes[..] {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
            return Err(TextError::NoText { path: path.to_owned(), what: "in UTF-32" });
        }
        [0xff, 0xfe, rest @ ..] => utf16(path, rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf16(path, rest, u16::from_be_bytes)?,
        [0xef, 0xbb, 0xbf, ..] => utf8(path, bytes[3..].to_vec())?,
        _ => utf8(path, bytes)?,
    };
    Ok(if text.contains("\r\n") { text.replace("\r\n", "\n") } else { text })
}

fn unpack(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>, TextError> {
    let mut unpacked = Vec::new();
    let failed = |cause: String| TextError::Packed { path: path.to_owned(), problem: cause };
    match &bytes[..] {
        [0x1f, 0x8b, ..] => {
            let read = MultiGzDecoder::new(&bytes[..]).read_to_end(&mut unpacked);
            read.map_err(|error| failed(error.to_string()))?;
        }
        [b'B', b'Z', b'h', ..] => {
            let read = MultiBzDecoder::new(&bytes[..]).read_to_end(&mut unpacked);
            read.map_err(|error| failed(error.to_string()))?;
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            unpack_zstd(&bytes, &mut unpacked).map_err(failed)?;
        }
        _ => return Ok(bytes),
    }
    Ok(unpacked)
}

/// Decompresses frames that follow each other, as parallel compressors write them, and checks their checksums;
/// the decoder computes a frame's checksum but does not compare it.
fn unpack_zstd(bytes: &[u8], unpacked: &mut Vec<u8>) -> Result<(), String> {
    let mut rest = bytes;
    while !rest.is_empty() {
        // A skippable frame holds other data, such as an index, under its length.
        if let [0x50..=0x5f, 0x2a, 0x4d, 0x18, a, b, c, d, after @ ..] = rest {
            let length = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
            rest = after.get(length..).ok_or("a skippable frame is incomplete")?;
            continue;
        }
        let mut frame = StreamingDecoder::new(&mut rest).map_err(|error| error.to_string())?;
        frame.read_to_end(unpacked).map_err(|error| error.to_string())?;
        let decoder = frame.into_frame_decoder();
        if let Some(stored) = decoder.get_checksum_from_data()
            && decoder.get_calculated_checksum() != Some(stored)
        {
            return Err("the checksum does not match the data".to_owned());
        }
    }
    Ok(())
}

fn utf8(path: &Path, bytes: Vec<u8>) -> Result<String, TextError> {
    // Texts have no zero bytes. UTF-16 without its mark has them in every second place, yet can be valid
    // UTF-8.
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(TextError::Zero { path: path.to_owned(), at });
    }
    String::from_utf8(bytes)
        .map_err(|error| TextError::Encoding { path: path.to_owned(), at: error.utf8_error().valid_up_to() })
}

fn utf16(path: &Path, bytes: &[u8], read: impl Fn([u8; 2]) -> u16) -> Result<String, TextError> {
    let (units, rest) = bytes.as_chunks::<2>();
    let units: Vec<u16> = units.iter().map(|it| read(*it)).collect();
    match String::from_utf16(&units) {
        Ok(text) if rest.is_empty() && !text.contains('\0') => Ok(text),
        _ => Err(TextError::NoText { path: path.to_owned(), what: "in UTF-16 with invalid characters" }),
    }
}
