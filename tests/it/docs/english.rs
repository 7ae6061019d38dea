//! Refuses phrases that make a sentence hard to read, in the book, the help, messages and comments.
//!
//! The list is short on purpose: it holds what has crept in before and has a plain form that is always better.

use clap::Command;
use fancy_regex::Regex;

use crate::support::{book, source};

/// A phrase, a pattern that finds it, and what to write instead.
const PHRASES: [(&str, &str, &str); 12] = [
    ("what there is", r"(?i)\bwhat(ever)? there (is|are|was|were)\b", "name the thing"),
    ("is no X", r"\w (?<![Tt]here )(is|are|was|were) no (?!longer|more|less|fewer|\w+er\b)\w+", "is not a X"),
    ("whom", r"(?i)\bwhom\b", "which, or a sentence of its own"),
    (", of which", r"[,;:] of which\b|[.] Of which\b", "a sentence of its own"),
    (
        "least, greatest",
        r"\bthe (least|greatest) (?!important|common|recent|squares)[a-z]|(?i)\bgreatest\b",
        "lowest, highest",
    ),
    ("goes on", r"(?i)\b(goes|go|went|going) on\b", "continues, resumes"),
    ("to say of", r"(?i)\b(to say|said|says) of\b", "about"),
    (
        "that there is not",
        r"(?i)\bthere (is|are|was|were) not\b(?! enough)",
        "missing, or a negation of the verb",
    ),
    ("begun", r"(?i)\bbegun\b", "started"),
    ("dear", r"(?i)\bdear(er|est)?\b", "expensive"),
    ("nobody, nought, lest", r"(?i)\b(nobody|nought|lest)\b", "a plain word"),
    ("is to be", r"(?i)\b(is|are|was|were) to be\b", "must, will, or an imperative"),
];

/// A line that people read, with where it stands.
type Line = (String, String);

#[test]
fn no_sentence_uses_a_phrase_that_reads_as_translated() {
    let lines: Vec<Line> =
        pages().into_iter().chain(code()).chain(help(&allot::cli::command(), "allot")).collect();
    assert!(lines.len() > 10_000, "only {} lines were read", lines.len());
    let phrases =
        PHRASES.map(|(name, pattern, instead)| (name, Regex::new(pattern).expect("a pattern"), instead));
    let mut found = Vec::new();
    for (place, line) in &lines {
        for (name, pattern, instead) in &phrases {
            if pattern.is_match(line).expect("a pattern that ends") {
                found.push(format!("{place}: \"{name}\" (write {instead}): {}", line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{} lines:\n{}", found.len(), found.join("\n"));
}

#[test]
fn every_phrase_is_found() {
    let examples = [
        "Says what there is to prune.",
        "A text is no script.",
        "The layer whom it belongs to.",
        "Units, of which one is a block.",
        "Chooses the least scores.",
        "The search goes on.",
        "What it has to say of the model.",
        "A file that there is not.",
        "The run was begun here.",
        "This is dearer.",
        "Nobody reads it.",
        "A hole is to be filled.",
    ];
    for ((name, pattern, _), example) in PHRASES.iter().zip(examples) {
        let pattern = Regex::new(pattern).expect("a pattern");
        assert!(pattern.is_match(example).expect("a pattern that ends"), "{name}: {example}");
    }
    for plain in
        ["There is no script.", "The result is no longer needed.", "This is no faster.", "At least one row."]
    {
        for (name, pattern, _) in &PHRASES {
            let pattern = Regex::new(pattern).expect("a pattern");
            assert!(!pattern.is_match(plain).expect("a pattern that ends"), "{name}: {plain}");
        }
    }
}

/// Returns the prose of the book and of the pages beside it, without code.
fn pages() -> Vec<Line> {
    let mut pages: Vec<(String, String)> =
        book::pages().into_iter().map(|page| (format!("docs/{}", page.name), page.text)).collect();
    let beside =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "fuzz/README.md", "crates/python/README.md"];
    pages.extend(beside.map(|name| (name.to_owned(), book::read(name))));
    let mut lines = Vec::new();
    for (name, text) in pages {
        let mut code = false;
        for (at, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                code = !code;
            } else if !code {
                lines.push((format!("{name}:{}", at + 1), without(line, '`')));
            }
        }
    }
    lines
}

/// Returns the comments and the string literals of the code.
fn code() -> Vec<Line> {
    let literal = Regex::new(r#""((?:[^"\\]|\\.)*)""#).expect("a pattern");
    let mut lines = Vec::new();
    for path in source::paths().into_iter().filter(|path| path.ends_with(".rs")) {
        for (at, line) in book::read(&path).lines().enumerate() {
            let place = format!("{path}:{}", at + 1);
            if let Some((_, comment)) = line.split_once("//") {
                lines.push((place, without(comment, '`')));
                continue;
            }
            for found in literal.captures_iter(line).map_while(Result::ok) {
                let text = found.get(1).map_or("", |it| it.as_str());
                lines.push((place.clone(), placeholders(&without(text, '`'))));
            }
        }
    }
    lines
}

/// Returns the long help of a command and of those below it.
fn help(command: &Command, name: &str) -> Vec<Line> {
    let text = command.clone().render_long_help().to_string();
    let mut lines: Vec<Line> =
        text.lines().map(|line| (format!("{name} --help"), without(line, '`'))).collect();
    for below in command.get_subcommands() {
        lines.extend(help(below, &format!("{name} {}", below.get_name())));
    }
    lines
}

/// Returns a text without what stands between pairs of a sign: code in a sentence.
fn without(text: &str, sign: char) -> String {
    text.split(sign).step_by(2).collect::<Vec<_>>().join("x")
}

/// Returns a text without the places of a format string.
fn placeholders(text: &str) -> String {
    let mut out = String::new();
    let mut depth = 0_usize;
    for sign in text.chars() {
        match sign {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ if depth == 0 => out.push(sign),
            _ => {}
        }
    }
    out
}
