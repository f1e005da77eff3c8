//! STUN and TURN servers that answer anything, by datagrams and by streams.
//!
//! What comes leads to a bound of outputs and candidates, what was due is done, and when nobody wants addresses any more all ends.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use muji_core::Secret;
use muji_core::media::{IceServer, ServerKind, ServerTransport};
use muji_media::backend::GatherPolicy;
use muji_media::parts::{ConnectionId, GatherOutput, Gatherer};
use turn_client_proto::stun::types::attribute::XorMappedAddress;
use turn_client_proto::stun::types::message::{Message, MessageClass, MessageWriteVec};
use turn_client_proto::stun::types::prelude::{MessageWrite, MessageWriteExt};

use crate::choices::Choices;

/// Of one thing that happens: a question to each server and a repetition of each that waits.
const MAX_OUTPUTS: usize = 128;

/// Ours, and one by each server and each kind.
const MAX_CANDIDATES: usize = 32;

struct Gathering {
    gatherer: Gatherer,
    now: Instant,
    /// Questions by datagram, with the server.
    asked: Vec<(SocketAddr, Vec<u8>)>,
    connections: Vec<ConnectionId>,
    /// What was written to streams.
    written: Vec<(ConnectionId, Vec<u8>)>,
}

fn ours() -> SocketAddr {
    SocketAddr::from(([192, 168, 1, 7], 40_000))
}

fn servers() -> Vec<(IceServer, Vec<SocketAddr>)> {
    let turn = || ServerKind::Turn { username: "romeo".to_owned(), password: Secret::new("secret") };
    let of = |(number, kind, by): (u8, ServerKind, ServerTransport)| {
        let address = SocketAddr::from(([198, 51, 100, number], 3_478));
        (IceServer { kind, by, host: address.ip().to_string(), port: 3_478 }, vec![address])
    };
    [
        (1, ServerKind::Stun, ServerTransport::Udp),
        (2, turn(), ServerTransport::Udp),
        (3, turn(), ServerTransport::Tcp),
        (3, turn(), ServerTransport::Tls),
    ]
    .map(of)
    .into()
}

pub(super) fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let now = Instant::now();
    let mut gatherer = Gatherer::new(GatherPolicy::default());
    let _hosts = gatherer.add_socket_set(now, &[ours()]);
    gatherer.set_servers(now, servers());
    gatherer.set_wanted(now, true);
    let mut all = Gathering { gatherer, now, asked: Vec::new(), connections: Vec::new(), written: Vec::new() };
    all.drain();
    while !choices.is_over() {
        all.step(&mut choices);
        all.drain();
    }
    all.gatherer.set_wanted(all.now, false);
    all.drain();
    for _ in 0..1_000 {
        let Some(due) = all.gatherer.poll_timeout() else { return };
        all.now = all.now.max(due);
        all.gatherer.handle_timeout(all.now);
        all.drain();
    }
    panic!("nobody wants addresses, and something is always due");
}

