//! What is published says by itself what it is, and is complete: a crate is unpacked where this repository is not. Each package lists what
//! is packed (`include`), so that a new folder of recordings or tests does not go along unseen. `make package` builds what is packed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A source file has 31 kB at most; more than this is a recording or a picture.
const MAX_FILE: u64 = 100_000;

/// Keywords that registries take.
const MAX_KEYWORDS: usize = 5;

/// Macros that read a file when a crate is built.
const READING: [&str; 3] = ["include!(", "include_bytes!(", "include_str!("];

/// What cargo makes itself.
const MADE: [&str; 4] = [".cargo_vcs_info.json", "Cargo.lock", "Cargo.toml", "Cargo.toml.orig"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(arguments).current_dir(root()).output().expect("cargo is there");
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}

/// The packages of the workspace that are published, as `cargo metadata` tells of them.
fn published() -> BTreeMap<String, Value> {
    let metadata = cargo(&["metadata", "--locked", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    // What is not published has an empty list of registries.
    let published = packages.iter().filter(|package| package["publish"].is_null());
    published.map(|package| (package["name"].as_str().expect("a name").to_owned(), package.clone())).collect()
}

fn folder(package: &Value) -> &Path {
    let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
    manifest.parent().expect("a manifest is in a folder")
}

/// The paths of a package's files below its folder, as they are packed.
fn packed(name: &str) -> BTreeSet<PathBuf> {
    let list = cargo(&["package", "--list", "--allow-dirty", "--locked", "--quiet", "--package", name]);
    list.lines().map(PathBuf::from).filter(|file| !MADE.iter().any(|made| file == Path::new(made))).collect()
}

#[test]
fn what_is_published_says_what_it_is() {
    let published = published();
    let names: Vec<&str> = published.keys().map(String::as_str).collect();
    let meant = ["call", "conformance", "core", "harness", "jingle", "media", "simulation", "trace", "xep"];
    assert_eq!(names, meant.map(|name| format!("muji-{name}")));
    for (name, package) in published {
        for key in ["description", "license", "repository", "readme", "rust_version"] {
            assert!(package[key].as_str().is_some_and(|text| !text.is_empty()), "{name} has no {key}");
        }
        let keywords = package["keywords"].as_array().map_or(0, Vec::len);
        assert!((1..=MAX_KEYWORDS).contains(&keywords), "{name} has {keywords} keywords");
        assert!(package["categories"].as_array().is_some_and(|all| !all.is_empty()), "{name} is in no category");
        let optional = package["features"].as_object().expect("a table").keys().any(|feature| feature != "default");
        let is_library = package["targets"].to_string().contains("\"lib\"");
        let shown = &package["metadata"]["docs"]["rs"];
        assert!(!(optional && is_library) || shown.is_object(), "{name} does not say which features its docs show");
    }
}

#[test]
fn what_is_published_depends_only_on_what_is() {
    let published = published();
    for (name, package) in &published {
        for dependency in package["dependencies"].as_array().expect("a list") {
            let to = dependency["name"].as_str().expect("a name");
            let (is_ours, is_for_tests) = (dependency.get("path").is_some(), dependency["kind"] == "dev");
            // Of what tests use alone, a dependency without a version is left out when the crate is packed.
            let is_kept = !is_for_tests || dependency["req"] != "*";
            assert!(
                !is_ours || !is_kept || published.contains_key(to),
                "{name} depends on {to}, which is not published"
            );
            assert!(!is_ours || is_for_tests || dependency["req"] != "*", "{name} depends on {to} in any version");
        }
    }
}

#[test]
fn each_packed_crate_has_its_licences_and_no_large_file() {
    for (name, package) in published() {
        let (folder, files) = (folder(&package), packed(&name));
        for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
            assert!(files.contains(Path::new(licence)), "{name} is packed without {licence}");
            let text = |folder: &Path| fs::read_to_string(folder.join(licence)).expect("it can be read");
            assert_eq!(text(folder), text(&root()), "{name} has another {licence}");
        }
        assert!(files.contains(Path::new("README.md")), "{name} is packed without README.md");
        for file in &files {
            let size = fs::metadata(folder.join(file)).expect("it is there").len();
            assert!(size <= MAX_FILE, "{name} packs {} with {size} bytes", file.display());
        }
    }
}

#[test]
fn what_a_crate_reads_when_it_is_built_is_packed() {
    let mut read = 0;
    for (name, package) in published() {
        let (folder, files) = (folder(&package), packed(&name));
        for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs")) {
            let text = fs::read_to_string(folder.join(file)).expect("it can be read");
            for included in included(&text).unwrap_or_else(|what| panic!("{name}, {}: {what}", file.display())) {
                let path = file.parent().expect("a file is in a folder").join(included);
                assert!(files.contains(&plain(&path)), "{name}: {} includes {included}", file.display());
                read += 1;
            }
        }
    }
    assert!(read > 20, "only {read} files are read: are the macros found?");
}

/// The paths that a source file includes.
///
/// # Errors
/// If one is not written as a string, so that it is not known.
fn included(text: &str) -> Result<Vec<&str>, String> {
    let calls = READING.iter().flat_map(|call| text.split(call).skip(1));
    calls.map(|rest| rest.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"'))).map(literal).collect()
}

fn literal<'a>(split: Option<(&'a str, &'a str)>) -> Result<&'a str, String> {
    split.map(|(path, _)| path).ok_or_else(|| "what is included is not written as a string".to_owned())
}

/// A path without `..`, but for those that lead out of its beginning.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        let goes_back = part == Component::ParentDir && plain.file_name().is_some();
        if !(goes_back && plain.pop()) {
            plain.push(part);
        }
    }
    plain
}

#[test]
fn a_file_outside_the_package_is_found_and_so_is_one_that_is_not_named() {
    let text = "const A: &str = include_str!(\"../a.txt\");\n#![doc = include_str!(\n    \"../../../README.md\"\n)]";
    assert_eq!(included(text), Ok(vec!["../a.txt", "../../../README.md"]));
    assert!(included("include_bytes!(concat!(env!(\"HOME\"), \"/a\"))").is_err());
    assert_eq!(plain(Path::new("src/b/../../a.txt")), Path::new("a.txt"));
    assert_eq!(plain(Path::new("src/../../README.md")), Path::new("../README.md"));
}
