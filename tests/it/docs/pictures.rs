//! Checks the pictures of the README and the book: each exists, is a single SVG picture, and is made by a valid command.

use std::collections::BTreeSet;
use std::fs;

use crate::support::book;

const FOLDER: &str = "docs/pictures";

/// Returns the pictures that a text shows, by their file names.
fn shown(text: &str) -> BTreeSet<String> {
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let tags = text.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next());
    links
        .chain(tags)
        .filter_map(|link| link.rsplit_once("pictures/"))
        .map(|(_, name)| name.to_owned())
        .collect()
}

#[test]
fn pictures_exist_and_are_made_by_commands() {
    let mut wanted = shown(&book::read("README.md"));
    for page in book::pages() {
        wanted.extend(shown(&page.text));
    }
    wanted.retain(|name| name.ends_with(".svg"));
    let files = fs::read_dir(book::root(FOLDER)).expect("a folder");
    let names = files.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned());
    let there: BTreeSet<String> = names.filter(|name| name.ends_with(".svg")).collect();
    assert_eq!(wanted, there, "the pictures on pages and the files in {FOLDER}");
    let script = book::read(&format!("{FOLDER}/make.sh"));
    for name in there {
        assert!(script.contains(&format!("{FOLDER}/{name}")), "{FOLDER}/make.sh does not make {name}");
        let picture = book::read(&format!("{FOLDER}/{name}"));
        assert!(picture.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{name}");
        assert!(picture.trim_end().ends_with("</svg>") && !picture.contains("var(--"), "{name}");
        assert!(picture.len() < 100_000, "{name} has {} bytes", picture.len());
    }
    for line in script.lines().filter(|line| line.starts_with("allot ")) {
        let words: Vec<&str> = line.split_whitespace().map(|word| word.trim_matches('"')).collect();
        allot::cli::refuse(&words).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}
