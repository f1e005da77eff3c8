//! The modules of a crate, and what a name in one of them means.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, Expr, ExprLit, ImplItem, Item, ItemUse, Lit, UseTree};

/// One module: a file, or a block inside one.
#[derive(Default)]
pub struct Module {
    /// The file it is in, as its path below the crate's folder `src`.
    pub file: String,
    /// Its items, without those for tests.
    pub items: Vec<Item>,
    /// Its modules, by name.
    pub children: BTreeMap<String, Self>,
}

/// A library crate as its sources say it.
pub struct Crate {
    /// Its name in paths, with underscores.
    pub name: String,
    /// The names of the crates it depends on, with underscores.
    pub dependencies: BTreeSet<String>,
    /// `lib.rs`.
    pub root: Module,
}

/// What a path means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meaning {
    /// An item of a crate that was read: the crate, the modules and the name.
    Ours(Vec<String>),
    /// An item of another crate.
    Foreign(Vec<String>),
    /// Of the standard library, or a name of the prelude.
    Standard,
}

/// All crates that were read, by name.
pub type Crates = BTreeMap<String, Crate>;

/// A chain of re-exports longer than this would be a circle.
const MAX_REEXPORTS: usize = 8;

impl Crate {
    /// Reads the crate in this folder.
    ///
    /// # Panics
    /// If a file cannot be read or parsed: these are the sources beside this test.
    #[must_use]
    pub fn read(folder: &Path) -> Self {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("the crate has a manifest");
        let manifest: toml::Table = manifest.parse().expect("cargo has read the manifest");
        let name = manifest["package"]["name"].as_str().expect("a package has a name").replace('-', "_");
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
        let dependencies = dependencies.into_iter().flat_map(toml::Table::keys).map(|name| name.replace('-', "_"));
        let sources = folder.join("src");
        let root = read_file(&sources, &sources.join("lib.rs"), &sources);
        Self { name, dependencies: dependencies.collect(), root }
    }

    /// The crate as it is without a feature.
    #[must_use]
    pub fn without(mut self, feature: &str) -> Self {
        leave_out(&mut self.root, feature);
        self
    }

    /// The module at this path below the root.
    #[must_use]
    pub fn module(&self, path: &[String]) -> Option<&Module> {
        path.iter().try_fold(&self.root, |module, name| module.children.get(name))
    }
}

/// Takes out what is only there with a feature, methods too.
fn leave_out(module: &mut Module, feature: &str) {
    module.items.retain(|item| !needs(attributes(item), feature));
    for item in &mut module.items {
        if let Item::Impl(block) = item {
            block.items.retain(|item| !matches!(item, ImplItem::Fn(item) if needs(&item.attrs, feature)));
        }
    }
    let left: BTreeSet<String> = module.items.iter().filter_map(defined).collect();
    module.children.retain(|name, _| left.contains(name));
    module.children.values_mut().for_each(|child| leave_out(child, feature));
}

fn needs(attributes: &[Attribute], feature: &str) -> bool {
    attributes.iter().any(|attribute| {
        let needed = attribute.parse_args::<syn::MetaNameValue>().ok().filter(|needed| needed.path.is_ident("feature"));
        let name = needed.map(|needed| needed.value);
        attribute.path().is_ident("cfg")
            && matches!(name, Some(Expr::Lit(ExprLit { lit: Lit::Str(name), .. })) if name.value() == feature)
    })
}

/// Reads a file and the modules it declares, which lie in `folder`.
fn read_file(sources: &Path, file: &Path, folder: &Path) -> Module {
    let text = fs::read_to_string(file).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
    let parsed = syn::parse_file(&text).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
    read_items(sources, file, parsed.items, folder)
}

fn read_items(sources: &Path, file: &Path, items: Vec<Item>, folder: &Path) -> Module {
    let items: Vec<Item> = items.into_iter().filter(|item| !is_for_tests(item)).collect();
    let mut children = BTreeMap::new();
    for item in &items {
        let Item::Mod(module) = item else { continue };
        let name = module.ident.to_string();
        let inside = folder.join(&name);
        let child = match &module.content {
            Some((_, items)) => read_items(sources, file, items.clone(), &inside),
            None => read_file(sources, &file_of(folder, &name), &inside),
        };
        children.insert(name, child);
    }
    let file = file.strip_prefix(sources).expect("modules lie below the sources").display().to_string();
    Module { file, items, children }
}

/// Where the module `name` of `folder` is written.
fn file_of(folder: &Path, name: &str) -> PathBuf {
    let flat = folder.join(format!("{name}.rs"));
    if flat.exists() { flat } else { folder.join(name).join("mod.rs") }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Mod(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        _ => &[],
    }
}

