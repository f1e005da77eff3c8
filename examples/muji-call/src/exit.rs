//! Exit codes and final errors. Scripts rely on the numbers.

use muji_core::error::RoomFault;
use muji_core::xmpp::{CertificateFault, LoginError};

/// Why it does not end with 0.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Call(String),
    #[error("{0}")]
    Usage(String),
    #[error("{0}{advice}", advice = advice(.0))]
    Login(#[from] LoginError),
    #[error("{0}")]
    Room(#[from] RoomFault),
    #[error("nobody else came to the call")]
    NobodyCame,
    #[error("interrupted")]
    Interrupted,
}

/// Which option helps.
fn advice(error: &LoginError) -> &'static str {
    match error {
        LoginError::Certificate { fault: CertificateFault::Untrusted, .. } => {
            "; if it is your own server, use --ca-file with its certificate authority"
        }
        LoginError::Certificate { fault: CertificateFault::Expired, .. } => {
            "; its administrator must renew it, and no option overrides this, not even --ca-file"
        }
        LoginError::Authorities(_) => "; use --ca-file with a PEM file",
        LoginError::UnknownHost { .. } => " with --server",
        LoginError::NoTls(_) => "; a server on this machine can be used with --tls none",
        _ => "",
    }
}

/// 0 ok · 1 the call failed · 2 usage · 3 login · 4 room · 5 nobody came · 130 interrupted
pub(crate) fn code(outcome: &Result<(), Failure>) -> u8 {
    match outcome {
        Ok(()) => 0,
        Err(Failure::Call(_)) => 1,
        Err(Failure::Usage(_)) => 2,
        Err(Failure::Login(_)) => 3,
        Err(Failure::Room(_)) => 4,
        Err(Failure::NobodyCame) => 5,
        Err(Failure::Interrupted) => 130,
    }
}
