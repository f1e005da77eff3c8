//! The trace of a call: every stanza, with its time and direction, passwords left out.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use muji_xep::{Element, guard};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::minidom::rxml::Namespace;
use xmpp_parsers::stanza::Stanza;

use crate::exit::Failure;

/// A trace file, if one is wanted.
pub(crate) struct Trace {
    file: Option<BufWriter<File>>,
    start: Instant,
}

impl Trace {
    pub(crate) fn begin(path: Option<&Path>) -> Result<Self, Failure> {
        let start = Instant::now();
        let Some(path) = path else { return Ok(Self { file: None, start }) };
        let unwritable = |why| Failure::Usage(format!("{} cannot be written: {why}", path.display()));
        let mut file = BufWriter::new(File::create(path).map_err(unwritable)?);
        writeln!(file, "<trace xmlns='urn:muji:trace'>").map_err(unwritable)?;
        Ok(Self { file: Some(file), start })
    }

    pub(crate) fn sent(&mut self, stanza: &Stanza) {
        self.write("sent", stanza);
    }

    pub(crate) fn received(&mut self, stanza: &Stanza) {
        self.write("received", stanza);
    }

    fn write(&mut self, direction: &str, stanza: &Stanza) {
        let at = self.start.elapsed().as_secs_f64();
        let Some(file) = &mut self.file else { return };
        let text = element(stanza).map_or_else(
            || "<!-- too deep or too large to be written -->".to_owned(),
            |mut element| {
                mask(&mut element);
                String::from(&element)
            },
        );
        if writeln!(file, "<{direction} at='{at:.3}'>{text}</{direction}>").and_then(|()| file.flush()).is_err() {
            eprintln!("muji-call: the trace cannot be written any more; going on without it");
            self.file = None;
        }
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        if let Some(file) = &mut self.file {
            drop(writeln!(file, "</trace>"));
        }
    }
}

/// A stanza as it is written; `None` for one whose copying could exhaust the stack.
fn element(stanza: &Stanza) -> Option<Element> {
    let sane = |payloads: &[Element]| payloads.iter().all(|payload| guard::check(payload).is_ok());
    match stanza {
        Stanza::Presence(presence) => sane(&presence.payloads).then(|| presence.clone().into()),
        Stanza::Message(message) => sane(&message.payloads).then(|| message.clone().into()),
        Stanza::Iq(iq) => {
            let payload = match iq {
                Iq::Get { payload, .. } | Iq::Set { payload, .. } => Some(payload),
                Iq::Result { payload, .. } | Iq::Error { payload, .. } => payload.as_ref(),
            };
            payload.is_none_or(|payload| guard::check(payload).is_ok()).then(|| iq.clone().into())
        }
    }
}

/// Passwords of ICE, of TURN servers and of rooms.
fn mask(element: &mut Element) {
    for name in ["pwd", "password"] {
        if element.attr(name).is_some() {
            let name = name.try_into().expect("it is an NCName");
            element.set_attr(Namespace::NONE, name, "***");
        }
    }
    if element.name() == "password" {
        element.take_nodes();
        element.append_text("***");
    }
    element.children_mut().for_each(mask);
}
