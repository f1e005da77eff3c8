//! Runs one target, named by `MUJI_FUZZ_TARGET`, under libFuzzer, whose options it takes; `list` prints all, and their bounds.
//! `scripts/fuzz` calls it.
#![no_main]

use std::sync::OnceLock;

use muji_fuzz::{MAX_CORPUS, TARGETS, Target};

/// The target that was asked for.
fn target() -> &'static Target {
    static TARGET: OnceLock<&Target> = OnceLock::new();
    TARGET.get_or_init(|| {
        let name = std::env::var("MUJI_FUZZ_TARGET").unwrap_or_default();
        if name == "list" {
            TARGETS.iter().for_each(|target| println!("{} {} {MAX_CORPUS}", target.name, target.longest));
            std::process::exit(0);
        }
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        let found = TARGETS.iter().find(|target| target.name == name);
        found.unwrap_or_else(|| panic!("MUJI_FUZZ_TARGET is {name:?}, not one of {}", names.join(", ")))
    })
}

libfuzzer_sys::fuzz_target!(init: target(), |bytes: &[u8]| target().run(bytes));
