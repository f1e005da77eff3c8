//! People who know nothing of Muji are in a room's call, through somebody who is a bridge.

use std::collections::BTreeSet;
use std::time::Duration;

use muji_core::bridge::{AdmissionPolicy, BridgeMark, CallerState, MAX_CALLERS, Pin};
use muji_core::config::{Config, GUESTS_BYTES};
use muji_core::error::{BridgeConflict, EndReason};
use muji_core::media::Capabilities;
use muji_core::{EndpointStatus, Event, Guest, Media, PairState, ShownGuests};
use muji_harness::person::usual;
use muji_harness::room::Rules;
use muji_harness::world::{PersonId, SentStanza, World};
use muji_media::parts::codec::VideoEncoding;
use muji_media::transport::loopback;
use muji_xep::conference_info::ConferenceInfo;
use muji_xep::jingle::Jingle;
use muji_xep::muc::code;
use muji_xep::{Element, Skipped, ns};

use crate::{SECOND, over, people};

/// Juliet and Romeo in a room with the bridge, which has all others among its contacts.
pub(crate) struct Bridged {
    pub(crate) world: World,
    pub(crate) juliet: PersonId,
    pub(crate) phone: PersonId,
    pub(crate) nurse: PersonId,
    pub(crate) tybalt: PersonId,
}

pub(crate) fn bridged(policy: AdmissionPolicy) -> Bridged {
    let mut world = World::new(1);
    let [juliet, romeo] = people(&mut world, ["juliet", "romeo"]);
    let config = Config { max_direct_calls: MAX_CALLERS, discover_servers: false, ..Config::default() };
    let phone = world.configured("phone", usual(), loopback::maker(), config);
    for who in [juliet, romeo, phone] {
        world.join(who, "balcony");
        world.run_for(SECOND);
    }
    let [nurse, tybalt] = people(&mut world, ["nurse", "tybalt"]);
    world.befriend_all();
    world.bridge(phone, policy);
    Bridged { world, juliet, phone, nurse, tybalt }
}

impl Bridged {
    pub(crate) fn calls(&mut self, who: PersonId) {
        let phone = self.world.jid(self.phone).to_bare();
        self.world.ring(who, phone);
        self.world.run_for(3 * SECOND);
    }

    /// Who takes part through the bridge, as Juliet sees it.
    fn shown(&self) -> ShownGuests {
        let phone = self.world.jid(self.phone);
        let pair = self.world.pairs(self.juliet).into_iter().find(|pair| pair.peer.jid == phone);
        pair.map(|pair| pair.guests).unwrap_or_default()
    }

    pub(crate) fn guests(&self) -> Vec<(String, EndpointStatus, bool)> {
        let short = |guest: Guest| (guest.name, guest.status, guest.muted);
        self.shown().named.into_iter().map(short).collect()
    }

    /// What the bridge sent to somebody, by request: when, and what.
    fn requests(&self, to: PersonId) -> Vec<(Duration, &Element)> {
        let to = self.world.jid(to).to_string();
        let sent = self.world.wire.iter().filter(|sent| sent.from == self.phone && sent.stanza.attr("to") == Some(&to));
        let set = sent.filter(|SentStanza { stanza, .. }| stanza.name() == "iq" && stanza.attr("type") == Some("set"));
        set.flat_map(|SentStanza { at, stanza, .. }| stanza.children().map(|payload| (*at, payload))).collect()
    }

    /// The documents among them: when, which version, and the names in it.
    fn documents(&self, to: PersonId) -> Vec<(Duration, u32, Vec<String>)> {
        let about = |(at, payload): (Duration, &Element)| {
            let document = ConferenceInfo::find(std::slice::from_ref(payload))?;
            assert_eq!(document.attr("state"), Some("full"));
            let info = ConferenceInfo::read(document, &mut Skipped::default());
            assert_eq!(info.entity, Some(self.world.jid(self.phone).to_bare()));
            Some((at, info.version, info.users.into_iter().filter_map(|user| user.name).collect()))
        };
        self.requests(to).into_iter().filter_map(about).collect()
    }

