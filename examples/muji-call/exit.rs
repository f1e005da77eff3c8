//! How the program ends. Scripts rely on the numbers.

/// Why it does not end with 0.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Call(String),
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Login(#[from] muji_core::xmpp::LoginError),
    #[error("{0}")]
    Room(#[from] muji_core::error::RoomFault),
    #[error("nobody else came to the call")]
    NobodyCame,
    #[error("interrupted")]
    Interrupted,
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
