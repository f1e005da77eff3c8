//! A four-way mesh over loopback, everything real, compared with the bare transport: the same twelve ends in the same process.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures::StreamExt;
use jid::BareJid;
use muji_core::Secret;
use muji_core::xmpp::{Account, Connection, Incoming, Server as At};
use muji_core::{ConnectionChange, Event, Join, Muji, Notice};
use muji_harness::room::Rules;
use muji_harness::server::Server;
use muji_media::backend::{Backend, Devices};
use str0m::ice::IceCreds;
use str0m::media::{MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event as RtcEvent, Input, Output, Rtc, RtcConfig};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

use crate::{Goals, sorted, spread};

/// Participants.
const N: usize = 4;
/// Paired rounds; one before them warms both up.
const ROUNDS: usize = 20;
/// Of the bare transport's time.
const GOAL: f64 = 1.5;
/// With more something is broken.
const LIMIT: Duration = Duration::from_secs(10);

pub(crate) fn measure(goals: &mut Goals) {
    println!("## A mesh of {N} over loopback: from \"join\" to the last DTLS handshake\n");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
    let mut rounds: Vec<(Duration, Duration)> = Vec::new();
    for round in 0..=ROUNDS {
        let ours = runtime.block_on(async { tokio::time::timeout(LIMIT, ours(round)).await });
        let bare = runtime.block_on(async { tokio::time::timeout(LIMIT, bare()).await });
        if let (Ok(ours), Ok(bare)) = (ours, bare) {
            rounds.push((ours, bare));
        }
    }
    if rounds.len() <= ROUNDS {
        goals.check(false, || "a round of the mesh did not come up".to_owned());
        return;
    }
    rounds.remove(0);
    let ratios = sorted(rounds.iter().map(|(ours, bare)| ours.as_secs_f64() / bare.as_secs_f64()));
    let ours = sorted(rounds.iter().map(|(ours, _)| ours.as_secs_f64() * 1_000.0));
    let bare = sorted(rounds.iter().map(|(_, bare)| bare.as_secs_f64() * 1_000.0));
    let met =
        goals.check(ratios[ROUNDS / 2] <= GOAL, || format!("the mesh takes more than {GOAL} of the bare transport"));
    println!(
        "{ROUNDS} paired rounds, medians [smallest, largest]. Ours: XMPP over TCP, rooms, Jingle, a media thread for each"
    );
    println!("participant. Bare: str0m alone, every end told of its peer beforehand, one thread.\n");
    println!("| ours | bare str0m | ratio | goal | met |");
    println!("|---|---|---|---|---|");
    println!("| {} ms | {} ms | {} | {GOAL} | {met} |\n", spread(&ours), spread(&bare), spread(&ratios));
}

// ---- ours ------------------------------------------------------------------------------------------------------------

struct Participant {
    client: Connection,
    muji: Muji,
}

async fn ours(round: usize) -> Duration {
    let server = Server::start("localhost", "secret", Rules::default()).await.expect("a free port");
    let room: BareJid = format!("round{round}@conference.localhost").parse().expect("a room's name");
    server.with_service(|service| service.rooms.set(&room, Rules::default()));
    let mut participants = Vec::new();
    for index in 0..N {
        participants.push(participant(&server, index).await);
    }
    let start = Instant::now();
    futures::future::join_all(participants.iter_mut().map(|participant| participant.call(&room))).await;
    start.elapsed()
}

async fn participant(server: &Server, index: usize) -> Participant {
    let jid = format!("guest{index}@localhost").parse().expect("a JID");
    let mut account = Account::new(jid, Secret::new("secret"));
    account.server = At::Plaintext(server.address());
    let mut client = Connection::open(account).await.expect("the login works");
    let Incoming::Bound(jid) = client.next().await else { panic!("nothing comes before the JID") };
    let devices = Devices { addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)], ..Devices::default() };
    let (media, _) = Backend::start(devices).expect("media works");
    let mut muji = Muji::new(media);
    muji.handle_connection(ConnectionChange::Bound { jid });
    Participant { client, muji }
}

impl Participant {
    /// Until every other is connected.
    async fn call(&mut self, room: &BareJid) {
        self.muji.join(room.clone(), Join::call_room()).expect("it is connected");
        let mut connected = 0;
        while connected < N - 1 {
            tokio::select! {
                incoming = self.client.next() => {
                    if let Incoming::Stanza(stanza) = incoming {
                        let _all_ours = self.muji.handle_element(&stanza);
                    }
                }
                Some(notice) = self.muji.next() => match notice {
                    Notice::Send(stanza) => self.client.send(stanza).await,
                    Notice::Event(_, Event::PeerConnected(..)) => connected += 1,
                    Notice::Event(..) => {}
                },
            }
        }
    }
}

