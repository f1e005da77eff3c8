//! DTLS fingerprints (XEP-0320), and those that are tied to a device by an end-to-end encryption (a draft around OMEMO).

use std::fmt;

use minidom::Element;

use crate::element::{Build, parsed, text};
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

    fn read(element: &Element, skipped: &mut Skipped) -> Option<Self> {
        let word = element.attr("setup")?;
        let setup = Self::from_word(word);
        if setup.is_none() {
            skipped.note("fingerprint setup", word);
        }
        setup
    }

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
        let Some(value) = bytes(&element.text()) else {
            skipped.note("fingerprint", "not pairs of hexadecimal digits");
            return None;
        };
        Some(Self { hash, setup: Setup::read(element, skipped), value })
    }

    /// Its value in digits, in upper case with colons between.
    #[must_use]
    pub fn digits(&self) -> String {
        let digits: Vec<String> = self.value.iter().map(|byte| format!("{byte:02X}")).collect();
        digits.join(":")
    }

    /// Writes the element.
    #[must_use]
    pub fn write(&self) -> Element {
        let mut element = Element::bare("fingerprint", ns::DTLS).with("hash", &self.hash).with_opt("setup", self.setup);
        element.append_text(self.digits());
        element
    }
}

/// A fingerprint that only one device of its receiver can read and only a device of its sender can have written. It takes the
/// place of the plain one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptedFingerprint {
    /// As of the plain one.
    pub hash: String,
    /// As of the plain one.
    pub setup: Option<Setup>,
    /// Its digits, encrypted: OMEMO's `<encrypted/>`.
    pub payload: Element,
}

impl EncryptedFingerprint {
    /// A fingerprint whose digits were encrypted to `payload`.
    #[must_use]
    pub fn new(fingerprint: &Fingerprint, payload: Element) -> Self {
        Self { hash: fingerprint.hash.clone(), setup: fingerprint.setup, payload }
    }

    /// The plain fingerprint that was decrypted to `digits`; `None` if these are no digits.
    #[must_use]
    pub fn opened(&self, digits: &str) -> Option<Fingerprint> {
        Some(Fingerprint { hash: self.hash.clone(), setup: self.setup, value: bytes(digits)? })
    }

    /// Reads a `<fingerprint/>`; `None` if nothing is in it.
    #[must_use]
    pub fn read(element: &Element, skipped: &mut Skipped) -> Option<Self> {
        let hash = text(element, "hash")?.trim().to_ascii_lowercase();
        let payload = element.children().next()?.clone();
        Some(Self { hash, setup: Setup::read(element, skipped), payload })
    }

    /// Writes the element.
    #[must_use]
    pub fn write(&self) -> Element {
        let element = Element::bare("fingerprint", ns::DTLS_OMEMO).with("hash", &self.hash);
        element.with_opt("setup", self.setup).child(self.payload.clone())
    }
}

/// The device that the sender names in a Jingle message or a Muji presence.
#[must_use]
pub fn device_id(parent: &Element) -> Option<u32> {
    parent.get_child("device", ns::DTLS_OMEMO).and_then(|device| parsed(device, "id"))
}

/// Writes our device, for the same places.
#[must_use]
pub fn write_device_id(id: u32) -> Element {
    Element::bare("device", ns::DTLS_OMEMO).with("id", id)
}

/// Longest hash there is: SHA-512.
const MAX_HASH: usize = 64;

/// The value of pairs of digits. The colons between them, and line breaks in a long text, say nothing.
pub(crate) fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<char> =
        text.chars().filter(|it| *it != ':' && !it.is_ascii_whitespace()).take(2 * MAX_HASH + 1).collect();
    if digits.is_empty() || digits.len() > 2 * MAX_HASH || !digits.len().is_multiple_of(2) {
        return None;
    }
    let value = |pair: &[char; 2]| u8::try_from(pair[0].to_digit(16)? << 4 | pair[1].to_digit(16)?).ok();
    digits.as_chunks().0.iter().map(value).collect()
}
