//! The table of faults in `docs/evidence.md` names tests that exist.

use std::fs;
use std::path::{Path, PathBuf};

/// All Rust files below a folder, but for those that a build makes.
fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder can be read").map(|entry| entry.expect("readable")) {
        let path = entry.path();
        if path.is_dir() && !["target", ".git"].iter().any(|name| entry.file_name() == *name) {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn each_test_that_the_table_of_faults_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = fs::read_to_string(root.join("docs/evidence.md")).expect("it is there");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    // `the end of a path.rs::the name of a test`
    let named: Vec<(&str, &str)> = text.split('`').filter_map(|word| word.split_once(".rs::")).collect();
    let missing: Vec<String> = named
        .iter()
        .filter(|(file, test)| {
            let file = format!("{file}.rs");
            let mut found = files.iter().filter(|path| path.ends_with(&file));
            let (first, second) = (found.next(), found.next());
            let text = first.filter(|_| second.is_none()).and_then(|path| fs::read_to_string(path).ok());
            !text.is_some_and(|text| text.contains(&format!("fn {test}(")))
        })
        .map(|(file, test)| format!("{file}.rs::{test}"))
        .collect();
    assert!(named.len() > 60, "only {} tests are named", named.len());
    assert!(missing.is_empty(), "no such test, or more than one such file: {missing:#?}");
}
