//! The trace of a call: every stanza with its time and direction, without passwords; and its sequence diagram.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use jid::FullJid;
use muji_trace::{Line, diagram};
use muji_xep::{Element, guard};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::minidom::rxml::Namespace;
use xmpp_parsers::stanza::Stanza;

use crate::exit::Failure;

/// The most stanzas that a diagram is drawn of.
const DRAWN: usize = 4_096;

/// A trace file and a diagram, if they are wanted.
pub(crate) struct Trace {
    file: Option<BufWriter<File>>,
    start: Instant,
    diagram: Option<Diagram>,
}

/// What is drawn at the end.
struct Diagram {
    path: PathBuf,
    client: Option<FullJid>,
    lines: Vec<Line>,
}

impl Trace {
    pub(crate) fn begin(path: Option<&Path>, diagram: Option<&Path>) -> Result<Self, Failure> {
        let start = Instant::now();
        let create = |path: &Path| {
            File::create(path).map_err(|why| Failure::Usage(format!("{} cannot be written: {why}", path.display())))
        };
        let mut file = path.map(create).transpose()?.map(BufWriter::new);
        if let Some(file) = &mut file {
            writeln!(file, "<trace xmlns='urn:muji:trace'>")
                .map_err(|why| Failure::Usage(format!("cannot write the trace: {why}")))?;
        }
        // That it cannot be written is said now, not after the call.
        diagram.map(create).transpose()?;
        let diagram = diagram.map(|path| Diagram { path: path.to_owned(), client: None, lines: Vec::new() });
        Ok(Self { file, start, diagram })
    }

    /// Under which JID we are there.
    pub(crate) fn bound(&mut self, client: &FullJid) {
        if let Some(diagram) = &mut self.diagram {
            diagram.client = Some(client.clone());
        }
    }

    pub(crate) fn sent(&mut self, stanza: &Stanza) {
        self.write("sent", stanza);
        self.draw(true, stanza);
    }

    pub(crate) fn received(&mut self, stanza: &Stanza) {
        self.write("received", stanza);
        self.draw(false, stanza);
    }

    fn draw(&mut self, said: bool, stanza: &Stanza) {
        let Some(diagram) = self.diagram.as_mut().filter(|diagram| diagram.lines.len() < DRAWN) else { return };
        if let (Some(client), Some(stanza)) = (diagram.client.clone(), element(stanza)) {
            diagram.lines.push(Line { at: self.start.elapsed(), client, said, stanza });
        }
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
            eprintln!("muji-call: cannot write the trace any more; the call continues without it");
            self.file = None;
        }
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        if let Some(file) = &mut self.file {
            drop(writeln!(file, "</trace>"));
        }
        if let Some(Diagram { path, lines, .. }) = &self.diagram
            && let Err(why) = std::fs::write(path, diagram::draw("A call", lines))
        {
            eprintln!("muji-call: {} cannot be written: {why}", path.display());
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
