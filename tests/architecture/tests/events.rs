//! Each event of the library has a sentence in the program: the library may get more, so the compiler cannot tell that one is left out.

use std::fs;
use std::path::Path;

use muji_architecture::source::Crate;
use syn::Item;

#[test]
fn every_event_has_a_sentence_in_muji_call() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let core = Crate::read(&root.join("muji-core"));
    let events = core.root.children["event"].items.iter().find_map(|item| match item {
        Item::Enum(it) if it.ident == "Event" => Some(it),
        _ => None,
    });
    let told = fs::read_to_string(root.join("examples/muji-call/src/report/events.rs")).expect("the file is there");
    let told: Vec<&str> = told.split(|it: char| !it.is_alphanumeric() && it != ':' && it != '_').collect();
    let events =
        events.expect("muji-core has events").variants.iter().map(|variant| format!("Event::{}", variant.ident));
    let untold: Vec<String> = events.filter(|event| !told.contains(&event.as_str())).collect();
    assert!(untold.is_empty(), "examples/muji-call/src/report/events.rs says nothing of {untold:?}");
}
