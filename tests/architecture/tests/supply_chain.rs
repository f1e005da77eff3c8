//! What `deny.toml` allows of dependencies, held without `cargo deny`, which takes long to build: licences, where crates come from, and
//! crates that are there in several versions. Known weaknesses of crates need a database from the network: `cargo deny check advisories`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use toml::Table;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn table(file: &str) -> Table {
    let text = fs::read_to_string(root().join(file)).expect("the file is there");
    text.parse().unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// A list of words in deny.toml.
fn allowed(section: &str, key: &str) -> BTreeSet<String> {
    let deny = table("deny.toml");
    let words = deny[section][key].as_array().unwrap_or_else(|| panic!("{section}.{key} is a list"));
    words.iter().map(|word| word.as_str().expect("a word").to_owned()).collect()
}

/// The crates of Cargo.lock, of every platform and feature: name, version, and where they come from if they are not ours.
fn locked() -> Vec<(String, String, Option<String>)> {
    let lock = table("Cargo.lock");
    let packages = lock["package"].as_array().expect("a list of packages");
    let text = |package: &toml::Value, key: &str| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let read = |package| {
        (text(package, "name").expect("a name"), text(package, "version").expect("a version"), text(package, "source"))
    };
    packages.iter().map(read).collect()
}

#[test]
fn each_crate_comes_from_the_registry_or_is_ours() {
    let sources: BTreeSet<String> = locked().into_iter().filter_map(|(_, _, source)| source).collect();
    let is_registry = |source: &String| source.starts_with("registry+");
    assert!(sources.len() == 1 && sources.iter().all(is_registry), "not all from one registry, or ours: {sources:#?}");
}

#[test]
fn a_crate_in_several_versions_is_listed_with_its_reason() {
    let listed = allowed("bans", "skip");
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, version, _) in locked() {
        versions.entry(name).or_default().push(version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    let (mut used, mut left): (BTreeSet<String>, BTreeMap<&String, Vec<&String>>) = Default::default();
    for (name, version) in versions.iter().flat_map(|(name, all)| all.iter().map(move |version| (name, version))) {
        // As `cargo deny` reads it: crate@1 is each 1.x, crate@0.2 each 0.2.x.
        let prefixes = version.match_indices('.').map(|(at, _)| &version[..at]).chain([version.as_str()]);
        match prefixes.map(|prefix| format!("{name}@{prefix}")).find(|entry| listed.contains(entry)) {
            Some(entry) => drop(used.insert(entry)),
            None => left.entry(name).or_default().push(version),
        }
    }
    left.retain(|_, versions| versions.len() > 1);
    assert!(left.is_empty(), "in several versions; remove one, or list it in deny.toml with the reason: {left:#?}");
    let stale: Vec<&String> = listed.difference(&used).collect();
    assert!(stale.is_empty(), "no second version of these is there any more; take them out of deny.toml: {stale:#?}");
}

/// The crates of all features, as `cargo metadata` tells of them.
fn packages() -> Vec<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["metadata", "--locked", "--all-features", "--format-version", "1"];
    let metadata = Command::new(cargo).args(arguments).current_dir(root()).output().expect("cargo is there");
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: Value = serde_json::from_slice(&metadata.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    assert!(packages.len() > 100, "only {} crates", packages.len());
    packages.clone()
}

/// What the feature `devices` brings alone, whose documentation names the Rust that it needs: each of this family.
const DEVICES: (&str, &str) = ("sonora", "1.91");

/// What a crate says of itself is looked at here; whether it is true, `make msrv` tells. Functions of the standard library that are newer
/// than our own `rust-version` are clippy's (`incompatible_msrv`).
#[test]
fn no_crate_says_that_it_needs_a_newer_rust_than_we_promise() {
    let numbers = |version: &str| -> Vec<u32> { version.split('.').take(2).flat_map(str::parse).collect() };
    let manifest = table("Cargo.toml");
    let promised = manifest["workspace"]["package"]["rust-version"].as_str().expect("a version");
    let packages = packages();
    let of = |package: &Value, key: &str| package[key].as_str().unwrap_or_default().to_owned();
    let all = packages.iter().map(|package| (of(package, "name"), of(package, "rust_version")));
    let newer = all.filter(|(_, needed)| numbers(needed) > numbers(promised));
    let (devices, newer): (Vec<_>, Vec<_>) = newer.partition(|(name, _)| name.starts_with(DEVICES.0));
    assert!(newer.is_empty(), "they need a newer Rust than {promised}: {newer:#?}");
    let needed = devices.iter().map(|(_, needed)| numbers(needed)).max();
    assert_eq!(needed, Some(numbers(DEVICES.1)), "the Rust that the feature devices needs");
}

#[test]
fn each_crate_has_a_licence_that_is_allowed() {
    let allowed = allowed("licenses", "allow");
    let packages = packages();
    let refused: Vec<String> = packages
        .iter()
        .filter(|package| !package["license"].as_str().is_some_and(|licence| is_allowed(licence, &allowed)))
        .map(|package| format!("{} {}: {}", package["name"], package["version"], package["license"]))
        .collect();
    assert!(refused.is_empty(), "not allowed by deny.toml: {refused:#?}");
}

/// Whether an SPDX expression leaves a choice of allowed licences. A slash is an older form of OR; the exceptions behind WITH allow more.
fn is_allowed(licence: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = licence.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let is_allowed = any(&mut words, allowed);
    is_allowed && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut is_allowed = all(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        is_allowed |= all(words, allowed);
    }
    is_allowed
}

fn all(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut is_allowed = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        is_allowed &= one(words, allowed);
    }
    is_allowed
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    if words.next_if_eq(&"(").is_some() {
        return any(words, allowed) & (words.next() == Some(")"));
    }
    let is_allowed = words.next().is_some_and(|licence| allowed.contains(licence));
    if words.next_if_eq(&"WITH").is_some() {
        words.next();
    }
    is_allowed
}

