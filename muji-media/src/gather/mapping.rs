//! How a NAT maps one of our sockets, by a binding request to a STUN server (RFC 8489).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use turn_client_proto::stun::agent::{StunAgent, StunAgentPollRet};
use turn_client_proto::stun::types::TransportType;
use turn_client_proto::stun::types::attribute::XorMappedAddress;
use turn_client_proto::stun::types::message::{BINDING, Message, MessageWriteVec};
use turn_client_proto::stun::types::prelude::MessageWrite;

use super::stun_clock::StunClock;

/// After so many requests, with these pauses, a server that does not answer is not there: 5.5 s in all.
const FIRST: Duration = Duration::from_millis(500);
const REPEATS: u32 = 4;
const LAST: Duration = Duration::from_secs(2);

/// One binding request, and its retransmissions.
#[derive(Debug)]
pub(super) struct Mapping {
    clock: StunClock,
    agent: StunAgent,
    socket: SocketAddr,
    server: SocketAddr,
    asked: bool,
    /// The mapped address; `Some(None)` if no answer came.
    answer: Option<Option<SocketAddr>>,
    due: Option<Instant>,
}

impl Mapping {
    pub(super) fn ask(now: Instant, socket: SocketAddr, server: SocketAddr) -> Self {
        let agent = StunAgent::builder(TransportType::Udp, socket).remote_addr(server);
        let agent = agent.request_retransmits(FIRST, Duration::MAX, REPEATS, LAST).build();
        Self { clock: StunClock::new(now), agent, socket, server, asked: false, answer: None, due: Some(now) }
    }

    /// True if a datagram between these addresses may be its answer.
    pub(super) fn is_between(&self, socket: SocketAddr, server: SocketAddr) -> bool {
        self.socket == socket && self.server == server
    }

    pub(super) fn socket(&self) -> SocketAddr {
        self.socket
    }

    pub(super) fn server(&self) -> SocketAddr {
        self.server
    }

    /// What was learned; `None` while it is waited for.
    pub(super) fn answer(&self) -> Option<Option<SocketAddr>> {
        self.answer
    }

    /// False if it was not the answer.
    pub(super) fn received(&mut self, now: Instant, bytes: &[u8]) -> bool {
        let Ok(message) = Message::from_bytes(bytes) else { return false };
        if !self.agent.handle_stun_message_with_time(&message, self.server, self.clock.at(now)) {
            return false;
        }
        let mapped = message.attribute::<XorMappedAddress>().ok();
        self.answer = Some(mapped.map(|mapped| mapped.addr(message.transaction_id())));
        true
    }

    /// What to send now.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.answer.is_some() || self.due.is_none_or(|due| due > now) {
            return None;
        }
        let at = self.clock.at(now);
        if !self.asked {
            self.asked = true;
            let question = Message::builder_request(BINDING, MessageWriteVec::new()).finish();
            let sent = self.agent.send_request(question, self.server, at).ok()?.data.to_vec();
            self.wait(now);
            return Some(sent);
        }
        let again = self.agent.poll_transmit(at).map(|transmit| transmit.data.to_vec());
        self.wait(now);
        again
    }

    fn wait(&mut self, now: Instant) {
        match self.agent.poll(self.clock.at(now)) {
            StunAgentPollRet::WaitUntil(due) => {
                let due = self.clock.instant(due);
                self.due = Some(if due > now { due } else { now + StunClock::STEP });
            }
            StunAgentPollRet::TransactionTimedOut(_) | StunAgentPollRet::TransactionCancelled(_) => {
                self.answer = Some(None);
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due.filter(|_| self.answer.is_none())
    }
}
