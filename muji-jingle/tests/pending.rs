//! Requests wait for their results, but not for ever.
#![expect(clippy::disallowed_methods, reason = "tests begin with a look at the clock")]

use std::time::{Duration, Instant};

use muji_jingle::pending::{MAX_PENDING, PendingRequests};
use muji_jingle::timers;

#[test]
fn a_request_is_answered_once_and_expires_on_time() {
    let start = Instant::now();
    let mut answers = PendingRequests::default();
    answers.asked(start, "a", 1);
    answers.asked(start + Duration::from_secs(1), "b", 2);
    assert_eq!(answers.answered("a"), Some(1));
    assert_eq!(answers.answered("a"), None);
    assert!(answers.expired(start + timers::ANSWER).is_empty());
    assert_eq!(answers.poll_timeout(), Some(start + timers::ANSWER + Duration::from_secs(1)));
    assert_eq!(answers.expired(start + timers::ANSWER + Duration::from_secs(1)), [2]);
    assert_eq!(answers.poll_timeout(), None);
}

#[test]
fn one_request_too_many_is_not_remembered() {
    let start = Instant::now();
    let mut answers = PendingRequests::default();
    (0..=MAX_PENDING).for_each(|id| answers.asked(start, &id.to_string(), id));
    assert_eq!(answers.answered(&MAX_PENDING.to_string()), None);
    assert_eq!(answers.answered("0"), Some(0));
}

#[test]
fn what_is_forgotten_is_neither_answered_nor_waited_for() {
    let start = Instant::now();
    let mut answers = PendingRequests::default();
    answers.asked(start, "a", 1);
    answers.clear();
    assert_eq!((answers.poll_timeout(), answers.answered("a")), (None, None));
}
