//! The project's own code as modules, names and the paths between them, for tests of dependencies.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree, Visibility};

use super::book;

/// The code of the packages, without tests.
pub struct Source {
    pub files: Vec<SourceFile>,
    pub modules: Vec<Module>,
    /// The root module of each library, by its name in code.
    pub roots: BTreeMap<String, usize>,
}

/// A file, with the paths in its code.
pub struct SourceFile {
    /// The path relative to the project's folder.
    pub path: String,
    pub uses: Vec<Use>,
    /// Whether it defines anything, rather than only declaring modules and re-exporting names.
    pub defines: bool,
}

/// A path in the code.
pub struct Use {
    pub module: usize,
    pub path: Vec<String>,
    pub line: usize,
    pub kind: UseKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum UseKind {
    /// A `use` for the file's own code.
    Import,
    /// A `pub use`, which re-exports a name.
    Export,
    /// A path in the code itself.
    Mention,
}

/// A module, which is a file or part of one.
pub struct Module {
    pub file: usize,
    pub parent: Option<usize>,
    names: BTreeMap<String, Name>,
    globs: Vec<Vec<String>>,
}

enum Name {
    Module(usize),
    Item,
    Alias(Vec<String>),
}

/// The target of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Module(usize),
    /// An item that a module defines.
    Item(usize),
}

impl Source {
    /// Returns the root package and the packages in `crates/`; they are read only once.
    pub fn get() -> &'static Self {
        static SOURCE: OnceLock<Source> = OnceLock::new();
        SOURCE.get_or_init(Self::read)
    }

    fn read() -> Self {
        let mut source = Self { files: Vec::new(), modules: Vec::new(), roots: BTreeMap::new() };
        for (name, folder) in packages() {
            let root = source.module(&format!("{folder}src/lib.rs"), &format!("{folder}src"), None);
            source.roots.insert(name.replace('-', "_"), root);
        }
        source
    }

    /// Reads a file as a module whose children are in `folder`.
    fn module(&mut self, path: &str, folder: &str, parent: Option<usize>) -> usize {
        let text = book::read(path);
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let file = self.files.len();
        self.files.push(SourceFile { path: path.to_owned(), uses: Vec::new(), defines: false });
        self.items(&parsed.items, file, folder, parent)
    }

    /// Reads the items of a module.
    fn items(&mut self, items: &[Item], file: usize, folder: &str, parent: Option<usize>) -> usize {
        let module = self.modules.len();
        self.modules.push(Module { file, parent, names: BTreeMap::new(), globs: Vec::new() });
        for item in items {
            if is_test(attributes(item)) {
                continue;
            }
            match item {
                Item::Mod(declared) => {
                    let name = declared.ident.to_string();
                    let inside = format!("{folder}/{name}");
                    let child = match &declared.content {
                        Some((_, items)) => self.items(items, file, &inside, Some(module)),
                        None => {
                            let beside = format!("{inside}.rs");
                            let path = if book::root(&beside).exists() {
                                beside
                            } else {
                                format!("{inside}/mod.rs")
                            };
                            self.module(&path, &inside, Some(module))
                        }
                    };
                    self.modules[module].names.insert(name, Name::Module(child));
                }
                Item::Use(item) => {
                    let kind = match item.vis {
                        Visibility::Inherited => UseKind::Import,
                        _ => UseKind::Export,
                    };
                    self.import(module, &item.tree, &mut Vec::new(), kind);
                }
                _ => {
                    self.files[file].defines = true;
                    if let Some(name) = defined(item) {
                        self.modules[module].names.insert(name, Name::Item);
                    }
                    let mut mentions = Mentions::default();
                    mentions.visit_item(item);
                    for tree in mentions.imports {
                        self.import(module, &tree, &mut Vec::new(), UseKind::Import);
                    }
                    let mention = |(path, line)| Use { module, path, line, kind: UseKind::Mention };
                    self.files[file].uses.extend(mentions.paths.into_iter().map(mention));
                }
            }
        }
        module
    }

    /// Adds the names of a `use` to a module.
    fn import(&mut self, module: usize, tree: &UseTree, path: &mut Vec<String>, kind: UseKind) {
        let (name, alias) = match tree {
            UseTree::Path(tree) => {
                path.push(tree.ident.to_string());
                self.import(module, &tree.tree, path, kind);
                path.pop();
                return;
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.import(module, tree, path, kind));
                return;
            }
            UseTree::Glob(_) => {
                self.modules[module].globs.push(path.clone());
                let file = self.modules[module].file;
                self.files[file].uses.push(Use { module, path: path.clone(), line: 0, kind });
                return;
            }
            UseTree::Name(tree) => (&tree.ident, &tree.ident),
            UseTree::Rename(tree) => (&tree.ident, &tree.rename),
        };
        let mut whole = path.clone();
        let mut alias = alias.to_string();
        if name == "self" {
            alias = whole.last().cloned().unwrap_or_default();
        } else {
            whole.push(name.to_string());
        }
        let file = self.modules[module].file;
        let line = name.span().start().line;
        self.files[file].uses.push(Use { module, path: whole.clone(), line, kind });
        // A module that is declared here and re-exported under its own name stays a module.
        self.modules[module].names.entry(alias).or_insert(Name::Alias(whole));
    }

    /// Returns the target of a path in a module, following re-exports; `None` if it leaves the project.
    pub fn resolve(&self, module: usize, path: &[String]) -> Option<Target> {
        self.resolve_within(module, path, 32)
    }

    fn resolve_within(&self, module: usize, path: &[String], steps: usize) -> Option<Target> {
        let steps = steps.checked_sub(1)?;
        let (first, mut rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" | "$crate" => Target::Module(self.root(module)),
            "self" => Target::Module(module),
            "super" => Target::Module(self.modules[module].parent?),
            name => match self.lookup(module, name, steps) {
                Some(target) => target,
                None => Target::Module(*self.roots.get(name)?),
            },
        };
        while let (Target::Module(here), Some((name, after))) = (at, rest.split_first()) {
            rest = after;
            at = match name.as_str() {
                "super" => Target::Module(self.modules[here].parent?),
                "self" => at,
                // Items defined by macros are not visible here, so they count as the module's.
                name => self.lookup(here, name, steps).unwrap_or(Target::Item(here)),
            };
        }
        Some(at)
    }

    /// Resolves a name in a module.
    fn lookup(&self, module: usize, name: &str, steps: usize) -> Option<Target> {
        match self.modules[module].names.get(name) {
            Some(Name::Module(child)) => Some(Target::Module(*child)),
            Some(Name::Item) => Some(Target::Item(module)),
            // `use half::half` and `use log` name things outside the project.
            Some(Name::Alias(path)) if path.len() == 1 && path[0] == name => {
                self.roots.get(name).map(|root| Target::Module(*root))
            }
            Some(Name::Alias(path)) => self.resolve_within(module, path, steps),
            None => self.modules[module].globs.iter().find_map(|glob| {
                match self.resolve_within(module, glob, steps)? {
                    Target::Module(other) if other != module => {
                        self.lookup(other, name, steps.checked_sub(1)?)
                    }
                    _ => None,
                }
            }),
        }
    }

    /// Returns the names in a module.
    pub fn names(&self, module: usize) -> impl Iterator<Item = &str> {
        self.modules[module].names.keys().map(String::as_str)
    }

    /// Returns the modules that a module declares, with their names.
    pub fn children(&self, module: usize) -> impl Iterator<Item = (usize, String)> {
        self.modules[module].names.iter().filter_map(|(name, what)| match what {
            Name::Module(child) => Some((*child, name.clone())),
            Name::Item | Name::Alias(_) => None,
        })
    }

    /// Returns the root of the package that a module is in.
    pub fn root(&self, module: usize) -> usize {
        let mut at = module;
        while let Some(parent) = self.modules[at].parent {
            at = parent;
        }
        at
    }

    /// Returns the file that defines a path's target; `None` if that file defines nothing.
    pub fn file(&self, target: Target) -> Option<usize> {
        let (Target::Module(module) | Target::Item(module)) = target;
        let file = self.modules[module].file;
        self.files[file].defines.then_some(file)
    }
}

