//! Faulty clients, with which the cases themselves are tested: each has the fault of some real client, put between our Engine and
//! its connection.

use std::collections::{BTreeMap, BTreeSet};

use jid::{FullJid, Jid};
use muji_harness::puppet::{opus, usable};
use muji_harness::stanza;
use muji_harness::world::{Intercepted, Interceptor};
use muji_xep::jingle::{Action, Jingle};
use muji_xep::muc::{MucUser, code};
use muji_xep::muji::MujiElement;
use muji_xep::{Element, Skipped, ns};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::presence::{Presence, Type};
use xmpp_parsers::stanza::Stanza;

use muji_trace::{prepares, publishes};

/// A fault.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ClientFault {
    /// It calls those with a smaller JID, although they came later (monocles).
    #[default]
    ComparesJids,
    /// Its contents stand in Muji's own namespace (the examples of XEP-0272).
    ContentsInMuji,
    /// It waits for nobody before it publishes (Movim).
    NeverWaits,
    /// It waits for ever for a participant who hangs (Dino).
    WaitsForEver,
    /// It accepts the call of a stranger who names its room (Dino, until it checks).
    AnswersStrangers,
    /// It ends its sessions before it leaves the room.
    LeavesInDisorder,
}

impl ClientFault {
    pub(crate) const ALL: [Self; 6] = [
        Self::ComparesJids,
        Self::ContentsInMuji,
        Self::NeverWaits,
        Self::WaitsForEver,
        Self::AnswersStrangers,
        Self::LeavesInDisorder,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ComparesJids => "compares-jids",
            Self::ContentsInMuji => "contents-in-muji",
            Self::NeverWaits => "never-waits",
            Self::WaitsForEver => "waits-for-ever",
            Self::AnswersStrangers => "answers-strangers",
            Self::LeavesInDisorder => "leaves-in-disorder",
        }
    }

    /// The cases that name it.
    #[cfg(test)]
    pub(crate) fn cases(self) -> &'static [&'static str] {
        match self {
            Self::ComparesJids => &["it does not call those who come later"],
            Self::ContentsInMuji => &["its contents stand in Jingle's namespace, beside no preparing"],
            Self::NeverWaits => {
                &["it waits for those who prepare already", "it adds no content while another prepares"]
            }
            Self::WaitsForEver => &["it does not wait for ever"],
            Self::AnswersStrangers => &["it does not accept a stranger who names its room"],
            Self::LeavesInDisorder => &["it takes back what it said before it ends its sessions"],
        }
    }

    pub(crate) fn interceptor(self) -> Box<dyn Interceptor> {
        Box::new(FaultyClient { fault: self, ..FaultyClient::default() })
    }
}

/// Sits between the Engine and its connection.
#[derive(Default)]
struct FaultyClient {
    fault: ClientFault,
    /// Who was ahead of us in the room, and whether it still prepares.
    ahead: BTreeMap<String, bool>,
    /// Our real JID, once the room has shown it.
    us: Option<FullJid>,
    /// Sessions that have not ended.
    sessions: BTreeSet<String>,
    /// A stanza that is sent later than it should be.
    held: Option<Stanza>,
    /// Whom it has called on its own.
    called: BTreeSet<FullJid>,
}

impl Interceptor for FaultyClient {
    fn says(&mut self, stanza: Stanza) -> Vec<Stanza> {
        match self.fault {
            ClientFault::ContentsInMuji => vec![in_mujis_namespace(stanza)],
            ClientFault::WaitsForEver if self.ahead.values().any(|preparing| *preparing) && is_publication(&stanza) => {
                Vec::new()
            }
            ClientFault::LeavesInDisorder => self.disordered(stanza),
            ClientFault::ComparesJids
            | ClientFault::NeverWaits
            | ClientFault::WaitsForEver
            | ClientFault::AnswersStrangers => vec![stanza],
        }
    }

    fn hears(&mut self, stanza: Stanza) -> Intercepted {
        match (self.fault, stanza) {
            (ClientFault::NeverWaits, Stanza::Presence(presence)) => heard(vec![without_preparing(presence).into()]),
            (ClientFault::WaitsForEver, Stanza::Presence(presence)) => {
                self.note(&presence);
                heard(vec![presence.into()])
            }
            (ClientFault::ComparesJids, Stanza::Presence(presence)) => {
                let said = self.compared(&presence);
                Intercepted { heard: vec![presence.into()], said }
            }
            (ClientFault::AnswersStrangers, stanza) => heard(introduced(stanza)),
            (_, stanza) => heard(vec![stanza]),
        }
    }
}

fn heard(heard: Vec<Stanza>) -> Intercepted {
    Intercepted { heard, said: Vec::new() }
}

