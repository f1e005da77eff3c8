//! Calls with one other person: XEP-0353 to ring, then one Jingle session.
//!
//! [`DirectCalls`] knows all of them and finds the one that a stanza is about; [`call::DirectCall`] is one, from its first
//! message to its end: `placing` when we call, `ringing` when we are called, `talking` once there is a session, `guest_list` if others take part through us.

mod call;
mod calls;
mod guest_list;
mod placing;
mod ringing;
mod talking;

pub(crate) use calls::DirectCalls;
