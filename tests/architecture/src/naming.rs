//! Types of our lower crates that a crate shows and gives no name to: its users would need those crates too.

use std::collections::BTreeSet;

use syn::visit::Visit;
use syn::{Fields, Item, Visibility};

use crate::source::{Crates, Meaning, defined, resolve};
use crate::surface::{Paths, Place, Surface};

/// Those types, as `crate::path::Name`: what its signatures use, and what the public fields of that are.
#[must_use]
pub fn unnamed(crates: &Crates, krate: &str) -> BTreeSet<String> {
    let surface = Surface::of(crates, krate);
    let mut shown: BTreeSet<Place> = BTreeSet::new();
    let mut new: Vec<Place> = surface.used.union(&surface.reexported).cloned().collect();
    while let Some(place) = new.pop() {
        if place[0] != krate && shown.insert(place.clone()) {
            new.extend(fields(crates, &place));
        }
    }
    shown.difference(&surface.reexported).map(|place| place.join("::")).collect()
}

/// The types of our crates in the public fields of an item.
fn fields(crates: &Crates, place: &Place) -> Vec<Place> {
    let [krate, modules @ .., name] = &place[..] else { return Vec::new() };
    let module = crates[krate].module(modules);
    let item = module.and_then(|module| module.items.iter().find(|item| defined(item).as_ref() == Some(name)));
    let mut paths = Paths(Vec::new());
    match item {
        Some(Item::Struct(item)) => visit_public(&mut paths, &item.fields),
        Some(Item::Enum(item)) => item.variants.iter().for_each(|variant| paths.visit_fields(&variant.fields)),
        Some(Item::Type(item)) => paths.visit_type(&item.ty),
        _ => {}
    }
    let meanings = paths.0.iter().map(|path| resolve(crates, krate, modules, path));
    let ours = meanings.filter_map(|meaning| if let Meaning::Ours(place) = meaning { Some(place) } else { None });
    ours.collect()
}

fn visit_public(paths: &mut Paths, fields: &Fields) {
    let public = fields.iter().filter(|field| matches!(field.vis, Visibility::Public(_)));
    public.for_each(|field| paths.visit_type(&field.ty));
}
