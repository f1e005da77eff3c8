//! Which contents of a transport are taken and flow: told with the first packet, and again when nothing has come for a while though the
//! path works.

use std::sync::Arc;
use std::time::Instant;

use muji_jingle::timers::SILENCE;

/// The contents of one transport.
#[derive(Debug, Default)]
pub(super) struct FlowWatch {
    /// Few, and looked up with each packet.
    contents: Vec<Flow>,
    /// It is connected, and answers.
    path_works: bool,
}

#[derive(Debug)]
struct Flow {
    content: Arc<str>,
    /// The peer may send.
    expected: bool,
    /// When the last packet came, or might have come for the first time.
    since: Option<Instant>,
    reported: Reported,
}

/// What a packet means for its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// Nothing of the content is taken, no matter who sends what: we hold, or it is removed.
    No,
    /// It begins to flow, which is to be reported.
    First,
    /// It flows.
    Next,
}

/// What the core knows.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Reported {
    #[default]
    Nothing,
    Flowing,
    Silent,
}

impl Flow {
    fn new(content: &str) -> Self {
        Self { content: content.into(), expected: false, since: None, reported: Reported::Nothing }
    }

    fn silent_at(&self) -> Option<Instant> {
        self.since.filter(|_| self.expected && self.reported != Reported::Silent).map(|since| since + SILENCE)
    }
}

impl FlowWatch {
    /// The peer may send a content, or may not.
    pub(super) fn expect(&mut self, now: Instant, content: &str, receive: bool) {
        let known = self.contents.iter().position(|flow| *flow.content == *content);
        let place = known.unwrap_or_else(|| {
            self.contents.push(Flow::new(content));
            self.contents.len() - 1
        });
        let flow = &mut self.contents[place];
        if receive && !flow.expected {
            flow.since = Some(now);
        }
        flow.expected = receive;
    }

    /// A content is gone.
    pub(super) fn forget(&mut self, content: &str) {
        self.contents.retain(|flow| *flow.content != *content);
    }

    /// A packet came.
    pub(super) fn packet(&mut self, now: Instant, content: &Arc<str>) -> Taken {
        let Some(flow) = self.contents.iter_mut().find(|flow| flow.content == *content) else { return Taken::No };
        if !flow.expected {
            return Taken::No;
        }
        flow.since = Some(now);
        match std::mem::replace(&mut flow.reported, Reported::Flowing) {
            Reported::Flowing => Taken::Next,
            Reported::Nothing | Reported::Silent => Taken::First,
        }
    }

    /// The transport is connected, perhaps again: the core expects to hear again what flows.
    pub(super) fn connected(&mut self, now: Instant) {
        self.path_works = true;
        self.contents.iter_mut().for_each(|flow| flow.since = Some(now));
        self.tell_again();
    }

    /// Nothing can come for now, which is reported for all contents at once.
    pub(super) fn interrupted(&mut self) {
        self.path_works = false;
    }

    /// The core expects to hear again what flows.
    pub(super) fn tell_again(&mut self) {
        self.contents.iter_mut().for_each(|flow| flow.reported = Reported::Nothing);
    }

    /// The contents of which it is to be reported now that nothing comes.
    pub(super) fn silent(&mut self, now: Instant) -> Vec<String> {
        if !self.path_works {
            return Vec::new();
        }
        let due = self.contents.iter_mut().filter(|flow| flow.silent_at().is_some_and(|at| at <= now));
        let silent = due.map(|flow| {
            flow.reported = Reported::Silent;
            flow.content.to_string()
        });
        silent.collect()
    }

    /// When the next content will have been silent for too long.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.contents.iter().filter_map(Flow::silent_at).min().filter(|_| self.path_works)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn connected(now: Instant) -> (FlowWatch, [Arc<str>; 2]) {
        let (mut watch, names) = (FlowWatch::default(), ["voice".into(), "camera".into()]);
        names.iter().for_each(|name: &Arc<str>| watch.expect(now, name, true));
        watch.connected(now);
        (watch, names)
    }

    #[test]
    fn a_content_is_silent_five_seconds_after_its_last_packet_and_flows_with_the_next() {
        let start = Instant::now();
        let (mut watch, [voice, camera]) = connected(start);
        assert_eq!([start, start].map(|now| watch.packet(now, &voice)), [Taken::First, Taken::Next]);
        assert_eq!(watch.packet(start + 3 * SECOND, &camera), Taken::First);
        assert_eq!(watch.poll_timeout(), Some(start + SILENCE));
        assert_eq!(watch.silent(start + SILENCE - Duration::from_millis(1)), [""; 0]);
        assert_eq!(watch.silent(start + SILENCE), ["voice"]);
        assert_eq!(watch.silent(start + SILENCE), [""; 0], "once");
        assert_eq!(watch.packet(start + 6 * SECOND, &voice), Taken::First);
        assert_eq!(watch.poll_timeout(), Some(start + 3 * SECOND + SILENCE));
    }

    #[test]
    fn a_content_that_never_flowed_is_silent_too_if_the_peer_may_send_it() {
        let start = Instant::now();
        let (mut watch, [_, camera]) = connected(start);
        watch.expect(start, "camera", false);
        assert_eq!(watch.packet(start, &camera), Taken::No);
        assert_eq!(watch.silent(start + SILENCE), ["voice"]);
        assert_eq!(watch.poll_timeout(), None);
        watch.expect(start + 60 * SECOND, "camera", true);
        assert_eq!(watch.poll_timeout(), Some(start + 60 * SECOND + SILENCE), "from then on it may");
    }

    #[test]
    fn while_the_path_is_interrupted_no_content_is_silent_by_itself() {
        let start = Instant::now();
        let (mut watch, _) = connected(start);
        watch.interrupted();
        assert_eq!((watch.poll_timeout(), watch.silent(start + SILENCE).len()), (None, 0));
        watch.connected(start + 60 * SECOND);
        assert_eq!(watch.poll_timeout(), Some(start + 60 * SECOND + SILENCE));
    }
}
