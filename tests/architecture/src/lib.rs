//! Reads the sources of the library crates, so that tests can tell what the public API is and which foreign types are in it.
//!
//! It reads source text, with `syn`, because the JSON of rustdoc needs a nightly compiler. What macros make is shown as the macro's call.
#![forbid(unsafe_code)]

pub mod source;
pub mod surface;
