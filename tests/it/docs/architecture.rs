//! What the book says of the code's layout is so.

use std::collections::BTreeSet;
use std::fs;

use crate::support::book;

/// What a path in the book begins with that is the repository's, not a reader's.
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
            assert!(target.exists(), "{name} links to {link}, which is not there");
            if !anchor.is_empty() {
                let linked = fs::read_to_string(&target).expect("a page is UTF-8");
                assert!(
                    anchors(&linked).contains(anchor),
                    "{name} links to {link}, and there is no such heading"
                );
            }
        }
        for path in text.split('`').filter(|code| FOLDERS.iter().any(|folder| code.starts_with(folder))) {
            let plain = !path.contains([' ', '\n', '*', '<']);
            assert!(!plain || book::root(path).exists(), "{name} names {path}, which is not there");
        }
    }
}

/// Returns what headings of a page can be linked to by.
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
        assert!(listed, "docs/{} is not in docs/SUMMARY.md, so nobody finds it", page.name);
    }
}
