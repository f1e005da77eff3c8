//! Inputs made by mutation for all that reads what others send. Those that reach new code are kept.
//!
//! ```text
//!  libFuzzer ─► bytes ─► choices ─► stanzas, packets, files ─► the real crates ─► what must hold
//!      ▲  new code was reached: the input is kept, and mutated further
//! ```
//!
//! A target is a function of bytes that panics if something does not hold: beyond "no panic", each says what else, and how much memory it
//! may take. `make fuzz` runs them under libFuzzer with coverage of all crates of this workspace. What it keeps is in `corpus/`, and what
//! once found a fault in `found/`; a test runs both through their targets.
//!
//! Inputs that are no text are read as choices (`choices.rs`): which stanza of `stanzas.xml` (of real clients, from `xep/fixtures`),
//! how it is changed, who sends it. So most inputs get past the first parser.

mod choices;
mod stanza;
mod targets;

use muji_harness::allocations::{self, Counting};
pub use targets::TARGETS;

#[global_allocator]
static COUNTING: Counting = Counting;

/// The most bytes in the corpus of a target: it is part of the repository.
pub const MAX_CORPUS: usize = 32 * 1_024;

/// Something that reads what others send.
#[derive(Debug)]
pub struct Target {
    /// What it is called, and its folders in `corpus/` and `found/`.
    pub name: &'static str,
    /// Longer inputs are not made: they take time and reach nothing new.
    pub longest: usize,
    /// The memory that an input may take, in bytes.
    most: u64,
    input: fn(&[u8]),
}

impl Target {
    /// Runs an input through it.
    ///
    /// # Panics
    /// If something does not hold.
    pub fn run(&self, bytes: &[u8]) {
        let peak = allocations::peak(|| (self.input)(bytes));
        assert!(
            peak <= self.most,
            "an input of {} bytes took {peak} bytes of memory, more than {}",
            bytes.len(),
            self.most
        );
    }
}