    /// What the session of the bridge with somebody began with: its word, whether it says that it is a conference, and which bridge.
    fn beginnings(&self, to: PersonId) -> Vec<(String, bool, Option<BridgeMark>)> {
        let read = |(_, payload): (Duration, &Element)| Jingle::read(payload, &mut Skipped::default());
        let jingle = self.requests(to).into_iter().filter(|(_, payload)| Jingle::matches(payload)).filter_map(read);
        let begins = jingle.map(|jingle| (jingle.action.to_string(), jingle.is_focus, jingle.bridge));
        begins.filter(|(action, ..)| matches!(action.as_str(), "session-initiate" | "session-accept")).collect()
    }

    pub(crate) fn is_connected(&self, who: PersonId) -> bool {
        let pairs = self.world.pairs(who);
        matches!(&pairs[..], [pair] if matches!(pair.state, PairState::Connected | PairState::Flowing))
    }
}

pub(crate) fn connected(name: &str) -> (String, EndpointStatus, bool) {
    (name.to_owned(), EndpointStatus::Connected, false)
}

// Shows brg-show-02.
#[test]
fn a_contact_who_calls_is_in_the_rooms_call_and_shown_there() {
    let mut it = bridged(AdmissionPolicy::default());
    it.calls(it.nurse);
    assert!(it.is_connected(it.nurse) && it.world.hears(it.nurse, it.phone));
    assert_eq!(it.guests(), [connected("nurse")]);
    assert_eq!(it.world.joined_calls(it.phone), 2);
    it.calls(it.tybalt);
    assert_eq!(it.guests(), [connected("nurse"), connected("tybalt")]);
    assert_eq!(it.world.joined_calls(it.phone), 3);
    it.world.leave(it.nurse);
    it.world.run_for(SECOND);
    assert_eq!(it.guests(), [connected("tybalt")]);
    assert_eq!(it.world.joined_calls(it.phone), 2);
}

// Shows brg-call-03.
#[test]
fn who_knows_no_proposals_offers_a_session_and_is_let_in_all_the_same() {
    let mut it = bridged(AdmissionPolicy::default());
    let device = it.world.jid(it.phone);
    it.world.ring(it.nurse, device);
    it.world.run_for(3 * SECOND);
    assert!(it.is_connected(it.nurse));
    assert_eq!(it.guests(), [connected("nurse")]);
}

// Shows brg-adm-01.
#[test]
fn a_stranger_is_told_nothing_and_opens_nothing() {
    let mut it = bridged(AdmissionPolicy::default());
    let [eve] = people(&mut it.world, ["eve"]);
    it.calls(eve);
    let heard = it.world.events(eve);
    assert!(heard.iter().all(|event| !matches!(event, Event::DeviceRings(_) | Event::PickedUp(_))), "{heard:?}");
    assert_eq!((it.world.callers(it.phone).len(), it.world.sessions(eve)), (0, 0));
}

#[test]
fn with_a_pin_nobody_is_joined_before_it_is_entered_and_the_room_sees_who_waits() {
    let mut it = bridged(AdmissionPolicy { pin: Pin::new("493021"), ..AdmissionPolicy::default() });
    it.calls(it.nurse);
    assert!(matches!(it.world.callers(it.phone)[0].state, CallerState::Lobby { .. }));
    assert_eq!(
        (it.guests(), it.world.joined_calls(it.phone)),
        (vec![("nurse".to_owned(), EndpointStatus::DialingIn, false)], 0)
    );
    it.world.run_for(61 * SECOND);
    assert_eq!(over(&it.world, it.nurse), Some(&EndReason::HungUp), "the time is up");
    assert!(it.guests().is_empty() && it.world.callers(it.phone).is_empty());
    let admitted = BTreeSet::from([it.world.jid(it.nurse).to_bare()]);
    let mut it = bridged(AdmissionPolicy { admitted, pin: Pin::new("493021"), ..AdmissionPolicy::default() });
    it.calls(it.nurse);
    assert_eq!(it.guests(), [connected("nurse")], "on the list");
}

// Shows brg-fail-03.
#[test]
fn a_caller_who_vanishes_is_gone_from_the_room_and_the_others_stay() {
    let mut it = bridged(AdmissionPolicy::default());
    it.calls(it.nurse);
    it.calls(it.tybalt);
    it.world.lose_media(it.nurse);
    it.world.run_for(5 * SECOND);
    assert_eq!(it.guests(), [connected("tybalt")]);
    assert!(it.is_connected(it.tybalt));
}

