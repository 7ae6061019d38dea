//! Recognises texts that share most of their lines, however their files store them.

use std::sync::Arc;

use twox_hash::XxHash3_128;

/// The length in bytes of the shortest lines that count: shorter ones occur in unrelated texts too.
const SHORTEST: usize = 40;

/// The source of a text or of ready ids, to recognise it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextOrigin {
    /// SHA-256 of the files, or of the ids.
    pub hash: String,
    /// The lines; none for ready ids, or if only the hash is known.
    pub lines: TextLines,
}

impl TextOrigin {
    /// Returns an origin with a hash alone.
    pub fn of_hash(hash: String) -> Self {
        Self { hash, lines: TextLines::default() }
    }

    /// Returns whether both are the same, or share most of their lines.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.hash == other.hash || self.lines.overlaps(&other.lines)
    }
}

/// The hashes of a text's lines, sorted, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextLines(Arc<[u64]>);

impl TextLines {
    /// Hashes the lines of documents without the white space around them; lines of fewer than 40 bytes do not
    /// count.
    pub fn of(documents: &[String]) -> Self {
        let lines = documents.iter().flat_map(|document| document.lines()).map(str::trim);
        let lines = lines.filter(|line| line.len() >= SHORTEST);
        let mut hashes: Vec<u64> = lines.map(|line| XxHash3_128::oneshot(line.as_bytes()) as u64).collect();
        hashes.sort_unstable();
        hashes.dedup();
        Self(hashes.into())
    }

    /// Returns whether at least half of the lines of the text with fewer lines are lines of the other one too;
    /// false if either has none.
    pub fn overlaps(&self, other: &Self) -> bool {
        let [few, many] = match self.0.len() <= other.0.len() {
            true => [&self.0, &other.0],
            false => [&other.0, &self.0],
        };
        let shared = few.iter().filter(|line| many.binary_search(line).is_ok()).count();
        shared > 0 && 2 * shared >= few.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: std::ops::Range<usize>) -> TextLines {
        let line = |n: usize| format!("  This is the line with the number {n} of a longer text.\n");
        TextLines::of(&[lines.map(line).collect()])
    }

    #[test]
    fn texts_overlap_from_half_of_the_shorter_one_on() {
        assert!(text(0..10).overlaps(&text(0..10)));
        assert!(text(0..100).overlaps(&text(90..100)));
        assert!(text(0..10).overlaps(&text(5..15)));
        assert!(!text(0..10).overlaps(&text(6..16)));
        assert!(!text(0..10).overlaps(&text(10..20)));
    }

    #[test]
    fn short_lines_show_nothing() {
        let short = TextLines::of(&["* * *\nThe end.\n".to_owned()]);
        assert!(!short.overlaps(&short));
    }
}
