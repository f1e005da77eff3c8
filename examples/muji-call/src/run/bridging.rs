//! A bridge: calls of people who know nothing of Muji are taken by themselves, and joined with the call in the room.

use std::time::Instant;

use jid::{BareJid, Jid};
use muji_core::bridge::{AdmissionPolicy, Bridge, BridgeOutput, MAX_CALLERS, MAX_LOBBY, Pin};
use muji_core::config::MAX_CALLS;
use muji_core::media::Audibility;
use muji_core::{CallId, Event, EventScope, Media};
use xmpp_parsers::message::MessageType;
use xmpp_parsers::presence::Type;
use xmpp_parsers::stanza::Stanza;

use super::Program;
use crate::args::Args;
use crate::exit::Failure;
use crate::user_action::CallerAction;

/// Calls with one person that the library takes: those of callers, of whom the bridge declines what is too many.
pub(super) fn max_direct_calls(args: &Args) -> usize {
    if args.bridge.bridge { MAX_CALLERS + MAX_LOBBY } else { MAX_CALLS }
}

/// What a bridge sends and plays unless the options say something else: nothing of its own.
pub(super) fn complete(args: &mut Args) -> Result<(), Failure> {
    if !args.bridge.bridge {
        let admits = !args.admit.is_empty() && !args.new;
        return if admits { Err(Failure::Usage("--admit needs --new or --bridge".to_owned())) } else { Ok(()) };
    }
    args.media.audio.get_or_insert_with(|| "none".to_owned());
    args.media.speaker.get_or_insert_with(|| "none".to_owned());
    args.media.video.get_or_insert_with(|| "off".to_owned());
    policy(args).map(drop)
}

fn policy(args: &Args) -> Result<AdmissionPolicy, Failure> {
    let pin = args
        .bridge
        .pin
        .as_deref()
        .map(|digits| Pin::new(digits).ok_or_else(|| Failure::Usage("--pin must be 6 to 32 digits".to_owned())));
    Ok(AdmissionPolicy {
        admitted: args.admit.iter().cloned().collect(),
        pin: pin.transpose()?,
        max_callers: args.bridge.callers.map_or(0, usize::from),
    })
}

impl Program {
    /// The call in the room has begun: others may call in.
    pub(super) fn begin_bridge(&mut self, room: CallId) -> Result<(), Failure> {
        if self.args.bridge.bridge && self.bridge.is_none() {
            let bridge = Bridge::new(Instant::now(), room, policy(&self.args)?);
            let has_camera = self.contents.contains(&Media::Video);
            self.bridge = Some(if has_camera { bridge.with_own_video() } else { bridge });
        }
        Ok(())
    }

    /// Something happened to one of the account's calls.
    pub(super) fn tell_bridge(&mut self, about: &EventScope, event: &Event) {
        let Some(bridge) = &mut self.bridge else { return };
        bridge.handle_event(Instant::now(), about, event);
        if matches!(event, Event::Joined { .. }) {
            std::mem::take(&mut self.args.bridge.dial).into_iter().for_each(|whom| self.dial_in(whom));
        }
        self.follow_bridge();
    }

    /// Does what is due.
    pub(super) fn bridge_timeout(&mut self) {
        if let Some(bridge) = &mut self.bridge {
            bridge.handle_timeout(Instant::now());
            self.follow_bridge();
        }
    }

    fn follow_bridge(&mut self) {
        let Some(bridge) = &mut self.bridge else { return };
        for output in self.muji.follow(bridge) {
            if let BridgeOutput::Changed(caller) = output {
                self.report.caller(&caller);
            }
        }
    }

    /// A line of chat, or somebody who asks to see that the account is there.
    pub(super) fn bridge_stanza_received(&mut self, stanza: &Stanza) {
        let Some(bridge) = &mut self.bridge else { return };
        match stanza {
            // An error holds the line that it is about, and a room's or a feed's line is no caller's.
            Stanza::Message(message) if matches!(message.type_, MessageType::Chat | MessageType::Normal) => {
                let body = message.get_best_body(vec![]).map(|(_, body)| body.clone());
                if let (Some(from), Some(body)) = (&message.from, body) {
                    bridge.handle_chat(Instant::now(), from, &body);
                }
            }
            Stanza::Presence(presence) if presence.type_ == Type::Subscribe => {
                presence.from.iter().for_each(|from| bridge.handle_subscription(&from.to_bare()));
            }
            Stanza::Message(_) | Stanza::Presence(_) | Stanza::Iq(_) => {}
        }
        self.follow_bridge();
    }

    /// Calls somebody into the room.
    pub(super) fn dial_in(&mut self, whom: BareJid) {
        let Some(bridge) = &mut self.bridge else {
            return self.report.warning("only a bridge calls others into the room: use --bridge");
        };
        let placed = self.muji.call(Jid::from(whom.clone()), [Media::Audio]);
        let why = match placed {
            Ok(call) => match bridge.add_called(Instant::now(), call, whom.clone()) {
                Ok(()) => return self.follow_bridge(),
                Err(call) => {
                    let _over_already = self.muji.in_call(call).leave().is_err();
                    "there are as many callers as may be, it is banned from the room, or the call is over".to_owned()
                }
            },
            Err(why) => why.to_string(),
        };
        self.report.warning(&format!("{whom} is not called: {why}"));
    }

    /// Does something with a caller.
    pub(super) fn caller_action(&mut self, action: CallerAction, id: &str) {
        let Some(bridge) = &mut self.bridge else { return };
        let now = Instant::now();
        let found = match action {
            CallerAction::Mute => bridge.mute(now, id, Audibility::Muted),
            CallerAction::Unmute => bridge.mute(now, id, Audibility::Heard),
            CallerAction::Remove => bridge.remove(now, id),
            CallerAction::Admit => bridge.admit(now, id),
        };
        self.follow_bridge();
        if !found {
            self.report.warning(&format!("there is no caller {id}, or it cannot be done with it"));
        }
    }

    /// The number of a caller was pressed: it is muted, or heard again; or removed behind x.
    pub(super) fn caller_key(&mut self, key: char) {
        let id = format!("c{key}");
        let removes = std::mem::take(&mut self.removes_next);
        let muted = self.bridge.iter().flat_map(Bridge::callers).any(|caller| caller.id == id && caller.muted_by_owner);
        let action = match (removes, muted) {
            (true, _) => CallerAction::Remove,
            (false, true) => CallerAction::Unmute,
            (false, false) => CallerAction::Mute,
        };
        self.caller_action(action, &id);
    }

    /// The calls of those who are in: rows of the matrix.
    pub(super) fn bridged_calls(&self) -> Vec<CallId> {
        self.bridge.iter().flat_map(Bridge::callers).map(|caller| caller.call).collect()
    }
}