fn is_for_tests(item: &Item) -> bool {
    attributes(item).iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|name| name == "test")
    })
}

/// What `path` means in the module `at` of `krate`.
#[must_use]
pub fn resolve(crates: &Crates, krate: &str, at: &[String], path: &[String]) -> Meaning {
    resolve_in(crates, krate, at, path, MAX_REEXPORTS)
}

fn resolve_in(crates: &Crates, krate: &str, at: &[String], path: &[String], left: usize) -> Meaning {
    let Some((first, rest)) = path.split_first() else { return Meaning::Standard };
    let this = &crates[krate];
    match first.as_str() {
        "crate" => return follow(crates, krate, &[], rest, left),
        "self" => return follow(crates, krate, at, rest, left),
        "super" => return follow(crates, krate, &at[..at.len().saturating_sub(1)], rest, left),
        "std" | "core" | "alloc" | "Self" => return Meaning::Standard,
        _ => {}
    }
    if this.module(at).is_some_and(|module| module.children.contains_key(first) || defines(module, first)) {
        return follow(crates, krate, at, path, left);
    }
    if let Some(target) = this.module(at).and_then(|module| imported(module, first)).filter(|_| left > 0) {
        let whole: Vec<String> = target.iter().chain(rest).cloned().collect();
        return resolve_in(crates, krate, at, &whole, left - 1);
    }
    if crates.contains_key(first) {
        return follow(crates, first, &[], rest, left);
    }
    if this.dependencies.contains(first) { Meaning::Foreign(path.to_vec()) } else { Meaning::Standard }
}

/// Goes down from a module, through modules and re-exports.
fn follow(crates: &Crates, krate: &str, at: &[String], path: &[String], left: usize) -> Meaning {
    let this = &crates[krate];
    let mut at = at.to_vec();
    let mut rest = path;
    while let [first, more @ ..] = rest
        && this.module(&at).is_some_and(|module| module.children.contains_key(first))
        && !more.is_empty()
    {
        at.push(first.clone());
        rest = more;
    }
    let Some((first, more)) = rest.split_first() else { return ours(krate, &at) };
    if matches!(first.as_str(), "super" | "self") {
        return resolve_in(crates, krate, &at, rest, left);
    }
    let module = this.module(&at);
    if let Some(target) = module.filter(|module| !defines(module, first)).and_then(|module| imported(module, first))
        && left > 0
    {
        let whole: Vec<String> = target.iter().chain(more).cloned().collect();
        return resolve_in(crates, krate, &at, &whole, left - 1);
    }
    at.push(first.clone());
    ours(krate, &at)
}

fn ours(krate: &str, path: &[String]) -> Meaning {
    Meaning::Ours(std::iter::once(krate.to_owned()).chain(path.iter().cloned()).collect())
}

/// The name of a type, trait, function, constant or module that an item defines.
#[must_use]
pub fn defined(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Mod(item) => &item.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

fn defines(module: &Module, name: &str) -> bool {
    module.items.iter().any(|item| defined(item).is_some_and(|defined| defined == name))
}

/// The path that a `use` of this module gives to a name.
fn imported(module: &Module, name: &str) -> Option<Vec<String>> {
    let uses = module.items.iter().filter_map(|item| if let Item::Use(item) = item { Some(item) } else { None });
    uses.flat_map(leaves).find(|(alias, _)| alias == name).map(|(_, path)| path)
}

/// Every name that a `use` brings in, with the path it stands for.
#[must_use]
pub fn leaves(item: &ItemUse) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    collect(&item.tree, &mut Vec::new(), &mut found);
    found
}

fn collect(tree: &UseTree, path: &mut Vec<String>, found: &mut Vec<(String, Vec<String>)>) {
    match tree {
        UseTree::Path(step) => {
            path.push(step.ident.to_string());
            collect(&step.tree, path, found);
            path.pop();
        }
        UseTree::Name(name) if name.ident == "self" => {
            let alias = path.last().cloned().unwrap_or_default();
            found.push((alias, path.clone()));
        }
        UseTree::Name(name) => found.push((name.ident.to_string(), below(path, &name.ident))),
        UseTree::Rename(name) => found.push((name.rename.to_string(), below(path, &name.ident))),
        UseTree::Glob(_) => found.push(("*".to_owned(), path.clone())),
        UseTree::Group(group) => group.items.iter().for_each(|tree| collect(tree, path, found)),
    }
}

fn below(path: &[String], last: &syn::Ident) -> Vec<String> {
    path.iter().cloned().chain([last.to_string()]).collect()
}
