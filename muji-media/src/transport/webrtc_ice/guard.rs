//! Checks what the parsers of other crates get: dtls 0.17.2, webrtc-srtp 0.17.2 and rtcp 0.17.2 trust lengths from the network, and panic
//! or recurse without bound if those are wrong. All lengths are checked here before.

use std::collections::{BTreeMap, BTreeSet};

use crate::transport::rtp_head::RtpHead;

/// The longest handshake message, whole: a chain of certificates takes some thousands. dtls reads 8192 bytes at once.
const MAX_MESSAGE: usize = 7_000;

/// Handshake messages of which parts are awaited: no flight has more.
const MAX_MESSAGES: usize = 8;

/// Messages of a whole handshake, of one end: a dozen at most.
const MAX_WHOLE: usize = 32;

/// What is before a record, and before a handshake message in it (RFC 6347 sections 4.1 and 4.2.2).
const RECORD: usize = 13;
const MESSAGE: usize = 12;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const SERVER_KEY_EXCHANGE: u8 = 12;
const CLIENT_KEY_EXCHANGE: u8 = 16;

/// Encrypted records before the handshake has ended: dtls keeps all of them for later, and no flight has more.
const MAX_EARLY: usize = 64;

/// Filters DTLS records: only well-formed ones pass, and handshake messages only when complete, because dtls reassembles them by recursion,
/// once for each fragment.
#[derive(Default)]
pub(super) struct Records {
    /// By their number.
    messages: BTreeMap<u16, Parts>,
    /// Those that were whole.
    whole: BTreeSet<u16>,
    early: usize,
}

/// What goes on of a datagram.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) records: Vec<u8>,
    /// Handshake messages among it were here before, and go no further: the peer did not get our answer.
    pub(super) again: bool,
}

/// What came of a message.
struct Parts {
    kind: u8,
    body: Vec<u8>,
    /// Which of its bytes came.
    came: Vec<bool>,
}

impl Records {
    /// What of a datagram goes on; `ended` if the handshake has. `None` if it is not DTLS, or malformed: then nothing of it does.
    pub(super) fn take(&mut self, datagram: &[u8], ended: bool) -> Option<Accepted> {
        let mut accepted = Accepted::default();
        let mut rest = datagram;
        while !rest.is_empty() {
            let (head, behind) = rest.split_at_checked(RECORD)?;
            let (body, behind) = behind.split_at_checked(usize::from(word(head, 11)?))?;
            rest = behind;
            let encrypted = word(head, 3)? > 0;
            match head[0] {
                _ if body.is_empty() => return None,
                HANDSHAKE if ended => {
                    accepted.again = true;
                    continue;
                }
                _ if ended && !encrypted => continue, // A forged alert must not end the path.
                CHANGE_CIPHER_SPEC if body.len() == 1 => {}
                CHANGE_CIPHER_SPEC..=APPLICATION_DATA if encrypted => {
                    self.early += usize::from(!ended);
                    if self.early > MAX_EARLY && !ended {
                        return None;
                    }
                }
                ALERT if body.len() == 2 => {}
                HANDSHAKE => {
                    let whole = self.whole(body, &mut accepted.again)?;
                    if !whole.is_empty() {
                        accepted.records.extend_from_slice(&head[..11]);
                        accepted.records.extend(u16::try_from(whole.len()).ok()?.to_be_bytes());
                        accepted.records.extend(whole);
                    }
                    continue;
                }
                _ => return None,
            }
            accepted.records.extend_from_slice(head);
            accepted.records.extend_from_slice(body);
        }
        Some(accepted)
    }

    /// The messages that are whole with what came in this record, and whether some were before.
    fn whole(&mut self, mut record: &[u8], again: &mut bool) -> Option<Vec<u8>> {
        let mut whole = Vec::new();
        while !record.is_empty() {
            let (head, behind) = record.split_at_checked(MESSAGE)?;
            let (length, from, part) = (triple(head, 1)?, triple(head, 6)?, triple(head, 9)?);
            let (body, behind) = behind.split_at_checked(part)?;
            record = behind;
            let number = word(head, 4)?;
            if length > MAX_MESSAGE || from + part > length || (part == 0 && length > 0) {
                return None;
            }
            if self.whole.contains(&number) {
                *again = true;
                continue;
            }
            if self.messages.len() == MAX_MESSAGES && !self.messages.contains_key(&number) {
                self.messages.pop_first(); // The oldest, whose sender sends it again if it is of use.
            }
            let fresh = || Parts { kind: head[0], body: vec![0; length], came: vec![false; length] };
            let parts = self.messages.entry(number).or_insert_with(fresh);
            if parts.body.len() != length || parts.kind != head[0] {
                *parts = fresh(); // One of both lies.
            }
            parts.body[from..from + part].copy_from_slice(body);
            parts.came[from..from + part].fill(true);
            if parts.came.iter().all(|came| *came) {
                let Parts { kind, body, .. } = self.messages.remove(&number)?;
                if !is_sound(kind, &body) || whole.len() + MESSAGE + body.len() > MAX_MESSAGE {
                    return None;
                }
                if self.whole.len() == MAX_WHOLE {
                    return None;
                }
                self.whole.insert(number);
                whole.extend_from_slice(&head[..6]);
                whole.extend([0; 3]);
                whole.extend_from_slice(&head[1..4]);
                whole.extend(body);
            }
        }
        Some(whole)
    }
}

