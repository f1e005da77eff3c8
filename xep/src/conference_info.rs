//! Who is in a conference behind one participant, such as those who called a bridge: the document of RFC 4575, which XEP-0298 (COIN) sends
//! as a request, and bridges in their presence too (Movim's Galener does).

use jid::BareJid;
use minidom::Element;

use crate::element::{Build, MAX_NAME, parsed, text};
use crate::{Skipped, ns};

/// Users that are read of one document, and written to one. A bridge of ours has 32 callers at most.
pub const MAX_USERS: usize = 64;

/// Characters of a name in a document that must be short: enough to tell people apart.
const SHORT_NAME: usize = 24;

/// Who is in a conference, whole: documents with parts of it (`state='partial'`) are not written by any known client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConferenceInfo {
    /// The conference's own address, such as that which people call.
    pub entity: Option<BareJid>,
    /// It rises with each document.
    pub version: u32,
    /// Those in it.
    pub users: Vec<ConferenceUser>,
    /// How many more are in it, whom the document counts (`user-count`, RFC 4575 section 5.5.1) and does not name.
    pub more: u32,
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

    /// Reads a document. Who has no id, or one that another has, is left out; those beyond [`MAX_USERS`] are counted.
    #[must_use]
    pub fn read(element: &Element, skipped: &mut Skipped) -> Self {
        let version = parsed(element, "version").unwrap_or_default();
        let mut this = Self { entity: jid(element), version, users: Vec::new(), more: 0 };
        let users = element.get_child("users", ns::CONFERENCE_INFO);
        for user in users.into_iter().flat_map(Element::children) {
            if !user.is("user", ns::CONFERENCE_INFO) {
                skipped.note("conference-info", user.name());
            } else if let Some(user) = ConferenceUser::read(user, skipped) {
                if this.users.iter().any(|known| known.id == user.id) {
                    skipped.note("conference-info", format_args!("one user more: {}", user.id));
                } else if this.users.len() == MAX_USERS {
                    skipped.note("conference-info", format_args!("one user more: {}", user.id));
                    this.more += 1;
                } else {
                    this.users.push(user);
                }
            }
        }
        this.more = this.more.max(user_count(element).saturating_sub(count(&this.users)));
        this
    }

    /// Writes the document. Each state, version and id is there for Dino, which takes no document without them.
    #[must_use]
    pub fn write(&self) -> Element {
        self.with_users(self.users.iter().take(MAX_USERS).map(ConferenceUser::write))
    }

    /// Writes it in so many bytes at most, if the address and the number of those in it fit: whole, or else with short names, and without
    /// addresses and media; or else with as many of them as fit, and the number of all.
    #[must_use]
    pub fn write_within(&self, bytes: usize) -> Element {
        let whole = self.write();
        if String::from(&whole).len() <= bytes {
            return whole;
        }
        let short = |named: usize| self.with_users(self.users.iter().take(named).map(ConferenceUser::write_short));
        let mut shorter = (0..=self.users.len().min(MAX_USERS)).rev().map(short);
        shorter.find(|it| String::from(it).len() <= bytes).unwrap_or_else(|| short(0))
    }

    /// The document with these users: those whom it leaves out are counted.
    fn with_users(&self, users: impl Iterator<Item = Element>) -> Element {
        let users = Element::bare("users", ns::CONFERENCE_INFO).children_from(users);
        let all = count(&self.users).saturating_add(self.more);
        let left_out = users.children().count() < all as usize;
        let state = left_out.then(|| {
            Element::bare("conference-state", ns::CONFERENCE_INFO).child(with_text("user-count", &all.to_string()))
        });
        Element::bare("conference-info", ns::CONFERENCE_INFO)
            .with_opt("entity", self.entity.as_ref().map(|entity| format!("xmpp:{entity}")))
            .with("state", "full")
            .with("version", self.version)
            .children_from(state)
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

    /// Its state is left out if it is heard, as most are.
    fn write_short(&self) -> Element {
        let name = self.name.as_ref().map(|name| name.chars().take(SHORT_NAME).collect::<String>());
        let endpoint = (self.word() != EndpointStatus::Connected.as_str()).then(|| {
            Element::bare("endpoint", ns::CONFERENCE_INFO)
                .with("entity", &self.id)
                .child(with_text("status", self.word()))
        });
        Element::bare("user", ns::CONFERENCE_INFO)
            .with("entity", &self.id)
            .children_from(name.map(|name| with_text("display-text", &name)))
            .children_from(endpoint)
    }

    /// Its status on the wire.
    fn word(&self) -> &'static str {
        if self.muted && self.status == EndpointStatus::Connected { "muted-via-focus" } else { self.status.as_str() }
    }

    fn write(&self) -> Element {
        let entity = self.jid.as_ref().map_or_else(|| self.id.clone(), |jid| format!("xmpp:{jid}"));
        let media = Element::bare("media", ns::CONFERENCE_INFO)
            .with("id", "1")
            .child(with_text("type", "audio"))
            .children_from(self.source.map(|source| with_text("src-id", &source.to_string())))
            .child(with_text("status", if self.muted { "recvonly" } else { "sendrecv" }));
        let endpoint = Element::bare("endpoint", ns::CONFERENCE_INFO)
            .with("entity", &self.id)
            .with("state", "full")
            .child(with_text("status", self.word()))
            .child(media);
        Element::bare("user", ns::CONFERENCE_INFO)
            .with("entity", entity)
            .with("state", "full")
            .children_from(self.name.as_ref().map(|name| with_text("display-text", name)))
            .child(endpoint)
    }
}

