//! Every real stanza is read without losing what a call uses, and without refusing any.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use minidom::Element;
use muji_xep::jingle::{Action, Jingle};
use muji_xep::jmi::JingleMessage;
use muji_xep::muc::MucUser;
use muji_xep::muji::MujiElement;
use muji_xep::rtp::Description;
use muji_xep::{Skipped, guard, ns};

fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let folders = std::fs::read_dir(root).expect("the fixtures are there").map(|entry| entry.expect("readable").path());
    let files = folders
        .filter(|path| path.is_dir())
        .flat_map(|folder| std::fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable").path()));
    let mut files: Vec<_> = files.collect();
    files.sort();
    files
}

fn stanzas(file: &Path) -> Vec<Element> {
    let text = std::fs::read_to_string(file).expect("readable");
    let trace: Element = text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    trace.children().map(|stanza| stanza.children().next().expect("one stanza an entry").clone()).collect()
}

/// How often each name that a call uses occurs.
type Tally = BTreeMap<&'static str, usize>;

const USED: [(&str, &str); 13] = [
    ("content", ns::JINGLE),
    ("description", ns::RTP),
    ("payload-type", ns::RTP),
    ("parameter", ns::RTP),
    ("rtcp-fb", ns::RTCP_FB),
    ("rtp-hdrext", ns::RTP_HDREXT),
    ("source", ns::SOURCES),
    ("rtcp-mux", ns::RTP),
    ("rtcp-reduced-size", ns::RTP),
    ("transport", ns::ICE_UDP),
    ("fingerprint", ns::DTLS),
    ("candidate", ns::ICE_UDP),
    ("preparing", ns::MUJI),
];

fn raw_tally(element: &Element, tally: &mut Tally) {
    for (name, ns) in USED {
        if element.is(name, ns) {
            *tally.entry(name).or_default() += 1;
        }
    }
    // A group repeats the sources that stand beside it.
    element.children().filter(|child| child.name() != "ssrc-group").for_each(|child| raw_tally(child, tally));
}

fn description_tally(description: &Description, tally: &mut Tally) {
    let mut add = |name, count| *tally.entry(name).or_default() += count;
    add("description", 1);
    add("payload-type", description.payload_types.len());
    add("parameter", description.payload_types.iter().map(|payload| payload.parameters.len()).sum());
    add("rtcp-fb", description.payload_types.iter().map(|payload| payload.feedback.len()).sum());
    add("rtp-hdrext", description.extensions.len());
    add("source", description.sources.len());
    add("rtcp-mux", usize::from(description.rtcp_mux));
    add("rtcp-reduced-size", usize::from(description.rtcp_reduced_size));
}

fn contents_tally(contents: &[muji_xep::jingle::Content], tally: &mut Tally) {
    for content in contents {
        *tally.entry("content").or_default() += 1;
        if let Some(description) = &content.description {
            description_tally(description, tally);
        }
        if let Some(transport) = &content.transport {
            *tally.entry("transport").or_default() += 1;
            *tally.entry("fingerprint").or_default() += transport.fingerprints.len();
            *tally.entry("candidate").or_default() += transport.candidates.len();
        }
    }
}

fn without_zeroes(tally: Tally) -> Tally {
    tally.into_iter().filter(|(_, count)| *count > 0).collect()
}

/// Candidates over IPv4 and IPv6 UDP only: others are skipped on purpose and say so.
fn unusable_candidates(element: &Element) -> usize {
    let here = element.is("candidate", ns::ICE_UDP) && element.attr("protocol") != Some("udp");
    usize::from(here) + element.children().map(unusable_candidates).sum::<usize>()
}

