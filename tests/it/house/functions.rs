//! Checks that functions are short enough to read without scrolling.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::support::{book, source};

/// Largest number of lines of a function, from `fn` to the closing brace.
const MOST: usize = 80;

#[test]
fn no_function_is_too_long() {
    let (mut count, mut long) = (0, Vec::new());
    for path in source::paths() {
        let tokens: TokenStream = book::read(&path).parse().unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut found = Vec::new();
        functions(tokens, &mut found);
        count += found.len();
        let found = found.into_iter().filter(|(_, lines)| *lines > MOST);
        long.extend(found.map(|(name, lines)| format!("{path}: `{name}` has {lines} lines")));
    }
    assert!(count > 1000, "only {count} functions are found");
    assert!(long.is_empty(), "functions of more than {MOST} lines:\n{}", long.join("\n"));
}

/// Collects the functions among tokens, including those inside macros, with their numbers of lines.
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