/// Whether dtls can index this message without a panic.
fn is_sound(kind: u8, body: &[u8]) -> bool {
    match kind {
        CLIENT_HELLO => after_hello(body, true).is_some_and(are_extensions),
        SERVER_HELLO => after_hello(body, false).is_some_and(|rest| rest.is_empty() || are_extensions(rest)),
        // Their first two bytes are read as the length of a hint.
        SERVER_KEY_EXCHANGE => body.len() >= 4,
        CLIENT_KEY_EXCHANGE => body.len() >= 2,
        _ => true,
    }
}

/// What is behind the fields of a hello (RFC 5246 section 7.4.1): version, random, session id, cookie, ciphers and compression.
fn after_hello(body: &[u8], of_client: bool) -> Option<&[u8]> {
    let rest = body.get(34..)?;
    let (session, rest) = short(rest)?;
    if !of_client {
        return rest.get(3..); // One cipher, one compression.
    }
    let (_cookie, rest) = short(rest)?;
    let ciphers = usize::from(word(rest, 0)?);
    let (_compression, rest) = short(rest.get(2 + ciphers..)?)?;
    // dtls takes it for granted that there is no session, and would read it as something else.
    session.is_empty().then_some(rest)
}

/// Extensions that fill exactly what is theirs.
fn are_extensions(rest: &[u8]) -> bool {
    let Some(mut rest) = rest.get(2..).filter(|block| word(rest, 0) == u16::try_from(block.len()).ok()) else {
        return false;
    };
    while !rest.is_empty() {
        let Some(length) = word(rest, 2) else { return false };
        let Some(behind) = rest.get(4 + usize::from(length)..) else { return false };
        rest = behind;
    }
    true
}

/// A field with its length in one byte before it, and what is behind it.
fn short(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

fn triple(bytes: &[u8], at: usize) -> Option<usize> {
    let [first, second, third] = *bytes.get(at..at + 3)? else { return None };
    Some(usize::from(first) << 16 | usize::from(second) << 8 | usize::from(third))
}

/// As webrtc-srtp takes it: with the extensions as one block, because it would measure single ones differently.
pub(super) fn webrtc_header(head: &RtpHead) -> rtp::header::Header {
    let (extension_profile, block) = head.extensions.clone().unwrap_or_default();
    rtp::header::Header {
        version: 2,
        padding: head.padded,
        extension: head.extensions.is_some(),
        marker: head.marker,
        payload_type: head.payload_type,
        sequence_number: head.sequence,
        timestamp: head.timestamp,
        ssrc: head.ssrc,
        csrc: head.sources.clone(),
        // Neither of the profiles that it would look into.
        extension_profile: if matches!(extension_profile, 0xBEDE | 0x1000) { 0 } else { extension_profile },
        extensions: head
            .extensions
            .iter()
            .map(|_| rtp::header::Extension { id: 0, payload: block.clone().into() })
            .collect(),
        extensions_padding: 0,
    }
}

/// The shortest SRTCP packet: head and sender, index, and the shortest of the tags (RFC 3711 section 3.4).
pub(super) const LEAST_SRTCP: usize = 8 + 4 + 10;

/// One packet of a compound, by its kind and the count or format in its head.
pub(super) struct Report<'a> {
    pub(super) kind: u8,
    pub(super) count: u8,
    pub(super) bytes: &'a [u8],
}

pub(super) const SENDER_REPORT: u8 = 200;
pub(super) const RECEIVER_REPORT: u8 = 201;
pub(super) const TRANSPORT_FEEDBACK: u8 = 205;
pub(super) const PAYLOAD_FEEDBACK: u8 = 206;

