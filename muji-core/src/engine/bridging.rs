//! Calls that are joined, and what a bridge wants done.

use std::collections::BTreeMap;
use std::time::Instant;

use jid::BareJid;
use muji_jingle::CallId;
use xmpp_parsers::message::Lang;
use xmpp_parsers::presence::{Presence, Type};

use super::Engine;
use crate::bridge::{Bridge, BridgeOutput};
use crate::error::Refused;
use crate::media::{Audibility, MediaCommand, Prompt};
use crate::outgoing_stanza::OutgoingStanza;
use crate::output::Output;
use crate::stanza::chat;

impl Engine {
    /// Joins calls, whether in rooms or with one person: people in one of them hear those in the others, with what we send. From now on these
    /// are joined and no others; none ends it. A call that ends is none of them any more. What comes in a call is never sent in that call.
    ///
    /// # Errors
    /// If there is no such call, or the media layer cannot do it; all is as before.
    pub fn bridge(&mut self, calls: BTreeMap<CallId, Audibility>) -> Result<(), Refused> {
        if !self.shared.capabilities.bridging {
            return Err(Refused::NoBridge);
        }
        if calls.keys().any(|call| !self.calls.contains_key(call) && !self.direct_calls.contains(*call)) {
            return Err(Refused::UnknownCall);
        }
        self.shared.out.push_back(Output::Media(MediaCommand::Bridge { calls }));
        Ok(())
    }

    /// Plays a tone for the people in a call, which nobody else hears.
    ///
    /// # Errors
    /// If there is no such call, or the media layer cannot do it.
    pub fn prompt(&mut self, call: CallId, prompt: Prompt) -> Result<(), Refused> {
        if !self.shared.capabilities.bridging {
            return Err(Refused::NoBridge);
        }
        if !self.calls.contains_key(&call) && !self.direct_calls.contains(call) {
            return Err(Refused::UnknownCall);
        }
        self.shared.out.push_back(Output::Media(MediaCommand::Prompt { call, prompt }));
        Ok(())
    }

    /// Does what a bridge wants done. What is to be shown is given back: [`BridgeOutput::Changed`].
    pub fn follow(&mut self, now: Instant, bridge: &mut Bridge) -> Vec<BridgeOutput> {
        bridge.name_among_bridges(|| self.shared.ids.token());
        let mut shown = Vec::new();
        while let Some(output) = bridge.poll_output() {
            match output {
                // What concerns a call that is over by now has no effect; its end is told to the bridge as an event.
                BridgeOutput::Command(call, command) => drop(self.command(now, call, command)),
                BridgeOutput::Prompt(call, prompt) => drop(self.prompt(call, prompt)),
                BridgeOutput::Join(mut calls) => {
                    calls.retain(|call, _| self.calls.contains_key(call) || self.direct_calls.contains(*call));
                    drop(self.bridge(calls));
                }
                BridgeOutput::Reply(to, line) => self.say_line(to, line),
                BridgeOutput::Approve(who) => {
                    let approval = Presence::new(Type::Subscribed).with_to(who);
                    self.shared.out.push_back(Output::Send(OutgoingStanza::new(approval)));
                }
                BridgeOutput::Changed(_) => shown.push(output),
            }
        }
        shown
    }

    fn say_line(&mut self, to: BareJid, line: String) {
        let mut message = chat(to.into(), self.shared.ids.token(), Vec::new());
        message.bodies.insert(Lang::default(), line);
        self.shared.out.push_back(Output::Send(OutgoingStanza::new(message)));
    }
}
