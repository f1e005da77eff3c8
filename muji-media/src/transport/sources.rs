//! Which content a packet of the peer belongs to (RFC 9143 section 9.2).
//!
//! The SSRC says it, if it was announced or came before. Dino announces none, and a peer may go on with another than it announced (music
//! on hold, a transferred call). Then the MID says it, and without one the payload type, if it is that of one content only.

use std::collections::BTreeMap;
use std::time::Instant;

use muji_xep::rtp::{AnnouncedStream, HeaderExtension, PayloadType};

use super::interface::{NegotiatedContent, extension_id};
use super::rtp_head::RtpHead;

/// SSRCs of a peer that are known at once; each costs memory. With more, the one that has been silent for the longest time is forgotten.
const MAX_SOURCES: usize = 16;

/// SSRCs that were not announced, in all the time of a transport: str0m and webrtc-srtp never forget one from which a packet came. A
/// person who is put on hold each minute for eight hours needs less.
const MAX_NEW: usize = 1_024;

/// The SSRC of packets that only measure the bandwidth (libwebrtc).
pub(super) const PROBE_SSRC: u32 = 0;

/// One content, as far as packets that come are concerned.
#[derive(Clone)]
pub(super) struct Receivable<'a> {
    /// Its name in the session.
    pub(super) name: &'a str,
    /// What was negotiated; `None` before that.
    pub(super) negotiated: Option<&'a NegotiatedContent>,
    /// What the peer may send.
    pub(super) payload_types: &'a [PayloadType],
}

/// What is known of an SSRC.
struct Source {
    /// The content, by its place among those of the transport.
    content: usize,
    /// When the last authentic packet came from it.
    heard: Option<Instant>,
    /// It sends packets of this SSRC again (RTX, RFC 4588).
    sends_again: Option<u32>,
}

/// The SSRCs of a peer.
#[derive(Default)]
pub(super) struct Sources {
    known: BTreeMap<u32, Source>,
    /// The id that the MID extension has, if both know it.
    mid: Option<u8>,
    /// So many came without being announced.
    new: usize,
}

impl Sources {
    /// The peer knows these header extensions.
    pub(super) fn set_extensions(&mut self, extensions: &[HeaderExtension]) {
        self.mid = extension_id(extensions, HeaderExtension::MID);
    }

    /// The id of the MID extension, if both know it.
    #[cfg(feature = "webrtc-ice")]
    pub(super) fn mid(&self) -> Option<u8> {
        self.mid
    }

    /// Another content takes the place of this one.
    pub(super) fn forget_content(&mut self, content: usize) {
        self.known.retain(|_, source| source.content != content);
    }

    /// Nothing is known any more, but for the header extensions.
    pub(super) fn clear(&mut self) {
        self.known.clear();
    }

    pub(super) fn contains(&self, ssrc: u32) -> bool {
        self.known.contains_key(&ssrc)
    }

    /// The content of an SSRC, by its place.
    pub(super) fn content(&self, ssrc: u32) -> Option<usize> {
        self.known.get(&ssrc).map(|source| source.content)
    }

    /// The SSRC whose packets come again by this one.
    pub(super) fn sends_again(&self, ssrc: u32) -> Option<u32> {
        self.known.get(&ssrc)?.sends_again
    }

    /// True once an authentic packet came from it.
    pub(super) fn is_heard(&self, ssrc: u32) -> bool {
        self.known.get(&ssrc).is_some_and(|source| source.heard.is_some())
    }

    /// The SSRC by which the packets of this one come again.
    pub(super) fn rtx(&self, ssrc: u32) -> Option<u32> {
        self.known.iter().find(|(_, source)| source.sends_again == Some(ssrc)).map(|(rtx, _)| *rtx)
    }

    /// The SSRC of a content from which the last packet came: a sender that restarts takes another.
    pub(super) fn current(&self, content: usize) -> Option<u32> {
        let is_of = |source: &Source| source.content == content && source.sends_again.is_none();
        let of_content = self.known.iter().filter(|(_, source)| is_of(source));
        of_content.max_by_key(|(_, source)| source.heard).map(|(ssrc, _)| *ssrc)
    }

