//! Texts in all forms: JSON lines under any name, compressed or not, in other encodings, and files that are
//! not texts.

use std::fs;
use std::io::Write;
use std::path::Path;

use allot::model::{Checkpoint, Tokenizer};
use allot::stats::{Text, TextError, Tokens};
use bzip2::write::BzEncoder;
use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use tempfile::TempDir;

use crate::support::data::bundled;

const LINES: &str = "{\"text\": \"one day\\nin caf\\u00e9\"}\n\n{\"id\": 3, \"text\": \"two\"}\n";

fn read(name: &str, bytes: &[u8]) -> Result<Vec<String>, TextError> {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("a file");
    Text::read(&[path]).map(|text| text.documents)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(bytes).expect("packed");
    packed.finish().expect("packed")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut packed = BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    packed.write_all(bytes).expect("packed");
    packed.finish().expect("packed")
}

/// Returns a zstd frame of data that is not text.
fn skippable() -> Vec<u8> {
    [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat()
}

fn utf16(text: &str, big: bool) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units.flat_map(|it: u16| if big { it.to_be_bytes() } else { it.to_le_bytes() }).collect()
}

#[test]
fn json_lines_are_read_under_any_name_compressed_or_not() {
    let expected = ["one day\nin café", "two"];
    let array = "[{\"text\": \"one day\\nin caf\\u00e9\"},\n {\"text\": \"two\"}]";
    let files: [(&str, Vec<u8>); 16] = [
        ("a.jsonl", LINES.into()),
        ("a.ndjson", LINES.into()),
        ("a.JSONL", LINES.into()),
        ("a.txt", LINES.into()),
        ("a.raw", LINES.into()),
        ("a", LINES.into()),
        ("a.json", array.into()),
        ("a.txt", array.into()),
        ("a.jsonl", LINES.replace('\n', "\r\n").into_bytes()),
        ("c4-train.00000-of-01024.json.gz", gzip(LINES.as_bytes())),
        // Two compressed files joined as with `cat`.
        ("a.jsonl.gz", LINES.split_inclusive("\n\n").flat_map(|it| gzip(it.as_bytes())).collect()),
        ("a.jsonl.zst", LINES.split_inclusive("\n\n").flat_map(|it| zstd(it.as_bytes())).collect()),
        // An index of a seekable file before and after the data.
        ("a.jsonl.zst", [skippable(), zstd(LINES.as_bytes()), skippable()].concat()),
        ("a.txt.bz2", bzip2(LINES.as_bytes())),
        ("a.txt", utf16(LINES, false)),
        ("a.jsonl", ["\u{feff}", LINES].concat().into_bytes()),
    ];
    for (name, bytes) in files {
        assert_eq!(read(name, &bytes).expect(name), expected, "{name}");
    }
}

#[test]
fn plain_text_is_the_same_in_every_encoding() {
    let text = "Lily saw {a} dog.\nÉté.<|endoftext|>[2] Tom.";
    let expected = ["Lily saw {a} dog.\nÉté.", "[2] Tom."];
    let windows = text.replace('\n', "\r\n");
    for bytes in [
        text.as_bytes().to_vec(),
        windows.clone().into_bytes(),
        ["\u{feff}", text].concat().into_bytes(),
        utf16(text, false),
        utf16(&windows, true),
        gzip(text.as_bytes()),
        zstd(windows.as_bytes()),
        gzip(&utf16(text, true)),
    ] {
        assert_eq!(read("a.txt", &bytes).expect("a text"), expected);
    }
    // WikiText's form is recognised by the name without the extension of the compression.
    let wiki = " \n = A = \n";
    let joined = read("w.raw", wiki.as_bytes()).expect("a text");
    for (name, bytes) in [
        ("w.raw.gz", gzip(wiki.as_bytes())),
        ("w.raw.GZIP", gzip(wiki.as_bytes())),
        ("w.raw.bz2", bzip2(wiki.as_bytes())),
        ("w.raw.zstd", zstd(wiki.as_bytes())),
    ] {
        assert_eq!(read(name, &bytes).expect("a text"), joined, "{name}");
    }
}

#[test]
fn prose_may_start_like_json() {
    for text in [
        "\"Go!\" said Tom.\n\"No,\" said Ann.",
        "\"A whole quoted line.\"",
        "[1] A note.\n[2] Another.",
        "{\\bf Title} of a paper",
        "[[Link]] and text",
    ] {
        assert_eq!(read("a.txt", text.as_bytes()).expect(text), [text]);
    }
}

