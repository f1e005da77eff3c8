//! Reads the sources of the library crates, so that tests can tell what the public API is, which foreign types are in it, and
//! which file uses which.
//!
//! It reads source text, with `syn`, because the JSON of rustdoc needs a nightly compiler. What macros make is shown as the macro's call.
#![forbid(unsafe_code)]

pub mod imports;
pub mod licences;
pub mod naming;
pub mod source;
pub mod surface;
