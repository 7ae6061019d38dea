//! What the book says of the code's layout is so.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use support::book;

/// Paths in the book that stand for a reader's own files, not for the repository's.
const FOLDERS: [&str; 8] = ["src/", "tests/", "examples/", "grammar/", "benches/", "fuzz/", "docs/", ".ci/"];

#[test]
fn modules_use_no_more_than_the_table_says() {
    let allowed = table();
    let modules: BTreeSet<String> = book::read("src/lib.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect();
    assert_eq!(
        allowed.keys().cloned().collect::<BTreeSet<_>>(),
        modules,
        "the table of docs/architecture.md and src/lib.rs name different modules"
    );
    for (module, may_use) in &allowed {
        let mut used: BTreeMap<String, String> = BTreeMap::new();
        let folder = book::root("src").join(module);
        match folder.is_dir() {
            true => uses(&folder, &modules, &mut used),
            false => uses_of(&folder.with_extension("rs"), &modules, &mut used),
        }
        used.remove(module);
        for (other, file) in &used {
            assert!(
                may_use.contains(other) || may_use.contains("all of them"),
                "{file} uses `crate::{other}`, and docs/architecture.md does not let `{module}` use it"
            );
        }
        for other in may_use.iter().filter(|other| *other != "all of them") {
            assert!(
                used.contains_key(other),
                "docs/architecture.md lets `{module}` use `{other}`, and it does not: take it out of the table"
            );
        }
    }
}

/// Returns which modules each module may use, as the page's table has it.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let page = book::read("docs/architecture.md");
    let (_, table) = page.split_once("| module |").expect("docs/architecture.md has a table of modules");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let names = |cell: &str| -> BTreeSet<String> {
            let names = cell.split(',').map(|name| name.trim().trim_matches('`').to_owned());
            names.filter(|name| !name.is_empty()).collect()
        };
        (cells[0].trim_matches('`').to_owned(), names(cells.get(2).copied().unwrap_or_default()))
    })
    .collect()
}

/// Collects which modules a module's files use, and where.
fn uses(folder: &Path, modules: &BTreeSet<String>, used: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).expect("a module is a folder") {
        let path = entry.expect("a folder can be read").path();
        if path.is_dir() {
            uses(&path, modules, used);
            continue;
        }
        uses_of(&path, modules, used);
    }
}

/// Collects which modules a file uses.
fn uses_of(path: &Path, modules: &BTreeSet<String>, used: &mut BTreeMap<String, String>) {
    let text = fs::read_to_string(path).expect("sources are UTF-8");
    for part in text.split("crate::").skip(1) {
        let name: String =
            part.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect();
        if modules.contains(&name) {
            used.entry(name).or_insert_with(|| path.display().to_string());
        }
    }
}

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
