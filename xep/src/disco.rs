//! What others say of themselves and of the services of a server (XEP-0030). What of an answer cannot be read is left out, and the rest
//! counts.

use jid::Jid;
use minidom::Element;

use crate::element::parsed;
use crate::ns;

/// What an entity is: the category and type of an identity.
pub fn identities(info: &Element) -> impl Iterator<Item = (&str, &str)> {
    let identities = info.children().filter(|child| child.is("identity", ns::DISCO_INFO));
    identities.filter_map(|identity| Some((identity.attr("category")?, identity.attr("type")?)))
}

/// True if an entity says that it can do this.
#[must_use]
pub fn has_feature(info: &Element, feature: &str) -> bool {
    let mut features = info.children().filter(|child| child.is("feature", ns::DISCO_INFO));
    features.any(|known| known.attr("var") == Some(feature))
}

/// True for a service in which rooms can be made; a gateway to another network has rooms too, but none that we can make.
#[must_use]
pub fn has_rooms(info: &Element) -> bool {
    let conference = |(category, type_): (&str, &str)| category == "conference" && matches!(type_, "text" | "x-muc");
    identities(info).any(conference) && has_feature(info, ns::MUC)
}

/// The services of a server.
pub fn services(items: &Element) -> impl Iterator<Item = Jid> {
    let items = items.children().filter(|child| child.is("item", ns::DISCO_ITEMS));
    items.filter_map(|item| parsed::<Jid>(item, "jid")).filter(|jid| jid.node().is_none() && jid.is_bare())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(text: &str) -> Element {
        text.parse().expect("the text is well-formed")
    }

    #[test]
    fn one_word_that_cannot_be_read_does_not_hide_the_rest() {
        let info = element(
            "<query xmlns='http://jabber.org/protocol/disco#info'><identity name='Rooms'/><feature/>\
             <identity category='conference' type='text'/><x xmlns='jabber:x:data'><field/></x>\
             <feature var='http://jabber.org/protocol/muc'/><feature var='http://jabber.org/protocol/muc'/></query>",
        );
        assert!(has_rooms(&info));
        assert!(has_feature(&info, ns::MUC) && !has_feature(&info, "muc_nonanonymous"));
    }

    #[test]
    fn a_gateway_is_no_place_to_make_rooms_in() {
        let info = element(
            "<query xmlns='http://jabber.org/protocol/disco#info'><identity category='conference' type='irc'/>\
             <feature var='http://jabber.org/protocol/muc'/></query>",
        );
        assert!(!has_rooms(&info));
    }

    #[test]
    fn neither_a_directory_nor_a_service_without_rooms_is_a_place_to_make_rooms_in() {
        let info = |category: &str, feature: &str| {
            element(&format!(
                "<query xmlns='http://jabber.org/protocol/disco#info'><identity category='{category}' type='text'/>\
                 <feature var='{feature}'/></query>"
            ))
        };
        assert!(has_rooms(&info("conference", ns::MUC)));
        assert!(!has_rooms(&info("directory", ns::MUC)) && !has_rooms(&info("conference", "jabber:iq:search")));
    }

    #[test]
    fn services_are_those_without_a_person_or_a_resource() {
        let items = element(
            "<query xmlns='http://jabber.org/protocol/disco#items'><item jid='rooms.example.org'/><item/>\
             <item jid='📱@example.org'/><item jid='balcony@rooms.example.org'/><item jid='@'/>\
             <item jid='rooms.example.org/one'/><thing jid='thing.example.org'/></query>",
        );
        assert_eq!(services(&items).collect::<Vec<_>>(), ["rooms.example.org".parse::<Jid>().expect("a JID")]);
    }
}