impl Gathering {
    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(8) {
            0 => {
                let Some((server, _)) = self.question(choices) else { return };
                let bytes = choices.bytes();
                let _taken = self.gatherer.handle_datagram(self.now, ours(), server, bytes);
            }
            1..4 => {
                let Some((server, question)) = self.question(choices) else { return };
                let answer = answer(choices, &question);
                let _taken = self.gatherer.handle_datagram(self.now, ours(), server, &answer);
            }
            4 => {
                let Some(due) = self.gatherer.poll_timeout() else { return };
                self.now = self.now.max(due) + Duration::from_millis(u64::from(choices.byte()));
                self.gatherer.handle_timeout(self.now);
                let next = self.gatherer.poll_timeout();
                assert!(next.is_none_or(|at| at > self.now), "what was due is done");
            }
            5 => self.stream(choices),
            6 => {
                let to = SocketAddr::from(([203, 0, 113, choices.byte()], choices.short()));
                let from = *choices.one_of(&self.relayed());
                self.gatherer.send(self.now, from, to, choices.bytes());
            }
            _ => match choices.below(3) {
                0 => self.gatherer.renew(self.now),
                1 => self.gatherer.set_wanted(self.now, false),
                _ => self.gatherer.set_wanted(self.now, true),
            },
        }
    }

    fn question(&self, choices: &mut Choices<'_>) -> Option<(SocketAddr, Vec<u8>)> {
        let back = self.asked.len().checked_sub(1 + choices.below(8))?;
        self.asked.get(back).cloned()
    }

    /// Addresses that can be sent from.
    fn relayed(&self) -> Vec<SocketAddr> {
        self.gatherer.candidates(0).iter().map(|candidate| candidate.base).collect()
    }

    fn stream(&mut self, choices: &mut Choices<'_>) {
        let Some(connection) = self.connections.last().copied() else { return };
        match choices.below(5) {
            0 => self.gatherer.opened(self.now, connection, ours()),
            1 => self.gatherer.closed(self.now, connection, "reset by peer"),
            2 => self.gatherer.read(self.now, connection, choices.bytes()),
            _ => {
                let Some((connection, question)) = self.written.last().cloned() else { return };
                let answer = answer(choices, &question);
                let (first, second) = answer.split_at(choices.below(answer.len() + 1));
                [first, second].iter().for_each(|part| self.gatherer.read(self.now, connection, part));
            }
        }
    }

    fn drain(&mut self) {
        let mut outputs = 0;
        while let Some(output) = self.gatherer.poll_output() {
            outputs += 1;
            assert!(outputs <= MAX_OUTPUTS, "{outputs} outputs of one input");
            match output {
                GatherOutput::Datagram { to, bytes, .. } => self.asked.push((to, bytes)),
                GatherOutput::Connect { connection, .. } => self.connections.push(connection),
                GatherOutput::Write { connection, bytes } => self.written.push((connection, bytes)),
                GatherOutput::Close(connection) => self.connections.retain(|other| *other != connection),
                GatherOutput::Received { .. } | GatherOutput::Found { .. } | GatherOutput::Lost { .. } => {}
            }
        }
        assert!(self.gatherer.candidates(0).len() <= MAX_CANDIDATES);
    }
}

/// An answer to a question: one that a STUN server gives, changed, or its transaction with anything behind it.
fn answer(choices: &mut Choices<'_>, question: &[u8]) -> Vec<u8> {
    let Ok(asked) = Message::from_bytes(question) else { return choices.bytes().to_vec() };
    if choices.below(2) == 0 && asked.has_class(MessageClass::Request) {
        let mut answer = Message::builder_success(&asked, MessageWriteVec::new());
        let seen = SocketAddr::from(([203, 0, 113, choices.byte()], choices.short()));
        let mapped = XorMappedAddress::new(seen, asked.transaction_id());
        answer.add_attribute(&mapped).expect("there is room");
        return answer.finish();
    }
    // Success or error of the same method, and attributes as they come.
    let mut answer = question.get(..20).unwrap_or_default().to_vec();
    let attributes = attributes(choices);
    answer[0] = (answer[0] & 0x3E) | 1;
    answer[1] = (answer[1] & 0xEF) | *choices.one_of(&[0x00, 0x10]);
    answer[2..4].copy_from_slice(&u16::try_from(attributes.len()).unwrap_or(u16::MAX).to_be_bytes());
    answer.extend(attributes);
    answer
}

/// Kinds of attributes that a TURN client reads (RFC 8489 section 18.3, RFC 8656 section 18).
const KINDS: [u16; 14] =
    [0x0001, 0x0008, 0x0009, 0x000C, 0x000D, 0x0012, 0x0013, 0x0014, 0x0015, 0x0016, 0x0020, 0x8023, 0x8022, 0x001C];

fn attributes(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut all = Vec::new();
    for _ in 0..choices.below(6) {
        let (kind, value) = (*choices.one_of(&KINDS), choices.bytes());
        all.extend(kind.to_be_bytes());
        all.extend(u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
        all.extend(value);
        all.resize(all.len().next_multiple_of(4), 0);
    }
    all
}
