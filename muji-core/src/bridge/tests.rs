use std::collections::BTreeSet;

use super::*;
use crate::peer::Peer;
use crate::warning::Warning;

const ROOM: CallId = CallId(1);

struct Told {
    bridge: Bridge,
    now: Instant,
}

/// A bridge with somebody in the room.
#[expect(clippy::disallowed_methods, reason = "tests begin with a look at the clock")]
fn bridge(policy: AdmissionPolicy) -> Told {
    let now = Instant::now();
    let mut told = Told { bridge: Bridge::new(now, ROOM, policy), now };
    told.event(ROOM, &Event::PeerConnected(peer("juliet"), muji_jingle::SessionId(1)));
    told.outputs();
    told
}

fn peer(name: &str) -> Peer {
    Peer { nick: name.to_owned(), jid: format!("{name}@x.example/phone").parse().expect("a JID") }
}

fn jid(name: &str) -> BareJid {
    peer(name).jid.to_bare()
}

fn with_pin() -> AdmissionPolicy {
    AdmissionPolicy { pin: Pin::new("693021"), ..AdmissionPolicy::default() }
}

impl Told {
    fn event(&mut self, call: CallId, event: &Event) {
        self.bridge.handle_event(self.now, &EventScope::Call(call), event);
    }

    fn outputs(&mut self) -> Vec<BridgeOutput> {
        let others = self.all_outputs().into_iter();
        others.filter(|output| !matches!(output, BridgeOutput::Changed(_)) && informed(output).is_none()).collect()
    }

    fn all_outputs(&mut self) -> Vec<BridgeOutput> {
        std::iter::from_fn(|| self.bridge.poll_output()).collect()
    }

    /// What callers are told since, by their calls: names, and addresses if they are shown.
    fn informed(&mut self) -> Vec<(u64, Vec<(String, bool)>)> {
        self.all_outputs().iter().filter_map(informed).collect()
    }

    fn contact_calls(&mut self, call: u64, name: &str) {
        self.event(CallId(call), &Event::Ringing { from: peer(name).jid, media: vec![Media::Audio] });
    }

    fn connects(&mut self, call: u64, name: &str) {
        self.event(CallId(call), &Event::PeerConnected(peer(name), muji_jingle::SessionId(call)));
    }

    fn presses(&mut self, call: u64, name: &str, keys: &str) {
        for key in keys.chars() {
            self.event(CallId(call), &Event::PeerDigit(peer(name), Digit::of_key(key).expect("a key")));
        }
    }

    /// Who is joined, as it was said last.
    fn joined(&self) -> Vec<(u64, bool)> {
        let joined = self.bridge.joined.iter().filter(|(_, how)| **how != Audibility::Apart);
        joined.map(|(call, how)| (call.0, *how == Audibility::Heard)).collect()
    }

    /// Who hears tones alone.
    fn apart(&self) -> Vec<u64> {
        let apart = self.bridge.joined.iter().filter(|(_, how)| **how == Audibility::Apart);
        apart.map(|(call, _)| call.0).collect()
    }

    fn passes(&mut self, seconds: u64) -> Vec<BridgeOutput> {
        let until = self.now + Duration::from_secs(seconds);
        let mut outputs = Vec::new();
        while let Some(due) = self.bridge.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.bridge.handle_timeout(self.now);
            outputs.extend(self.outputs());
        }
        self.now = until;
        outputs
    }
}

/// What a caller is told of the others.
fn informed(output: &BridgeOutput) -> Option<(u64, Vec<(String, bool)>)> {
    let BridgeOutput::Command(call, Command::SetGuests(guests)) = output else { return None };
    let guests = guests.iter().map(|guest| (guest.name.clone(), guest.jid.is_some()));
    (*call != ROOM).then(|| (call.0, guests.collect()))
}

fn accept(call: u64) -> BridgeOutput {
    BridgeOutput::Command(CallId(call), Command::Accept(vec![Media::Audio]))
}

fn leave(call: u64) -> BridgeOutput {
    BridgeOutput::Command(CallId(call), Command::Leave)
}