// Shows brg-fail-01.
#[test]
fn a_bridge_that_is_put_out_of_the_room_ends_the_calls_of_its_callers() {
    let mut it = bridged(AdmissionPolicy::default());
    it.calls(it.nurse);
    it.calls(it.tybalt);
    it.world.put_out(it.phone, "balcony", &[307]);
    it.world.run_for(5 * SECOND);
    for caller in [it.nurse, it.tybalt] {
        assert_eq!(over(&it.world, caller), Some(&EndReason::HungUp));
    }
    assert!(it.world.callers(it.phone).is_empty());
}

#[test]
fn forty_who_call_at_once_are_let_in_as_far_as_there_are_places_and_the_room_goes_on() {
    let mut it = bridged(AdmissionPolicy { max_callers: 5, ..AdmissionPolicy::default() });
    let names: Vec<String> = (0..40).map(|number| format!("guest{number}")).collect();
    let crowd: Vec<PersonId> = names.iter().map(|name| it.world.person(name)).collect();
    it.world.befriend_all();
    let phone = it.world.jid(it.phone).to_bare();
    crowd.iter().for_each(|who| it.world.ring(*who, phone.clone()));
    it.world.run_for(10 * SECOND);
    assert_eq!(it.guests().len(), 5);
    let inside = crowd.iter().filter(|who| it.is_connected(**who)).count();
    assert_eq!(inside, 5);
    assert!(it.world.hears(it.juliet, it.phone), "the room hears the bridge");
}

#[test]
fn the_room_is_sent_pictures_as_long_as_somebody_with_a_camera_calls_and_gets_pictures_back() {
    let mut it = bridged(AdmissionPolicy::default());
    let phone = it.world.jid(it.phone);
    let sends_video = |it: &Bridged, who: PersonId| {
        let pairs = it.world.pairs(who);
        let pair = pairs.into_iter().find(|pair| pair.peer.jid == phone);
        pair.is_some_and(|pair| pair.contents.iter().any(|(_, media)| *media == Media::Video))
    };
    it.calls(it.tybalt);
    assert!(!sends_video(&it, it.juliet) && !sends_video(&it, it.tybalt));
    let bare = phone.to_bare();
    it.world.try_ring(it.nurse, bare, vec![Media::Audio, Media::Video]).expect("the Engine takes the wish");
    it.world.run_for(5 * SECOND);
    assert!(it.is_connected(it.nurse));
    assert!(sends_video(&it, it.juliet) && sends_video(&it, it.nurse) && !sends_video(&it, it.tybalt));
    it.world.leave(it.nurse);
    it.world.run_for(5 * SECOND);
    assert!(!sends_video(&it, it.juliet));
    assert!(it.world.hears(it.juliet, it.phone) && it.is_connected(it.tybalt), "sound goes on");
}

// Shows brg-vid-06.
#[test]
fn a_caller_with_h264_alone_has_sound_alone_and_its_call_goes_on() {
    let mut it = bridged(AdmissionPolicy::default());
    let video = vec![VideoEncoding::H264.payload_type()];
    let paris = it.world.client("paris", Capabilities { video, ..usual() }, loopback::maker());
    it.world.befriend_all();
    let phone = it.world.jid(it.phone).to_bare();
    it.world.try_ring(paris, phone, vec![Media::Audio, Media::Video]).expect("the Engine takes the wish");
    it.world.run_for(60 * SECOND);
    assert!(it.is_connected(paris));
    for (listener, speaker) in [(paris, it.phone), (it.phone, paris)] {
        assert_eq!(it.world.receives(listener, speaker), BTreeSet::from(["audio".to_owned()]));
    }
    assert_eq!(it.guests(), [connected("paris")]);
}

