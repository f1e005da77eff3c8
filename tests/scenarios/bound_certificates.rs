//! Certificates that are tied to devices by an encryption of the client's, in Dino's form.

use std::sync::Arc;

use jid::BareJid;
use muji_core::config::Config;
use muji_core::{Event, FingerprintVerifier, Opened, Verification, Warning};
use muji_harness::person::usual;
use muji_harness::world::{PersonId, World};
use muji_media::transport::str0m::{Dtls, Str0m};
use muji_xep::Element;

use crate::{SECOND, count};

/// An encryption as the interface wants one: a device can read what is for it, and knows whose device has written it.
#[derive(Debug)]
struct Envelopes {
    device: u32,
    /// Whose device is which.
    known: Vec<(u32, BareJid)>,
}

const ENVELOPE: &str = "urn:example:envelope";

impl Envelopes {
    fn is_of(&self, device: u32, who: &BareJid) -> bool {
        self.known.iter().any(|(known, owner)| *known == device && owner == who)
    }
}

impl FingerprintVerifier for Envelopes {
    fn device(&self) -> u32 {
        self.device
    }

    fn seal(&self, to: &BareJid, device: u32, digits: &str) -> Option<String> {
        let own = self.device;
        let envelope = format!("<encrypted xmlns='{ENVELOPE}' from='{own}' to='{device}'>{digits}</encrypted>");
        self.is_of(device, to).then_some(envelope)
    }

    fn open(&self, from: &BareJid, payload: &str) -> Option<Opened> {
        let payload: Element = payload.parse().ok()?;
        let number = |name: &str| payload.attr(name).and_then(|number| number.parse::<u32>().ok());
        let device = number("from").filter(|device| self.is_of(*device, from))?;
        (number("to") == Some(self.device)).then(|| Opened { device, digits: payload.text() })
    }
}

/// Romeo has device 1, Juliet 2; each knows the other's if it is said so.
fn two(config: Config, knows: [bool; 2]) -> (World, [PersonId; 2]) {
    let mut world = World::new(1);
    let mut person = |name: &str| {
        let made = Str0m::with_dtls(Dtls::Auto).expect("the system has random numbers for a certificate").maker();
        world.configured(name, usual(), made, config.clone())
    };
    let both = [person("romeo"), person("juliet")];
    for (index, device) in [(0, 1), (1, 2)] {
        let other = (3 - device, world.jid(both[1 - index]).to_bare());
        let known = if knows[index] { vec![other] } else { Vec::new() };
        world.set_verifier(both[index], Arc::new(Envelopes { device, known }));
    }
    (world, both)
}

fn verified(world: &World, both: [PersonId; 2]) -> [Verification; 2] {
    both.map(|who| world.pairs(who)[0].verification)
}

fn meet(world: &mut World, both: [PersonId; 2]) {
    for who in both {
        world.join(who, "balcony");
        world.run_for(SECOND);
    }
    world.run_for(3 * SECOND);
}

fn unbound(event: &Event) -> bool {
    matches!(event, Event::CertificateUnbound(_))
}

fn plain(world: &World) -> usize {
    let shown = |stanza: &str| stanza.contains("urn:xmpp:jingle:apps:dtls:0");
    world.wire.iter().filter(|sent| shown(&String::from(&sent.stanza))).count()
}

#[test]
fn in_a_room_each_names_its_device_and_no_certificate_is_shown_but_to_it() {
    let (mut world, both) = two(Config { require_bound: true, ..Config::default() }, [true, true]);
    meet(&mut world, both);
    assert_eq!(world.deaf(&both), []);
    assert_eq!(verified(&world, both), [Verification::Bound; 2]);
    assert_eq!(plain(&world), 0);
}

#[test]
fn who_picks_up_names_its_device_and_answers_the_one_that_called() {
    let (mut world, [romeo, juliet]) = two(Config { require_bound: true, ..Config::default() }, [true, true]);
    world.befriend_all();
    world.ring(romeo, world.jid(juliet).to_bare());
    world.run_for(SECOND);
    world.pick_up(juliet);
    world.run_for(3 * SECOND);
    assert_eq!(verified(&world, [romeo, juliet]), [Verification::Bound; 2]);
    assert_eq!(plain(&world), 0);
}

/// K2: the servers put their own certificates into what they pass on.
#[test]
fn who_sits_between_two_finds_nothing_to_change() {
    let (mut world, both) = two(Config::default(), [true, true]);
    world.swaps_certificates = true;
    meet(&mut world, both);
    assert_eq!(world.deaf(&both), []);
    assert_eq!(verified(&world, both), [Verification::Bound; 2]);
}

#[test]
fn who_cannot_encrypt_for_the_other_shows_it_plainly_and_both_are_told() {
    let (mut world, [romeo, juliet]) = two(Config::default(), [true, false]);
    meet(&mut world, [romeo, juliet]);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    assert_eq!(verified(&world, [romeo, juliet])[0], Verification::Downgraded);
    assert_eq!(count(&world, romeo, unbound), 1);
    let warned = |event: &Event| matches!(event, Event::Warning(Warning::FingerprintNotSealed { .. }));
    assert!(count(&world, juliet, warned) > 0);
}

#[test]
fn who_wants_nothing_less_does_not_talk_with_a_plain_certificate() {
    let (mut world, [romeo, juliet]) = two(Config { require_bound: true, ..Config::default() }, [true, false]);
    meet(&mut world, [romeo, juliet]);
    assert!(!world.hears(romeo, juliet) && !world.hears(juliet, romeo));
    let failed = |event: &Event| matches!(event, Event::PeerFailed(_, why) if why.to_string().contains("not tied"));
    assert!(count(&world, romeo, failed) > 0, "{:?}", world.events(romeo));
}