#[test]
fn a_contact_is_accepted_and_joined_once_it_is_connected() {
    let mut told = bridge(AdmissionPolicy::default());
    told.contact_calls(2, "dan");
    assert_eq!(told.outputs()[0], accept(2));
    assert!(told.joined().is_empty());
    told.connects(2, "dan");
    assert_eq!(told.joined(), [(1, true), (2, true)]);
    let said = told.outputs();
    let guests = said.iter().find_map(|output| {
        if let BridgeOutput::Command(ROOM, Command::SetGuests(guests)) = output { Some(guests) } else { None }
    });
    let [guest] = &guests.expect("the room is told")[..] else { panic!("one guest") };
    assert_eq!((guest.name.as_str(), guest.status), ("dan", crate::guest::EndpointStatus::Connected));
    told.event(CallId(2), &Event::Ended(EndReason::Left));
    assert!(told.joined().is_empty());
    assert!(told.outputs().contains(&BridgeOutput::Command(ROOM, Command::SetGuests(Vec::new()))));
}

// Shows brg-adm-01.
#[test]
fn a_stranger_learns_nothing_and_one_on_the_list_is_let_in() {
    let admitted = BTreeSet::from([jid("dan")]);
    let mut told = bridge(AdmissionPolicy { admitted, ..AdmissionPolicy::default() });
    told.event(CallId(2), &Event::Stranger { from: peer("eve").jid, media: vec![Media::Audio] });
    assert_eq!(told.outputs(), []);
    told.bridge.handle_subscription(&jid("eve"));
    assert_eq!(told.outputs(), []);
    told.event(CallId(3), &Event::Stranger { from: peer("dan").jid, media: vec![Media::Audio] });
    assert_eq!(told.outputs()[0], accept(3));
    told.bridge.handle_subscription(&jid("dan"));
    assert_eq!(told.outputs(), [BridgeOutput::Approve(jid("dan"))]);
}

// Shows brg-adm-02.
#[test]
fn with_a_pin_a_caller_hears_tones_alone_until_it_is_entered() {
    let mut told = bridge(with_pin());
    told.contact_calls(2, "dan");
    assert_eq!(told.outputs()[0], accept(2));
    told.connects(2, "dan");
    told.outputs();
    assert_eq!(told.passes(12), vec![BridgeOutput::Prompt(CallId(2), Prompt::Waiting); 3]);
    assert_eq!((told.joined(), told.apart()), (Vec::new(), vec![2]), "it does not hear us either");
    told.presses(2, "dan", "12*693021#");
    assert!(told.outputs().contains(&BridgeOutput::Prompt(CallId(2), Prompt::Admitted)));
    assert_eq!(told.joined(), [(1, true), (2, true)]);
}

#[test]
fn three_wrong_pins_end_the_call_by_keys_and_by_chat_alike() {
    let mut told = bridge(with_pin());
    told.contact_calls(2, "dan");
    told.connects(2, "dan");
    told.presses(2, "dan", "111111#");
    told.bridge.handle_chat(told.now, &peer("dan").jid.into(), " 222222# ");
    let said = told.outputs();
    assert!(said.contains(&BridgeOutput::Reply(jid("dan"), "Wrong PIN. Tries left: 1.".to_owned())), "{said:?}");
    assert!(!said.contains(&leave(2)));
    told.presses(2, "dan", "333333#");
    assert!(told.outputs().contains(&leave(2)));
    assert!(told.joined().is_empty());
}

#[test]
fn a_pin_that_a_machine_guesses_is_not_taken_any_more() {
    let mut told = bridge(with_pin());
    let mut accepted = 0;
    for call in 2..20 {
        told.contact_calls(call, "mallory");
        if told.outputs().contains(&accept(call)) {
            accepted += 1;
            told.connects(call, "mallory");
            told.presses(call, "mallory", "111111#222222#333333#");
            told.event(CallId(call), &Event::Ended(EndReason::Left));
            told.outputs();
        }
        told.passes(20);
    }
    assert_eq!(accepted, 2, "six wrong ones, and no further call in that hour");
}