#[test]
fn of_licences_to_choose_from_one_has_to_be_allowed_and_of_several_that_hold_all() {
    let allowed: BTreeSet<String> = ["MIT", "ISC"].map(str::to_owned).into();
    let is = |licence| is_allowed(licence, &allowed);
    for licence in ["MIT", "GPL-3.0/MIT", "GPL-3.0 OR (MIT AND ISC)", "MIT WITH LLVM-exception", "(MIT)"] {
        assert!(is(licence), "{licence}");
    }
    for licence in
        ["", "GPL-3.0", "MIT AND GPL-3.0", "GPL-3.0 WITH MIT", "(MIT", "MIT ISC", "(GPL-3.0 OR MIT) AND GPL-2.0"]
    {
        assert!(!is(licence), "{licence}");
    }
}

/// Where `unsafe` may stand: wrappers of codecs in C, and an allocator of tests that counts. The compiler refuses it everywhere else, as
/// each package takes the lints of the workspace.
const UNSAFE: [&str; 4] = [
    "muji-media/src/codec/av1/libaom.rs",
    "muji-media/src/codec/h264/openh264.rs",
    "muji-media/src/codec/libvpx.rs",
    "tests/harness/src/allocations.rs",
];

#[test]
fn unsafe_code_is_allowed_in_the_wrappers_of_codecs_and_an_allocator_of_tests_alone() {
    let root = root();
    let members = table("Cargo.toml")["workspace"]["members"].as_array().expect("a list of members").clone();
    let mut found = BTreeSet::new();
    for member in members.iter().map(|member| member.as_str().expect("a path")) {
        let manifest = table(&format!("{member}/Cargo.toml"));
        let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
        assert_eq!(
            lints.and_then(toml::Value::as_bool),
            Some(true),
            "{member} does not take the lints of the workspace"
        );
        allowing(&root, Path::new(member), &mut found);
    }
    assert_eq!(table("Cargo.toml")["workspace"]["lints"]["rust"]["unsafe_code"].as_str(), Some("deny"));
    assert_eq!(found, UNSAFE.map(str::to_owned).into());
}

/// The files of a folder in which a lint is set to let unsafe code pass.
fn allowing(root: &Path, folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(root.join(folder)).expect("the folder can be read") {
        let entry = entry.expect("readable");
        let path = folder.join(entry.file_name());
        if entry.path().is_dir() && entry.file_name() != "target" {
            allowing(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(entry.path()).expect("it is text");
            if ["allow", "expect", "warn"].iter().any(|level| sets(&text, level)) {
                found.insert(path.to_string_lossy().into_owned());
            }
        }
    }
}

/// Whether an attribute of a file sets the lint to this level. The formatter may write it in several lines.
fn sets(text: &str, level: &str) -> bool {
    let begins = format!("[{level}(");
    let attributes = text.split(begins.as_str()).skip(1);
    attributes.filter_map(|rest| rest.split(")]").next()).any(|lints| lints.contains("unsafe_code"))
}

#[test]
fn what_is_bundled_with_muji_call_has_its_notices() {
    let parts = muji_architecture::licences::parts(&root(), "muji-call", "h264").expect("cargo tells");
    let of = |name: &str| -> String {
        let found = parts.iter().filter(|part| part.name.starts_with(&format!("{name} ")));
        found.flat_map(|part| &part.notices).map(String::as_str).collect()
    };
    for (name, holder) in [
        ("opusic-sys", "Xiph.Org"),
        ("openh264-sys2", "Cisco Systems"),
        ("aws-lc-sys", "The OpenSSL Project"),
        ("epaint_default_fonts", "UBUNTU FONT LICENCE"),
        ("epaint_default_fonts", "SIL OPEN FONT LICENSE"),
        ("epaint_default_fonts", "Bitstream Vera"),
        ("xmpp-parsers", "Mozilla Public License"),
    ] {
        assert!(of(name).contains(holder), "{name} has no notice of {holder}");
    }
    let unsaid: Vec<&str> = parts
        .iter()
        .filter(|part| part.notices.is_empty() && part.authors.is_empty() && part.source.is_empty())
        .map(|part| part.name.as_str())
        .collect();
    assert!(unsaid.is_empty(), "nobody knows whose these are: {unsaid:#?}");
}
