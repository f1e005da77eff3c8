//! The trace of a call: every stanza with its time and direction, without passwords; and its sequence diagram.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use jid::FullJid;
use muji_trace::{Line, diagram};
use muji_xep::{Element, guard};
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
        self.keep(true, &element(stanza));
    }

    pub(crate) fn received(&mut self, stanza: &Element) {
        self.keep(false, &guard::copy(stanza));
    }

    fn keep(&mut self, said: bool, stanza: &Element) {
        self.write(if said { "sent" } else { "received" }, stanza);
        let Some(diagram) = self.diagram.as_mut().filter(|diagram| diagram.lines.len() < DRAWN) else { return };
        if let Some(client) = diagram.client.clone() {
            diagram.lines.push(Line { at: self.start.elapsed(), client, said, stanza: stanza.clone() });
        }
    }

    fn write(&mut self, direction: &str, stanza: &Element) {
        let at = self.start.elapsed().as_secs_f64();
        let Some(file) = &mut self.file else { return };
        let mut stanza = stanza.clone();
        mask(&mut stanza);
        let text = String::from(&stanza);
        if writeln!(file, "<{direction} at='{at:.3}'>{text}</{direction}>").and_then(|()| file.flush()).is_err() {
            crate::output::error(format_args!(
                "muji-call: cannot write the trace any more; the call continues without it"
            ));
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
            crate::output::error(format_args!("muji-call: {} cannot be written: {why}", path.display()));
        }
    }
}

/// Our stanza as it is written.
fn element(stanza: &Stanza) -> Element {
    match stanza {
        Stanza::Presence(presence) => presence.clone().into(),
        Stanza::Message(message) => message.clone().into(),
        Stanza::Iq(iq) => iq.clone().into(),
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