// Shows brg-adm-04.
#[test]
fn a_line_of_chat_enters_the_pin_and_only_of_one_who_calls() {
    let mut told = bridge(with_pin());
    told.contact_calls(2, "dan");
    told.connects(2, "dan");
    told.outputs();
    told.bridge.handle_chat(told.now, &peer("eve").jid.into(), "693021");
    assert_eq!(told.outputs(), []);
    told.bridge.handle_chat(told.now, &peer("dan").jid.into(), "693021");
    assert_eq!(told.joined(), [(1, true), (2, true)]);
    told.outputs();
    told.bridge.handle_chat(told.now, &peer("dan").jid.into(), "who");
    assert_eq!(told.outputs(), [BridgeOutput::Reply(jid("dan"), "In the room: 1. Callers: 1.".to_owned())]);
}

#[test]
fn who_waits_for_a_minute_without_the_pin_is_sent_away() {
    let mut told = bridge(with_pin());
    told.contact_calls(2, "dan");
    told.connects(2, "dan");
    assert!(!told.passes(59).contains(&leave(2)));
    assert!(told.passes(2).contains(&leave(2)));
}

#[test]
fn star_six_mutes_and_the_owner_has_the_last_word() {
    let mut told = bridge(AdmissionPolicy::default());
    told.contact_calls(2, "dan");
    told.connects(2, "dan");
    told.presses(2, "dan", "*6");
    assert_eq!(told.joined(), [(1, true), (2, false)]);
    told.presses(2, "dan", "5*6");
    assert_eq!(told.joined(), [(1, true), (2, true)]);
    assert!(told.bridge.mute(told.now, "c1", Audibility::Muted));
    told.presses(2, "dan", "*6*6");
    assert_eq!(told.joined(), [(1, true), (2, false)], "muted by the owner");
    assert!(told.bridge.mute(told.now, "c1", Audibility::Heard));
    assert_eq!(told.joined(), [(1, true), (2, true)]);
    assert!(!told.bridge.mute(told.now, "c9", Audibility::Muted) && !told.bridge.remove(told.now, "c9"));
    told.outputs();
    assert!(told.bridge.remove(told.now, "c1"));
    assert_eq!(told.outputs()[0], leave(2));
    assert_eq!(told.joined(), []);
}

#[test]
fn more_than_there_are_places_for_are_declined_and_strangers_among_them_too() {
    let mut told = bridge(AdmissionPolicy { max_callers: 2, ..AdmissionPolicy::default() });
    for call in 2..6 {
        told.contact_calls(call, &format!("dan{call}"));
    }
    let said = told.outputs();
    let decline = |call| BridgeOutput::Command(CallId(call), Command::Decline);
    assert!(said.contains(&accept(2)) && said.contains(&accept(3)));
    assert!(said.contains(&decline(4)) && said.contains(&decline(5)));
    assert_eq!(told.bridge.add_called(told.now, CallId(9), jid("zoe")), Err(CallId(9)));
}

#[test]
fn a_lobby_has_places_for_four() {
    let mut told = bridge(with_pin());
    for call in 2..7 {
        told.contact_calls(call, &format!("dan{call}"));
    }
    let accepted = (2..7).filter(|call| told.bridge.has(CallId(*call))).count();
    assert_eq!(accepted, MAX_LOBBY);
}

#[test]
fn people_whom_the_bridge_calls_take_no_place_in_the_lobby() {
    let mut told = bridge(with_pin());
    for (call, name) in (2..).zip(["eve", "fay", "gus", "zoe"]) {
        assert_eq!(told.bridge.add_called(told.now, CallId(call), jid(name)), Ok(()));
    }
    told.contact_calls(9, "dan");
    assert!(told.bridge.has(CallId(9)));
}

