//! What comes, by a stream or as text, as elements, before anything reads them.
//!
//! tokio-xmpp's own type reads what a stream brings at once and drops in silence what it does not understand. This one takes everything,
//! within bounds.

use muji_xep::Element;
use muji_xep::guard::MAX_DEPTH;
use xmpp_parsers::minidom::rxml::{AttrMap, Event, QName};
use xso::error::{Error, FromEventsError};
use xso::{Context, FromEventsBuilder, FromXml};

/// Bytes of names, values and texts that are kept of one element. Servers let half a megabyte through; a long list of contacts, which comes
/// as one stanza, stays below.
const MAX_BYTES: usize = 1024 * 1024;

/// A child of the stream, or of what was given as text. One over a bound is cut, and larger than [`muji_xep::guard::check`] lets pass.
#[derive(Debug)]
pub(crate) struct IncomingElement(pub(crate) Element);

impl FromXml for IncomingElement {
    type Builder = Builder;

    fn from_events(name: QName, attrs: AttrMap, _: &Context<'_>) -> Result<Builder, FromEventsError> {
        Ok(Builder::new(name, attrs))
    }
}

/// An element of which a part has come.
pub(crate) struct Builder {
    /// The elements that are open, the outermost first.
    open: Vec<Element>,
    /// How many more are open and not kept.
    cut: usize,
    bytes: usize,
}

impl FromEventsBuilder for Builder {
    type Output = IncomingElement;

    fn feed(&mut self, event: Event, _: &Context<'_>) -> Result<Option<IncomingElement>, Error> {
        match event {
            Event::StartElement(_, name, attrs) => self.start(name, attrs),
            Event::Text(_, text) => self.text(&text),
            Event::EndElement(_) => return Ok(self.end().map(IncomingElement)),
            Event::XmlDeclaration(..) => {} // Only at the beginning of a stream.
        }
        Ok(None)
    }
}

impl Builder {
    pub(crate) fn new(name: QName, attrs: AttrMap) -> Self {
        let mut this = Self { open: Vec::new(), cut: 0, bytes: 0 };
        this.start(name, attrs);
        this
    }

    fn start(&mut self, (namespace, name): QName, attrs: AttrMap) {
        let values: usize = attrs.iter().map(|((_, name), value)| name.len() + value.len()).sum();
        self.bytes = self.bytes.saturating_add(name.len() + values);
        // One level more than is read, so that what is cut is seen to be too deep.
        if self.cut > 0 || self.open.len() > MAX_DEPTH || self.bytes > MAX_BYTES {
            self.cut += 1;
            return;
        }
        let mut element = Element::bare(name.as_str(), namespace.as_str());
        for ((namespace, name), value) in attrs {
            element.set_attr(namespace, name, value);
        }
        self.open.push(element);
    }

    fn text(&mut self, text: &str) {
        self.bytes = self.bytes.saturating_add(text.len());
        if let Some(element) = self.open.last_mut().filter(|_| self.cut == 0 && self.bytes <= MAX_BYTES) {
            element.append_text(text);
        }
    }

    /// The whole, if that was its end.
    fn end(&mut self) -> Option<Element> {
        if self.cut > 0 {
            self.cut -= 1;
            return None;
        }
        let element = self.open.pop()?;
        match self.open.last_mut() {
            Some(outer) => {
                outer.append_child(element);
                None
            }
            None => Some(element),
        }
    }
}

#[cfg(test)]
mod tests {
    use muji_xep::guard::{self, Excess};

    use super::*;

    fn read(text: &str) -> Element {
        xso::from_bytes::<IncomingElement>(text.as_bytes()).expect("everything is taken").0
    }

    #[test]
    fn an_element_is_what_was_written() {
        let text = "<message xmlns='jabber:client' xml:lang='en' type='chat'>\n<body>a<![CDATA[<b>]]></body>\
            <x xmlns='urn:example' xmlns:p='urn:p' p:q='1'>&lt;</x></message>";
        assert_eq!(read(text), text.parse().expect("it is well-formed"));
    }

    #[test]
    fn what_is_nested_without_end_is_cut_and_seen_to_be_too_deep() {
        let text = format!("{}{}", "<a xmlns='x'>".repeat(50_000), "</a>".repeat(50_000));
        assert_eq!(guard::check(&read(&text)), Err(Excess::Deep));
    }

    #[test]
    fn what_is_large_without_end_is_cut_and_seen_to_be_too_large() {
        let children = format!("<b>{}</b>", "c".repeat(1_000)).repeat(3_000);
        let read = read(&format!("<a xmlns='x'>{children}</a>"));
        assert_eq!(guard::check(&read), Err(Excess::Large));
        assert!(read.children().count() < 1_100, "it is cut");
    }

    #[test]
    fn what_xmpp_leaves_out_of_xml_is_an_error() {
        let broken: [&[u8]; 6] = [
            b"<!DOCTYPE a [<!ENTITY b 'c'>]><a xmlns='x'>&b;</a>",
            b"<a xmlns='x'>&b;</a>",
            b"<a xmlns='x'><!-- b --></a>",
            b"<a xmlns='x'><?b c?></a>",
            b"<a xmlns='x'>\xFF</a>",
            b"<a xmlns='x'>\0</a>",
        ];
        for text in broken {
            let read = xso::from_bytes::<IncomingElement>(text);
            assert!(read.is_err(), "{}", String::from_utf8_lossy(text));
        }
    }
}
