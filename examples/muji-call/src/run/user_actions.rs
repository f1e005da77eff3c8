//! What rings, and what the user wants.

use jid::BareJid;
use muji_core::error::Refused;
use muji_core::{CallId, Digit, Join, Media, Pair, Pending};

use super::Program;
use crate::exit::Failure;
use crate::ringing::Alerting;
use crate::user_action::UserAction;

impl Program {
    /// A call or an invitation arrived. The program is in one call at a time, but the other person in it may invite us to a room.
    pub(super) fn rings(&mut self, waiting: Pending, alerting: Alerting, who: &str) {
        let free = match (&waiting, self.call) {
            (Pending::Invitation(invitation), Some(call)) => {
                let pairs = self.muji.in_call(call).pairs();
                matches!(&pairs[..], [pair] if pair.peer.jid.to_bare() == invitation.from.to_bare())
            }
            (_, call) => self.args.wait && call.is_none(),
        };
        // Declining would silence the user's other devices too, where it may be picked up.
        if !free || !self.ringing.begin(waiting, alerting, who) {
            self.report.busy(who);
        }
    }

    pub(super) fn accept(&mut self) -> Result<(), Failure> {
        let refused = |why: Refused| Failure::Call(why.to_string());
        let Some(waiting) = self.ringing.take() else { return Ok(()) };
        if self.call.is_none() {
            self.report.joining();
        }
        let how = self.how(Join::call_room());
        let call = self.muji.accept(&waiting, how).map_err(refused)?;
        self.call_started(call);
        Ok(())
    }

    pub(super) fn decline(&mut self) {
        let Some(waiting) = self.ringing.take() else { return };
        if let Pending::Call(call) = waiting {
            self.call = Some(call); // Its end is the program's, with --once.
        }
        let _over_already = self.muji.decline(&waiting).is_err();
    }

    pub(super) fn action(&mut self, action: UserAction) -> Result<(), Failure> {
        match action {
            UserAction::Accept => return self.accept(),
            UserAction::Decline => self.decline(),
            UserAction::Mute => self.toggle(Media::Audio),
            UserAction::Camera => self.toggle(Media::Video),
            UserAction::Invite(guest) => self.invite(guest),
            UserAction::Digit(digit) if self.bridge.is_some() => self.caller_key(digit.key()),
            UserAction::Digit(digit) => self.press(digit),
            UserAction::RemoveNext => self.removes_next = self.bridge.is_some(),
            UserAction::Caller(action, id) => self.caller_action(action, &id),
            UserAction::Dial(whom) => self.dial_in(whom),
            UserAction::Leave => self.leave(),
            UserAction::Quit => return self.interrupt(),
        }
        Ok(())
    }

    /// Invites somebody to the call.
    pub(super) fn invite(&mut self, guest: BareJid) {
        let Some(call) = self.call else { return };
        if let Err(why) = self.muji.in_call(call).invite(guest.clone()) {
            self.report.warning(&format!("{guest} is not invited: {why}"));
        }
    }

    /// Presses a key of a telephone.
    fn press(&mut self, digit: Digit) {
        let Some(call) = self.call else { return };
        if let Err(why) = self.muji.in_call(call).send_digits([digit]) {
            self.report.warning(&why.to_string());
        }
    }

    /// Mutes a medium, or goes on; one that the call does not carry yet is added.
    fn toggle(&mut self, media: Media) {
        let Some(call) = self.call else { return };
        let mut in_call = self.muji.in_call(call);
        if !self.contents.contains(&media) {
            match in_call.add(media.clone()) {
                Ok(()) => self.contents.push(media), // Until [`Event::NotAdded`] says otherwise: it can be muted at once.
                Err(why) => self.report.warning(&format!("{media} is not added: {why}")),
            }
            return;
        }
        let done =
            if self.muted.contains(&media) { in_call.unmute(media.clone()) } else { in_call.mute(media.clone()) };
        if done.is_ok() && !self.muted.remove(&media) {
            self.muted.insert(media);
        }
    }

    /// A medium could not be added: the next key adds it again.
    pub(super) fn not_added(&mut self, media: Media) {
        self.contents.retain(|content| *content != media);
        self.muted.remove(&media);
        self.screens_refused |= media == Media::Slides;
    }

    /// Receives shared screens if video is received; our own screen is not sent for that.
    pub(super) fn watch_screens(&mut self, call: CallId, pairs: &[Pair]) {
        let shown = pairs.iter().flat_map(|pair| &pair.contents).any(|(_, media)| *media == Media::Slides);
        if !shown
            || self.screens_refused
            || !self.contents.contains(&Media::Video)
            || self.contents.contains(&Media::Slides)
        {
            return;
        }
        let mut in_call = self.muji.in_call(call);
        if in_call.add(Media::Slides).is_ok() {
            let _over_already = in_call.mute(Media::Slides).is_err();
            self.contents.push(Media::Slides);
            self.muted.insert(Media::Slides);
        }
    }

    /// The first time the call is left properly.
    pub(super) fn interrupt(&mut self) -> Result<(), Failure> {
        let first = !std::mem::replace(&mut self.interrupted, true);
        if first && self.call.is_some() {
            crate::output::error(format_args!("muji-call: leaving; press Ctrl-C again to quit at once"));
            self.leave();
            return Ok(());
        }
        Err(Failure::Interrupted)
    }

    pub(super) fn leave(&mut self) {
        if let Some(call) = self.call {
            let _over_already = self.muji.in_call(call).leave().is_err();
        }
    }
}