#[test]
fn a_line_that_nobody_understands_is_answered_once_as_it_may_be_a_program_that_answers_too() {
    let mut told = bridge(with_pin());
    told.contact_calls(2, "dan");
    told.connects(2, "dan");
    let mut replies = |lines: &[&str]| {
        lines.iter().for_each(|line| told.bridge.handle_chat(told.now, &peer("dan").jid.into(), line));
        told.outputs().into_iter().filter(|output| matches!(output, BridgeOutput::Reply(..))).count()
    };
    assert_eq!(replies(&["hello", "I am away", "hello"]), 1, "enter the PIN");
    assert_eq!(replies(&["693021"]), 1);
    assert_eq!(replies(&["hello", "I am away", "hello"]), 1, "what one can say");
    assert_eq!(replies(&["who", "mute"]), 2);
}

#[test]
fn callers_who_are_alone_hear_it_and_are_sent_away_in_the_end() {
    let mut told = bridge(AdmissionPolicy::default());
    told.contact_calls(2, "dan");
    told.connects(2, "dan");
    told.outputs();
    assert_eq!(told.passes(600), [], "somebody is there");
    told.event(ROOM, &Event::PeerLeft(peer("juliet")));
    let said = told.passes(299);
    assert_eq!(said, vec![BridgeOutput::Prompt(CallId(2), Prompt::Alone); 20]);
    assert!(told.passes(2).contains(&leave(2)));
}

#[test]
fn the_end_of_the_rooms_call_ends_those_of_all_callers() {
    let mut told = bridge(AdmissionPolicy::default());
    told.contact_calls(2, "dan");
    told.connects(2, "dan");
    told.contact_calls(3, "eve");
    told.outputs();
    told.event(ROOM, &Event::Ended(EndReason::Left));
    let said = told.outputs();
    assert!(said.contains(&leave(2)) && said.contains(&leave(3)));
}

// Shows brg-call-05.
#[test]
fn somebody_who_is_called_is_shown_as_ringing_and_joined_once_connected() {
    let mut told = bridge(AdmissionPolicy::default());
    told.bridge.add_called(told.now, CallId(2), jid("zoe")).expect("there is a place");
    let guests: Vec<&'static str> = told.bridge.callers().map(|caller| caller.guest().status.as_str()).collect();
    assert_eq!(guests, ["alerting"]);
    told.connects(2, "zoe");
    assert_eq!(told.joined(), [(1, true), (2, true)]);
}

#[test]
fn who_calls_with_a_camera_sees_who_speaks_and_the_room_is_sent_video_as_long_as_it_is_in() {
    let mut told = bridge(AdmissionPolicy::default());
    let of_room = |command| BridgeOutput::Command(ROOM, command);
    told.event(CallId(2), &Event::Ringing { from: peer("dan").jid, media: vec![Media::Audio, Media::Video] });
    let both = Command::Accept(vec![Media::Audio, Media::Video]);
    assert_eq!(told.outputs()[0], BridgeOutput::Command(CallId(2), both));
    told.contact_calls(3, "eve");
    told.connects(3, "eve");
    assert!(!told.outputs().contains(&of_room(Command::Add(Media::Video))), "nobody with a camera is in");
    told.connects(2, "dan");
    assert!(told.outputs().contains(&of_room(Command::Add(Media::Video))));
    told.event(CallId(2), &Event::Ended(EndReason::Left));
    assert!(told.outputs().contains(&of_room(Command::Remove(Media::Video))));
}

#[test]
fn who_adds_its_camera_later_is_sent_video_too() {
    let mut told = bridge(AdmissionPolicy::default());
    told.contact_calls(2, "dan");
    told.connects(2, "dan");
    told.outputs();
    let (peer, session) = (peer("dan"), muji_jingle::SessionId(2));
    let added = Event::PeerContentAdded { peer, session, content: "1".to_owned(), media: Media::Video };
    told.event(CallId(2), &added);
    let add = |call| BridgeOutput::Command(call, Command::Add(Media::Video));
    assert_eq!(told.outputs(), [add(CallId(2)), add(ROOM)]);
    told.event(CallId(2), &added);
    assert_eq!(told.outputs(), [], "once");
}

