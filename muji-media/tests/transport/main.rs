//! What every transport must do, with its like and with the others: real ICE, DTLS and SRTP in virtual time.
//!
//! With the feature `webrtc-ice` the second transport is tried too.

mod bundling;
mod certificates;
mod connecting;
mod flowing;
mod hostile;
mod keeping;
mod pair;
