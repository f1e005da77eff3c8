//! Real stanzas, broken in ten thousand ways: every reader survives them, and keeps no more than its bounds.

use std::path::Path;

use minidom::Element;
use muji_xep::jingle::{Jingle, MAX_CONTENTS};
use muji_xep::muc::MucUser;
use muji_xep::muji::MujiElement;
use muji_xep::rtp::MAX_PAYLOAD_TYPES;
use muji_xep::{Skipped, extdisco, guard, ns};

/// One stanza with much in it from each client.
const FILES: [&str; 3] = ["chromium/mesh3-n1.xml", "dino-0.5.1/muji-3party.xml", "dino-0.4.2/muji-2party-video.xml"];

/// Broken stanzas made of each file.
const ROUNDS: usize = 10_000;

/// SplitMix64, as chance that repeats.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).expect("it is below a usize")
    }
}

/// Bytes that mean something to a reader.
const BYTES: &[u8] = b"0123456789-+.:/%\"'<> \0\xFFaAzZ";

/// Cuts, doubles or changes some bytes.
fn broken(stanza: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = stanza.to_vec();
    for _ in 0..=chance.below(4) {
        let at = chance.below(bytes.len());
        let until = (at + chance.below(40)).min(bytes.len());
        match chance.below(3) {
            0 => drop(bytes.drain(at..until)),
            1 => {
                let again = bytes[at..until].to_vec();
                bytes.splice(until..until, again);
            }
            _ => bytes[at] = BYTES[chance.below(BYTES.len())],
        }
        if bytes.is_empty() {
            return bytes;
        }
    }
    bytes
}

/// True if something was there to read.
fn read(stanza: &Element) -> bool {
    let payloads: Vec<Element> = stanza.children().cloned().collect();
    let mut skipped = Skipped::default();
    let mut contents = Vec::new();
    for payload in payloads.iter().filter(|payload| guard::check(payload).is_ok()) {
        if Jingle::matches(payload) {
            contents.extend(Jingle::read(payload, &mut skipped).into_iter().flat_map(|jingle| jingle.contents));
        } else if payload.is("muji", ns::MUJI) {
            contents.extend(MujiElement::read(payload, &mut skipped).contents);
        } else {
            drop(extdisco::read(payload, &mut skipped));
        }
    }
    assert!(contents.len() <= MAX_CONTENTS * payloads.len());
    let bounded = |content: &muji_xep::jingle::Content| {
        content.description.as_ref().is_none_or(|description| description.payload_types.len() <= MAX_PAYLOAD_TYPES)
    };
    assert!(contents.iter().all(bounded));
    let _occupant = MucUser::find(&payloads);
    !contents.is_empty()
}

#[test]
fn no_broken_stanza_brings_a_reader_down() {
    for (seed, file) in (1..).zip(FILES) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(file);
        let text = std::fs::read_to_string(path).expect("the fixtures are there");
        let trace: Element = text.parse().expect("well-formed");
        let stanzas: Vec<Vec<u8>> = trace
            .children()
            .filter_map(|entry| entry.children().next())
            .map(|stanza| String::from(stanza).into())
            .collect();
        let (mut chance, mut meaningful) = (Chance(seed), 0);
        for _ in 0..ROUNDS {
            let stanza = &stanzas[chance.below(stanzas.len())];
            let text = String::from_utf8_lossy(&broken(stanza, &mut chance)).into_owned();
            meaningful += usize::from(text.parse().is_ok_and(|element| read(&element)));
        }
        assert!(meaningful > ROUNDS / 50, "{file}: only {meaningful} broken stanzas had anything to read");
    }
}