// Shows brg-show-04.
#[test]
fn callers_whose_clients_read_it_are_told_who_takes_part_at_most_once_a_second() {
    let mut it = bridged(AdmissionPolicy::default());
    it.world.answer_disco_with(it.nurse, "https://example.org/nurse", &[ns::COIN]);
    it.world.answer_disco(it.tybalt, "https://example.org/tybalt");
    it.calls(it.nurse);
    it.calls(it.tybalt);
    for _ in 0..3 {
        it.world.leave(it.tybalt);
        it.calls(it.tybalt);
    }
    let told = it.documents(it.nurse);
    let names = |(.., names): &(Duration, u32, Vec<String>)| names.clone();
    assert_eq!(told.first().map(names), Some(vec!["juliet".to_owned(), "romeo".to_owned()]));
    assert_eq!(told.last().map(names), Some(["tybalt", "juliet", "romeo"].map(str::to_owned).to_vec()));
    assert!(told.windows(2).all(|pair| pair[0].0 + SECOND <= pair[1].0 && pair[0].1 < pair[1].1), "{told:?}");
    assert_eq!(it.documents(it.tybalt), []);
    it.world.run_for(60 * SECOND);
    assert_eq!(it.documents(it.nurse), told, "nothing is said again, though nobody answered");
    assert!(it.is_connected(it.nurse) && it.is_connected(it.tybalt));
}

// Shows brg-show-06.
#[test]
fn in_a_room_that_hides_addresses_from_now_on_callers_are_shown_without_theirs() {
    let mut it = bridged(AdmissionPolicy::default());
    it.world.answer_disco_with(it.tybalt, "https://example.org/tybalt", &[ns::COIN]);
    it.calls(it.nurse);
    it.calls(it.tybalt);
    let room = it.world.room("balcony");
    it.world.service.rooms.set(&room, Rules { hides_jids: true, ..Rules::default() });
    it.world.with_rooms(|rooms| rooms.announce(&room, code::NOW_SEMI_ANONYMOUS));
    let before = it.world.wire.len();
    it.world.run_for(3 * SECOND);
    assert_eq!(it.guests(), [connected("Guest 1"), connected("Guest 2")]);
    let phone = it.phone;
    let said = it.world.wire[before..].iter().filter(|sent| sent.from == phone);
    let said: Vec<String> = said.map(|sent| String::from(&sent.stanza)).filter(|it| it.contains("<users")).collect();
    assert!(said.len() == 2 && said.iter().all(|it| !it.contains("nurse@")), "{said:?}");
    assert_eq!(it.documents(it.tybalt).last().map(|(.., names)| names[0].as_str()), Some("Guest 1"));
}

#[test]
fn what_a_bridge_answers_and_offers_says_that_it_is_a_conference_and_which_bridge() {
    let mut it = bridged(AdmissionPolicy::default());
    it.calls(it.nurse);
    it.world.dial_in(it.phone, it.tybalt);
    it.world.run_for(SECOND);
    it.world.pick_up(it.tybalt);
    it.world.run_for(3 * SECOND);
    assert_eq!(it.guests(), [connected("nurse"), connected("tybalt")]);
    let [(accept, true, Some(ours))] = &it.beginnings(it.nurse)[..] else { panic!("{:?}", it.beginnings(it.nurse)) };
    assert_eq!((accept.as_str(), ours.behind.len()), ("session-accept", 0));
    assert_eq!(it.beginnings(it.tybalt), [("session-initiate".to_owned(), true, Some(ours.clone()))]);
}

/// Rooms, each with somebody in it and bridges, who are each other's contacts.
fn rooms_with_bridges<const N: usize>(rooms: [(&str, &str); N]) -> (World, [PersonId; N]) {
    let mut world = World::new(1);
    let bridges = rooms.map(|(room, name)| {
        let people = [world.person(&format!("host-of-{name}")), world.person(name)];
        for who in people {
            world.join(who, room);
            world.run_for(SECOND);
        }
        people[1]
    });
    world.befriend_all();
    bridges.iter().for_each(|who| world.bridge(*who, AdmissionPolicy::default()));
    world.run_for(SECOND);
    (world, bridges)
}

fn conflicts(world: &World, who: PersonId) -> Vec<BridgeConflict> {
    let of = |over: &Option<EndReason>| if let Some(EndReason::Conflict(why)) = over { Some(*why) } else { None };
    world.gone_callers(who).iter().filter_map(|caller| of(&caller.over)).collect()
}