    /// The peer announced that it sends a content by this stream. Gives an SSRC that is forgotten instead.
    pub(super) fn announce(&mut self, stream: AnnouncedStream, content: usize) -> Option<u32> {
        let AnnouncedStream { ssrc, rtx } = stream;
        let mut forgotten = None;
        if !self.contains(ssrc) && ssrc != PROBE_SSRC {
            forgotten = self.make_room();
            self.known.insert(ssrc, Source { content, heard: None, sends_again: None });
        }
        let new = rtx.filter(|rtx| !self.contains(*rtx) && *rtx != PROBE_SSRC && self.known.len() < MAX_SOURCES);
        if let Some(rtx) = new.filter(|_| self.is_of(ssrc, content)) {
            self.known.insert(rtx, Source { content, heard: None, sends_again: Some(ssrc) });
        }
        forgotten
    }

    /// A content's own packets come by this SSRC, and not those of another again.
    pub(super) fn is_of(&self, ssrc: u32, content: usize) -> bool {
        self.known.get(&ssrc).is_some_and(|known| known.content == content && known.sends_again.is_none())
    }

    /// An authentic packet came, of its own or one that is sent again. Gives an SSRC that is forgotten instead, if this one is new.
    pub(super) fn heard(&mut self, now: Instant, ssrc: u32, content: usize, sends_again: Option<u32>) -> Option<u32> {
        if let Some(source) = self.known.get_mut(&ssrc) {
            source.heard = Some(now);
            return None;
        }
        self.new += 1;
        let forgotten = self.make_room();
        self.known.insert(ssrc, Source { content, heard: Some(now), sends_again });
        forgotten
    }

    fn make_room(&mut self) -> Option<u32> {
        if self.known.len() < MAX_SOURCES {
            return None;
        }
        // What is sent again is found again by its payload type.
        let oldest = self.known.iter().min_by_key(|(_, source)| (source.sends_again.is_none(), source.heard));
        let forgotten = oldest.map(|(ssrc, _)| *ssrc)?;
        self.known.remove(&forgotten);
        Some(forgotten)
    }

    /// The content of a packet whose SSRC is not known, by its place; `None` if nothing says it.
    pub(super) fn assign<'a>(
        &self,
        head: &RtpHead,
        contents: impl Iterator<Item = Receivable<'a>> + Clone,
    ) -> Option<usize> {
        if self.new >= MAX_NEW || head.ssrc == PROBE_SSRC {
            return None;
        }
        let mid = self.mid.and_then(|id| head.extension(id));
        let received = contents.enumerate().filter_map(|(place, content)| {
            let negotiated = content.negotiated.filter(|negotiated| negotiated.receive)?;
            content.payload_types.iter().any(|it| it.id == head.payload_type).then_some((
                place,
                content.name,
                negotiated,
            ))
        });
        if let Some(mid) = mid {
            let mut named = received.filter(|(_, name, _)| name.as_bytes() == mid);
            return named.next().map(|(place, ..)| place);
        }
        let unannounced = received.clone().filter(|(.., negotiated)| negotiated.streams.is_empty());
        only(received).or_else(|| only(unannounced)).map(|(place, ..)| place)
    }
}