/// How many are in a conference, as its document says.
fn user_count(element: &Element) -> u32 {
    let state = element.get_child("conference-state", ns::CONFERENCE_INFO);
    let count = state.and_then(|state| child_text(state, "user-count"));
    count.and_then(|count| count.parse().ok()).unwrap_or_default()
}

fn count(users: &[ConferenceUser]) -> u32 {
    u32::try_from(users.len()).unwrap_or(u32::MAX)
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
            more: 3,
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
        assert_eq!((info.entity, info.version, info.more), (None, 2, 0));
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
        assert_eq!((info.users.len(), info.more), (MAX_USERS, 5));
        assert_eq!(skipped, "", "they are counted where they are written");
    }

    #[test]
    fn a_crowd_of_another_program_is_named_up_to_the_bound_and_counted_beyond() {
        let users = (0..MAX_USERS + 5).map(|number| format!("<user entity='c{number}'/>")).collect::<String>();
        let of = |state: &str| {
            format!("<conference-info xmlns='{}'>{state}<users>{users}</users></conference-info>", ns::CONFERENCE_INFO)
        };
        for (counted, more) in
            [("", 5), ("3", 5), ("100", 36), ("-1", 5), ("4294967295", u32::MAX - 64), ("9999999999", 5)]
        {
            let state = format!("<conference-state><user-count>{counted}</user-count></conference-state>");
            let (info, skipped) = read(&of(&state));
            assert_eq!((info.users.len(), info.more), (MAX_USERS, more), "{counted}");
            assert_eq!(skipped.matches("one user more").count(), 5);
        }
    }

    fn crowd(count: usize, name: &str) -> ConferenceInfo {
        let user = |number: usize| ConferenceUser {
            name: Some(format!("{name}{number}")),
            muted: number == 1,
            status: if number == 2 { EndpointStatus::DialingIn } else { EndpointStatus::Connected },
            ..user(&format!("c{number}"))
        };
        ConferenceInfo { users: (0..count).map(user).collect(), ..ConferenceInfo::default() }
    }

    /// What is read of a document that was written in so many bytes.
    fn within(bytes: usize, info: &ConferenceInfo) -> ConferenceInfo {
        let written = String::from(&info.write_within(bytes));
        assert!(written.len() <= bytes, "{} bytes", written.len());
        let (found, skipped) = read(&written);
        assert_eq!(skipped, "");
        assert_eq!(count(&found.users) + found.more, count(&info.users) + info.more, "nobody is lost");
        found
    }

    // Shows brg-show-01.
    #[test]
    fn a_document_without_room_for_all_leaves_out_details_first_and_then_people() {
        let few = crowd(3, "dan");
        assert_eq!(within(2_048, &few), few);
        let more = within(2_048, &crowd(20, "dan"));
        assert_eq!((more.users.len(), more.more), (20, 0));
        let short: Vec<_> = more.users.iter().map(|user| (user.name.as_deref(), user.status, user.muted)).collect();
        assert_eq!(short[0], (Some("dan0"), EndpointStatus::Connected, false));
        assert_eq!(short[1], (Some("dan1"), EndpointStatus::Connected, true));
        assert_eq!(short[2], (Some("dan2"), EndpointStatus::DialingIn, false));
        let long = within(2_048, &crowd(32, &"ü&".repeat(40)));
        assert!(long.users.len() >= 8 && long.more > 0, "{} are named", long.users.len());
        let none = within(200, &crowd(32, "dan"));
        assert_eq!((none.users.len(), none.more), (0, 32));
    }
}
