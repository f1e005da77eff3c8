//! What a state has come to, but for who is called what: by this a search that leaves out renamings is compared with one that does not.

use crate::model::State;
use crate::person::{Person, whose_id};

/// Of texts in which the same people stand in another order, the one that is first.
pub(crate) fn first_of_orders(people: usize, text: impl Fn(&[usize]) -> String) -> String {
    orders(people).iter().map(|order| text(order)).min().unwrap_or_default()
}

/// All orders of so many people.
fn orders(people: usize) -> Vec<Vec<usize>> {
    let Some(last) = people.checked_sub(1) else { return vec![Vec::new()] };
    let mut all = Vec::new();
    for order in orders(last) {
        for place in 0..people {
            let mut longer = order.clone();
            longer.insert(place, last);
            all.push(longer);
        }
    }
    all
}

impl State {
    /// The people in an order, each called by its place in it.
    pub(crate) fn outcome_in(&self, order: &[usize]) -> String {
        let people: Vec<String> = order.iter().map(|who| self.outcome_of(*who, order)).collect();
        format!("{:?} {}", self.left, people.join("; "))
    }

    fn outcome_of(&self, who: usize, order: &[usize]) -> String {
        let place = |who: usize| order.iter().position(|other| *other == who);
        let person = &*self.people[who];
        let sessions = person.sessions.iter();
        let mut peers: Vec<_> =
            sessions.map(|(session, (peer, _))| (place(*peer), person.pictures.get(session))).collect();
        peers.sort();
        let contents = self.said(who).into_iter().filter_map(|content| content.description);
        let ids = contents.flat_map(|description| description.payload_types).map(|payload| payload.id);
        let whose: Vec<_> = ids.map(|id| whose_id(id).map_or((None, Some(id)), |whose| (place(whose), None))).collect();
        let Person { alive, noticed, joined, leaving, active, shows, published, captures, .. } = person;
        let in_call = person.call.is_some();
        format!(
            "{alive} {noticed} {joined} {in_call} {leaving} {active} {shows} {published} {captures:?} {peers:?} {whose:?}"
        )
    }
}