/// The one item, if there is one only.
fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    items.next().filter(|_| items.next().is_none())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::transport::mid::mid;

    /// A packet with this payload type, and with this MID as extension 3.
    fn head(payload_type: u8, mid: Option<&str>) -> RtpHead {
        let mut packet = vec![0x80, payload_type, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        if let Some(mid) = mid {
            packet[0] |= 0x10;
            let mut block = vec![0x30 | u8::try_from(mid.len() - 1).unwrap()];
            block.extend(mid.as_bytes());
            block.resize(block.len().next_multiple_of(4), 0);
            packet.extend([0xBE, 0xDE, 0, u8::try_from(block.len() / 4).unwrap()]);
            packet.extend(block);
        }
        RtpHead::read(&packet).unwrap()
    }

    fn payload_type(id: u8) -> PayloadType {
        PayloadType::new(id, "opus", 48_000, 2)
    }

    fn negotiated(receive: bool, ssrcs: &[u32]) -> NegotiatedContent {
        let streams = ssrcs.iter().map(|ssrc| (*ssrc).into()).collect();
        NegotiatedContent { content: String::new(), send: None, rtx: None, receive, streams }
    }

    /// Assigns a packet to contents of these names, with what is negotiated and may be received.
    fn assign(head: &RtpHead, contents: &[(&str, Option<NegotiatedContent>, &[u8])]) -> Option<usize> {
        let mut sources = Sources::default();
        sources.set_extensions(&[mid()]);
        let payload_types = contents.iter().map(|(.., ids)| ids.iter().map(|id| payload_type(*id)).collect());
        let payload_types: Vec<Vec<PayloadType>> = payload_types.collect();
        let receivable = contents.iter().zip(&payload_types).map(|((name, negotiated, _), payload_types)| Receivable {
            name,
            negotiated: negotiated.as_ref(),
            payload_types,
        });
        sources.assign(head, receivable)
    }

    #[test]
    fn the_payload_type_assigns_a_packet_if_it_is_that_of_one_content_only() {
        let (yes, no) = (Some(negotiated(true, &[7])), Some(negotiated(false, &[])));
        let both = [("voice", yes.clone(), &[111, 0][..]), ("camera", yes.clone(), &[98])];
        assert_eq!([111, 0, 98, 8].map(|id| assign(&head(id, None), &both)), [Some(0), Some(0), Some(1), None]);
        let twice = [("camera", yes.clone(), &[98][..]), ("screen", yes.clone(), &[98])];
        assert_eq!(assign(&head(98, None), &twice), None, "a guess would show a screen as a face");
        let one_announced = [("camera", yes.clone(), &[98][..]), ("screen", Some(negotiated(true, &[])), &[98])];
        assert_eq!(assign(&head(98, None), &one_announced), Some(1));
        let one_received = [("camera", no, &[98][..]), ("screen", yes, &[98]), ("later", None, &[98])];
        assert_eq!(assign(&head(98, None), &one_received), Some(1));
    }

    #[test]
    fn the_mid_counts_before_the_payload_type() {
        let yes = Some(negotiated(true, &[]));
        let twice = [("camera", yes.clone(), &[98][..]), ("screen", yes, &[98])];
        assert_eq!(assign(&head(98, Some("screen")), &twice), Some(1));
        assert_eq!(assign(&head(98, Some("film")), &twice), None);
        assert_eq!(assign(&head(111, Some("screen")), &twice), None, "an encoding that was not agreed on");
    }

    #[test]
    fn the_source_that_was_silent_for_the_longest_time_is_forgotten_first() {
        let (mut sources, start) = (Sources::default(), Instant::now());
        let second = |number: u32| start + Duration::from_secs(u64::from(number));
        assert_eq!(sources.announce(1_000.into(), 0), None);
        for ssrc in 1..16 {
            assert_eq!(sources.heard(second(ssrc), ssrc, 0, None), None);
        }
        sources.heard(second(20), 1, 0, None);
        assert_eq!(sources.heard(second(21), 16, 1, None), Some(1_000), "never heard");
        assert_eq!(sources.heard(second(22), 17, 1, None), Some(2));
        assert_eq!((sources.current(0), sources.current(1), sources.current(2)), (Some(1), Some(17), None));
    }

    #[test]
    fn a_peer_with_a_new_source_for_each_packet_is_not_followed_for_ever() {
        let mut sources = Sources::default();
        for ssrc in 1..2_000 {
            sources.heard(Instant::now(), ssrc, 0, None);
        }
        let yes = negotiated(true, &[]);
        let content = Receivable { name: "voice", negotiated: Some(&yes), payload_types: &[payload_type(111)] };
        assert_eq!(sources.assign(&head(111, None), std::iter::once(content)), None);
    }
}