/// Returns each package's name and folder: the root package, and those in `crates/` that are Rust libraries.
pub fn packages() -> Vec<(String, String)> {
    let mut packages = vec![("allot".to_owned(), String::new())];
    let mut names: Vec<String> = fs::read_dir(book::root("crates"))
        .expect("crates/ can be read")
        .map(|entry| entry.expect("crates/ can be read").file_name().to_string_lossy().into_owned())
        .filter(|name| book::root(&format!("crates/{name}/src/lib.rs")).exists())
        .collect();
    names.sort();
    packages.extend(names.into_iter().map(|name| {
        let manifest = book::read(&format!("crates/{name}/Cargo.toml"));
        let called = manifest.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
        (called.unwrap_or(&name).to_owned(), format!("crates/{name}/"))
    }));
    packages
}

/// Returns the paths of all Rust files of the packages, including tests, relative to the project's folder.
pub fn paths() -> BTreeSet<String> {
    fn collect(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).expect("a folder of sources can be read") {
            let path = entry.expect("a folder of sources can be read").path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let path = path.strip_prefix(book::root("")).expect("it lies in the project");
                found.insert(path.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    let mut found = BTreeSet::new();
    for (_, folder) in packages() {
        collect(&book::root(&format!("{folder}src")), &mut found);
    }
    found
}

/// Returns whether an item is compiled only for tests.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let Ok(list) = attribute.meta.require_list() else { return false };
        let condition: String = list.tokens.to_string().split_whitespace().collect();
        list.path.is_ident("cfg") && (condition == "test" || condition.starts_with("all(test"))
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Returns the name that an item defines.
fn defined(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

/// Collects the paths in an item, with their lines.
#[derive(Default)]
struct Mentions {
    paths: Vec<(Vec<String>, usize)>,
    imports: Vec<UseTree>,
}

impl<'ast> Visit<'ast> for Mentions {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let line = path.segments.first().map_or(0, |segment| segment.ident.span().start().line);
        self.paths.push((names, line));
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.imports.push(item.tree.clone());
    }

    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    // A visibility does not count as a use.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

impl Mentions {
    /// Collects the paths among the tokens of a macro call.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 0;
        let mut colons = 0;
        let mut after_point = false;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.end(&mut path, line);
                        line = name.span().start().line;
                    }
                    colons = 0;
                    if !after_point {
                        path.push(name.to_string());
                    }
                    after_point = false;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => colons += 1,
                token => {
                    self.end(&mut path, line);
                    colons = 0;
                    after_point = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '.');
                    if let TokenTree::Group(group) = token {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.end(&mut path, line);
    }

    fn end(&mut self, path: &mut Vec<String>, line: usize) {
        if !path.is_empty() {
            self.paths.push((std::mem::take(path), line));
        }
    }
}
