//! Four who talk over networks that lose, delay and jumble packets: all hear all, and how well is told.

use muji_core::Event;
use muji_harness::impairment::{Impairment, NETWORKS};
use muji_harness::world::{Delays, PersonId};
use muji_media::transport::str0m::Dtls;

use crate::{SECOND, count, with_str0m};

/// How long they talk once all hear all.
const TALK: u32 = 30;

/// What was heard of one by another meanwhile: frames played, and of those made up.
struct Heard {
    played: u64,
    made_up: u64,
}

fn call_over(kind: Impairment, dtls: Dtls) -> Vec<Heard> {
    let (mut world, people) = with_str0m(Delays::default(), dtls, ["romeo", "juliet", "mercutio", "nurse"]);
    world.impairment = Some(kind);
    for who in people {
        world.listen(who);
        world.join(who, "balcony");
    }
    let met = world.run_while(20 * SECOND, |world| !world.deaf(&people).is_empty());
    assert!(met.is_some(), "{}: {:?} do not hear each other", kind.name, world.deaf(&people));
    world.run_for(SECOND);
    let pairs: Vec<(PersonId, PersonId)> =
        people.iter().flat_map(|to| people.iter().map(|from| (*to, *from))).filter(|(to, from)| to != from).collect();
    let before: Vec<(u64, u64)> =
        pairs.iter().map(|(to, from)| world.sound(*to, *from)).map(|it| (it.played, it.concealed)).collect();
    world.run_for(TALK * SECOND);
    for who in people {
        let lost = count(&world, who, |event| matches!(event, Event::PeerInterrupted(_) | Event::PeerFailed(..)));
        assert_eq!(lost, 0, "{}: nobody is taken for gone", kind.name);
    }
    let after = pairs.iter().map(|(to, from)| world.sound(*to, *from));
    after
        .zip(before)
        .map(|(after, (played, made_up))| Heard { played: after.played - played, made_up: after.concealed - made_up })
        .collect()
}

#[test]
fn four_talk_over_every_kind_of_network_and_little_is_made_up() {
    // What may be made up of what is heard, in percent: about what is lost, for the packets here hold nothing of those before them.
    for (kind, most) in NETWORKS.into_iter().zip([7.0, 14.0, 6.0, 9.0, 13.0, 1.0, 5.0, 3.0]) {
        for dtls in [Dtls::Auto, Dtls::V12] {
            let heard = call_over(kind, dtls);
            let (played, made_up) = heard.iter().fold((0, 0), |(all, some), it| (all + it.played, some + it.made_up));
            let share = 100.0 * made_up as f64 / played as f64;
            let worst = heard.iter().map(|it| 100.0 * it.made_up as f64 / it.played as f64).fold(0.0, f64::max);
            println!("{:>14} {dtls:?}: {share:.1} % made up, {worst:.1} % of the worst pair", kind.name);
            assert!(share <= most, "{}, {dtls:?}: {share:.1} % are made up, {most} % may be", kind.name);
            let whole = u64::from(TALK) * 50 * heard.len() as u64;
            assert!(played >= whole * 97 / 100, "{}: {played} of {whole} frames were played", kind.name);
        }
    }
}
