//! The book in `docs/`: its pages, their code blocks, and how tests rewrite them.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// A page of the book.
pub struct Page {
    /// Its path below `docs/`, such as `guides/measure.md`.
    pub name: String,
    /// Its full path.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// A code block of a page.
#[derive(Debug)]
pub struct Block {
    /// The words after the fence, split at commas.
    pub tags: Vec<String>,
    /// The lines inside the block, each with its line break.
    pub text: String,
    /// The range of the page's lines inside the block, counted from 0.
    pub lines: std::ops::Range<usize>,
}

impl Block {
    /// Returns whether the block has a tag.
    pub fn is(&self, tag: &str) -> bool {
        self.tags.iter().any(|found| found == tag)
    }

    /// Returns the value of a tag `name=value`.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.tags.iter().find_map(|tag| tag.strip_prefix(name)?.strip_prefix('='))
    }
}

/// Returns the full path of a path in the repository.
pub fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Reads a file of the repository.
pub fn read(path: &str) -> String {
    fs::read_to_string(root(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns whether tests rewrite pages that have changed, instead of failing.
pub fn updating() -> bool {
    std::env::var_os("ALLOT_UPDATE_DOCS").is_some_and(|value| value == "1")
}

/// Returns every page of the book, by name.
pub fn pages() -> Vec<Page> {
    let mut pages = Vec::new();
    collect(&root("docs"), "", &mut pages);
    pages.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(!pages.is_empty(), "docs/ holds no pages");
    pages
}

fn collect(folder: &Path, below: &str, pages: &mut Vec<Page>) {
    for entry in fs::read_dir(folder).expect("docs/ can be read") {
        let path = entry.expect("docs/ can be read").path();
        let name = format!("{below}{}", path.file_name().unwrap_or_default().to_string_lossy());
        if path.is_dir() {
            collect(&path, &format!("{name}/"), pages);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            let text = fs::read_to_string(&path).expect("pages are UTF-8");
            pages.push(Page { name, path, text });
        }
    }
}

/// Returns a page's fenced code blocks, in order.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for (number, line) in text.lines().enumerate() {
        match line.trim_end().strip_prefix("```") {
            Some(_) if open => open = false,
            Some(tags) => {
                let tags = tags.split(',').map(|tag| tag.trim().to_owned()).collect();
                blocks.push(Block { tags, text: String::new(), lines: number + 1..number + 1 });
                open = true;
            }
            None if open => {
                let block = blocks.last_mut().expect("a block is open");
                block.text.push_str(line);
                block.text.push('\n');
                block.lines.end = number + 1;
            }
            None => {}
        }
    }
    assert!(!open, "a code block is never closed");
    blocks
}

/// Returns a page with the lines of some blocks replaced.
pub fn replaced(text: &str, replacements: &[(std::ops::Range<usize>, String)]) -> String {
    let mut out = String::new();
    let mut at = 0;
    let lines: Vec<&str> = text.lines().collect();
    for (range, replacement) in replacements {
        for line in &lines[at..range.start] {
            let _ = writeln!(out, "{line}");
        }
        out.push_str(replacement);
        at = range.end;
    }
    for line in &lines[at..] {
        let _ = writeln!(out, "{line}");
    }
    out
}

/// Returns the number of the first line in which two texts differ, counted from 1, and that line of each.
pub fn first_difference<'a>(a: &'a str, b: &'a str) -> Option<(usize, &'a str, &'a str)> {
    let (mut a, mut b) = (a.lines(), b.lines());
    let mut line = 1;
    loop {
        match (a.next(), b.next()) {
            (None, None) => return None,
            (a, b) if a != b => return Some((line, a.unwrap_or("(the end)"), b.unwrap_or("(the end)"))),
            _ => line += 1,
        }
    }
}
