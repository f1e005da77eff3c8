//! What has arrived (XEP-0198): the stanzas of either side are counted, and our own that the server has not acknowledged are kept, to
//! be sent again by a resumed stream.

use std::collections::VecDeque;

use muji_xep::Element;

/// The most stanzas that wait for an acknowledgement. A server that acknowledges nothing for so long gets no more.
const MAX_WAITING: usize = 1_024;

/// What both sides have counted on a stream.
#[derive(Debug, Default)]
pub(super) struct Acknowledgements {
    /// The name under which the stream can be resumed, if it can.
    id: Option<String>,
    /// Stanzas of the server that we have taken.
    received: u32,
    /// Our stanzas that the server has taken.
    acknowledged: u32,
    waiting: VecDeque<Element>,
}

/// What a new stream asks for to go on with an old one.
#[derive(Debug, Clone)]
pub(super) struct Resumption {
    /// The old stream.
    pub(super) previous: String,
    /// The stanzas of the server that we took by it.
    pub(super) received: u32,
}

impl Acknowledgements {
    pub(super) fn new(id: Option<String>) -> Self {
        Self { id, ..Self::default() }
    }

    /// How to go on by another stream, if this one can be resumed.
    pub(super) fn resumption(&self) -> Option<Resumption> {
        Some(Resumption { previous: self.id.clone()?, received: self.received })
    }

    /// The server ended the stream: nothing is left to go on with.
    pub(super) fn forget_stream(&mut self) {
        self.id = None;
    }

    /// False if too much waits for an acknowledgement.
    pub(super) fn may_send(&self) -> bool {
        self.waiting.len() < MAX_WAITING
    }

    /// How many stanzas we have taken, to be told to the server.
    pub(super) fn count(&self) -> u32 {
        self.received
    }

    /// A stanza came. The count starts again at zero after the largest number (XEP-0198 section 4).
    pub(super) fn received(&mut self) {
        self.received = self.received.wrapping_add(1);
    }

    /// A stanza was sent.
    pub(super) fn sent(&mut self, stanza: Element) {
        self.waiting.push_back(stanza);
    }

    /// The server has taken so many of our stanzas. False if we never sent so many, or it said more before.
    #[must_use]
    pub(super) fn acknowledge(&mut self, count: u32) -> bool {
        let more = count.wrapping_sub(self.acknowledged);
        let known = usize::try_from(more).is_ok_and(|more| more <= self.waiting.len());
        if known {
            self.acknowledged = count;
            drop(self.waiting.drain(..more as usize));
        }
        known
    }

    /// What was sent and perhaps never arrived, in order.
    pub(super) fn take_waiting(&mut self) -> VecDeque<Element> {
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stanza(id: &str) -> Element {
        format!("<message xmlns='jabber:client' id='{id}'/>").parse().expect("it is well-formed")
    }

    #[test]
    fn what_is_not_acknowledged_is_sent_again_in_order() {
        let mut stream = Acknowledgements::new(Some("a".to_owned()));
        ["1", "2", "3"].into_iter().for_each(|id| stream.sent(stanza(id)));
        assert!(stream.acknowledge(1));
        assert_eq!(stream.take_waiting(), ["2", "3"].map(stanza));
    }

    #[test]
    fn a_count_that_cannot_be_changes_nothing() {
        let mut stream = Acknowledgements::new(None);
        stream.sent(stanza("1"));
        assert!(stream.acknowledge(1));
        assert!(!stream.acknowledge(0), "it goes back");
        stream.sent(stanza("2"));
        assert!(!stream.acknowledge(3), "it goes beyond what was sent");
        assert_eq!(stream.take_waiting(), [stanza("2")]);
    }

    #[test]
    fn the_counts_start_again_after_the_largest_number() {
        let mut stream = Acknowledgements { acknowledged: u32::MAX, received: u32::MAX, ..Acknowledgements::default() };
        stream.sent(stanza("1"));
        assert!(stream.acknowledge(0));
        stream.received();
        assert_eq!((stream.count(), stream.take_waiting().len()), (0, 0));
    }

    #[test]
    fn a_server_that_acknowledges_nothing_gets_no_more() {
        let mut stream = Acknowledgements::new(None);
        while stream.may_send() {
            stream.sent(stanza("1"));
        }
        assert_eq!(stream.take_waiting().len(), MAX_WAITING);
        assert!(stream.may_send());
    }
}
