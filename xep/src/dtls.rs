//! DTLS fingerprints (XEP-0320).

use std::fmt;

use minidom::Element;

use crate::element::{Build, text};
use crate::{Skipped, ns};

/// Who opens the DTLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setup {
    /// The sender is the DTLS client.
    Active,
    /// The sender is the DTLS server.
    Passive,
    /// The other side may choose; only in an offer.
    ActPass,
    /// No connection for now; we refuse it.
    HoldConn,
}

impl Setup {
    const WORDS: [(Self, &'static str); 4] = [
        (Self::Active, "active"),
        (Self::Passive, "passive"),
        (Self::ActPass, "actpass"),
        (Self::HoldConn, "holdconn"),
    ];

    fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, known)| *known == word).map(|(setup, _)| *setup)
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Self::WORDS.iter().find(|(setup, _)| setup == self).expect("WORDS names every setup").1;
        f.write_str(word)
    }
}

/// The hash of a certificate that the sender will show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// The hash function in lower case; we use only `sha-256`.
    pub hash: String,
    /// Who opens the handshake; absent counts as the natural choice of the stanza.
    pub setup: Option<Setup>,
    /// The hash.
    pub value: Vec<u8>,
}

impl Fingerprint {
    /// Reads a `<fingerprint/>`; `None` if its value is no hash.
    #[must_use]
    pub fn read(element: &Element, skipped: &mut Skipped) -> Option<Self> {
        let hash = text(element, "hash")?.trim().to_ascii_lowercase();
        let Some(value) = bytes(element.text().trim()) else {
            skipped.note("fingerprint", "not pairs of hexadecimal digits");
            return None;
        };
        let setup = element.attr("setup").and_then(|word| {
            let setup = Setup::from_word(word);
            if setup.is_none() {
                skipped.note("fingerprint setup", word);
            }
            setup
        });
        Some(Self { hash, setup, value })
    }

    /// Writes the element, digits in upper case with colons between.
    #[must_use]
    pub fn write(&self) -> Element {
        let digits: Vec<String> = self.value.iter().map(|byte| format!("{byte:02X}")).collect();
        let mut element = Element::bare("fingerprint", ns::DTLS).with("hash", &self.hash).with_opt("setup", self.setup);
        element.append_text(digits.join(":"));
        element
    }
}

/// Longest hash there is: SHA-512.
const MAX_HASH: usize = 64;

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs: Vec<&str> = digits.split(':').take(MAX_HASH + 1).collect();
    if pairs.len() > MAX_HASH {
        return None;
    }
    pairs.into_iter().map(|pair| if pair.len() == 2 { u8::from_str_radix(pair, 16).ok() } else { None }).collect()
}
