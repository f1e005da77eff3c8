//! Where sound comes from and where it goes.

pub mod tone;
pub mod wav;

use crate::sound::Frame;

/// A device or file does not do what it should. The call goes on without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Trouble(pub String);

/// Where sound comes from. Nothing is taken from it before a call has published its sound, nor while it is muted.
pub trait Source: Send {
    /// The next 20 ms.
    ///
    /// # Errors
    /// If there will be no more; it is not asked again.
    fn fill(&mut self, frame: &mut Frame) -> Result<(), Trouble>;
}

/// Where sound goes.
pub trait Sink: Send {
    /// The next 20 ms.
    ///
    /// # Errors
    /// If it takes no more; it is not given any again.
    fn put(&mut self, frame: &Frame) -> Result<(), Trouble>;
}

/// Takes everything and keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Null;

impl Sink for Null {
    fn put(&mut self, _: &Frame) -> Result<(), Trouble> {
        Ok(())
    }
}