#[test]
fn files_that_are_not_texts_are_refused_with_their_kind() {
    let refused = |name: &str, bytes: &[u8], words: &str| {
        let error = read(name, bytes).expect_err(words).to_string();
        assert!(error.contains(words), "{words}: {error}");
    };
    let unmarked: Vec<u8> = "w1 w2".encode_utf16().flat_map(u16::to_le_bytes).collect();
    refused("a.txt", &unmarked, "zero byte at 1");
    refused("a.txt", b"a text with one \0 in it", "zero byte at 16");
    refused("a.jsonl", b"{\"text\": \"a\0\"}", "zero byte");
    refused("a.txt", &gzip(b"a\0"), "zero byte at 1");
    refused("a.txt", b"\xff\xfe\0\0a\0\0\0", "UTF-32");
    refused("a.txt", b"\xff\xfe\0\xd8", "UTF-16");
    refused("a.txt", b"\xff\xfea", "UTF-16");
    refused("a.txt", b"caf\xe9", "byte 3");
    refused("train.parquet", b"PAR1\x15\x04", "a Parquet file");
    refused("a.jsonl.xz", b"\xfd7zXZ\0", "compressed with xz");
    refused("a.jsonl.bz2", b"BZh91AY", "cannot be decompressed");
    let packed = gzip(&[b'a'; 1000]);
    refused("a.txt.gz", &packed[..packed.len() - 9], "cannot be decompressed");
    let packed = zstd(LINES.as_bytes());
    refused("a.txt.zst", &packed[..packed.len() - 3], "cannot be decompressed");
    // A bit of the compressed text, so that only the checksum shows the damage.
    let long: String = (0..40).map(|n| format!("Line {n} of a text.\n")).collect();
    let packed = zstd(long.as_bytes());
    let mut by_checksum = 0;
    for at in 12..packed.len() - 4 {
        let mut damaged = packed.clone();
        damaged[at] ^= 1;
        match read("a.txt.zst", &damaged) {
            Ok(documents) => assert_eq!(documents, [long.as_str()], "byte {at}"),
            Err(error) => by_checksum += usize::from(error.to_string().contains("checksum")),
        }
    }
    assert!(by_checksum > 0, "some damage is found by the checksum alone");
    // A first line of JSON decides: the following lines have to be JSON as well, with the field.
    refused("a.txt", b"{\"text\": \"a\"}\nplain\n", ":2:");
    refused("a.ndjson", b"{\"content\": \"a\"}\n", "`text`");
    // JSON of another form is not prose, whatever the file's name.
    refused("a.txt", b"{\"text\": \"a\", \"x\": Infinity}\n{\"text\": \"b\"}\n", ":1:");
    refused("a.raw", b"{\n  \"text\": \"a\"\n}\n", ":1:");
    refused("a", b"[{\"content\": \"a\"}]", ":1:");
    refused("a.txt", b"[[\"a\"], [\"b\"]]", ":1:");
    refused("a.txt", b"\"one\"\n\"two\"\n", ":1:");
    refused("a.jsonl", b"[\"one\"]\n", "not an object");
}

#[test]
fn limited_windows_of_a_long_document_are_the_first_of_all_its_windows() {
    let checkpoint = Checkpoint::open(bundled()).expect("a model");
    let tokenizer = Tokenizer::open(&checkpoint).expect("a tokenizer");
    let stories = Text::read(&[Path::new(&bundled()).join("text/report.jsonl")]).expect("a text");
    let mut long = stories.clone();
    long.documents = vec![stories.documents.join("\n")];
    let all = Tokens::windows(&long, &tokenizer, 64, None).expect("windows");
    for limit in [1, 3, 17, 60] {
        let some = Tokens::windows(&long, &tokenizer, 64, Some(limit)).expect("windows");
        assert_eq!(some.samples(), limit);
        assert_eq!(some.ids(), all.first(limit).ids(), "{limit}");
    }
    // A document without spaces, longer than the part that a limit reads.
    long.documents = vec!["é".repeat(20_000)];
    let all = Tokens::windows(&long, &tokenizer, 64, None).expect("windows");
    let some = Tokens::windows(&long, &tokenizer, 64, Some(2)).expect("windows");
    assert_eq!(some.ids(), all.first(2).ids());
}
