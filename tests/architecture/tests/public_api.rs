//! The public API of the library crates stands in `public/`, so that a change of it is seen in review; and each foreign type in it has a
//! reason in `public/foreign.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use muji_architecture::naming::unnamed;
use muji_architecture::source::{Crate, Crates};
use muji_architecture::surface::Surface;

/// The library crates, lowest first.
const FOLDERS: [&str; 4] = ["xep", "muji-jingle", "muji-core", "muji-media"];

/// Set to write the lists instead of comparing them.
const UPDATE: &str = "UPDATE_PUBLIC_API";

fn crates() -> Crates {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    FOLDERS.map(|folder| Crate::read(&root.join(folder))).map(|krate| (krate.name.clone(), krate)).into()
}

fn list(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("public").join(name)
}

#[test]
fn the_public_api_is_the_one_that_was_reviewed() {
    let crates = crates();
    let mut changed = Vec::new();
    for name in crates.keys() {
        let file = list(&format!("{}.txt", name.replace('_', "-")));
        let now = Surface::of(&crates, name).text();
        if std::env::var_os(UPDATE).is_some() {
            fs::write(&file, &now).expect("the list can be written");
        } else if fs::read_to_string(&file).unwrap_or_default() != now {
            changed.push(name.as_str());
        }
    }
    let (those, how) = (changed.join(", "), format!("{UPDATE}=1 cargo test -p muji-architecture"));
    assert!(
        changed.is_empty(),
        "the public API of {those} is another one now; if that is meant: {how}, and say it in CHANGELOG.md"
    );
}

#[test]
fn each_foreign_type_in_the_public_api_has_a_reason() {
    let crates = crates();
    let reasons = fs::read_to_string(list("foreign.toml")).expect("the list is there");
    let reasons: BTreeMap<String, BTreeMap<String, String>> = toml::from_str(&reasons).expect("a table for each crate");
    for name in crates.keys() {
        let found = Surface::of(&crates, name).foreign;
        let given: BTreeSet<String> = reasons.get(name).into_iter().flat_map(BTreeMap::keys).cloned().collect();
        let without: Vec<&String> = found.difference(&given).collect();
        let stale: Vec<&String> = given.difference(&found).collect();
        assert!(
            without.is_empty(),
            "{name} shows these types of other crates without a reason in foreign.toml: {without:#?}"
        );
        assert!(stale.is_empty(), "{name} does not show these any more; take them out of foreign.toml: {stale:#?}");
    }
}

#[test]
fn a_client_that_gives_stanzas_as_text_meets_no_type_of_another_xmpp_crate_but_addresses() {
    let mut crates = crates();
    let of_xmpp = |crates: &Crates| {
        let foreign = Surface::of(crates, "muji_core").foreign;
        let of_xmpp = |path: &String| ["minidom::", "xmpp_parsers::"].iter().any(|start| path.starts_with(start));
        foreign.into_iter().filter(of_xmpp).collect::<Vec<_>>()
    };
    assert!(!of_xmpp(&crates).is_empty(), "the typed face has some");
    let core = crates.remove("muji_core").expect("it was read");
    // The connection of `tokio-xmpp`, which gives elements, brings the typed face.
    crates.insert("muji_core".to_owned(), core.without("xmpp-parsers").without("tokio-xmpp"));
    assert!(of_xmpp(&crates).is_empty(), "{:#?}", of_xmpp(&crates));
}

#[test]
fn a_client_that_depends_on_the_core_alone_can_name_all_that_the_core_shows() {
    let unnamed = unnamed(&crates(), "muji_core");
    assert!(unnamed.is_empty(), "give these names in muji-core too: {unnamed:#?}");
}
