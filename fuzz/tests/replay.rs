//! What `make fuzz` has kept, and what once found a fault, is run through its target.

use std::fs;
use std::path::{Path, PathBuf};

use muji_fuzz::{MAX_CORPUS, TARGETS, Target};

/// Larger ones reach nothing that a small one does not.
const MAX_FILE: usize = 4_096;

fn files(folder: &str, target: &Target) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target.name);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    files.sort();
    files
}

fn replay(folder: &str) -> usize {
    let mut count = 0;
    for target in TARGETS {
        for file in files(folder, target) {
            let bytes = fs::read(&file).expect("it can be read");
            eprintln!("{}", file.display()); // For the reader of a failure.
            target.run(&bytes);
            count += 1;
        }
    }
    count
}

#[test]
fn what_once_found_a_fault_finds_none() {
    replay("found");
}

#[test]
fn what_reaches_new_code_finds_no_fault() {
    let count = replay("corpus");
    assert!(count >= TARGETS.len(), "only {count} inputs");
}

#[test]
fn each_target_has_a_small_corpus() {
    for target in TARGETS {
        let sizes: Vec<usize> =
            files("corpus", target).iter().map(|file| fs::read(file).expect("readable").len()).collect();
        assert!(!sizes.is_empty(), "{} has no corpus", target.name);
        assert!(sizes.iter().all(|size| *size <= MAX_FILE), "{} has a large file", target.name);
        let sum: usize = sizes.iter().sum();
        assert!(sum <= MAX_CORPUS, "the corpus of {} has {sum} bytes", target.name);
    }
}
