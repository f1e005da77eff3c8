//! Two sessions with media layers that do at once what they are asked, and all that they said to each other.

use std::collections::BTreeSet;
use std::time::Duration;

use muji_jingle::media::{LocalTransport, MediaCommand, MediaReport};
use muji_jingle::{ContentSpec, Session, SessionEvent, SessionOutput, TransportId};
use muji_xep::Secret;
use muji_xep::jingle::{Action, Jingle};
use muji_xep::rtp::{Media, PayloadType};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};

use crate::pair::{Pair, up, up_without_bundle};

pub(crate) const CALLER: usize = 0;
pub(crate) const CALLEE: usize = 1;

pub(crate) fn vp8() -> PayloadType {
    PayloadType::new(98, "VP8", 90_000, 1)
}

/// Pictures, sent or only received.
pub(crate) fn video(sends: bool) -> ContentSpec {
    let (publication, media, payload_types) = ("video".to_owned(), Media::Video, vec![vp8()]);
    ContentSpec { publication, sends, media, ssrc: 9, rtx_ssrc: None, payload_types, extensions: Vec::new() }
}

/// Two sessions, what they said to each other, and their media layers, which do at once what they are asked.
pub(crate) struct Talk {
    pub(crate) pair: Pair,
    /// What each side could be given.
    pub(crate) able: [Vec<ContentSpec>; 2],
    /// Who asked for what.
    pub(crate) requests: Vec<(usize, Jingle)>,
    pub(crate) events: [Vec<SessionEvent>; 2],
    pub(crate) media: [Vec<MediaCommand>; 2],
    /// This side's client does not know these actions.
    pub(crate) ignorant: [Vec<Action>; 2],
    /// This side's client only confirms what it is told.
    pub(crate) scripted: [bool; 2],
    /// This side's media layer makes no ends.
    pub(crate) hangs: [bool; 2],
    /// Nothing connects.
    pub(crate) unreachable: bool,
    pub(crate) made: BTreeSet<(usize, TransportId)>,
}

impl Talk {
    pub(crate) fn with(pair: Pair) -> Self {
        let made = (0..2).map(|side| (side, crate::pair::transport())).collect();
        Self {
            pair,
            able: [Vec::new(), Vec::new()],
            requests: Vec::new(),
            events: [Vec::new(), Vec::new()],
            media: [Vec::new(), Vec::new()],
            ignorant: [Vec::new(), Vec::new()],
            scripted: [false; 2],
            hangs: [false; 2],
            unreachable: false,
            made,
        }
    }

    /// A running session of two who can all send pictures.
    pub(crate) fn able() -> Self {
        let mut talk = Self::with(up());
        talk.able = [vec![video(true)], vec![video(true)]];
        talk
    }

    /// The same, with a callee that does not bundle.
    pub(crate) fn unbundled() -> Self {
        Self { pair: up_without_bundle(), ..Self::able() }
    }

    /// A running session with pictures added by the caller.
    pub(crate) fn with_video() -> Self {
        let mut talk = Self::able();
        talk.add(CALLER);
        talk.requests.clear();
        talk.media = [Vec::new(), Vec::new()];
        talk
    }

    pub(crate) fn session(&mut self, side: usize) -> &mut Session {
        if side == CALLER { &mut self.pair.caller } else { &mut self.pair.callee }
    }

    pub(crate) fn act(
        &mut self,
        side: usize,
        act: impl FnOnce(&mut Session, std::time::Instant, &mut muji_jingle::Ids),
    ) {
        let now = self.pair.now;
        let session = if side == CALLER { &mut self.pair.caller } else { &mut self.pair.callee };
        act(session, now, &mut self.pair.ids);
    }

    pub(crate) fn add(&mut self, side: usize) {
        self.act(side, |session, now, ids| session.add(now, ids, video(true)));
        self.run();
    }

    pub(crate) fn remove(&mut self, side: usize, publication: &str) {
        self.act(side, |session, now, ids| session.remove(now, ids, publication));
        self.run();
    }

    /// A request that our sessions do not make.
    pub(crate) fn ask(&mut self, to: usize, jingle: &Jingle) -> bool {
        let able = self.able[to].clone();
        let mut taken = false;
        self.act(to, |session, now, ids| taken = session.handle_request(now, ids, "x", jingle, &able).is_ok());
        self.run();
        taken
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        self.pair.now += time;
        for side in 0..2 {
            self.act(side, |session, now, ids| session.handle_timeout(now, ids));
        }
        self.run();
    }

