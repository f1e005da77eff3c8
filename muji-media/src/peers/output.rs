//! What comes out of all transports.

use muji_core::media::MediaReport;
use muji_jingle::TransportId;

use crate::transport::TransportOutput;

/// What comes out, in order.
#[derive(Debug)]
pub enum PeersOutput {
    /// Of one transport, as it said it.
    Transport {
        /// Which.
        id: TransportId,
        /// What it said.
        output: TransportOutput,
    },
    /// To the core: what no transport knows, such as that a content began to flow. What a transport itself has to report is in
    /// [`TransportOutput::report`].
    Report(MediaReport),
}
