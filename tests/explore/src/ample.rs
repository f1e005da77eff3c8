//! Of the moves that are possible those that are enough to try (ample sets, Peled 1993; stubborn sets, Valmari 1989).
//!
//! A set is enough if each of its moves that comes behind others could as well have come before them, and one of it comes before nothing
//! is under way. Then each path to a state in which nothing is under way leads, in another order of moves that commute, through a
//! move of the set, and the others need not be tried. What is left out are states in which something else came first; what is
//! wrong in them about one person or one pair is still wrong when nothing is under way, or is kept until then (`check.rs`).
//!
//! Three kinds of sets are enough:
//!
//! - All moves of somebody who reads the room and has not published: nobody offers it a session before, so nothing reaches it
//!   but by the room, in order. (To those who died without the server's notice offers are lost, and later they are returned: so not then.)
//! - What two say to each other while the room has nothing for either that is about both, if nobody can do anything of its own accord.
//! - In rows without faults everybody publishes once, and a participant's preparing, its contents and an answer can be read in any order
//!   with all but offers that may overtake the contents.
//!
//! That this is so is not only argued: a search by every order checks, in each state, that every move of a set commutes with every move that
//! is not in it, and that the set is enough behind that, too.

use muji_simulation::stanza::{element, has_contents};
use xmpp_parsers::presence::Presence;
use xmpp_parsers::stanza::Stanza;

use crate::in_flight::{InFlight, offer, offer_or_answer};
use crate::model::{Channel, EVERYTHING, State, person};
use crate::row::{Move, NAMES};

impl State {
    /// The sets that are enough, of the possible moves.
    pub(crate) fn ample_sets(&self, possible: &[Move]) -> Vec<Vec<Move>> {
        let mut sets: Vec<Vec<Move>> = Vec::new();
        for who in (0..self.people.len()).filter(|who| self.reads_alone(*who)) {
            let is_its = |touches: u64| touches != EVERYTHING && touches & person(who) != 0;
            sets.push(possible.iter().copied().filter(|happens| is_its(self.touched_by(*happens))).collect());
        }
        if !self.nobody_acts() {
            return sets;
        }
        for (way, in_flight) in &self.channels {
            match *way {
                Channel::Between { from, to } if self.is_private(from, to) => sets.push(self.said_between(from, to)),
                Channel::Between { from, to } if self.row.is_over() && is_answer(&in_flight[0]) => {
                    sets.push(vec![Move::Answer { from, to }]);
                }
                Channel::FromRoom(who) if self.row.is_over() => {
                    sets.extend(about(&in_flight[0].stanza).map(|of| self.read_in_order(who, of, &in_flight[0])));
                }
                Channel::Between { .. } | Channel::FromRoom(_) | Channel::ToRoom(_) => {}
            }
        }
        sets
    }

    /// In its first stay somebody has something to read and has published nothing.
    fn reads_alone(&self, who: usize) -> bool {
        let reader = &self.people[who];
        let all_known = self.left.crashes == 0 && self.people().all(|person| person.alive || person.noticed);
        let first_stay = reader.call.is_some() && !reader.returned && reader.published == 0;
        // Whose stream may be cut is heard less, too.
        let is_whole = reader.alive && self.row.cuts == 0;
        first_stay && is_whole && all_known && self.channels.contains_key(&Channel::FromRoom(who))
    }

    /// What happens from now on are arrivals, and who has not joined may.
    fn nobody_acts(&self) -> bool {
        self.left.is_over() && self.people().all(|person| person.alive && !person.cut)
    }

    /// Nothing that concerns two is on its way by the room.
    fn is_private(&self, one: usize, other: usize) -> bool {
        let concerns = |letter: &InFlight| about(&letter.stanza).is_none_or(|who| who == one || who == other);
        self.channels.iter().all(|(way, in_flight)| match *way {
            Channel::ToRoom(who) => who != one && who != other,
            Channel::FromRoom(who) if who == one || who == other => !in_flight.iter().any(|letter| concerns(letter)),
            Channel::FromRoom(_) | Channel::Between { .. } => true,
        })
    }

    fn said_between(&self, one: usize, other: usize) -> Vec<Move> {
        let ways = [(one, other), (other, one)].into_iter();
        let said = ways.filter(|(from, to)| self.channels.contains_key(&Channel::Between { from: *from, to: *to }));
        said.map(|(from, to)| Move::Answer { from, to }).collect()
    }

    /// Somebody reads what the room says of another, or of itself; the other's offer may overtake its contents.
    fn read_in_order(&self, who: usize, of: usize, letter: &InFlight) -> Vec<Move> {
        let overtakes = of != who
            && has_contents(element(&letter.stanza).children())
            && self.channels.contains_key(&Channel::Between { from: of, to: who });
        let offer = overtakes.then_some(Move::Answer { from: of, to: who });
        [Some(Move::Read(who)), offer].into_iter().flatten().collect()
    }
}

/// It accepts a session.
fn is_answer(letter: &InFlight) -> bool {
    offer_or_answer(&letter.stanza).is_some() && offer(&letter.stanza).is_none()
}

/// Whom a presence is of.
fn about(stanza: &Stanza) -> Option<usize> {
    let Stanza::Presence(Presence { from: Some(from), .. }) = stanza else { return None };
    let nick = from.resource()?;
    NAMES.iter().position(|name| *name == nick.as_str())
}
