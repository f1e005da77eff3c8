//! Who is in a conference behind one participant, such as those who called a bridge: the document of RFC 4575, which XEP-0298 (COIN) sends
//! as a request, and bridges in their presence too (Movim's Galener does).

use jid::BareJid;
use minidom::Element;

use crate::element::{Build, MAX_NAME, parsed, text};
use crate::{Skipped, ns};

/// Users that are read of one document. A bridge of ours has 32 callers at most.
pub const MAX_USERS: usize = 64;

/// Who is in a conference, whole: documents with parts of it (`state='partial'`) are not written by any known client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConferenceInfo {
    /// The conference's own address, such as that which people call.
    pub entity: Option<BareJid>,
    /// It rises with each document.
    pub version: u32,
    /// Those in it.
    pub users: Vec<ConferenceUser>,
}

/// Somebody in a conference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConferenceUser {
    /// What tells it from others in this conference, at most 256 bytes.
    pub id: String,
    /// Who it is, if that is shown.
    pub jid: Option<BareJid>,
    /// What people call it, if that is said.
    pub name: Option<String>,
    /// How its call stands.
    pub status: EndpointStatus,
    /// It hears and is not heard.
    pub muted: bool,
    /// What its sound is called where several are mixed: its SSRC or CSRC (RFC 3550 section 5.1).
    pub source: Option<u32>,
}

/// How a call stands (RFC 4575 section 5.7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointStatus {
    /// It waits to be let in.
    DialingIn,
    /// It is called, and rings.
    Alerting,
    /// It takes part.
    Connected,
    /// It does not listen for now.
    OnHold,
    /// It is gone.
    Disconnected,
}

impl EndpointStatus {
    const WORDS: [(Self, &'static str); 5] = [
        (Self::DialingIn, "dialing-in"),
        (Self::Alerting, "alerting"),
        (Self::Connected, "connected"),
        (Self::OnHold, "on-hold"),
        (Self::Disconnected, "disconnected"),
    ];

    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(status, _)| *status == self).map_or("connected", |(_, word)| word)
    }

    /// Muted by the conference is a status of its own there; steps on the way in and out are as what they lead to.
    fn of_word(word: &str) -> Option<Self> {
        match word {
            "muted-via-focus" => Some(Self::Connected),
            "pending" => Some(Self::DialingIn),
            "dialing-out" => Some(Self::Alerting),
            "disconnecting" => Some(Self::Disconnected),
            _ => Self::WORDS.iter().find(|(_, known)| *known == word).map(|(status, _)| *status),
        }
    }
}

impl ConferenceInfo {
    /// The document among the children of a presence or a request.
    #[must_use]
    pub fn find(payloads: &[Element]) -> Option<&Element> {
        payloads.iter().find(|payload| payload.is("conference-info", ns::CONFERENCE_INFO))
    }

    /// Reads a document. Who has no id, or one that another has, is left out.
    #[must_use]
    pub fn read(element: &Element, skipped: &mut Skipped) -> Self {
        let version = parsed(element, "version").unwrap_or_default();
        let mut this = Self { entity: jid(element), version, users: Vec::new() };
        let users = element.get_child("users", ns::CONFERENCE_INFO);
        for user in users.into_iter().flat_map(Element::children) {
            if !user.is("user", ns::CONFERENCE_INFO) {
                skipped.note("conference-info", user.name());
            } else if let Some(user) = ConferenceUser::read(user, skipped) {
                if this.users.len() == MAX_USERS || this.users.iter().any(|known| known.id == user.id) {
                    skipped.note("conference-info", format_args!("one user more: {}", user.id));
                } else {
                    this.users.push(user);
                }
            }
        }
        this
    }

    /// Writes the document. Each state, version and id is there for Dino, which takes no document without them.
    #[must_use]
    pub fn write(&self) -> Element {
        let users =
            Element::bare("users", ns::CONFERENCE_INFO).children_from(self.users.iter().map(ConferenceUser::write));
        Element::bare("conference-info", ns::CONFERENCE_INFO)
            .with_opt("entity", self.entity.as_ref().map(|entity| format!("xmpp:{entity}")))
            .with("state", "full")
            .with("version", self.version)
            .child(users)
    }
}

impl ConferenceUser {
    fn read(element: &Element, skipped: &mut Skipped) -> Option<Self> {
        let endpoint = element.get_child("endpoint", ns::CONFERENCE_INFO);
        let id = endpoint.and_then(|endpoint| text(endpoint, "entity")).or_else(|| text(element, "entity"));
        let Some(id) = id.filter(|id| !id.is_empty()) else {
            skipped.note("conference-info", "a user without an id");
            return None;
        };
        let word = endpoint.and_then(|endpoint| child_text(endpoint, "status"));
        let status = word.as_deref().and_then(EndpointStatus::of_word);
        if let (Some(word), None) = (&word, status) {
            skipped.note("conference-info", format_args!("status {word}"));
        }
        let media = endpoint.into_iter().flat_map(Element::children);
        let of_sound = media.filter(|media| {
            media.is("media", ns::CONFERENCE_INFO) && child_text(media, "type").as_deref() == Some("audio")
        });
        let of_sound: Vec<&Element> = of_sound.collect();
        let silent = |media: &&Element| matches!(child_text(media, "status").as_deref(), Some("recvonly" | "inactive"));
        let source = of_sound.iter().find_map(|media| child_text(media, "src-id"));
        if let Some(source) = source.as_ref().filter(|source| source.parse::<u32>().is_err()) {
            skipped.note("conference-info", format_args!("src-id {source}"));
        }
        Some(Self {
            id,
            jid: jid(element),
            name: child_text(element, "display-text").filter(|name| !name.trim().is_empty()),
            status: status.unwrap_or(EndpointStatus::Connected),
            muted: of_sound.iter().any(silent) || word.as_deref() == Some("muted-via-focus"),
            source: source.and_then(|source| source.parse().ok()),
        })
    }