fn is_own(presence: &Presence) -> bool {
    MucUser::find(&presence.payloads).is_some_and(|user| user.has(code::SELF))
}

fn is_publication(stanza: &Stanza) -> bool {
    let Stanza::Presence(presence) = stanza else { return false };
    MujiElement::find(&presence.payloads).is_some_and(publishes)
}

fn in_mujis_namespace(stanza: Stanza) -> Stanza {
    if !is_publication(&stanza) {
        return stanza;
    }
    let text = String::from(&stanza::element(&stanza));
    // Only the contents of presences: what they describe stays as it is.
    let text = text.replace(&format!("<content xmlns='{}'", ns::JINGLE), &format!("<content xmlns='{}'", ns::MUJI));
    let text = text.replace(&format!("xmlns='{}'", ns::JINGLE), &format!("xmlns='{}'", ns::MUJI));
    let element: Element = text.parse().expect("it was well-formed and still is");
    Stanza::try_from(element).expect("it is a presence still")
}

fn without_preparing(mut presence: Presence) -> Presence {
    let own = is_own(&presence);
    for payload in presence.payloads.iter_mut().filter(|payload| !own && payload.is("muji", ns::MUJI)) {
        payload.remove_child("preparing", ns::MUJI);
    }
    presence
}

/// A stranger who offers a session in a room is taken for an occupant.
fn introduced(stanza: Stanza) -> Vec<Stanza> {
    let offer = match &stanza {
        Stanza::Iq(Iq::Set { from: Some(from), payload, .. }) => {
            let jingle = Jingle::read(payload, &mut Skipped::default());
            jingle.filter(|jingle| jingle.action == Action::SessionInitiate).zip(Some(from.clone()))
        }
        _ => None,
    };
    let Some((offer, from)) = offer else { return vec![stanza] };
    let Some(room) = offer.room.clone() else { return vec![stanza] };
    let text = format!(
        "<presence xmlns='jabber:client' from='{room}/stranger'>{}<x xmlns='{}'><item affiliation='none' role='participant' \
         jid='{from}'/></x></presence>",
        String::from(&MujiElement::with(offer.contents).write()),
        ns::MUC_USER
    );
    let presence: Element = text.parse().expect("it is well-formed");
    vec![Stanza::try_from(presence).expect("it is a presence"), stanza]
}

impl FaultyClient {
    fn note(&mut self, presence: &Presence) {
        let Some(nick) = presence.from.as_ref().and_then(|from| from.resource()) else { return };
        let muji = MujiElement::find(&presence.payloads).filter(|_| presence.type_ == Type::None);
        let preparing = muji.is_some_and(|muji| prepares(muji) && !publishes(muji));
        if is_own(presence) {
            self.us = MucUser::find(&presence.payloads).and_then(|user| user.real(None));
        } else if self.us.is_none() {
            self.ahead.insert(nick.to_string(), preparing);
        } else if let Some(ahead) = self.ahead.get_mut(nick.as_str()) {
            *ahead = preparing;
        }
    }

    /// What takes back what was said waits for the ends of the sessions.
    fn disordered(&mut self, stanza: Stanza) -> Vec<Stanza> {
        if let Stanza::Iq(Iq::Set { payload, .. }) = &stanza
            && let Some(jingle) = Jingle::read(payload, &mut Skipped::default())
        {
            match jingle.action {
                Action::SessionInitiate | Action::SessionAccept => drop(self.sessions.insert(jingle.sid)),
                Action::SessionTerminate => drop(self.sessions.remove(&jingle.sid)),
                _ => {}
            }
        }
        let leaves = matches!(&stanza, Stanza::Presence(presence) if presence.type_ == Type::Unavailable && presence.to.is_some());
        if leaves && !self.sessions.is_empty() {
            self.held = Some(stanza);
            return Vec::new();
        }
        let held = self.held.take_if(|_| self.sessions.is_empty());
        [stanza].into_iter().chain(held).collect()
    }

    /// Somebody whose JID is smaller came, and is called at once.
    fn compared(&mut self, presence: &Presence) -> Vec<Stanza> {
        self.note(presence);
        let real = MucUser::find(&presence.payloads).and_then(|user| user.real(None));
        let (Some(us), Some(real)) = (self.us.clone(), real) else { return Vec::new() };
        let publishes = MujiElement::find(&presence.payloads).is_some_and(publishes);
        if !publishes || real >= us || !self.called.insert(real.clone()) {
            return Vec::new();
        }
        let room = presence.from.as_ref().map(Jid::to_bare);
        let mut offer = Jingle::new(Action::SessionInitiate, "compared");
        (offer.room, offer.contents) = (room, vec![usable(vec![opus()])]);
        let offer = Iq::Set { from: None, to: Some(real.into()), id: "compared".to_owned(), payload: offer.write() };
        vec![offer.into()]
    }
}
