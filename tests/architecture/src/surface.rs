//! What of a crate other crates can name: its public items without their bodies, and the foreign types in them.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};
use syn::{
    Attribute, Block, Fields, File, FnArg, ImplItem, Item, ItemImpl, Pat, Signature, TraitItem, Type, Visibility,
};

use crate::source::{Crate, Crates, Meaning, Module, defined, leaves, resolve};

/// The public API of a crate.
#[derive(Default)]
pub struct Surface {
    /// By the module under which they can be named, as Rust without bodies.
    modules: BTreeMap<String, Vec<Item>>,
    /// Types and traits of other crates, as `crate::path::Name`.
    pub foreign: BTreeSet<String>,
    /// What is used of our other crates.
    pub(crate) used: BTreeSet<Place>,
    /// What of it is shown under a name of this crate too.
    pub(crate) reexported: BTreeSet<Place>,
}

/// Where an item is written: the modules and its name; of another crate with that crate.
pub(crate) type Place = Vec<String>;

/// What is needed while the surface is collected.
struct Reader<'a> {
    crates: &'a Crates,
    krate: &'a Crate,
    surface: Surface,
    /// The public types and traits, and the module under which they are shown.
    shown: BTreeMap<Place, String>,
}

impl Surface {
    /// Of the crate of this name.
    #[must_use]
    pub fn of(crates: &Crates, name: &str) -> Self {
        let krate = &crates[name];
        let mut reader = Reader { crates, krate, surface: Self::default(), shown: BTreeMap::new() };
        reader.module(&[], &krate.root, name);
        reader.impls(&[], &krate.root);
        reader.surface
    }

    /// As Rust without bodies, a module after the other, each item by name: moving code between files changes nothing here.
    #[must_use]
    pub fn text(&self) -> String {
        let modules = self.modules.iter().map(|(module, items)| {
            let items = merged(items).into_iter().map(printed).collect::<BTreeSet<_>>();
            let items: Vec<String> = items.into_iter().map(|(_, text)| text).collect();
            format!("// {module}\n\n{}", items.join(""))
        });
        modules.collect::<Vec<_>>().join("\n")
    }
}

/// With one block for all methods of a type.
fn merged(items: &[Item]) -> Vec<Item> {
    let mut blocks: BTreeMap<String, ItemImpl> = BTreeMap::new();
    let mut others = Vec::new();
    for item in items {
        match item {
            Item::Impl(block) if block.trait_.is_none() && block.attrs.is_empty() => {
                let head = ItemImpl { items: Vec::new(), ..block.clone() };
                let (_, key) = printed(Item::Impl(head.clone()));
                blocks.entry(key).or_insert(head).items.extend(block.items.clone());
            }
            item => others.push(item.clone()),
        }
    }
    for block in blocks.values_mut() {
        block
            .items
            .sort_by_key(|item| if let ImplItem::Fn(item) = item { item.sig.ident.to_string() } else { String::new() });
    }
    others.extend(blocks.into_values().map(Item::Impl));
    others
}

/// The text of an item, behind what it is sorted by: a type and then what can be done with it.
fn printed(item: Item) -> ((String, bool), String) {
    let name = match &item {
        Item::Impl(block) => match &*block.self_ty {
            Type::Path(of) => segments(&of.path).pop(),
            _ => None,
        },
        item => defined(item),
    };
    let is_block = matches!(item, Item::Impl(_));
    let text = prettyplease::unparse(&File { shebang: None, attrs: Vec::new(), items: vec![item] });
    ((name.unwrap_or_default(), is_block), text)
}

