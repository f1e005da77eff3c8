//! A picture that a bridge passes on, from the packets of who sends it to each of its viewers, all in calls of their own; next to the same pictures sent as
//! our own are, and by bare str0m. All over loopback, there and received.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use muji_core::media::Audibility;
use muji_core::{CallId, Media};
use muji_harness::test_content::picture;
use muji_jingle::SessionId;
use muji_media::parts::codec::VideoEncoding;
use muji_media::parts::{Forwarded, PacketizedFrame, Peers, Speech, VideoForwarder};
use muji_media::transport::ReceivedRtp;

use crate::bare::FanBare;
use crate::fan_out::{Fan, cpu, encode};
use crate::{sorted, spread};

const VIEWERS: [usize; 3] = [1, 3, 7];
const ROUNDS: usize = 8;
/// Four seconds of pictures.
const PICTURES: usize = 120;
/// Pictures from one choice of who is seen to the next.
const CHOSEN: usize = 3;

pub(crate) fn measure() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
    let _sockets_know_it = runtime.enter();
    let sent = encode(&(0..PICTURES).map(picture).collect::<Vec<_>>());
    let packets: usize = sent.iter().map(|coded| coded.packets.len()).sum();
    println!(
        "Pictures that are passed on: {PICTURES}, {packets} packets; {ROUNDS} paired rounds; medians [smallest, largest].\n"
    );
    println!("| viewers | µs of a packet to one of them, passed on | sent as our own | ratio | bare str0m | ratio |");
    println!("|---|---|---|---|---|---|");
    for viewers in VIEWERS {
        let fan = || runtime.block_on(Fan::in_calls(viewers, |with| CallId(with as u64)));
        let (mut passing, mut own, mut bare) = (Passing::new(fan(), viewers), fan(), FanBare::connected(viewers));
        let mut work: [&mut dyn FnMut(); 3] =
            [&mut || passing.send(&sent), &mut || send_own(&mut own, viewers, &sent), &mut || bare.send(&sent)];
        let mut times = [const { Vec::new() }; 3];
        work.iter_mut().for_each(|work| work());
        for round in 0..ROUNDS {
            // Each is the first as often as the others.
            for turn in 0..3 {
                let which = (round + turn) % 3;
                let time: Duration = cpu(&mut *work[which]);
                times[which].push(time.as_secs_f64() * 1e6 / (packets * viewers) as f64);
            }
        }
        assert_eq!([passing.fan.received(), own.received()], [(1 + ROUNDS) * packets * viewers; 2], "nothing is lost");
        let [passed, own, bare] = &times;
        let ratio = |to: &[f64]| sorted(passed.iter().zip(to).map(|(passed, to)| passed / to));
        let (to_own, to_bare) = (ratio(own), ratio(bare));
        let [passed, own, bare] = [passed, own, bare].map(|times| spread(&sorted(times.iter().copied())));
        println!("| {viewers} | {passed} | {own} | {} | {bare} | {} |", spread(&to_own), spread(&to_bare));
    }
    println!();
}

fn publish(now: Instant, peers: &mut Peers, call: CallId, coded: &PacketizedFrame) {
    peers.publish_video(now, now, call, &Media::Video.to_string(), coded);
}

fn send_own(fan: &mut Fan, viewers: usize, pictures: &[PacketizedFrame]) {
    for coded in pictures {
        fan.picture(|now, peers| (1..=viewers).for_each(|call| publish(now, peers, CallId(call as u64), coded)));
    }
}

/// One who sends, in the call 0, and a viewer in each other call.
struct Passing {
    fan: Fan,
    forwarder: VideoForwarder,
    viewers: BTreeSet<CallId>,
    sequence: u64,
    pictures: usize,
}

impl Passing {
    fn new(fan: Fan, viewers: usize) -> Self {
        let mut forwarder = VideoForwarder::default();
        forwarder
            .set_calls(&(0..=viewers as u64).map(|call| (CallId(call), Audibility::Heard)).collect::<BTreeMap<_, _>>());
        let viewers = (1..=viewers as u64).map(CallId).collect();
        Self { fan, forwarder, viewers, sequence: 0, pictures: 0 }
    }

    fn send(&mut self, pictures: &[PacketizedFrame]) {
        let Self { fan, forwarder, viewers, sequence, pictures: count } = self;
        let id = (SessionId(0), "video".into());
        for coded in pictures {
            fan.picture(|now, peers| {
                for packet in &coded.packets {
                    *sequence += 1;
                    let (ssrc, payload_type, packet) = (1, 98, packet.clone());
                    let (sequence, arrived, captured, turns) = (*sequence, now, None, None);
                    let received = ReceivedRtp { ssrc, payload_type, sequence, arrived, captured, turns, packet };
                    if sequence == 1 {
                        // It is known before it is chosen, and nobody has missed a packet of the key frame.
                        forwarder.receive(now, CallId(0), &id, VideoEncoding::Vp8, &received);
                        forwarder.choose(now, viewers, |_| Speech::default());
                    }
                    for forwarded in forwarder.receive(now, CallId(0), &id, VideoEncoding::Vp8, &received) {
                        if let Forwarded::Frame(call, _, frame) = forwarded {
                            publish(now, peers, call, &frame);
                        }
                    }
                }
                *count += 1;
                if count.is_multiple_of(CHOSEN) {
                    forwarder.choose(now, viewers, |_| Speech::default());
                }
            });
        }
    }
}
