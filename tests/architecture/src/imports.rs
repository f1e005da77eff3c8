//! Which file of a crate uses which, and the circles among them.
//!
//! A file uses another if it names something that the other defines: in a `use`, re-exports followed to the file that defines the
//! name, or by a path in the code. The file that defines a type also uses each file that adds methods to it, since its own methods may
//! call them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;

use syn::visit::{self, Visit};
use syn::{Item, ItemImpl, ItemMod, ItemUse, Macro, Type};

use crate::source::{Crate, Crates, Meaning, Module, leaves, resolve};

/// The files of a crate, by their path below its folder, and what they use of each other.
#[derive(Debug, Default, Clone)]
pub struct Imports {
    /// By the file that uses and the file that is used: the names.
    uses: BTreeMap<(String, String), BTreeSet<String>>,
}

impl Imports {
    /// Of the crate of this name.
    #[must_use]
    pub fn of(crates: &Crates, name: &str) -> Self {
        let krate = &crates[name];
        let mut this = Self::default();
        this.module(crates, krate, &[], &krate.root);
        this
    }

    fn module(&mut self, crates: &Crates, krate: &Crate, at: &[String], module: &Module) {
        let mut names = Names { crates, krate, at, file: &module.file, imports: self };
        module.items.iter().for_each(|item| names.visit_item(item));
        for (name, child) in &module.children {
            let below: Vec<String> = at.iter().chain([name]).cloned().collect();
            self.module(crates, krate, &below, child);
        }
    }

    /// Notes that `file` uses something of `other`.
    pub fn note(&mut self, file: &str, other: &str, name: &str) {
        if file != other {
            self.uses.entry((file.to_owned(), other.to_owned())).or_default().insert(name.to_owned());
        }
    }

    /// The same without what one file uses of another; `None` if it uses nothing of it.
    #[must_use]
    pub fn without(&self, file: &str, other: &str) -> Option<Self> {
        let mut this = self.clone();
        this.uses.remove(&(file.to_owned(), other.to_owned())).map(|_| this)
    }

    /// The circles, shortest first, each as a sentence for each of its steps. Of circles that share a step only one is told.
    #[must_use]
    pub fn circles(&self) -> Vec<String> {
        let mut left = self.clone();
        let mut told = Vec::new();
        while let Some(files) = left.circle() {
            told.push(self.described(&files));
            for pair in files.windows(2) {
                left.uses.remove(&(pair[0].clone(), pair[1].clone()));
            }
        }
        told
    }

    /// The files of a shortest circle, the first one again at the end.
    fn circle(&self) -> Option<Vec<String>> {
        let circles = self.uses.keys().filter_map(|(file, other)| {
            let back = self.steps(other, file)?;
            Some([vec![file.clone()], back].concat())
        });
        circles.min_by_key(Vec::len)
    }

    /// The files from one to another along what they use, both included.
    fn steps(&self, from: &str, to: &str) -> Option<Vec<String>> {
        let mut before: BTreeMap<&str, &str> = BTreeMap::new();
        let mut next = VecDeque::from([from]);
        while let Some(file) = next.pop_front() {
            if file == to {
                let mut steps = vec![to.to_owned()];
                while let Some(file) = before.get(steps[0].as_str()) {
                    steps.insert(0, (*file).to_owned());
                }
                return Some(steps);
            }
            for (_, other) in self.uses.keys().filter(|(user, _)| user == file) {
                if other != from && !before.contains_key(other.as_str()) {
                    before.insert(other, file);
                    next.push_back(other);
                }
            }
        }
        None
    }

    fn described(&self, files: &[String]) -> String {
        let mut text = String::new();
        for pair in files.windows(2) {
            let (file, other) = (&pair[0], &pair[1]);
            let names: Vec<&str> = self.uses[&(file.clone(), other.clone())].iter().map(String::as_str).collect();
            writeln!(text, "  {file} uses {other}: {}", names.join(", ")).expect("a string takes everything");
        }
        text
    }
}

/// Collects what the items of one module name.
struct Names<'a> {
    crates: &'a Crates,
    krate: &'a Crate,
    at: &'a [String],
    file: &'a str,
    imports: &'a mut Imports,
}

impl Names<'_> {
    /// The file that defines what a path means, if it is one of this crate, and the name.
    fn defining(&self, path: &[String]) -> Option<(String, String)> {
        let Meaning::Ours(meaning) = resolve(self.crates, &self.krate.name, self.at, path) else { return None };
        let (krate, path) = meaning.split_first()?;
        if *krate != self.krate.name {
            return None;
        }
        let modules = (0..=path.len()).rev().find_map(|length| self.krate.module(&path[..length]));
        Some((modules?.file.clone(), path.last().map_or_else(|| "crate".to_owned(), Clone::clone)))
    }

    fn path(&mut self, path: &[String]) {
        if let Some((file, name)) = self.defining(path) {
            self.imports.note(self.file, &file, &name);
        }
    }
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        for (_, path) in leaves(item) {
            self.path(&path);
        }
    }

    /// Modules are visited by themselves; that one is declared is no use of it.
    fn visit_item_mod(&mut self, _: &'ast ItemMod) {}

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        if let (None, Type::Path(of)) = (&item.trait_, &*item.self_ty)
            && let Some((file, name)) = self.defining(&segments(&of.path))
        {
            self.imports.note(&file, self.file, &format!("the methods of {name}"));
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = segments(path);
        if segments.len() > 1 {
            self.path(&segments); // A single name was brought in by a `use`, or is of this module.
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        let text = item.tokens.to_string();
        for path in paths_in(&text) {
            self.path(&path);
        }
    }
}

fn segments(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

/// The paths of several names in the tokens of a macro.
fn paths_in(tokens: &str) -> Vec<Vec<String>> {
    let is_name = |word: &str| word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let apart = |sign: char| if sign.is_ascii_alphanumeric() || matches!(sign, '_' | ':') { sign } else { ' ' };
    let tokens: String = tokens.replace("::", " :: ").chars().map(apart).collect();
    let words: Vec<&str> = tokens.split_whitespace().collect();
    let mut paths: Vec<Vec<String>> = Vec::new();
    for (index, word) in words.iter().enumerate().filter(|(_, word)| is_name(word)) {
        let goes_on = index >= 2 && words[index - 1] == "::" && is_name(words[index - 2]);
        match paths.last_mut().filter(|_| goes_on) {
            Some(path) => path.push((*word).to_owned()),
            None => paths.push(vec![(*word).to_owned()]),
        }
    }
    paths.retain(|path| path.len() > 1);
    paths
}

/// A crate made of texts, by the path of the file below `src`: for tests.
#[must_use]
pub fn crate_of(name: &str, files: &[(&str, &str)]) -> Crates {
    let mut root = Module::default();
    for (file, text) in files {
        let items: Vec<Item> = syn::parse_file(text).expect("the text is Rust").items;
        let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
        let module = path
            .split('/')
            .filter(|name| *name != "lib")
            .fold(&mut root, |module, name| module.children.entry(name.to_owned()).or_default());
        module.file = (*file).to_owned();
        module.items = items;
    }
    let krate = Crate { name: name.to_owned(), dependencies: BTreeSet::new(), root };
    [(name.to_owned(), krate)].into()
}