#[test]
fn every_jingle_element_of_real_clients_is_read_without_losing_what_we_use() {
    let mut seen = 0;
    for file in files() {
        for stanza in stanzas(&file) {
            for element in stanza.children().filter(|child| Jingle::matches(child)) {
                assert_eq!(guard::check(element), Ok(()));
                let mut skipped = Skipped::default();
                let jingle = Jingle::read(element, &mut skipped).unwrap_or_else(|| panic!("{}", file.display()));
                assert!(!matches!(jingle.action, Action::Other(_)), "{}", file.display());
                let (mut raw, mut read) = (Tally::new(), Tally::new());
                raw_tally(element, &mut raw);
                contents_tally(&jingle.contents, &mut read);
                *read.entry("candidate").or_default() += unusable_candidates(element);
                assert_eq!(without_zeroes(raw), without_zeroes(read), "{}: {skipped}", file.display());
                let again = Jingle::read(&jingle.write(), &mut Skipped::default());
                assert_eq!(again.as_ref(), Some(&jingle), "what we write of it reads the same");
                seen += 1;
            }
        }
    }
    assert!(seen > 500, "only {seen} Jingle elements in the fixtures");
}

#[test]
fn every_muji_presence_of_real_clients_is_read_without_losing_what_we_use() {
    let mut seen = 0;
    for file in files() {
        for stanza in stanzas(&file).into_iter().filter(|stanza| stanza.name() == "presence") {
            let payloads: Vec<Element> = stanza.children().cloned().collect();
            let Some(element) = MujiElement::find(&payloads) else { continue };
            assert_eq!(guard::check(element), Ok(()));
            let muji = MujiElement::read(element, &mut Skipped::default());
            let (mut raw, mut read) = (Tally::new(), Tally::new());
            raw_tally(element, &mut raw);
            contents_tally(&muji.contents, &mut read);
            *read.entry("preparing").or_default() += usize::from(muji.preparing);
            assert_eq!(without_zeroes(raw), without_zeroes(read), "{}", file.display());
            assert_eq!(MujiElement::read(&muji.write(), &mut Skipped::default()), muji);
            seen += 1;
        }
    }
    assert!(seen > 100, "only {seen} Muji presences in the fixtures");
}

#[test]
fn every_occupant_of_a_real_room_keeps_its_real_jid_and_status_codes() {
    let mut seen = 0;
    for file in files() {
        for stanza in stanzas(&file).into_iter().filter(|stanza| stanza.name() == "presence") {
            let payloads: Vec<Element> = stanza.children().cloned().collect();
            let Some(x) = payloads.iter().find(|payload| payload.is("x", ns::MUC_USER)) else { continue };
            let user = MucUser::find(&payloads).expect("servers send one");
            let codes = x.children().filter(|child| child.name() == "status").count();
            assert_eq!(user.codes.len(), codes, "{}", file.display());
            let jid = x.children().find_map(|child| child.attr("jid"));
            assert_eq!(user.real(None).map(|jid| jid.to_string()), jid.map(str::to_owned));
            seen += 1;
        }
    }
    assert!(seen > 200, "only {seen} occupants in the fixtures");
}

/// Copies of other devices' messages included.
fn messages(element: &Element) -> Vec<&Element> {
    let inner = element.children().flat_map(messages);
    inner.chain((element.name() == "message").then_some(element)).collect()
}

#[test]
fn every_word_of_real_clients_about_a_call_before_its_session_is_read() {
    let mut seen = 0;
    for file in files() {
        for stanza in stanzas(&file) {
            for message in messages(&stanza) {
                let payloads: Vec<Element> = message.children().cloned().collect();
                let Some(raw) = payloads.iter().find(|payload| payload.ns() == ns::JINGLE_MESSAGE) else { continue };
                let read = JingleMessage::find(&payloads).unwrap_or_else(|| panic!("{}", file.display()));
                assert_eq!(Some(read.id.as_str()), raw.attr("id"));
                assert_eq!(JingleMessage::find(&read.write()), Some(read), "what we write of it reads the same");
                seen += 1;
            }
        }
    }
    assert!(seen > 50, "only {seen} words in the fixtures");
}
