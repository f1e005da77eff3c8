//! Our own presences on their way through the room.
//!
//! Only the repetition of the latest one says that the room and we agree: an earlier one may still be under way when a new
//! one has been sent. Our position among the others is that of the first presence of a step, though, which is marked: by
//! a later one, two clients could each believe that they come second. Rooms repeat a presence at other times too, such as when an
//! occupant becomes a member.

use std::collections::VecDeque;

use muji_xep::muji::MujiElement;

/// What we said to the room, oldest first, until it has been repeated.
#[derive(Debug, Clone, Default)]
pub(crate) struct EchoTracker {
    under_way: VecDeque<Saying>,
    repeated: Option<MujiElement>,
}

#[derive(Debug, Clone)]
struct Saying {
    id: String,
    muji: Option<MujiElement>,
    /// A step begins with it.
    marked: bool,
}

/// What the room repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Repetition {
    pub(crate) echo: Echo,
    /// The first presence of a step was among what it has heard by now.
    pub(crate) marked: bool,
}

/// What a presence of the room about ourselves is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Echo {
    /// What we said last: the room and we agree.
    Latest,
    /// Something said before it, or said again by the room.
    Older,
    /// We never said that.
    Strange,
}

impl EchoTracker {
    /// A presence goes out.
    pub(crate) fn say(&mut self, id: &str, muji: Option<MujiElement>) {
        self.under_way.push_back(Saying { id: id.to_owned(), muji, marked: false });
    }

    /// A step begins with what was said last, and none that began before counts any more.
    pub(crate) fn mark(&mut self) {
        self.unmark();
        if let Some(last) = self.under_way.back_mut() {
            last.marked = true;
        }
    }

    /// The step was said again: if its first presence was refused, this one counts.
    pub(crate) fn mark_again(&mut self) {
        if self.under_way.iter().all(|saying| !saying.marked) {
            self.mark();
        }
    }

    /// No step waits for its place.
    pub(crate) fn unmark(&mut self) {
        self.under_way.iter_mut().for_each(|saying| saying.marked = false);
    }

    /// The room repeated one of our presences. Not all rooms repeat its id (XEP-0045 leaves it to them).
    pub(crate) fn repeated(&mut self, id: Option<&str>, muji: Option<&MujiElement>) -> Repetition {
        let by_id = self.under_way.iter().position(|saying| Some(saying.id.as_str()) == id);
        let found = by_id.or_else(|| self.under_way.iter().position(|saying| saying.muji.as_ref() == muji));
        let Some(index) = found else {
            let echo = if self.repeated.as_ref() == muji { Echo::Older } else { Echo::Strange };
            return Repetition { echo, marked: false };
        };
        let marked = self.under_way.drain(..=index).any(|saying| saying.marked);
        self.repeated = muji.cloned();
        Repetition { echo: if self.under_way.is_empty() { Echo::Latest } else { Echo::Older }, marked }
    }

    /// The room refused one of our presences: that is its answer. True if it was the latest.
    pub(crate) fn refused(&mut self, id: Option<&str>) -> bool {
        let index = self.under_way.iter().position(|saying| Some(saying.id.as_str()) == id);
        let until = index.map_or(1, |index| index + 1).min(self.under_way.len());
        self.under_way.drain(..until);
        self.under_way.is_empty()
    }

    /// We are out of the room: nothing of this will be repeated.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use muji_xep::jingle::Content;

    use super::*;

    fn contents() -> MujiElement {
        MujiElement::with(vec![Content::new("audio")])
    }

    /// Somebody who said that it prepares and then what it has.
    fn in_a_hurry() -> EchoTracker {
        let mut said = EchoTracker::default();
        said.say("1", Some(MujiElement::preparing()));
        said.say("2", Some(contents()));
        said
    }

    #[test]
    fn only_the_repetition_of_the_latest_presence_is_the_latest() {
        for ids in [[Some("1"), Some("2")], [None, None]] {
            let mut said = in_a_hurry();
            assert_eq!(said.repeated(ids[0], Some(&MujiElement::preparing())).echo, Echo::Older);
            assert_eq!(said.repeated(ids[1], Some(&contents())).echo, Echo::Latest);
        }
    }