#[test]
fn callers_are_told_who_else_takes_part_and_the_rooms_people_by_nick() {
    let mut told = bridge(AdmissionPolicy::default());
    let named = |names: &[(&str, bool)]| names.iter().map(|(name, jid)| ((*name).to_owned(), *jid)).collect::<Vec<_>>();
    told.contact_calls(2, "dan");
    assert_eq!(told.informed(), [], "not before it takes part");
    told.connects(2, "dan");
    assert_eq!(told.informed(), [(2, named(&[("juliet", false)]))]);
    told.contact_calls(3, "eve");
    told.connects(3, "eve");
    told.event(ROOM, &Event::PeerLeft(peer("juliet")));
    assert_eq!(
        told.informed(),
        [
            (2, named(&[("eve", true), ("juliet", false)])), // She is on her way in,
            (2, named(&[("eve", true), ("juliet", false)])), // and there.
            (3, named(&[("dan", true), ("juliet", false)])),
            (2, named(&[("eve", true)])),
            (3, named(&[("dan", true)])),
        ]
    );
    told.event(CallId(3), &Event::Ended(EndReason::Left));
    assert_eq!(told.informed(), [(2, Vec::new())]);
}

#[test]
fn in_a_room_that_hides_addresses_callers_are_guests_for_all_but_the_owner() {
    let mut told = bridge(with_pin());
    told.contact_calls(2, "dan");
    told.connects(2, "dan");
    told.presses(2, "dan", "693021#");
    told.contact_calls(3, "eve");
    told.connects(3, "eve");
    told.informed();
    told.event(ROOM, &Event::Warning(Warning::RoomHidesJids));
    let said = told.all_outputs();
    let of_room = said.iter().find_map(|output| {
        if let BridgeOutput::Command(ROOM, Command::SetGuests(guests)) = output { Some(guests) } else { None }
    });
    let of_room: Vec<_> =
        of_room.into_iter().flatten().map(|guest| (guest.name.as_str(), guest.jid.is_some())).collect();
    assert_eq!(of_room, [("Guest 1", false), ("Guest 2", false)]);
    let informed: Vec<_> = said.iter().filter_map(informed).collect();
    assert_eq!(informed, [(2, vec![("Guest 2".to_owned(), false), ("juliet".to_owned(), false)])]);
    assert_eq!(told.bridge.callers().map(|caller| caller.jid.clone()).collect::<Vec<_>>(), [jid("dan"), jid("eve")]);
    told.bridge.handle_chat(told.now, &peer("eve").jid.into(), "693021");
    let reply = BridgeOutput::Reply(jid("eve"), "You are in the call; the others see you as Guest 2.".to_owned());
    assert!(told.outputs().contains(&reply));
    told.event(ROOM, &Event::Joined { contents: Vec::new() });
    assert!(told.informed().contains(&(2, vec![("eve".to_owned(), true), ("juliet".to_owned(), false)])));
}

fn mark(id: &str, behind: &[&str]) -> BridgeMark {
    BridgeMark { id: id.to_owned(), behind: behind.iter().map(|id| (*id).to_owned()).collect() }
}

/// A bridge, called by a contact that is a conference; what it says of bridges then.
fn met_by(before: impl FnOnce(&mut Told), bridge_of_caller: Option<BridgeMark>) -> (Told, Vec<BridgeOutput>) {
    let mut told = bridge(AdmissionPolicy::default());
    told.bridge.name_among_bridges(|| "m".to_owned());
    before(&mut told);
    told.contact_calls(9, "abbot");
    told.outputs();
    told.event(CallId(9), &Event::PeerFocus(peer("abbot"), bridge_of_caller));
    let about_bridges =
        |output: &BridgeOutput| matches!(output, BridgeOutput::Command(_, Command::SetBridge(_) | Command::Refuse(_)));
    let said = told.outputs().into_iter().filter(about_bridges).collect();
    (told, said)
}

fn refuse(call: u64, why: BridgeConflict) -> BridgeOutput {
    BridgeOutput::Command(CallId(call), Command::Refuse(why))
}

