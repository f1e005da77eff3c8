//! Our own presences on their way through the room.
//!
//! Only the repetition of the latest one says where we stand: an earlier one may still be under way when a new one has
//! been sent. Rooms repeat a presence at other times too, such as when somebody is made a member.

use std::collections::VecDeque;

use muji_xep::muji::Muji;

/// What we said to the room, oldest first, until it has been repeated.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    under_way: VecDeque<(String, Option<Muji>)>,
    repeated: Option<Muji>,
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

impl Said {
    /// A presence goes out.
    pub(crate) fn say(&mut self, id: &str, muji: Option<Muji>) {
        self.under_way.push_back((id.to_owned(), muji));
    }

    /// The room repeated a presence of ours. Not all rooms repeat its id (XEP-0045 leaves it to them).
    pub(crate) fn repeated(&mut self, id: Option<&str>, muji: Option<&Muji>) -> Echo {
        let by_id = self.under_way.iter().position(|(said, _)| Some(said.as_str()) == id);
        let found = by_id.or_else(|| self.under_way.iter().position(|(_, said)| said.as_ref() == muji));
        let Some(index) = found else {
            return if self.repeated.as_ref() == muji { Echo::Older } else { Echo::Strange };
        };
        self.under_way.drain(..=index);
        self.repeated = muji.cloned();
        if self.under_way.is_empty() { Echo::Latest } else { Echo::Older }
    }

    /// The room refused a presence of ours: that is its answer. True if it was the one said last.
    pub(crate) fn refused(&mut self, id: Option<&str>) -> bool {
        let index = self.under_way.iter().position(|(said, _)| Some(said.as_str()) == id);
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

    fn contents() -> Muji {
        Muji::with(vec![Content::new("audio")])
    }

    /// Somebody who said that it prepares and then what it has.
    fn in_a_hurry() -> Said {
        let mut said = Said::default();
        said.say("1", Some(Muji::preparing()));
        said.say("2", Some(contents()));
        said
    }

    #[test]
    fn only_the_repetition_of_the_latest_presence_is_the_latest() {
        for ids in [[Some("1"), Some("2")], [None, None]] {
            let mut said = in_a_hurry();
            assert_eq!(said.repeated(ids[0], Some(&Muji::preparing())), Echo::Older);
            assert_eq!(said.repeated(ids[1], Some(&contents())), Echo::Latest);
        }
    }

    #[test]
    fn what_the_room_says_again_by_itself_is_no_news() {
        let mut said = in_a_hurry();
        assert_eq!(said.repeated(None, Some(&contents())), Echo::Latest);
        assert_eq!(said.repeated(None, Some(&contents())), Echo::Older);
    }

    #[test]
    fn what_another_device_said_is_strange() {
        assert_eq!(in_a_hurry().repeated(Some("9"), Some(&Muji::with(vec![Content::new("video")]))), Echo::Strange);
    }

    #[test]
    fn a_refusal_counts_as_the_repetition_of_what_it_refuses() {
        let mut said = in_a_hurry();
        assert!(!said.refused(Some("1")));
        assert!(said.refused(None));
        assert!(said.refused(None), "and nothing is under way any more");
    }
}
