//! STUN and TURN servers that the XMPP server knows (XEP-0215).

use minidom::Element;

use crate::element::{Build, parsed, text};
use crate::{Secret, Skipped, ns};

/// Services read of one answer.
pub const MAX_SERVICES: usize = 32;

/// A server that helps with connecting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalService {
    /// `stun`, `stuns`, `turn`, `turns`.
    pub kind: String,
    /// Host name or address.
    pub host: String,
    /// Port, if not the protocol's own.
    pub port: Option<u16>,
    /// `udp` or `tcp`.
    pub transport: Option<String>,
    /// For TURN.
    pub username: Option<String>,
    /// For TURN.
    pub password: Option<Secret>,
    /// When the credentials end, as written (XEP-0082).
    pub expires: Option<String>,
    /// It wants credentials; where there are none they are asked for.
    pub restricted: bool,
}

/// The question.
#[must_use]
pub fn ask() -> Element {
    Element::bare("services", ns::EXTDISCO)
}

/// The question for the credentials of one service (section 3.3).
#[must_use]
pub fn ask_credentials(service: &ExternalService) -> Element {
    let which = Element::bare("service", ns::EXTDISCO).with("host", &service.host).with("type", &service.kind);
    Element::bare("credentials", ns::EXTDISCO).child(which.with_opt("port", service.port))
}

/// Reads either answer, a `<services/>` or a `<credentials/>`.
#[must_use]
pub fn read(element: &Element, skipped: &mut Skipped) -> Vec<ExternalService> {
    let mut services = Vec::new();
    for child in element.children() {
        let service = child.is("service", ns::EXTDISCO).then(|| ExternalService::read(child)).flatten();
        match service {
            Some(service) if services.len() < MAX_SERVICES => services.push(service),
            _ => skipped.note("services", child.name()),
        }
    }
    services
}

impl ExternalService {
    fn read(element: &Element) -> Option<Self> {
        Some(Self {
            kind: text(element, "type")?,
            host: text(element, "host")?,
            port: parsed(element, "port"),
            transport: text(element, "transport"),
            username: text(element, "username"),
            password: text(element, "password").map(Secret::new),
            expires: text(element, "expires"),
            restricted: matches!(element.attr("restricted"), Some("1" | "true")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_service_of_a_new_kind_does_not_spoil_the_others() {
        // What Prosody's mod_external_services sends.
        let answer: Element = "<services xmlns='urn:xmpp:extdisco:2'>\
            <service type='stun' host='stun.example' port='3478' transport='udp'/>\
            <service type='turns' host='turn.example' port='5349' transport='tcp' username='u' password='p' \
             restricted='1' expires='2026-11-24T00:00:00Z'/>\
            <service host='nothing.example'/></services>"
            .parse()
            .expect("the text is well-formed");
        let mut skipped = Skipped::default();
        let services = read(&answer, &mut skipped);
        assert_eq!(services.iter().map(|service| service.kind.as_str()).collect::<Vec<_>>(), ["stun", "turns"]);
        assert_eq!(services[1].password.as_ref().map(Secret::expose), Some("p"));
        assert_eq!(services.iter().map(|service| service.restricted).collect::<Vec<_>>(), [false, true]);
        assert_eq!(skipped.to_string(), "services: service");
    }
}