#[test]
fn a_bridge_names_itself_to_the_room_and_to_callers_with_those_behind_it() {
    let (mut told, said) = met_by(|_| (), Some(mark("a", &[])));
    assert_eq!(said, [BridgeOutput::Command(ROOM, Command::SetBridge(mark("m", &["a"])))]);
    told.contact_calls(10, "dan");
    let of_dan = BridgeOutput::Command(CallId(10), Command::SetBridge(mark("m", &["a"])));
    assert!(told.outputs().contains(&of_dan));
    let abbot = told.bridge.callers().next().map(|caller| (caller.is_focus, caller.bridge.clone()));
    assert_eq!(abbot, Some((true, Some(mark("a", &[])))));
    told.event(CallId(9), &Event::Ended(EndReason::HungUp));
    let said = told.outputs();
    assert!(said.contains(&BridgeOutput::Command(ROOM, Command::SetBridge(mark("m", &[])))), "{said:?}");
    assert!(said.contains(&BridgeOutput::Command(CallId(10), Command::SetBridge(mark("m", &[])))), "{said:?}");
}

// Shows brg-loop-02.
#[test]
fn a_bridge_behind_which_we_are_or_others_is_refused_and_the_owner_learns_why() {
    let (mut told, said) = met_by(|_| (), Some(mark("a", &["b", "m"])));
    assert_eq!(said, [refuse(9, BridgeConflict::Ring)]);
    told.event(CallId(9), &Event::Ended(EndReason::Conflict(BridgeConflict::Ring)));
    let over = told
        .all_outputs()
        .into_iter()
        .find_map(|output| if let BridgeOutput::Changed(caller) = output { caller.over } else { None });
    assert_eq!(over, Some(EndReason::Conflict(BridgeConflict::Ring)));
    assert_eq!(met_by(|_| (), Some(mark("m", &[]))).1, [refuse(9, BridgeConflict::Ring)]);
    assert_eq!(met_by(|_| (), Some(mark("a", &["b"]))).1, [refuse(9, BridgeConflict::Chain)]);
    let joined = |told: &mut Told| {
        told.contact_calls(2, "prior");
        told.event(CallId(2), &Event::PeerFocus(peer("prior"), Some(mark("p", &[]))));
    };
    assert_eq!(met_by(joined, Some(mark("a", &[]))).1, [refuse(9, BridgeConflict::Chain)]);
}

#[test]
fn a_bridge_whose_room_is_joined_by_another_one_takes_no_bridge() {
    let another = |behind: &'static [&str]| {
        move |told: &mut Told| told.event(ROOM, &Event::PeerBridge(peer("juliet"), Some(mark("z", behind))))
    };
    assert_eq!(met_by(another(&["b"]), Some(mark("a", &[]))).1, [refuse(9, BridgeConflict::Chain)]);
    assert!(!met_by(another(&[]), Some(mark("a", &[]))).1.contains(&refuse(9, BridgeConflict::Chain)));
    assert_eq!(met_by(another(&[]), Some(mark("z", &[]))).1, [refuse(9, BridgeConflict::InRoom)]);
    let gone = |told: &mut Told| {
        another(&["b"])(told);
        told.event(ROOM, &Event::PeerLeft(peer("juliet")));
    };
    assert!(!met_by(gone, Some(mark("a", &[]))).1.contains(&refuse(9, BridgeConflict::Chain)));
}

#[test]
fn of_two_calls_that_make_a_ring_at_once_the_bridge_with_the_higher_id_ends_its_own() {
    for (other, ends) in [("a", true), ("z", false)] {
        let (mut told, _) = met_by(|_| (), Some(mark("b", &[])));
        told.event(ROOM, &Event::PeerBridge(peer("juliet"), Some(mark(other, &["c"]))));
        assert_eq!(told.outputs().contains(&refuse(9, BridgeConflict::Ring)), ends, "{other}");
        let again = told.outputs();
        told.event(ROOM, &Event::PeerBridge(peer("juliet"), Some(mark(other, &["c", "d"]))));
        assert!(again.is_empty() && !told.outputs().contains(&refuse(9, BridgeConflict::Ring)), "it is said once");
    }
}

