//! Two transports by str0m talk to each other in virtual time: real ICE, DTLS and SRTP, no socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use muji_core::CallId;
use muji_core::media::{DtlsRole, IceRole, OpenContent, RemoteTransport};
use muji_jingle::{SessionId, TransportId};
use muji_media::codec::opus;
use muji_media::transport::str0m::{Dtls, Str0m};
use muji_media::transport::{Agreed, Opening, RtpPacket, Transport, TransportOutput};
use muji_xep::rtp::Media;

/// One end, its address and what came out of it.
struct End {
    transport: Box<dyn Transport>,
    address: SocketAddr,
    connected: bool,
    interrupted: bool,
    failed: Option<String>,
    received: Vec<RtpPacket>,
}

struct Pair {
    now: Instant,
    start: Instant,
    ends: [End; 2],
    datagrams: usize,
}

const SSRCS: [u32; 2] = [1_000, 2_000];

fn end(now: Instant, number: u8, dtls: Dtls) -> End {
    let address = SocketAddr::from(([10, 0, 0, number + 1], 5_000));
    let id = TransportId { session: SessionId(u64::from(number)), index: 0 };
    let content = OpenContent {
        name: "audio".to_owned(),
        media: Media::Audio,
        ssrc: SSRCS[usize::from(number)],
        transport: id,
        payload_types: vec![opus::payload_type()],
    };
    let role = if number == 0 { IceRole::Controlling } else { IceRole::Controlled };
    let opening = Opening { call: CallId(1), id, role, contents: vec![content], addresses: vec![address] };
    let transport = Str0m::with_dtls(dtls).expect("there is chance").maker()(now, opening);
    End { transport, address, connected: false, interrupted: false, failed: None, received: Vec::new() }
}

impl Pair {
    fn new(dtls: Dtls) -> Self {
        let now = Instant::now();
        Self { now, start: now, ends: [end(now, 0, dtls), end(now, 1, dtls)], datagrams: 0 }
    }

    /// Tells each of the other; `fingerprint` may change what the first expects of the second.
    fn introduce(&mut self, announced: bool, fingerprint: impl Fn(&mut Vec<u8>)) {
        for (one, other) in [(1, 0), (0, 1)] {
            let local = self.ends[other].transport.local();
            let mut expected = local.fingerprint;
            if one == 0 {
                fingerprint(&mut expected);
            }
            let dtls = if one == 1 { DtlsRole::Client } else { DtlsRole::Server };
            let remote = RemoteTransport { ufrag: local.ufrag, pwd: local.pwd, fingerprint: expected, dtls };
            let ssrcs = if announced { vec![SSRCS[other]] } else { Vec::new() };
            let agreed = Agreed { content: "audio".to_owned(), send: Some(opus::payload_type()), receive: true, ssrcs };
            let now = self.now;
            let transport = &mut self.ends[one].transport;
            local.candidates.iter().for_each(|candidate| transport.candidate(now, candidate));
            transport.remote(now, &remote);
            transport.agreed(&agreed);
        }
    }

    /// Carries datagrams and lets time pass until `done` or the limit.
    fn run(&mut self, limit: Duration, done: impl Fn(&[End; 2]) -> bool) {
        let until = self.now + limit;
        while !done(&self.ends) {
            if self.carry() {
                continue;
            }
            let next = self.ends.iter().filter_map(|end| end.transport.poll_timeout()).min();
            let Some(next) = next.filter(|next| *next <= until) else { return };
            self.now = self.now.max(next);
            for end in &mut self.ends {
                if end.transport.poll_timeout().is_some_and(|at| at <= self.now) {
                    end.transport.handle_timeout(self.now);
                }
            }
        }
    }

    fn carry(&mut self) -> bool {
        let mut carried = false;
        for index in 0..2 {
            while let Some(output) = self.ends[index].transport.poll_output() {
                match output {
                    TransportOutput::Datagram { from, to, bytes } => {
                        carried = true;
                        self.datagrams += 1;
                        let peer = &mut self.ends[1 - index];
                        if peer.address == to && peer.transport.accepts(self.now, to, from, &bytes) {
                            peer.transport.datagram(self.now, to, from, &bytes);
                        }
                    }
                    TransportOutput::Rtp { received, .. } => self.ends[index].received.push(received.packet),
                    TransportOutput::Connected => {
                        (self.ends[index].connected, self.ends[index].interrupted) = (true, false);
                    }
                    TransportOutput::Interrupted => self.ends[index].interrupted = true,
                    TransportOutput::Failed(why) => self.ends[index].failed = Some(why),
                }
            }
        }
        carried
    }

