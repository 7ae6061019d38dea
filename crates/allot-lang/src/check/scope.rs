//! The names that a script binds.

use std::collections::{HashMap, HashSet};

use crate::program::Expr;
use crate::span::Span;
use crate::syntax::{StatementKind, Tree};
use crate::types::Type;

/// A name that a `let` binds.
pub(super) struct Binding {
    pub(super) name: String,
    pub(super) span: Span,
    /// What it stands for; `None` when that has an error.
    pub(super) value: Option<Expr>,
    pub(super) used: bool,
}

/// The bindings so far, and the places of those further down.
pub(super) struct Scope {
    bindings: Vec<Binding>,
    places: HashMap<String, usize>,
    /// Names with a reported error, about which no further error is reported.
    silent: HashSet<String>,
    /// Where each name is bound first, anywhere in the script.
    anywhere: HashMap<String, Span>,
}

impl Scope {
    /// Returns the scope at the beginning of a script.
    pub(super) fn new(tree: &Tree) -> Self {
        let mut anywhere = HashMap::new();
        for statement in &tree.statements {
            if let StatementKind::Let { name, .. } = &statement.kind {
                anywhere.entry(name.text.clone()).or_insert(name.span);
            }
        }
        let silent = tree.broken.iter().cloned().collect();
        Self { bindings: Vec::new(), places: HashMap::new(), silent, anywhere }
    }

    pub(super) fn bind(&mut self, name: &str, span: Span, value: Option<Expr>, used: bool) {
        self.places.insert(name.to_owned(), self.bindings.len());
        self.bindings.push(Binding { name: name.to_owned(), span, value, used });
    }

    /// Returns the binding of a name, without counting a use.
    pub(super) fn get(&self, name: &str) -> Option<&Binding> {
        self.bindings.get(*self.places.get(name)?)
    }

    /// Returns the binding of a name, and counts a use.
    pub(super) fn use_of(&mut self, name: &str) -> Option<&Binding> {
        let binding = self.bindings.get_mut(*self.places.get(name)?)?;
        binding.used = true;
        Some(binding)
    }

    /// Reports no further errors about a name.
    pub(super) fn silence(&mut self, name: &str) {
        self.silent.insert(name.to_owned());
    }

    pub(super) fn is_silent(&self, name: &str) -> bool {
        self.silent.contains(name)
    }

    /// Returns where a name that is not bound yet is bound further down.
    pub(super) fn below(&self, name: &str) -> Option<Span> {
        self.anywhere.get(name).copied()
    }

    /// Returns the bindings, in the order of the script.
    pub(super) fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    /// Returns up to `most` of the last bindings that have a value, in the order of the script.
    pub(super) fn last(&self, most: usize) -> Vec<(&str, Type)> {
        let valued = |binding: &Binding| binding.value.as_ref().map(Expr::ty);
        let mut last: Vec<(&str, Type)> = self
            .bindings
            .iter()
            .rev()
            .filter_map(|binding| Some((binding.name.as_str(), valued(binding)?)))
            .take(most)
            .collect();
        last.reverse();
        last
    }
}