// ---- bare ------------------------------------------------------------------------------------------------------------

struct End {
    rtc: Rtc,
    socket: UdpSocket,
    address: SocketAddr,
    credentials: IceCreds,
    due: Instant,
    connected: bool,
}

async fn bare() -> Duration {
    let mut sockets: VecDeque<UdpSocket> = VecDeque::new();
    for _ in 0..N * (N - 1) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        socket.writable().await.expect("a socket that can be written");
        sockets.push_back(socket);
    }
    let crypto = std::sync::Arc::new(str0m::crypto::from_feature_flags());
    let certificates: Vec<_> =
        (0..N).map(|_| crypto.dtls_provider.generate_certificate().expect("a certificate")).collect();
    let start = Instant::now();
    let mut ends: Vec<End> = Vec::new();
    for one in 0..N {
        for other in 0..one {
            let pair = [one, other].map(|who| {
                let credentials = IceCreds::new();
                let rtc = RtcConfig::new()
                    .set_crypto_provider(crypto.clone())
                    .set_dtls_cert(certificates[who].clone())
                    .set_local_ice_credentials(credentials.clone())
                    .set_rtp_mode(true)
                    .build(start);
                let socket = sockets.pop_front().expect("one for each end");
                let address = socket.local_addr().expect("it is bound");
                End { rtc, socket, address, credentials, due: start, connected: false }
            });
            ends.extend(introduced(pair, start));
        }
    }
    run(&mut ends).await;
    start.elapsed()
}

/// Both ends told of each other.
fn introduced([mut one, mut other]: [End; 2], now: Instant) -> [End; 2] {
    introduce(&mut one, &mut other, true);
    introduce(&mut other, &mut one, false);
    for end in [&mut one, &mut other] {
        for _ in 0..2 {
            end.rtc.handle_input(Input::Timeout(now)).expect("time is taken");
            end.drain();
        }
    }
    [one, other]
}

fn introduce(end: &mut End, peer: &mut End, controlling: bool) {
    let candidate = |address| Candidate::host(address, Protocol::Udp).expect("a usable address");
    end.rtc.add_local_candidate(candidate(end.address));
    end.rtc.add_remote_candidate(candidate(peer.address));
    let fingerprint = peer.rtc.direct_api().local_dtls_fingerprint().clone();
    let mut api = end.rtc.direct_api();
    api.set_ice_controlling(controlling);
    api.declare_media(Mid::from("a"), MediaKind::Audio);
    api.set_remote_fingerprint(fingerprint);
    api.set_remote_ice_credentials(peer.credentials.clone());
    api.start_dtls(controlling).expect("the handshake begins");
}

impl End {
    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().expect("the transport lives") {
                Output::Timeout(at) => {
                    self.due = at;
                    return;
                }
                Output::Transmit(transmit) => {
                    let _lost = self.socket.try_send_to(&transmit.contents, transmit.destination).is_err();
                }
                Output::Event(RtcEvent::Connected) => self.connected = true,
                Output::Event(_) => {}
            }
        }
    }
}

async fn run(ends: &mut [End]) {
    while ends.iter().any(|end| !end.connected) {
        let due = ends.iter().map(|end| end.due).min().expect("there are ends");
        let mut timer = Box::pin(tokio::time::sleep_until(due.into()));
        std::future::poll_fn(|cx| {
            let mut received = false;
            for end in ends.iter_mut() {
                let mut bytes = [0; 2_048];
                let mut buffer = ReadBuf::new(&mut bytes);
                while let Poll::Ready(Ok(from)) = end.socket.poll_recv_from(cx, &mut buffer) {
                    received = true;
                    let now = Instant::now();
                    if let Ok(datagram) = Receive::new(Protocol::Udp, from, end.address, buffer.filled()) {
                        end.rtc.handle_input(Input::Receive(now, datagram)).expect("the transport lives");
                    }
                    end.drain();
                    buffer.clear();
                }
            }
            if received { Poll::Ready(()) } else { timer.as_mut().poll(cx) }
        })
        .await;
        let now = Instant::now();
        for end in ends.iter_mut().filter(|end| end.due <= now) {
            end.rtc.handle_input(Input::Timeout(now)).expect("time is taken");
            end.drain();
        }
    }
}