    #[test]
    fn what_the_room_says_again_by_itself_is_no_news() {
        let mut said = in_a_hurry();
        assert_eq!(said.repeated(None, Some(&contents())).echo, Echo::Latest);
        assert_eq!(said.repeated(None, Some(&contents())).echo, Echo::Older);
    }

    #[test]
    fn what_another_device_said_is_strange() {
        assert_eq!(
            in_a_hurry().repeated(Some("9"), Some(&MujiElement::with(vec![Content::new("video")]))).echo,
            Echo::Strange
        );
    }

    #[test]
    fn a_step_has_the_place_of_its_first_presence() {
        let mut said = EchoTracker::default();
        said.say("1", Some(MujiElement::preparing()));
        said.mark();
        said.say("2", Some(MujiElement::preparing()));
        assert_eq!(
            said.repeated(Some("1"), Some(&MujiElement::preparing())),
            Repetition { echo: Echo::Older, marked: true }
        );
        assert_eq!(
            said.repeated(Some("2"), Some(&MujiElement::preparing())),
            Repetition { echo: Echo::Latest, marked: false }
        );
        said.say("3", Some(contents()));
        said.mark();
        said.say("4", Some(contents()));
        assert!(said.repeated(Some("4"), Some(&contents())).marked, "the first one was lost");
    }

    #[test]
    fn a_step_that_is_said_again_keeps_its_place_unless_its_first_presence_was_refused() {
        let preparing = MujiElement::preparing();
        for (refused, places) in [(false, [true, false]), (true, [false, true])] {
            let mut said = EchoTracker::default();
            said.say("1", Some(preparing.clone()));
            said.mark();
            assert!(!refused || said.refused(Some("1")));
            said.say("2", Some(preparing.clone()));
            said.mark_again();
            let marked =
                ["1", "2"].map(|id| (id == "2" || !refused) && said.repeated(Some(id), Some(&preparing)).marked);
            assert_eq!(marked, places, "refused: {refused}");
        }
    }

    #[test]
    fn a_later_step_takes_the_place_of_an_earlier_one_and_what_waits_for_none_has_none() {
        let mut said = in_a_hurry();
        said.mark();
        said.say("3", Some(contents()));
        said.mark();
        assert!(!said.repeated(Some("2"), Some(&contents())).marked);
        assert!(said.repeated(Some("3"), Some(&contents())).marked);
        said.say("4", Some(contents()));
        said.mark();
        said.unmark();
        assert!(!said.repeated(Some("4"), Some(&contents())).marked);
    }

    #[test]
    fn a_refusal_takes_all_before_it_too_and_one_of_nothing_that_we_said_the_oldest() {
        let mut said = in_a_hurry();
        said.say("3", None);
        assert!(!said.refused(Some("2")));
        assert_eq!(said.repeated(None, Some(&contents())).echo, Echo::Strange, "it will not be repeated");
        assert!(said.refused(Some("3")));
        let mut said = in_a_hurry();
        assert!(!said.refused(Some("9")));
        assert!(said.refused(Some("9")));
    }

    #[test]
    fn who_is_out_of_the_room_waits_for_no_repetition() {
        let mut said = in_a_hurry();
        assert_eq!(said.repeated(Some("1"), Some(&MujiElement::preparing())).echo, Echo::Older);
        said.clear();
        assert_eq!(said.repeated(Some("2"), Some(&contents())).echo, Echo::Strange);
        assert_eq!(said.repeated(None, Some(&MujiElement::preparing())).echo, Echo::Strange);
    }

    #[test]
    fn a_refusal_counts_as_the_repetition_of_what_it_refuses() {
        let mut said = in_a_hurry();
        assert!(!said.refused(Some("1")));
        assert!(said.refused(None));
        assert!(said.refused(None), "and nothing is under way any more");
    }
}