impl Reader<'_> {
    /// The public items of a module that can be named as `shown_as`.
    fn module(&mut self, at: &[String], module: &Module, shown_as: &str) {
        for item in &module.items {
            match item {
                Item::Mod(child) if is_public(&child.vis) => {
                    let name = child.ident.to_string();
                    let (path, shown) = (below(at, &name), format!("{shown_as}::{name}"));
                    self.module(&path, &module.children[&name], &shown);
                }
                Item::Use(item) if is_public(&item.vis) => {
                    for (alias, path) in leaves(item) {
                        self.reexport(at, &alias, &path, shown_as);
                    }
                }
                Item::Macro(call) if call.ident.is_none() => self.show(at, item.clone(), shown_as),
                item if visibility(item).is_some_and(is_public) => {
                    let name = defined(item).expect("what has a visibility and is no module or use has a name");
                    self.shown.insert(below(at, &name), shown_as.to_owned());
                    self.show(at, item.clone(), shown_as);
                }
                _ => {}
            }
        }
    }

    fn reexport(&mut self, at: &[String], alias: &str, path: &[String], shown_as: &str) {
        let meaning = resolve(self.crates, &self.krate.name, at, path);
        if let Meaning::Ours(place) = &meaning
            && place[0] == self.krate.name
            && let Some((name, modules)) = place[1..].split_last()
            && let Some(module) = self.krate.module(modules)
            && let Some(item) = module.items.iter().find(|item| defined(item).as_ref() == Some(name))
        {
            self.shown.insert(place[1..].to_vec(), shown_as.to_owned());
            return self.show(modules, item.clone(), shown_as);
        }
        if let Meaning::Ours(place) = &meaning {
            self.surface.reexported.insert(place.clone());
        }
        let path = path.join("::");
        let text = if path.ends_with(&format!("::{alias}")) { path } else { format!("{path} as {alias}") };
        let item = syn::parse_str(&format!("pub use {text};")).expect("it was read from such a line");
        self.surface.modules.entry(shown_as.to_owned()).or_default().push(item);
        self.note_foreign(meaning);
    }

    /// What can be done with the public types: methods, and traits they implement.
    fn impls(&mut self, at: &[String], module: &Module) {
        for item in &module.items {
            if let Item::Impl(block) = item
                && let Some(place) = self.place_of(at, &block.self_ty)
                && let Some(shown_as) = self.shown.get(&place).cloned()
                && let Some(block) = self.public_part(at, block)
            {
                self.show(at, Item::Impl(block), &shown_as);
            }
        }
        for (name, child) in &module.children {
            self.impls(&below(at, name), child);
        }
    }

    /// Where a type of this crate is written.
    fn place_of(&self, at: &[String], of: &Type) -> Option<Place> {
        let Type::Path(path) = of else { return None };
        match resolve(self.crates, &self.krate.name, at, &segments(&path.path)) {
            Meaning::Ours(place) if place[0] == self.krate.name => Some(place[1..].to_vec()),
            Meaning::Ours(_) | Meaning::Foreign(_) | Meaning::Standard => None,
        }
    }

    /// An impl without what only the crate can use.
    fn public_part(&self, at: &[String], block: &ItemImpl) -> Option<ItemImpl> {
        let mut block = block.clone();
        let Some((_, of, _)) = &block.trait_ else {
            block.items.retain(|item| match item {
                ImplItem::Fn(item) => is_public(&item.vis),
                ImplItem::Const(item) => is_public(&item.vis),
                _ => false,
            });
            return Some(block).filter(|block| !block.items.is_empty());
        };
        let meaning = resolve(self.crates, &self.krate.name, at, &segments(of));
        let hidden = matches!(&meaning, Meaning::Ours(place)
            if place[0] == self.krate.name && !self.shown.contains_key(&place[1..]));
        block.items.retain(|item| matches!(item, ImplItem::Type(_)));
        (!hidden).then_some(block)
    }

    /// Adds an item, without its body, under a module.
    fn show(&mut self, at: &[String], mut item: Item, shown_as: &str) {
        strip(&mut item);
        let mut paths = Paths(Vec::new());
        paths.visit_item(&item);
        for path in paths.0 {
            let meaning = resolve(self.crates, &self.krate.name, at, &path);
            if let Meaning::Ours(place) = &meaning
                && place[0] != self.krate.name
            {
                self.surface.used.insert(place.clone());
            }
            self.note_foreign(meaning);
        }
        self.surface.modules.entry(shown_as.to_owned()).or_default().push(item);
    }

    fn note_foreign(&mut self, meaning: Meaning) {
        if let Meaning::Foreign(path) = meaning {
            self.surface.foreign.insert(path.join("::"));
        }
    }
}

/// Every path in a signature.
pub(crate) struct Paths(pub(crate) Vec<Vec<String>>);

