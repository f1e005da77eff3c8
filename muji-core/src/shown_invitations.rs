//! Invitations that were shown: each once, whichever ways it comes, and on every device until one of them answers.

use std::collections::VecDeque;
use std::time::Instant;

use jid::{BareJid, FullJid, Jid};
use muji_jingle::RingStopped;
use muji_xep::invite::InviteKind;

use crate::config;
use crate::event::{Event, EventScope};
use crate::invitation::Invitation;
use crate::output::Output;

/// An invitation that was shown.
#[derive(Debug, Clone)]
struct Shown {
    room: BareJid,
    /// To its call, not to the room as such.
    call: bool,
    /// What the user has not answered yet.
    open: Option<Invitation>,
    until: Instant,
}

/// Invitations of late, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Invitations(VecDeque<Shown>);

impl Invitations {
    /// False if an invitation to this room was shown just now; one to its call comes behind one to the room all the same. `since`: when
    /// it was said.
    pub(crate) fn is_news(
        &mut self,
        now: Instant,
        since: Instant,
        room: &BareJid,
        to_call: Option<&Invitation>,
        out: &mut VecDeque<Output>,
    ) -> bool {
        self.handle_timeout(now, out);
        let call = to_call.is_some();
        if self.0.iter().any(|shown| shown.room == *room && (shown.call || !call)) {
            return false;
        }
        if self.0.len() == config::MAX_INVITED
            && let Some(mut oldest) = self.0.pop_front()
        {
            over(&mut oldest, out, &RingStopped::Expired);
        }
        let until = since + config::INVITATION_LIFETIME;
        self.0.push_back(Shown { room: room.clone(), call, open: to_call.cloned(), until });
        true
    }

    /// The user comes: it is not asked again for a while.
    pub(crate) fn accepted(&mut self, room: &BareJid) {
        self.0.iter_mut().filter(|shown| shown.room == *room).for_each(|shown| shown.open = None);
    }

    /// The user does not come. Another invitation is shown again.
    pub(crate) fn declined(&mut self, room: &BareJid) {
        self.0.retain(|shown| shown.room != *room);
    }

    /// Another device of the user answers.
    pub(crate) fn device_said(&mut self, device: &FullJid, id: &str, kind: InviteKind, out: &mut VecDeque<Output>) {
        let why = match kind {
            InviteKind::Accept | InviteKind::Left => RingStopped::Elsewhere(device.clone()),
            InviteKind::Reject => RingStopped::DeclinedElsewhere(device.clone()),
            InviteKind::Invite { .. } | InviteKind::Retract => return,
        };
        self.close(out, why, |invitation| invitation.id == id);
    }

    /// The person who invited takes it back.
    pub(crate) fn retracted(&mut self, from: &Jid, id: &str, out: &mut VecDeque<Output>) {
        let same = |invitation: &Invitation| match invitation.within {
            Some(_) => invitation.from == *from,
            None => invitation.from.to_bare() == from.to_bare(),
        };
        self.close(out, RingStopped::Cancelled, |invitation| invitation.id == id && same(invitation));
    }

    /// Nobody waits for an answer for ever.
    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut VecDeque<Output>) {
        for shown in self.0.iter_mut().filter(|shown| shown.until <= now) {
            over(shown, out, &RingStopped::Expired);
        }
        self.0.retain(|shown| shown.until > now);
    }

    /// When [`Self::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.0.iter().filter(|shown| shown.open.is_some()).map(|shown| shown.until).min()
    }

    fn close(&mut self, out: &mut VecDeque<Output>, why: RingStopped, which: impl Fn(&Invitation) -> bool) {
        for shown in self.0.iter_mut().filter(|shown| shown.open.as_ref().is_some_and(&which)) {
            over(shown, out, &why);
        }
    }
}

fn over(shown: &mut Shown, out: &mut VecDeque<Output>, why: &RingStopped) {
    if let Some(invitation) = shown.open.take() {
        out.push_back(Output::Event(EventScope::Account, Event::InvitationOver(Box::new(invitation), why.clone())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "tests begin with a look at the clock")]
    fn start() -> Instant {
        Instant::now()
    }

    fn invitation(number: usize) -> Invitation {
        Invitation {
            from: "juliet@capulet.lit/1".parse().expect("a JID"),
            room: format!("room{number}@rooms.capulet.lit").parse().expect("a room"),
            id: number.to_string(),
            audio: true,
            video: false,
            external: None,
            within: None,
        }
    }

    /// Which invitations are over.
    fn ended(out: &mut VecDeque<Output>) -> Vec<String> {
        let over = out.drain(..).filter_map(|output| {
            let Output::Event(_, Event::InvitationOver(invitation, RingStopped::Expired)) = output else { return None };
            Some(invitation.id)
        });
        over.collect()
    }

    #[test]
    fn an_invitation_that_makes_room_for_another_is_over() {
        let (mut shown, mut out, now) = (Invitations::default(), VecDeque::new(), start());
        for number in 0..=config::MAX_INVITED {
            let invitation = invitation(number);
            assert_eq!(ended(&mut out), Vec::<String>::new());
            assert!(shown.is_news(now, now, &invitation.room, Some(&invitation), &mut out));
        }
        assert_eq!(ended(&mut out), ["0"]);
    }

    #[test]
    fn an_invitation_that_is_too_old_when_another_comes_is_over() {
        let (mut shown, mut out, now) = (Invitations::default(), VecDeque::new(), start());
        for (number, now) in [now, now + config::INVITATION_LIFETIME].into_iter().enumerate() {
            let invitation = invitation(number);
            assert!(shown.is_news(now, now, &invitation.room, Some(&invitation), &mut out));
        }
        assert_eq!(ended(&mut out), ["0"]);
    }
}