/// The packets of a compound (RFC 3550 section 6.1) that are known and as long as what they hold; reading ends where one is longer than
/// what is there.
pub(super) fn reports(mut compound: &[u8]) -> Vec<Report<'_>> {
    let mut reports = Vec::new();
    while let (Some(first), Some(kind), Some(words)) = (compound.first(), compound.get(1), word(compound, 2)) {
        let Some((bytes, rest)) = compound.split_at_checked(4 * (usize::from(words) + 1)) else { break };
        compound = rest;
        let count = first & 0x1F;
        let blocks = usize::from(count);
        let is_sound = match (*kind, count) {
            (SENDER_REPORT, _) => bytes.len() >= 28 + 24 * blocks,
            (RECEIVER_REPORT, _) => bytes.len() >= 8 + 24 * blocks,
            // Generic NACK, PLI, FIR and REMB.
            (TRANSPORT_FEEDBACK, 1) => bytes.len() >= 16,
            (PAYLOAD_FEEDBACK, 1) => bytes.len() == 12,
            (PAYLOAD_FEEDBACK, 4) => bytes.len() >= 20 && (bytes.len() - 12).is_multiple_of(8),
            (PAYLOAD_FEEDBACK, 15) => {
                bytes.get(12..16) == Some(b"REMB")
                    && bytes.get(16).is_some_and(|count| bytes.len() == 20 + 4 * usize::from(*count))
            }
            _ => false,
        };
        // No padding: only the last may have some, and none of these needs any.
        if first >> 6 == 2 && first & 0x20 == 0 && is_sound {
            reports.push(Report { kind: *kind, count, bytes });
        }
    }
    reports
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of the first epoch with one handshake message of these bytes.
    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        part(kind, body, 0..body.len())
    }

    fn part(kind: u8, body: &[u8], range: std::ops::Range<usize>) -> Vec<u8> {
        let number = |number: usize| number.to_be_bytes()[5..].to_vec();
        let length = u16::try_from(MESSAGE + range.len()).expect("short");
        let mut record = vec![HANDSHAKE, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0];
        record.extend(length.to_be_bytes());
        record.push(kind);
        record.extend(number(body.len()));
        record.extend([0, 0]);
        record.extend(number(range.start));
        record.extend(number(range.len()));
        record.extend(&body[range]);
        record
    }

    /// A ClientHello with these extensions, and so many bytes behind the last.
    fn hello(behind: usize) -> Vec<u8> {
        let mut body = vec![254, 253];
        body.extend([7; 32]);
        body.extend([0, 0, 0, 2, 0xC0, 0x2B, 1, 0]);
        let mut extensions = vec![0, 23, 0, 0];
        extensions.extend(vec![0; behind]);
        body.extend(u16::try_from(extensions.len()).expect("short").to_be_bytes());
        body.extend(extensions);
        body
    }

    /// What goes on of a datagram during the handshake.
    fn take(records: &mut Records, datagram: &[u8]) -> Option<Vec<u8>> {
        records.take(datagram, false).map(|sound| sound.records)
    }

    #[test]
    fn a_greeting_with_bytes_behind_its_extensions_goes_to_no_parser() {
        assert_eq!(
            take(&mut Records::default(), &message(CLIENT_HELLO, &hello(0))),
            Some(message(CLIENT_HELLO, &hello(0)))
        );
        for behind in 1..4 {
            assert_eq!(take(&mut Records::default(), &message(CLIENT_HELLO, &hello(behind))), None, "{behind}");
        }
        for length in 0..hello(0).len() {
            assert_eq!(take(&mut Records::default(), &message(CLIENT_HELLO, &hello(0)[..length])), None, "{length}");
        }
    }

    #[test]
    fn key_exchanges_without_a_body_go_to_no_parser() {
        for kind in [SERVER_KEY_EXCHANGE, CLIENT_KEY_EXCHANGE] {
            assert_eq!(take(&mut Records::default(), &message(kind, &[])), None);
            assert_eq!(take(&mut Records::default(), &message(kind, &[0])), None);
            assert!(take(&mut Records::default(), &message(kind, &[3, 0, 29, 1, 2])).is_some());
        }
    }

    #[test]
    fn a_message_in_parts_goes_on_once_it_is_whole_in_whichever_order_they_come() {
        let body = hello(0);
        let parts: Vec<_> = (0..body.len()).map(|at| part(CLIENT_HELLO, &body, at..at + 1)).collect();
        let mut records = Records::default();
        for (index, part) in parts.iter().rev().enumerate() {
            let came = take(&mut records, part).expect("sound");
            let whole = index + 1 == parts.len();
            let wanted = if whole { message(CLIENT_HELLO, &body) } else { Vec::new() };
            assert_eq!(came, wanted, "{index}");
        }
        assert_eq!(records.messages.len(), 0);
    }

    #[test]
    fn a_message_that_was_here_before_goes_no_further_and_one_before_it_that_comes_late_does() {
        let mut records = Records::default();
        let (mut second, first) = (message(14, &[]), message(CLIENT_HELLO, &hello(0)));
        second[RECORD + 5] = 1;
        let came = [&second, &first, &second, &first].map(|datagram| records.take(datagram, false).expect("sound"));
        assert_eq!(
            came.each_ref().map(|sound| (sound.records.is_empty(), sound.again)),
            [(false, false), (false, false), (true, true), (true, true)]
        );
        let after = records.take(&first, true).expect("sound");
        assert_eq!(after, Accepted { records: Vec::new(), again: true }, "nor does any after the end");
        let alert = [21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40];
        assert_eq!(records.take(&alert, true), Some(Accepted::default()), "nor an alert that anybody can write");
    }

    #[test]
    fn lies_about_lengths_and_crowds_of_messages_cost_little() {
        let mut records = Records::default();
        let huge = vec![1; MAX_MESSAGE + 1];
        assert_eq!(take(&mut records, &part(CLIENT_HELLO, &huge, 0..1)), None);
        let mut beyond = part(CLIENT_HELLO, &[1; 100], 0..50);
        beyond[RECORD + 8] = 90; // From 90, 50 of 100.
        assert_eq!(take(&mut records, &beyond), None);
        for number in 0..=255u8 {
            let mut first = part(CLIENT_HELLO, &[1; 6_000], 0..50);
            first[RECORD + 5] = number;
            assert_eq!(take(&mut records, &first), Some(Vec::new()));
        }
        assert_eq!(records.messages.len(), MAX_MESSAGES);
        let encrypted = [23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 7];
        let kept = (0..1_000).filter(|_| take(&mut records, &encrypted).is_some()).count();
        assert_eq!(kept, MAX_EARLY);
        for length in 0..60 {
            let cut = &message(CLIENT_HELLO, &hello(0))[..length];
            assert!(length == 0 || take(&mut records, cut).is_none(), "{length}");
        }
    }

    /// Bytes at which rtp 0.17.2 panics: an extension that is longer than the block of extensions.
    const BEYOND_ITS_BLOCK: [u8; 32] = [
        0xb2, 0xe0, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x02, 0x00, 0xff, 0x00, 0x05, 0x00, 0x00,
        0x80, 0x06, 0x10, 0x00, 0x00, 0x01, 0x01, 0x88, 0x03, 0x04, 0x01, 0x02, 0x03, 0x03,
    ];

    #[test]
    fn a_head_that_is_longer_than_its_packet_is_none_and_extensions_beyond_their_block_are_not_read() {
        let head = RtpHead::read(&BEYOND_ITS_BLOCK).expect("its blocks have their lengths");
        assert_eq!((head.length, head.extension(1)), (28, None), "136 bytes where two are left");
        let mut packet = vec![0x90, 0x6F, 0, 7, 0, 0, 0, 9, 0, 0, 0, 3, 0xBE, 0xDE, 0, 1, 0x10, 0x02, 0x3F, 0x00, 1, 2];
        let head = RtpHead::read(&packet).expect("sound");
        assert_eq!((head.payload_type, head.sequence, head.timestamp, head.ssrc, head.length), (111, 7, 9, 3, 20));
        assert_eq!(head.extension(1), Some(&[2][..]));
        assert_eq!((head.extension(3), head.extension(4)), (None, None), "16 bytes where one is left");
        for length in 0..20 {
            assert_eq!(RtpHead::read(&packet[..length]), None, "{length}");
        }
        packet[15] = 200;
        assert_eq!(RtpHead::read(&packet), None);
    }

    #[test]
    fn reports_that_rtcp_would_stumble_over_are_left_out() {
        let remb = [
            0x8f, 0xce, 0x00, 0x05, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x52, 0x45, 0x4d, 0x42, 0x0f, 0x04,
            0x00, 0x00, 0x01, 0x00, 0x00, 0x02,
        ];
        let nack = [0x81, 205, 0, 1, 0, 0, 0, 1];
        let slices = [0x82, 206, 0, 1, 0, 0, 0, 1];
        let lie = [0x81, 201, 0xFF, 0xFF, 0, 0, 0, 1];
        for hostile in [&remb[..], &nack, &slices, &lie] {
            assert_eq!(reports(hostile).len(), 0, "{hostile:?}");
        }
        let pli = [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
        let both = [&nack[..], &pli].concat();
        assert_eq!(reports(&both).iter().map(|report| report.kind).collect::<Vec<_>>(), [PAYLOAD_FEEDBACK]);
    }
}