impl<'ast> Visit<'ast> for Paths {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.0.push(segments(path));
        visit::visit_path(self, path);
    }

    // Derives and cfgs are no types.
    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    // The value of a constant is no part of its type.
    fn visit_expr(&mut self, _: &'ast syn::Expr) {}
}

fn segments(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

fn below(at: &[String], name: &str) -> Vec<String> {
    at.iter().cloned().chain([name.to_owned()]).collect()
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn visibility(item: &Item) -> Option<&Visibility> {
    Some(match item {
        Item::Const(item) => &item.vis,
        Item::Enum(item) => &item.vis,
        Item::Fn(item) => &item.vis,
        Item::Static(item) => &item.vis,
        Item::Struct(item) => &item.vis,
        Item::Trait(item) => &item.vis,
        Item::Type(item) => &item.vis,
        Item::Union(item) => &item.vis,
        _ => return None,
    })
}

/// Takes out what is no part of the interface: documentation, bodies, private fields.
fn strip(item: &mut Item) {
    match item {
        Item::Const(item) => keep_promises(&mut item.attrs),
        Item::Static(item) => keep_promises(&mut item.attrs),
        Item::Type(item) => keep_promises(&mut item.attrs),
        Item::Macro(item) => keep_promises(&mut item.attrs),
        Item::Fn(item) => {
            keep_promises(&mut item.attrs);
            strip_signature(&mut item.sig);
            *item.block = no_body();
        }
        Item::Enum(item) => {
            keep_promises(&mut item.attrs);
            for variant in &mut item.variants {
                keep_promises(&mut variant.attrs);
                variant.fields.iter_mut().for_each(|field| keep_promises(&mut field.attrs));
            }
        }
        Item::Struct(item) => {
            keep_promises(&mut item.attrs);
            if strip_fields(&mut item.fields) {
                item.attrs.insert(0, syn::parse_quote!(#[doc = " It has private fields."]));
            }
        }
        Item::Trait(item) => {
            keep_promises(&mut item.attrs);
            for item in &mut item.items {
                if let TraitItem::Fn(item) = item {
                    keep_promises(&mut item.attrs);
                    item.default = item.default.as_ref().map(|_| no_body());
                }
            }
        }
        Item::Impl(item) => {
            keep_promises(&mut item.attrs);
            for item in &mut item.items {
                match item {
                    ImplItem::Fn(item) => {
                        keep_promises(&mut item.attrs);
                        strip_signature(&mut item.sig);
                        item.block = no_body();
                    }
                    ImplItem::Const(item) => keep_promises(&mut item.attrs),
                    ImplItem::Type(item) => keep_promises(&mut item.attrs),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// Names of parameters are part of the documentation; `mut` is not, as it changes nothing for the caller.
fn strip_signature(signature: &mut Signature) {
    for input in &mut signature.inputs {
        match input {
            FnArg::Receiver(receiver) if receiver.reference.is_none() => receiver.mutability = None,
            FnArg::Receiver(_) => {}
            FnArg::Typed(typed) => {
                if let Pat::Ident(name) = &mut *typed.pat {
                    name.mutability = None;
                }
            }
        }
    }
}

/// True if there were private ones.
fn strip_fields(fields: &mut Fields) -> bool {
    match fields {
        Fields::Named(named) => {
            let all = std::mem::take(&mut named.named);
            let before = all.len();
            named.named = all.into_iter().filter(|field| is_public(&field.vis)).collect();
            named.named.iter_mut().for_each(|field| keep_promises(&mut field.attrs));
            named.named.len() < before
        }
        Fields::Unnamed(unnamed) => {
            let private = unnamed.unnamed.iter_mut().filter(|field| !is_public(&field.vis));
            private.for_each(|field| field.ty = syn::parse_quote!(_));
            unnamed.unnamed.iter_mut().for_each(|field| keep_promises(&mut field.attrs));
            false
        }
        Fields::Unit => false,
    }
}

/// Attributes that a user of the crate has to know.
fn keep_promises(attributes: &mut Vec<Attribute>) {
    attributes.retain(|attribute| {
        ["cfg", "derive", "must_use", "non_exhaustive"].iter().any(|name| attribute.path().is_ident(name))
    });
}

fn no_body() -> Block {
    syn::parse_quote!({})
}