    fn write(&self) -> Element {
        let entity = self.jid.as_ref().map_or_else(|| self.id.clone(), |jid| format!("xmpp:{jid}"));
        let muted = self.muted && self.status == EndpointStatus::Connected;
        let status = if muted { "muted-via-focus" } else { self.status.as_str() };
        let media = Element::bare("media", ns::CONFERENCE_INFO)
            .with("id", "1")
            .child(with_text("type", "audio"))
            .children_from(self.source.map(|source| with_text("src-id", &source.to_string())))
            .child(with_text("status", if self.muted { "recvonly" } else { "sendrecv" }));
        let endpoint = Element::bare("endpoint", ns::CONFERENCE_INFO)
            .with("entity", &self.id)
            .with("state", "full")
            .child(with_text("status", status))
            .child(media);
        Element::bare("user", ns::CONFERENCE_INFO)
            .with("entity", entity)
            .with("state", "full")
            .children_from(self.name.as_ref().map(|name| with_text("display-text", name)))
            .child(endpoint)
    }
}

/// The JID that an `entity` names; other addresses, such as those of SIP, are none.
fn jid(element: &Element) -> Option<BareJid> {
    let written = element.attr("entity")?.trim();
    written.strip_prefix("xmpp:").and_then(|jid| BareJid::new(jid.split(['?', '/']).next().unwrap_or(jid)).ok())
}

fn child_text(element: &Element, name: &str) -> Option<String> {
    let text = element.get_child(name, ns::CONFERENCE_INFO)?.text();
    (text.len() <= MAX_NAME).then(|| text.trim().to_owned())
}

fn with_text(name: &str, text: &str) -> Element {
    let mut element = Element::bare(name, ns::CONFERENCE_INFO);
    element.append_text(text);
    element
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(xml: &str) -> (ConferenceInfo, String) {
        let mut skipped = Skipped::default();
        let element: Element = xml.parse().expect("XML");
        let read = ConferenceInfo::read(&element, &mut skipped);
        (read, skipped.to_string())
    }

    fn user(id: &str) -> ConferenceUser {
        ConferenceUser {
            id: id.to_owned(),
            jid: Some("dan@x.example".parse().expect("a JID")),
            name: Some("Dan".to_owned()),
            status: EndpointStatus::Connected,
            muted: false,
            source: Some(u32::MAX),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let users = EndpointStatus::WORDS.into_iter().enumerate().flat_map(|(number, (status, _))| {
            [false, true].map(|muted| ConferenceUser { status, muted, ..user(&format!("c{number}{muted}")) })
        });
        let nameless = ConferenceUser { jid: None, name: None, source: None, ..user("c9") };
        let info = ConferenceInfo {
            entity: Some("balcony@calls.example".parse().expect("a JID")),
            version: 7,
            users: users.chain([nameless]).collect(),
        };
        assert_eq!(read(&String::from(&info.write())), (info, String::new()));
    }

    #[test]
    fn a_document_of_another_program_is_read_as_far_as_it_goes() {
        let (info, skipped) = read(
            "<conference-info xmlns='urn:ietf:params:xml:ns:conference-info' entity='sip:conf@x.example' state='full' version='2'>
               <conference-description><subject>Agenda</subject></conference-description>
               <users>
                 <user entity='sip:bob@x.example'><display-text>Bob</display-text>
                   <endpoint entity='sip:bob@pc33.x.example'><status>on-hold</status></endpoint></user>
                 <user entity='xmpp:eve@x.example/phone'><endpoint entity='c1'><status>muted-via-focus</status></endpoint></user>
                 <user entity='c2'><endpoint><media id='1'><type>audio</type><src-id>many</src-id></media></endpoint></user>
                 <user entity='c2'/>
                 <user/>
                 <user entity='c3'><endpoint><status>asleep</status></endpoint></user>
                 <group/>
               </users></conference-info>",
        );
        let short = |user: &ConferenceUser| (user.id.clone(), user.jid.is_some(), user.status.as_str(), user.muted);
        assert_eq!(
            info.users.iter().map(short).collect::<Vec<_>>(),
            [
                ("sip:bob@pc33.x.example".to_owned(), false, "on-hold", false),
                ("c1".to_owned(), true, "connected", true),
                ("c2".to_owned(), false, "connected", false),
                ("c3".to_owned(), false, "connected", false),
            ]
        );
        assert_eq!((info.entity, info.version), (None, 2));
        assert_eq!(
            skipped,
            "conference-info: src-id many; conference-info: one user more: c2; conference-info: a user without an id; conference-info: status asleep; \
             conference-info: group"
        );
    }

    #[test]
    fn a_crowd_is_read_up_to_the_bound() {
        let users = (0..MAX_USERS + 5).map(|number| ConferenceUser { name: None, ..user(&format!("c{number}")) });
        let (info, skipped) =
            read(&String::from(&ConferenceInfo { users: users.collect(), ..ConferenceInfo::default() }.write()));
        assert_eq!(info.users.len(), MAX_USERS);
        assert_eq!(skipped.matches("one user more").count(), 5);
    }
}
