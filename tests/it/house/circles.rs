//! Checks that files do not depend on each other in cycles.
//!
//! An arrow goes from a file to each file that defines something it names, in a `use` or in its code; names are followed through
//! `pub use` to their definitions. Re-exports and tests do not count as arrows.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::source::{Source, UseKind};

/// For each file, the files that it needs, with the line and path that name them.
type Arrows = BTreeMap<String, BTreeMap<String, String>>;

#[test]
fn no_circle_between_files() {
    let arrows = arrows(Source::get());
    let count: usize = arrows.values().map(BTreeMap::len).sum();
    assert!(count > arrows.len(), "{} files have only {count} arrows, so they were not read", arrows.len());
    let circles: Vec<String> = circles(&arrows).iter().map(|circle| described(&arrows, circle)).collect();
    assert!(circles.is_empty(), "files that need each other in a circle:\n\n{}", circles.join("\n"));
}

#[test]
fn a_circle_is_found() {
    let arrow = |(from, to): (&str, &str)| {
        (from.to_owned(), to.split_whitespace().map(|to| (to.to_owned(), "line 1".to_owned())).collect())
    };
    let arrows: Arrows = [("a", "b"), ("b", "c d"), ("c", "a"), ("d", "e"), ("e", "")].map(arrow).into();
    let found: Vec<Vec<String>> =
        circles(&arrows).into_iter().map(|circle| circle.into_iter().collect()).collect();
    assert_eq!(found, [["a", "b", "c"]]);
}

/// Returns the arrows between files.
fn arrows(source: &Source) -> Arrows {
    let mut arrows = Arrows::new();
    for file in &source.files {
        let to = arrows.entry(file.path.clone()).or_default();
        for used in file.uses.iter().filter(|used| used.kind != UseKind::Export) {
            let Some(other) = source.resolve(used.module, &used.path).and_then(|target| source.file(target))
            else {
                continue;
            };
            let other = &source.files[other].path;
            if *other != file.path {
                to.entry(other.clone())
                    .or_insert_with(|| format!("line {}: {}", used.line, used.path.join("::")));
            }
        }
    }
    arrows
}

/// Returns the sets of files in which each file reaches all others of its set.
fn circles(arrows: &Arrows) -> Vec<BTreeSet<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        arrows.keys().map(|file| (file, reached(arrows, file))).collect();
    let mut circles: Vec<BTreeSet<String>> = Vec::new();
    for (file, others) in &reached {
        let circle: BTreeSet<String> =
            others.iter().filter(|other| reached[**other].contains(file)).map(|it| (*it).clone()).collect();
        if circle.len() > 1 && !circles.contains(&circle) {
            circles.push(circle);
        }
    }
    circles
}

/// Returns the files that are reached from a file over one or more arrows.
fn reached<'a>(arrows: &'a Arrows, file: &String) -> BTreeSet<&'a String> {
    let mut found = BTreeSet::new();
    let mut next: Vec<&String> = arrows[file].keys().collect();
    while let Some(file) = next.pop() {
        if found.insert(file) {
            next.extend(arrows[file].keys());
        }
    }
    found
}

/// Returns the arrows of a circle, as text.
fn described(arrows: &Arrows, circle: &BTreeSet<String>) -> String {
    let mut text = format!("{} files\n", circle.len());
    for file in circle {
        for (other, why) in arrows[file].iter().filter(|(other, _)| circle.contains(*other)) {
            text += &format!("  {file} needs {other} ({why})\n");
        }
    }
    text
}
