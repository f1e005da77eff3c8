//! The recipes of `docs/cookbook.md` and the loop of `README.md`: their Rust is compiled, and run where it ends by itself, as tests of this
//! documentation.
#![forbid(unsafe_code)]

/// `docs/cookbook.md`.
#[doc = include_str!("../../../docs/cookbook.md")]
pub mod recipes {}

/// `README.md`.
#[doc = include_str!("../../../README.md")]
pub mod readme {}
