//! Checks that the tables of docs/architecture.md and the code agree on which crates and modules use which.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::book;
use crate::support::source::{Source, Target, packages};

/// For each name, the others that it may use.
type Table = BTreeMap<String, BTreeSet<String>>;
/// For each name, the others that it uses, and where.
type Used = BTreeMap<String, BTreeMap<String, String>>;

/// The modules that have a row in the table of modules, with their names there.
type Parts = BTreeMap<usize, String>;

#[test]
fn crates_use_what_the_table_says() {
    let table = table("| crate |");
    let mut used = Used::new();
    for (name, folder) in packages() {
        let manifest = format!("{folder}Cargo.toml");
        let text = book::read(&manifest);
        let (_, rest) =
            text.split_once("\n[dependencies]\n").unwrap_or_else(|| panic!("{manifest} has dependencies"));
        let lines = rest.lines().take_while(|line| !line.starts_with('['));
        let names = lines.filter_map(|line| line.split(['.', ' ', '=']).next());
        let ours = names.filter(|name| *name == "allot" || name.starts_with("allot-"));
        used.insert(name, ours.map(|other| (other.to_owned(), manifest.clone())).collect());
    }
    compare(&table, &used);
}

#[test]
fn modules_use_no_more_than_the_table_says() {
    let source = Source::get();
    let parts = parts(source);
    let mut used: Used = parts.values().map(|name| (name.clone(), BTreeMap::new())).collect();
    for file in &source.files {
        for path in &file.uses {
            let there = top(source, &parts, path.module, &path.path);
            let (Some(here), Some(there)) = (part(source, &parts, path.module), there) else { continue };
            if here != there {
                let of_here = used.entry(here).or_default();
                of_here.entry(there).or_insert_with(|| format!("{}:{}", file.path, path.line));
            }
        }
    }
    compare(&table("| module |"), &used);
}

/// Fails unless a table and the code agree.
fn compare(table: &Table, used: &Used) {
    assert_eq!(
        table.keys().collect::<BTreeSet<_>>(),
        used.keys().collect::<BTreeSet<_>>(),
        "a table of docs/architecture.md and the code name different modules or crates"
    );
    let mut wrong = Vec::new();
    for (name, may_use) in table {
        for (other, place) in &used[name] {
            if !may_use.contains(other) && !may_use.contains("all of them") {
                wrong.push(format!("{place} uses `{other}`, which the table does not let `{name}` use"));
            }
        }
        for other in may_use.iter().filter(|other| *other != "all of them") {
            if !used[name].contains_key(other) {
                wrong.push(format!("`{name}` does not use `{other}`: take it out of the table"));
            }
        }
    }
    assert!(wrong.is_empty(), "docs/architecture.md and the code disagree:\n{}", wrong.join("\n"));
}

/// Reads the table with this heading from the page: for each row, the others that it may use.
fn table(heading: &str) -> Table {
    let page = book::read("docs/architecture.md");
    let (_, table) =
        page.split_once(heading).unwrap_or_else(|| panic!("docs/architecture.md has a table {heading}"));
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

/// Returns the modules that have a row in the table, with the names that the root package gives them: the modules below each package's
/// root, or the whole package if it is re-exported as one module.
fn parts(source: &Source) -> Parts {
    let own = source.roots["allot"];
    let mut parts = BTreeMap::new();
    for (name, &root) in &source.roots {
        let alias = source
            .names(own)
            .find(|name| source.resolve(own, &[(*name).to_owned()]) == Some(Target::Module(root)));
        match alias {
            Some(alias) => {
                parts.insert(root, alias.to_owned());
            }
            // A package that uses the root package has no row.
            None if root == own || source.children(root).any(|it| is_passed_on(source, &it)) => {
                parts.extend(source.children(root))
            }
            None => {}
        }
        assert!(!parts.is_empty(), "{name} has modules");
    }
    parts
}

/// Returns whether the root package re-exports a module under its own name.
fn is_passed_on(source: &Source, (module, name): &(usize, String)) -> bool {
    let own = source.roots["allot"];
    source.resolve(own, std::slice::from_ref(name)) == Some(Target::Module(*module))
}

/// Returns the row of the table that a module belongs to.
fn part(source: &Source, parts: &Parts, module: usize) -> Option<String> {
    let mut at = Some(module);
    while let Some(module) = at {
        if let Some(name) = parts.get(&module) {
            return Some(name.clone());
        }
        at = source.modules[module].parent;
    }
    None
}

/// Returns the row of the table that a path names, if the path goes through the root of a package.
fn top(source: &Source, parts: &Parts, module: usize, path: &[String]) -> Option<String> {
    let first = path.first()?;
    let (mut at, mut rest) = match first.as_str() {
        "crate" | "$crate" => (source.root(module), &path[1..]),
        "super" => (module, path),
        name => (*source.roots.get(name)?, &path[1..]),
    };
    while rest.first().is_some_and(|name| name == "super") {
        at = source.modules[at].parent?;
        rest = &rest[1..];
    }
    if source.modules[at].parent.is_some() {
        // Only names directly below a root are rows.
        return part(source, parts, at);
    }
    let Some(name) = rest.first() else { return part(source, parts, at) };
    match source.resolve(at, std::slice::from_ref(name))? {
        Target::Module(module) | Target::Item(module) => part(source, parts, module),
    }
}
