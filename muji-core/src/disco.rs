//! Who we are, for programs without a client that says it: disco#info (XEP-0030) and entity capabilities (XEP-0115).

use muji_xep::ns;
use xmpp_parsers::caps::{Caps, compute_disco, hash_caps};
use xmpp_parsers::disco::{DiscoInfoResult, Identity};
use xmpp_parsers::hashes::Algo;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};

/// What a program says it is and can do.
#[derive(Debug, Clone)]
pub struct Disco {
    node: String,
    info: DiscoInfoResult,
}

impl Disco {
    /// A program of this name, whose makers are known by the URI `node`, that can do `features` and what every program can.
    #[must_use]
    pub fn new(node: &str, name: &str, features: &[&str]) -> Self {
        let own = [ns::DISCO_INFO, ns::CAPS, ns::PING, ns::MUC];
        let mut features: Vec<&str> = features.iter().copied().chain(own).collect();
        features.sort_unstable();
        features.dedup();
        let info = DiscoInfoResult {
            node: None,
            // Without a language: Dino leaves it out of the hash that it computes, and would ask each resource again (XEP-0115
            // section 5.1).
            identities: vec![Identity {
                category: "client".to_owned(),
                type_: "console".to_owned(),
                lang: None,
                name: Some(name.to_owned()),
            }],
            features: features.into_iter().map(str::to_owned).collect(),
            extensions: Vec::new(),
        };
        Self { node: node.to_owned(), info }
    }

    pub(crate) fn write_caps(&self) -> Element {
        let hash = hash_caps(&compute_disco(&self.info), Algo::Sha_1).expect("SHA-1 is a known algorithm");
        Caps::new(self.node.clone(), hash).into()
    }

    pub(crate) fn write_answer(&self, node: Option<&str>) -> Result<Element, Box<StanzaError>> {
        let caps = self.write_caps();
        let ver = caps.attr("ver").unwrap_or_default();
        let ours = node.is_none_or(|node| node.strip_prefix(self.node.as_str()) == Some(&format!("#{ver}")));
        if !ours {
            let mut error = StanzaError::new(ErrorType::Cancel, DefinedCondition::ItemNotFound, "en", "");
            error.texts.clear();
            return Err(Box::new(error));
        }
        Ok(DiscoInfoResult { node: node.map(str::to_owned), ..self.info.clone() }.into())
    }
}

#[cfg(feature = "xmpp-parsers")]
impl Disco {
    /// The element that every presence carries, so that others need not ask twice.
    #[must_use]
    pub fn caps(&self) -> Element {
        self.write_caps()
    }

    /// The answer to a query with this node.
    ///
    /// # Errors
    /// The stanza error for a node that is not ours (XEP-0030 section 3.2).
    pub fn answer(&self, node: Option<&str>) -> Result<Element, Box<StanzaError>> {
        self.write_answer(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disco() -> Disco {
        Disco::new("https://example.org/muji", "muji", &[ns::MUJI, ns::JINGLE])
    }

    // Shows caps-04.
    #[test]
    fn the_capabilities_are_the_hash_of_what_is_answered() {
        let disco = disco();
        let node = format!("https://example.org/muji#{}", disco.write_caps().attr("ver").expect("caps have one"));
        let answer = disco.write_answer(Some(&node)).expect("the node is ours");
        assert_eq!(answer.attr("node"), Some(node.as_str()));
        let identity = answer.get_child("identity", ns::DISCO_INFO).expect("it has one");
        assert!(!String::from(identity).contains("lang"), "Dino computes another hash with one");
        let info = DiscoInfoResult::try_from(answer).expect("it is disco#info");
        let hash = hash_caps(&compute_disco(&info), Algo::Sha_1).expect("a known algorithm");
        assert_eq!(Element::from(Caps::new("https://example.org/muji", hash)), disco.write_caps());
    }

    // Shows disco-02.
    #[test]
    fn a_node_that_is_not_ours_is_an_error() {
        let error = disco().write_answer(Some("foo")).expect_err("there is no such node");
        assert_eq!(error.defined_condition, DefinedCondition::ItemNotFound);
    }

    /// XEP-0115 section 5.2.
    // Shows caps-02.
    #[test]
    fn the_hash_is_that_of_the_specification() {
        let info = DiscoInfoResult {
            node: None,
            identities: vec![Identity {
                category: "client".to_owned(),
                type_: "pc".to_owned(),
                lang: None,
                name: Some("Exodus 0.9.1".to_owned()),
            }],
            features: ["caps", "disco#info", "disco#items", "muc"]
                .map(|feature| format!("http://jabber.org/protocol/{feature}"))
                .into_iter()
                .collect(),
            extensions: Vec::new(),
        };
        let hash = hash_caps(&compute_disco(&info), Algo::Sha_1).expect("a known algorithm");
        let caps = Element::from(Caps::new("x", hash));
        assert_eq!(caps.attr("ver"), Some("QgayPKawpkPSDYmwT/WM94uAlu0="));
    }
}