// Shows brg-loop-03.
#[test]
fn of_foreign_mixers_one_takes_part_and_none_from_the_room() {
    let (told, said) = met_by(|_| (), None);
    assert_eq!(said, []);
    assert!(told.bridge.callers().all(|caller| caller.is_focus && caller.bridge.is_none()));
    let mixer = |told: &mut Told| {
        told.contact_calls(2, "prior");
        told.event(CallId(2), &Event::PeerFocus(peer("prior"), None));
    };
    assert_eq!(met_by(mixer, None).1, [refuse(9, BridgeConflict::SecondFocus)]);
    assert_eq!(met_by(mixer, Some(mark("a", &[]))).1, [refuse(9, BridgeConflict::SecondFocus)]);
    let left = |told: &mut Told| {
        mixer(told);
        told.event(CallId(2), &Event::Ended(EndReason::HungUp));
    };
    assert_eq!(met_by(left, None).1, []);
    let in_room = |told: &mut Told| told.event(ROOM, &Event::PeerConnected(peer("abbot"), muji_jingle::SessionId(7)));
    assert_eq!(met_by(in_room, None).1, [refuse(9, BridgeConflict::InRoom)]);
}

#[test]
fn a_room_that_takes_no_video_is_not_asked_again_and_again() {
    let mut told = bridge(AdmissionPolicy::default());
    let calls = |told: &mut Told, call| {
        told.event(CallId(call), &Event::Ringing { from: peer("dan").jid, media: vec![Media::Audio, Media::Video] });
        told.connects(call, "dan");
        let asked = BridgeOutput::Command(ROOM, Command::Add(Media::Video));
        told.outputs().into_iter().filter(|output| *output == asked).count()
    };
    assert_eq!(calls(&mut told, 2), 1);
    let why = crate::error::AddFailure::Room(crate::error::RoomFault::NoCommonCodec);
    told.event(ROOM, &Event::NotAdded { media: Media::Video, why });
    assert_eq!(told.outputs(), []);
    told.event(CallId(2), &Event::Ended(EndReason::Left));
    assert_eq!(calls(&mut told, 3), 1, "with the next camera");
}

#[test]
fn a_caller_who_turns_its_camera_off_is_not_shown_as_muted() {
    let mut told = bridge(AdmissionPolicy::default());
    told.contact_calls(2, "dan");
    told.connects(2, "dan");
    let muted = |told: &mut Told, content: Option<(String, Media)>| {
        told.event(CallId(2), &Event::PeerMuted(peer("dan"), content));
        told.bridge.callers().all(Caller::is_muted)
    };
    // Names of contents say nothing: those of libwebrtc are numbers.
    assert!(!muted(&mut told, Some(("1".to_owned(), Media::Video))));
    assert!(muted(&mut told, Some(("0".to_owned(), Media::Audio))));
}

// Shows brg-fail-01.
#[test]
fn nobody_is_let_in_or_called_when_the_rooms_call_is_over() {
    let mut told = bridge(AdmissionPolicy::default());
    told.event(ROOM, &Event::Ended(EndReason::Left));
    told.outputs();
    told.contact_calls(2, "dan");
    assert_eq!(told.outputs(), [BridgeOutput::Command(CallId(2), Command::Decline)]);
    assert_eq!(told.bridge.add_called(told.now, CallId(3), jid("eve")), Err(CallId(3)));
    assert_eq!(told.bridge.callers().count(), 0);
}

#[test]
fn who_is_banned_is_not_called_either_and_may_not_see_whether_the_account_is_there() {
    let mut told = bridge(with_pin());
    let banned = |told: &mut Told, banned| {
        told.event(ROOM, &Event::AffiliationChanged { who: jid("dan"), banned });
        told.bridge.handle_subscription(&jid("dan"));
        (
            told.bridge.add_called(told.now, CallId(2), jid("dan")),
            told.outputs().contains(&BridgeOutput::Approve(jid("dan"))),
        )
    };
    assert_eq!(banned(&mut told, true), (Err(CallId(2)), false));
    assert_eq!(banned(&mut told, false), (Ok(()), true));
}