    fn connected(dtls: Dtls, announced: bool) -> Self {
        let mut pair = Self::new(dtls);
        pair.introduce(announced, |_| ());
        pair.run(Duration::from_secs(5), |ends| ends.iter().all(|end| end.connected));
        assert!(pair.ends.iter().all(|end| end.connected));
        pair
    }
}

fn packet(number: u32) -> RtpPacket {
    RtpPacket { timestamp: number * 960, marker: number == 1, payload: Arc::from(&b"sound"[..]) }
}

#[test]
fn a_content_added_later_flows_beside_the_first() {
    let mut pair = Pair::connected(Dtls::Auto, true);
    for (number, end) in pair.ends.iter_mut().enumerate() {
        let content = OpenContent {
            name: "second".to_owned(),
            media: Media::Audio,
            ssrc: SSRCS[number] + 1,
            transport: TransportId { session: SessionId(number as u64), index: 0 },
            payload_types: vec![opus::payload_type()],
        };
        end.transport.add(&content);
        let send = Some(opus::payload_type());
        let ssrcs = vec![SSRCS[1 - number] + 1];
        end.transport.agreed(&Agreed { content: "second".to_owned(), send, receive: true, ssrcs });
    }
    pair.ends[0].transport.send(pair.now, "audio", &packet(1));
    pair.ends[0].transport.send(pair.now, "second", &packet(2));
    pair.run(Duration::from_secs(1), |ends| ends[1].received.len() == 2);
    assert_eq!(pair.ends[1].received, [packet(1), packet(2)]);
}

#[test]
fn before_it_is_told_whom_to_connect_to_nothing_is_sent() {
    let mut pair = Pair::new(Dtls::Auto);
    pair.run(Duration::from_secs(60), |_| false);
    assert_eq!(pair.datagrams, 0);
}

#[test]
fn packets_arrive_as_they_were_sent_with_either_dtls_whether_their_source_was_announced_or_not() {
    for (dtls, announced) in [(Dtls::Auto, true), (Dtls::Auto, false), (Dtls::V12, true), (Dtls::V12, false)] {
        let mut pair = Pair::connected(dtls, announced);
        assert!(pair.now - pair.start < Duration::from_millis(200), "no fixed timer: {:?}", pair.now - pair.start);
        let sent: Vec<RtpPacket> = (1..=10).map(packet).collect();
        for packet in &sent {
            for index in 0..2 {
                pair.ends[index].transport.send(pair.now, "audio", packet);
            }
            pair.run(Duration::from_millis(20), |_| false);
        }
        for end in &pair.ends {
            assert_eq!(end.received, sent, "{dtls:?}, announced: {announced}");
        }
    }
}

#[test]
fn a_peer_with_another_certificate_than_promised_is_never_connected_to() {
    for dtls in [Dtls::Auto, Dtls::V12] {
        let mut pair = Pair::new(dtls);
        pair.introduce(true, |fingerprint| fingerprint[0] ^= 1);
        pair.run(Duration::from_secs(60), |ends| ends[0].failed.is_some());
        assert!(!pair.ends[0].connected, "{dtls:?}");
        pair.ends[1].transport.send(pair.now, "audio", &packet(1));
        pair.run(Duration::from_secs(1), |_| false);
        assert!(pair.ends[0].received.is_empty());
    }
}

#[test]
fn a_peer_that_does_not_answer_any_more_is_given_up_after_thirty_seconds() {
    let mut pair = Pair::connected(Dtls::Auto, true);
    pair.ends[1].address.set_port(1); // Whatever is sent to it is lost.
    let connected = pair.now;
    pair.run(Duration::from_secs(120), |ends| ends[0].failed.is_some());
    assert!(pair.ends[0].failed.as_deref().is_some_and(|why| why.contains("no answer from the peer")));
    let took = pair.now - connected;
    assert!(took <= Duration::from_secs(30), "{took:?}");
}

#[test]
fn a_peer_that_is_not_heard_for_five_seconds_is_interrupted_and_well_again_when_it_is() {
    let mut pair = Pair::connected(Dtls::Auto, true);
    pair.run(Duration::from_secs(60), |ends| ends.iter().any(|end| end.interrupted));
    assert!(pair.ends.iter().all(|end| !end.interrupted), "silence of both is no interruption: checks are answered");
    pair.ends[1].address.set_port(1); // Whatever is sent to it is lost.
    let cut = pair.now;
    pair.run(Duration::from_secs(20), |ends| ends[0].interrupted);
    let took = pair.now - cut;
    assert!(pair.ends[0].interrupted && took <= Duration::from_secs(5), "{took:?}");
    pair.ends[1].address.set_port(5_000);
    pair.run(Duration::from_secs(10), |ends| !ends[0].interrupted);
    assert!(!pair.ends[0].interrupted);
}
