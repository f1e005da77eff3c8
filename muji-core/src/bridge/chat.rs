//! What callers do by lines of chat, as many clients have no keys of a telephone.

use std::time::Instant;

use jid::{BareJid, Jid};
use muji_jingle::CallId;

use super::admission::MAX_TRIES;
use super::{Bridge, BridgeOutput, Caller, CallerState};
use crate::guest::Guest;

/// Longest line of chat that is looked at; PINs and commands are shorter.
const MAX_LINE: usize = 64;

impl Bridge {
    /// A line of chat to the account: clients without keys of a telephone say it so. `493021` or `493021#` enters a PIN, `mute` and `unmute`
    /// are what `*6` is, `who` asks who takes part. Lines of others than callers have no effect.
    pub fn handle_chat(&mut self, now: Instant, from: &Jid, body: &str) {
        let who = from.to_bare();
        let line = body.trim();
        let Some(call) = self.callers.values().find(|caller| caller.jid == who).map(|caller| caller.call) else {
            return;
        };
        if line.len() > MAX_LINE {
            return;
        }
        let digits = line.strip_suffix('#').unwrap_or(line);
        let waits = self.callers.get(&call).is_some_and(Caller::waits);
        match line.to_ascii_lowercase().as_str() {
            _ if waits && !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                self.entered(now, call, digits);
                self.reply_admission(call, who);
            }
            _ if waits => self.hint(call, who, "Enter the PIN, then #."),
            "mute" | "unmute" => {
                if self.callers.get(&call).is_some_and(|caller| caller.muted_by_key == (line.len() == "mute".len())) {
                    return;
                }
                self.mutes_itself(call);
                let muted = self.callers.get(&call).is_some_and(Caller::is_muted);
                let said = if muted { "You are muted." } else { "You are heard." };
                self.out.push_back(BridgeOutput::Reply(who, said.to_owned()));
            }
            "who" => {
                let callers = self.callers.values().filter(|caller| caller.state == CallerState::In).count();
                let said = format!("In the room: {}. Callers: {callers}.", self.in_room.len());
                self.out.push_back(BridgeOutput::Reply(who, said));
            }
            _ => self.hint(call, who, "mute or *6 mutes you, unmute lets you be heard, who says how many take part."),
        }
        self.settle(now);
    }

    fn hint(&mut self, call: CallId, who: BareJid, hint: &'static str) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        if caller.hint.replace(hint) != Some(hint) {
            self.out.push_back(BridgeOutput::Reply(who, hint.to_owned()));
        }
    }

    fn reply_admission(&mut self, call: CallId, who: BareJid) {
        let Some(caller) = self.callers.get(&call) else { return };
        let said = match MAX_TRIES.saturating_sub(caller.tries) {
            _ if !caller.waits() => match self.in_room.shown(caller) {
                Guest { jid: Some(_), .. } => "You are in the call; the others see your address.".to_owned(),
                Guest { name, .. } => format!("You are in the call; the others see you as {name}."),
            },
            0 => "Wrong PIN.".to_owned(),
            tries => format!("Wrong PIN. Tries left: {tries}."),
        };
        self.out.push_back(BridgeOutput::Reply(who, said));
    }
}
