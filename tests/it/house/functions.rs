//! Functions that can be read without scrolling.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::support::{book, source};

/// The most lines of a function, from `fn` to the closing brace.
const MOST: usize = 80;

/// Functions that are tables, one entry a line or two, and read as such: file, name, what the table is of.
const TABLES: &[(&str, &str, &str)] = &[];

/// Functions that are still too long. This list may only become shorter.
const KNOWN: &[(&str, &str)] = &[];

#[test]
fn no_function_is_too_long() {
    let mut allowed: BTreeSet<(&str, &str)> = TABLES.iter().map(|(file, name, _)| (*file, *name)).collect();
    allowed.extend(KNOWN);
    let mut long = BTreeSet::new();
    for path in source::paths() {
        let text = book::read(&path);
        let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut found = Vec::new();
        functions(tokens, &mut found);
        long.extend(
            found
                .into_iter()
                .filter(|(_, lines)| *lines > MOST)
                .map(|(name, lines)| (path.clone(), name, lines)),
        );
    }
    let new: Vec<String> = long
        .iter()
        .filter(|(path, name, _)| !allowed.contains(&(path.as_str(), name.as_str())))
        .map(|(path, name, lines)| format!("{path}: `{name}` has {lines} lines"))
        .collect();
    assert!(new.is_empty(), "functions of more than {MOST} lines:\n{}", new.join("\n"));
    for (path, name) in allowed {
        let still = long.iter().any(|(file, function, _)| file == path && function == name);
        assert!(still, "{path}: `{name}` is short: take it out of the list in tests/it/house/functions.rs");
    }
}

/// Collects the functions among tokens, those inside macros included, with their numbers of lines.
fn functions(tokens: TokenStream, found: &mut Vec<(String, usize)>) {
    let mut tokens = tokens.into_iter().peekable();
    let mut open: Option<(String, usize)> = None;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(word) if word == "fn" => {
                if let Some(TokenTree::Ident(name)) = tokens.peek() {
                    open = Some((name.to_string(), word.span().start().line));
                }
            }
            // A declaration has no body.
            TokenTree::Punct(punct) if punct.as_char() == ';' => open = None,
            TokenTree::Group(group) => {
                if group.delimiter() == Delimiter::Brace {
                    let last = group.span_close().end().line;
                    found.extend(open.take().map(|(name, first)| (name, last + 1 - first)));
                }
                functions(group.stream(), found);
            }
            _ => {}
        }
    }
}
