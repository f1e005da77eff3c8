//! Stanzas as text, for clients whose XMPP crate is another, or the same in another version.

use muji_xep::{Element, ns};
use xmpp_parsers::minidom::rxml::{AttrMap, Event, QName};
use xso::error::{Error, FromEventsError};
use xso::{Context, FromEventsBuilder, FromXml};

use crate::incoming_element::{Builder, IncomingElement};

/// What was given as text is not XML as a stream of XMPP carries it (RFC 6120 section 11), or not as many elements as it should be. The
/// client's fault; nothing happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotXml(String);

/// Reads one element.
pub(crate) fn element(text: &str) -> Result<Element, NotXml> {
    let mut elements = elements(text)?.into_iter();
    match (elements.next(), elements.next()) {
        (Some(element), None) => Ok(element),
        (None, _) => Err(NotXml("there is no element".to_owned())),
        (Some(_), Some(_)) => Err(NotXml("there is more than one element".to_owned())),
    }
}

/// Reads any number of elements. What says no namespace has that of a stream, as many libraries write stanzas without it.
pub(crate) fn elements(text: &str) -> Result<Vec<Element>, NotXml> {
    // A name that the text cannot end: what came behind such an end would not be read.
    let ends = text.match_indices("</stream").map(|(at, end)| {
        let more = text[at + end.len()..].bytes();
        1 + more.take_while(|byte| *byte == b'_').count()
    });
    let name = format!("stream{}", "_".repeat(ends.max().unwrap_or(0)));
    let stream = format!("<{name} xmlns='{}'>{text}</{name}>", ns::CLIENT);
    let stream: Children =
        xso::from_bytes(stream.as_bytes()).map_err(|why| NotXml(format!("this is no XML: {why}")))?;
    Ok(stream.0)
}

/// The children of an element, in which there is no text.
struct Children(Vec<Element>);

impl FromXml for Children {
    type Builder = ChildrenBuilder;

    fn from_events(_: QName, _: AttrMap, _: &Context<'_>) -> Result<ChildrenBuilder, FromEventsError> {
        Ok(ChildrenBuilder::default())
    }
}

#[derive(Default)]
struct ChildrenBuilder {
    children: Vec<Element>,
    /// That of which a part has come.
    open: Option<Builder>,
}

impl FromEventsBuilder for ChildrenBuilder {
    type Output = Children;

    fn feed(&mut self, event: Event, context: &Context<'_>) -> Result<Option<Children>, Error> {
        if let Some(open) = &mut self.open {
            if let Some(IncomingElement(child)) = open.feed(event, context)? {
                self.children.push(child);
                self.open = None;
            }
            return Ok(None);
        }
        match event {
            Event::StartElement(_, name, attrs) => self.open = Some(Builder::new(name, attrs)),
            Event::Text(_, text) if text.trim().is_empty() => {}
            Event::Text(..) => return Err(Error::Other("text outside of an element")),
            Event::EndElement(_) => return Ok(Some(Children(std::mem::take(&mut self.children)))),
            Event::XmlDeclaration(..) => {} // None can be here.
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use muji_xep::guard::{self, Excess, MAX_DEPTH};

    use super::*;

    #[test]
    fn an_element_is_what_was_written_whether_or_not_it_names_its_namespace() {
        let written = "<message xmlns='jabber:client' to='a@b'><body>c &lt; d</body><x xmlns='urn:x'/></message>";
        let without = written.replace(" xmlns='jabber:client'", "");
        assert_eq!(element(written), Ok(written.parse().expect("it is well-formed")));
        assert_eq!(element(&without), element(written));
        assert_eq!(element(&format!("\n {written} \n")), element(written));
    }

    #[test]
    fn what_is_no_single_element_is_an_error_that_says_so() {
        let why = |text: &str| element(text).expect_err("it is not one element").to_string();
        assert_eq!(why(""), "there is no element");
        assert_eq!(why("<a/><b/>"), "there is more than one element");
        for text in [
            "<a>",
            "a",
            "<a/>b",
            "<?xml version='1.0'?><a/>",
            "</stream><stream>",
            "</stream>",
            "</stream_></stream__>",
            "<a xmlns:b='c'><d:e/></a>",
        ] {
            assert!(why(text).starts_with("this is no XML: "), "{text}: {}", why(text));
        }
    }

    #[test]
    fn an_element_may_be_as_deep_as_one_of_a_stream() {
        let nested = |depth: usize| format!("{}{}", "<a xmlns='x'>".repeat(depth), "</a>".repeat(depth));
        let check = |depth| guard::check(&element(&nested(depth)).expect("it is XML"));
        assert_eq!(
            [check(MAX_DEPTH), check(MAX_DEPTH + 1), check(50_000)],
            [Ok(()), Err(Excess::Deep), Err(Excess::Deep)]
        );
    }
}