// Shows brg-loop-02.
#[test]
fn two_rooms_are_joined_once_and_a_second_way_that_would_make_a_ring_is_refused() {
    let (mut world, [a, b, c, d]) =
        rooms_with_bridges([("balcony", "a"), ("garden", "b"), ("balcony", "c"), ("garden", "d")]);
    world.dial_in(a, b);
    world.run_for(5 * SECOND);
    assert_eq!((world.joined_calls(a), world.joined_calls(b)), (2, 2), "one way");
    assert!(world.callers(a)[0].is_focus && world.callers(b)[0].bridge.is_some());
    world.dial_in(d, c);
    world.run_for(5 * SECOND);
    assert!(world.callers(c).is_empty() && world.callers(d).is_empty());
    assert_eq!((world.joined_calls(c), world.joined_calls(d)), (0, 0));
    assert_eq!([conflicts(&world, c), conflicts(&world, d)].concat(), [BridgeConflict::Chain]);
    assert_eq!((world.joined_calls(a), world.joined_calls(b)), (2, 2), "the first way stays");
}

#[test]
fn two_ways_between_two_rooms_that_begin_at_once_do_not_both_stay() {
    let (mut world, [a, b, c, d]) =
        rooms_with_bridges([("balcony", "a"), ("garden", "b"), ("balcony", "c"), ("garden", "d")]);
    world.dial_in(a, b);
    world.dial_in(d, c);
    world.run_for(10 * SECOND);
    let ways = [a, c].into_iter().filter(|who| !world.callers(*who).is_empty()).count();
    assert!(ways <= 1, "{:?}", [a, b, c, d].map(|who| world.callers(who).len()));
    assert!([a, b, c, d].iter().any(|who| conflicts(&world, *who) == [BridgeConflict::Ring]));
}

#[test]
fn two_bridges_that_call_each_other_at_once_have_one_call() {
    let (mut world, [a, b]) = rooms_with_bridges([("balcony", "a"), ("garden", "b")]);
    world.dial_in(a, b);
    world.dial_in(b, a);
    world.run_for(10 * SECOND);
    assert_eq!((world.callers(a).len(), world.callers(b).len()), (1, 1));
    assert_eq!((world.joined_calls(a), world.joined_calls(b)), (2, 2));
}

#[test]
fn rooms_are_not_joined_in_a_row_which_could_become_a_ring() {
    let (mut world, [a, b, c]) = rooms_with_bridges([("balcony", "a"), ("garden", "b"), ("orchard", "c")]);
    world.dial_in(a, b);
    world.run_for(5 * SECOND);
    world.dial_in(c, b);
    world.run_for(5 * SECOND);
    assert_eq!((world.callers(a).len(), world.callers(b).len(), world.callers(c).len()), (1, 1, 0));
    assert_eq!(conflicts(&world, b), [BridgeConflict::Chain]);
}

// Shows brg-show-01.
#[test]
fn of_callers_who_are_too_many_for_a_presence_the_room_is_told_short_names_and_how_many_more_there_are() {
    let mut it = bridged(AdmissionPolicy { max_callers: 18, ..AdmissionPolicy::default() });
    let names: Vec<String> = (0..18).map(|number| format!("{number}{}", "ラ".repeat(60))).collect();
    let callers: Vec<PersonId> = names.iter().map(|name| it.world.person(name)).collect();
    it.world.befriend_all();
    let phone = it.world.jid(it.phone).to_bare();
    for who in callers {
        it.world.ring(who, phone.clone());
        it.world.run_for(3 * SECOND);
    }
    assert_eq!(it.world.callers(it.phone).len(), 18);
    let shown = it.shown();
    assert_eq!(shown.named.len() + shown.more as usize, 18);
    assert!(shown.more > 0 && shown.named.iter().all(|guest| names.iter().any(|name| name.starts_with(&guest.name))));
    let said = it.world.wire.iter().filter(|sent| sent.from == it.phone && sent.stanza.name() == "presence");
    let documents = said.filter_map(|sent| sent.stanza.get_child("conference-info", ns::CONFERENCE_INFO));
    let documents: Vec<&Element> = documents.collect();
    let versions = documents.iter().map(|it| ConferenceInfo::read(it, &mut Skipped::default()).version);
    let versions: Vec<u32> = versions.collect();
    let sizes: Vec<usize> = documents.iter().map(|it| String::from(*it).len()).collect();
    assert!(sizes.iter().all(|size| *size <= GUESTS_BYTES), "{sizes:?}");
    assert!(versions.is_sorted() && versions.len() >= 18, "{versions:?}");
}