    /// Carries what was said until all is quiet; what was said at once crosses.
    pub(crate) fn run(&mut self) {
        loop {
            let said = [self.take(CALLER), self.take(CALLEE)];
            if said.iter().all(Vec::is_empty) {
                return;
            }
            for (side, outputs) in said.into_iter().enumerate() {
                outputs.into_iter().for_each(|output| self.carry(side, output));
            }
        }
    }

    pub(crate) fn take(&mut self, side: usize) -> Vec<SessionOutput> {
        std::iter::from_fn(|| self.session(side).poll_output()).collect()
    }

    pub(crate) fn carry(&mut self, side: usize, output: SessionOutput) {
        let other = 1 - side;
        match output {
            SessionOutput::Event(event) => self.events[side].push(event),
            SessionOutput::Media(command) => self.obey(side, command),
            SessionOutput::Send(iq) => match *iq {
                Iq::Set { id, payload, .. } => {
                    let jingle = Jingle::read(&payload, &mut muji_xep::Skipped::default()).expect("we can read ours");
                    self.requests.push((side, jingle.clone()));
                    if self.ignorant[other].contains(&jingle.action) {
                        let (kind, condition) = (ErrorType::Cancel, DefinedCondition::FeatureNotImplemented);
                        let error = StanzaError::new(kind, condition, "en", "");
                        return self.act(side, |session, now, ids| {
                            session.handle_answer(now, ids, &id, Err(&error));
                        });
                    }
                    if self.scripted[other] {
                        return self.act(side, |session, now, ids| {
                            session.handle_answer(now, ids, &id, Ok(()));
                        });
                    }
                    let able = self.able[other].clone();
                    self.act(other, |session, now, ids| {
                        let _told = session.handle_request(now, ids, &id, &jingle, &able).is_err();
                    });
                }
                Iq::Result { id, .. } if id == "x" => {} // Of a request that no session made.
                Iq::Error { id, .. } if id == "x" => {}
                Iq::Result { id, .. } => {
                    self.act(other, |session, now, ids| assert!(session.handle_answer(now, ids, &id, Ok(()))));
                }
                Iq::Error { id, error, .. } => {
                    self.act(other, |session, now, ids| assert!(session.handle_answer(now, ids, &id, Err(&error))));
                }
                Iq::Get { .. } => unreachable!("nobody asks"),
            },
        }
    }

    pub(crate) fn obey(&mut self, side: usize, command: MediaCommand) {
        let mut reports = Vec::new();
        match &command {
            MediaCommand::Open { contents, .. } if !self.hangs[side] => {
                let new = contents.iter().map(|content| content.transport);
                reports.extend(new.filter(|transport| self.made.insert((side, *transport))).map(|transport| {
                    let local = LocalTransport {
                        ufrag: format!("{side}-{}", transport.index),
                        pwd: Secret::new("a password of 22 letters"),
                        fingerprint: vec![7; 32],
                        candidates: Vec::new(),
                    };
                    MediaReport::Described { transport, local }
                }));
            }
            MediaCommand::Remote { transport, .. } if !self.unreachable => {
                reports.push(MediaReport::Connected { transport: *transport });
            }
            _ => {}
        }
        self.media[side].push(command);
        for report in reports {
            self.act(side, |session, now, ids| session.handle_media(now, ids, report));
        }
    }

    /// Who asked for what, in order, without news and the ends of transports.
    pub(crate) fn asked(&self) -> Vec<(usize, &str)> {
        self.requests.iter().map(|(side, jingle)| (*side, jingle.action.as_str())).collect()
    }

    /// What one side's media layer was last told of a content: whether it sends and receives.
    pub(crate) fn flows(&self, side: usize, name: &str) -> Option<(bool, bool)> {
        self.media[side].iter().rev().find_map(|command| match command {
            MediaCommand::Content { content, send, receive, .. } if content == name => Some((send.is_some(), *receive)),
            MediaCommand::RemoveContent { content, .. } if content == name => Some((false, false)),
            _ => None,
        })
    }

    pub(crate) fn is_dropped(&self, side: usize, name: &str) -> bool {
        self.media[side]
            .iter()
            .any(|command| matches!(command, MediaCommand::RemoveContent { content, .. } if content == name))
    }

    pub(crate) fn warnings(&self, side: usize) -> usize {
        self.events[side].iter().filter(|event| matches!(event, SessionEvent::Warning(_))).count()
    }
}
