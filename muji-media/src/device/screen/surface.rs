//! What is shared.

use std::fmt;

use crate::device::interface::DeviceError;

/// A monitor or a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Surface {
    /// By its name.
    Monitor(String),
    /// By its id and its title.
    Window(u32, String),
}

impl Surface {
    /// It was there, and is not any more.
    pub(super) fn gone(&self) -> DeviceError {
        DeviceError(match self {
            Self::Monitor(_) => format!("{self} is not there any more"),
            Self::Window(..) => format!("{self} was closed"),
        })
    }
}

impl fmt::Display for Surface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Monitor(name) => write!(f, "the screen {name}"),
            Self::Window(_, title) => write!(f, "the window {title}"),
        }
    }
}
