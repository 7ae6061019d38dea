//! Checks that the paths, links and tests that the book names exist.

use std::collections::BTreeSet;
use std::fs;

use crate::support::{book, source};

/// The folders with which a path of the repository begins, unlike a path of the reader.
const FOLDERS: [&str; 9] =
    ["crates/", "src/", "tests/", "examples/", "grammar/", "benches/", "fuzz/", "docs/", ".ci/"];

#[test]
fn every_path_and_link_leads_somewhere() {
    let mut pages: Vec<(String, String)> =
        book::pages().into_iter().map(|page| (format!("docs/{}", page.name), page.text)).collect();
    pages.extend(["README.md", "CONTRIBUTING.md"].map(|name| (name.to_owned(), book::read(name))));
    for (name, text) in &pages {
        let folder = book::root(name).parent().expect("a page has a folder").to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            if link.contains("://") || link.contains([' ', '`', '$', '\\']) {
                continue;
            }
            let target = if file.is_empty() { book::root(name) } else { folder.join(file) };
            assert!(target.exists(), "{name} links to {link}, which does not exist");
            if !anchor.is_empty() {
                let linked = fs::read_to_string(&target).expect("a page is UTF-8");
                assert!(
                    anchors(&linked).contains(anchor),
                    "{name} links to {link}, but there is no such heading"
                );
            }
        }
        assert_named_paths_exist(name, text);
        // A test is named by its binary and optionally by a module in it.
        for named in text.split("--test ").skip(1) {
            let words: Vec<&str> = named.split([' ', '`', '\n']).collect();
            let part = words.get(1).filter(|word| word.contains("::")).copied().unwrap_or_default();
            let path = format!("tests/{}/{}", words[0], part.replace("::", "/"));
            let path = path.trim_end_matches('/');
            let there = book::root(path).exists() || book::root(&format!("{path}.rs")).exists();
            assert!(there, "{name} names the test `{} {part}`, but there is no {path}", words[0]);
        }
    }
}

#[test]
fn every_path_in_a_comment_leads_somewhere() {
    let mut paths = source::paths();
    paths.extend(["benches/gpu.rs", "fuzz/README.md", "tests/gpu.sh", "tests/it/gpu.rs"].map(str::to_owned));
    for path in paths {
        let comments: Vec<String> = book::read(&path)
            .lines()
            .filter(|line| !path.ends_with(".rs") || line.trim_start().starts_with("//"))
            .map(str::to_owned)
            .collect();
        assert_named_paths_exist(&path, &comments.join("\n"));
    }
}

/// Fails unless every path of the repository that a text names in backticks exists.
fn assert_named_paths_exist(name: &str, text: &str) {
    for path in text.split('`').filter(|code| FOLDERS.iter().any(|folder| code.starts_with(folder))) {
        let plain = !path.contains([' ', '\n', '*', '<']);
        // The findings of fuzzing are not in the repository.
        let made = path.starts_with("fuzz/artifacts");
        assert!(!plain || made || book::root(path).exists(), "{name} names {path}, which does not exist");
    }
}

/// Returns the anchors of a page's headings.
fn anchors(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let heading = line.trim_start_matches('#').trim();
            match heading.rsplit_once("{#") {
                Some((_, id)) => id.trim_end_matches('}').to_owned(),
                None => {
                    let kept =
                        heading.chars().filter(|it| it.is_alphanumeric() || [' ', '-', '_'].contains(it));
                    kept.collect::<String>().to_lowercase().replace(' ', "-")
                }
            }
        })
        .collect()
}

#[test]
fn every_page_is_in_the_summary() {
    let summary = book::read("docs/SUMMARY.md");
    for page in book::pages() {
        let listed = page.name == "SUMMARY.md" || summary.contains(&format!("({})", page.name));
        assert!(listed, "docs/{} is not in docs/SUMMARY.md", page.name);
    }
}
