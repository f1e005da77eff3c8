//! Membership as a value: what follows from what the room says of us.

use std::time::Duration;

use super::*;
use crate::error::Removal;

#[expect(clippy::disallowed_methods, reason = "tests begin with a look at the clock")]
fn start() -> Instant {
    Instant::now()
}

fn member(now: Instant, how: Join) -> Membership {
    configured(now, how, &Config::default())
}

fn configured(now: Instant, how: Join, config: &Config) -> Membership {
    Membership::new(now, "verona@rooms.example/romeo".parse().expect("a JID"), how, config)
}

#[test]
fn a_random_nick_that_is_taken_is_changed_and_a_chosen_one_is_not() {
    let mut ids = Ids::new([7; 32]);
    let mut random = member(start(), Join::call_room());
    for _ in 1..config::MAX_NICKS {
        let before = random.nick().to_owned();
        assert_eq!(random.entry_refused(&mut ids, RoomFault::NickInUse), Outcome::EnterUnderAnotherNick);
        assert_ne!(random.nick(), before);
    }
    assert_eq!(random.entry_refused(&mut ids, RoomFault::NickInUse), Outcome::Failed(RoomFault::NickInUse));
    let mut chosen = member(start(), Join::call_room().nick("romeo"));
    assert_eq!(chosen.entry_refused(&mut ids, RoomFault::NickInUse), Outcome::Failed(RoomFault::NickInUse));
    assert!(chosen.is_outside(), "there is nothing to leave");
}

#[test]
fn a_configured_nick_that_is_taken_gets_something_added() {
    let mut ids = Ids::new([7; 32]);
    let config = Config { nick: Some("romeo".to_owned()), ..Config::default() };
    let mut romeo = configured(start(), Join::call_room(), &config);
    for nick in ["romeo (call)", "romeo (call 2)"] {
        assert_eq!(romeo.entry_refused(&mut ids, RoomFault::NickInUse), Outcome::EnterUnderAnotherNick);
        assert_eq!(romeo.nick(), nick);
    }
    assert_eq!(romeo.entry_refused(&mut ids, RoomFault::NickInUse), Outcome::Failed(RoomFault::NickInUse));
    let mut chosen = configured(start(), Join::call_room().nick("romeo"), &config);
    assert_eq!(chosen.entry_refused(&mut ids, RoomFault::NickInUse), Outcome::Failed(RoomFault::NickInUse));
}

#[test]
fn who_comes_back_may_try_nicks_each_time() {
    let mut ids = Ids::new([7; 32]);
    let config = Config { nick: Some("romeo".to_owned()), ..Config::default() };
    let mut romeo = configured(start(), Join::call_room(), &config);
    for _ in 0..3 * config::MAX_NICKS {
        assert_eq!(romeo.entry_refused(&mut ids, RoomFault::NickInUse), Outcome::EnterUnderAnotherNick);
        romeo.comes_back(start(), &mut ids, true);
    }
}

#[test]
fn a_configured_nick_that_leaves_no_room_for_more_is_replaced_by_a_random_one() {
    let (mut ids, long) = (Ids::new([7; 32]), "r".repeat(1_023));
    let config = Config { nick: Some(long.clone()), ..Config::default() };
    let room: BareJid = "verona@rooms.example".parse().expect("a JID");
    let occupant = occupant_jid(&room, &long).expect("it is as long as one may be");
    let mut romeo = Membership::new(start(), occupant, Join::call_room(), &config);
    assert_eq!(romeo.entry_refused(&mut ids, RoomFault::NickInUse), Outcome::EnterUnderAnotherNick);
    assert_eq!(romeo.nick().len(), 8);
}

