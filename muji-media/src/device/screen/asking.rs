//! Questions to a server that may hang.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use super::watched::no_thread;
use crate::device::interface::DeviceError;

/// Asks in a thread of its own, since nothing ends the wait for a server that hangs. That thread then stays.
pub(super) fn ask<T: Send + 'static>(
    whom: &str,
    limit: Duration,
    question: impl FnOnce() -> Result<T, DeviceError> + Send + 'static,
) -> Result<T, DeviceError> {
    let (answer, answered) = sync_channel(1);
    let work = move || {
        let _nobody_waits = answer.send(question());
    };
    let thread = std::thread::Builder::new().name("muji-screens".to_owned()).spawn(work);
    thread.map_err(|why| no_thread(&why))?;
    answered.recv_timeout(limit).unwrap_or_else(|why| {
        let why = match why {
            RecvTimeoutError::Timeout => format!("{whom} answers nothing"),
            RecvTimeoutError::Disconnected => format!("the thread that asks {whom} has crashed"),
        };
        Err(DeviceError(format!("no screen can be shared: {why}")))
    })
}