#[test]
fn a_room_that_is_not_open_is_entered_again_later() {
    let now = start();
    let mut ids = Ids::new([7; 32]);
    let mut romeo = member(now, Join::call_room());
    for pause in config::LOCKED_ROOM_RETRY {
        let outcome = romeo.entry_refused(&mut ids, RoomFault::NotFound);
        assert_eq!(outcome, Outcome::RetryLater { leave: false });
        romeo.retry_later(now);
        assert_eq!(romeo.handle_timeout(now + pause - Duration::from_millis(1)), Outcome::Nothing);
        assert_eq!(romeo.handle_timeout(now + pause), Outcome::Enter);
        romeo.enter();
    }
    assert_eq!(romeo.entry_refused(&mut ids, RoomFault::NotFound), Outcome::Failed(RoomFault::NotFound));
}

#[test]
fn on_the_way_back_a_fault_that_may_pass_is_another_loss() {
    let now = start();
    let mut romeo = member(now, Join::call_room());
    assert_eq!(romeo.trouble(RoomFault::Full), Outcome::Failed(RoomFault::Full));
    assert_eq!(romeo.lost(now, &EndReason::Disconnected), Some((now + config::ROOM_LOSS, true)));
    assert_eq!(romeo.trouble(RoomFault::Full), Outcome::Lost(EndReason::Room(RoomFault::Full)));
    assert_eq!(romeo.trouble(RoomFault::MembersOnly), Outcome::Failed(RoomFault::MembersOnly));
    let later = now + Duration::from_secs(5);
    let full = EndReason::Room(RoomFault::Full);
    assert_eq!(romeo.lost(later, &full), Some((later + config::ROOM_LOSS, false)), "it is no news");
    assert_eq!(
        romeo.absence_is_over(now + config::ROOM_LOSS),
        Some(EndReason::Disconnected),
        "the first reason counts"
    );
}

#[test]
fn what_the_room_says_when_it_puts_us_out() {
    let removal = || Removal { by: Some("tybalt".to_owned()), reason: None };
    let lost = |fault| Outcome::Lost(EndReason::Room(fault));
    let cases = [
        (vec![code::SHUTDOWN], lost(RoomFault::Shutdown)),
        (vec![code::TECHNICAL, code::KICKED], lost(RoomFault::Lost)),
        (vec![code::BANNED, code::SHUTDOWN], Outcome::PutOut(RoomFault::Banned(removal()))),
        (vec![code::KICKED], Outcome::PutOut(RoomFault::Kicked(removal()))),
        (vec![code::AFFILIATION], Outcome::PutOut(RoomFault::NoMember)),
        (vec![code::MEMBERS_ONLY], Outcome::PutOut(RoomFault::NoMember)),
        (vec![], Outcome::PutOut(RoomFault::Removed)),
    ];
    for (codes, outcome) in cases {
        let user =
            MucUser { actor: Some("tybalt".to_owned()), codes: codes.into_iter().collect(), ..MucUser::default() };
        assert_eq!(member(start(), Join::call_room()).put_out(&user), outcome, "{:?}", user.codes);
    }
}

#[test]
fn after_we_have_left_the_room_only_confirms_it() {
    let now = start();
    let mut romeo = member(now, Join::call_room());
    romeo.leave(now, EndReason::Left);
    assert_eq!(romeo.put_out(&MucUser::default()), Outcome::Left(EndReason::Left));
    assert_eq!(romeo.lost(now, &EndReason::Disconnected), None);
    assert_eq!(romeo.handle_timeout(now + config::LEAVING), Outcome::Left(EndReason::Left), "it need not");
}

#[test]
fn after_a_resumed_stream_the_room_has_its_full_time_to_confirm_that_we_left() {
    let now = start();
    let mut romeo = member(now, Join::call_room());
    romeo.leave(now, EndReason::Left);
    let later = now + config::LEAVING / 2;
    romeo.resumed(later);
    assert_eq!(romeo.handle_timeout(later + config::LEAVING - Duration::from_millis(1)), Outcome::Nothing);
    assert_eq!(romeo.handle_timeout(later + config::LEAVING), Outcome::Left(EndReason::Left));
}
