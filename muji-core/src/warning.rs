//! What was left out or went wrong while the rest works on.

use std::time::Instant;

use jid::{BareJid, Jid};
use muji_jingle::SessionWarning;
use muji_jingle::fault::PeerFault;
use muji_xep::guard::Excess;
use muji_xep::rtp::Media;

use crate::config::MAX_PARTICIPANTS;
use crate::error::{Refused, RoomFault};
use crate::media::MediaTrouble;

/// Something was left out or went wrong; the rest works on. Each says whose fault it is, and what helps if something does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    // ---- the room ----------------------------------------------------------------------------------------------------
    /// The room's service did not answer when we asked whether we are still in the room (XEP-0410).
    #[error("the room does not answer; the call goes on")]
    RoomSilent,
    /// Between our server and the room's there is no connection.
    #[error("the room cannot be reached for now; the call goes on")]
    RoomUnreachable,
    /// The room does not do what we asked it for.
    #[error("the room refused to {request}: {why}")]
    RoomRefused {
        /// What we asked for.
        request: RoomRequest,
        /// Why it does not.
        why: RoomFault,
    },
    /// The room did not answer what we asked it for.
    #[error("the room did not answer when asked to {0}")]
    RoomIgnored(RoomRequest),
    /// The room was made semi-anonymous while we are in it.
    #[error(
        "the room hides real JIDs from now on: people who come cannot be called, those who are here stay; its owner can make it non-anonymous again"
    )]
    RoomHidesJids,
    /// We asked the room to list its occupants again, as somebody calls us whom it has not named, and it did not.
    #[error("the room did not list again who is in it; the call goes on")]
    OccupantsUnknown,
    /// The room refused our presence while we are in it.
    #[error("a change of our presence was refused: {0}")]
    PresenceRefused(RoomFault),
    /// Another session of the account has our nick in the room, and rooms show others only one of them.
    #[error(
        "another device of yours is in the room as {shared}, so that others would not see this one: it goes by {nick}"
    )]
    NickShared {
        /// The nick of both.
        shared: String,
        /// The nick for the call.
        nick: String,
    },
    /// The client sent a presence to the chat room without our part in the call.
    #[error(
        "the client sent a presence to the room without its part in the call; it was sent again with it; pass the client's own presence elements to set_presence_extras"
    )]
    PresenceOverwritten,

    // ---- people in the room ------------------------------------------------------------------------------------------
    /// A participant gets no session with us.
    #[error("{nick} is not called: {why}")]
    NotCalled {
        /// Its nick.
        nick: String,
        /// Why.
        why: NotCalled,
    },
    /// What a participant says of its part in the call is larger than we read.
    #[error("the call information of {nick} is ignored: it is {excess}, which is a fault of its client")]
    CallInformationIgnored {
        /// Its nick.
        nick: String,
        /// Which bound it is over.
        excess: Excess,
    },
    /// These prepared before us for too long. We published without them, and may be left without a session with them.
    #[error("{} did not finish preparing in time; the call goes on without waiting", .0.join(", "))]
    SlowToPrepare(Vec<String>),
    /// Nobody who takes part has one of our codecs for this medium.
    #[error("no codec in common for {0}; it is not sent")]
    NoCommonCodec(Media),

    // ---- guests ------------------------------------------------------------------------------------------------------
    /// The room does not let a guest in, so it is not invited.
    #[error("{guest} is not invited, as the room does not let it in: {}", .why.as_ref().map_or_else(|| "it did not answer".to_owned(), ToString::to_string))]
    GuestNotAdmitted {
        /// The guest.
        guest: BareJid,
        /// Why; `None` if the room did not answer.
        why: Option<RoomFault>,
    },
    /// A guest cannot be invited now.
    #[error("{guest} is not invited: {why}")]
    GuestNotInvited {
        /// The guest.
        guest: BareJid,
        /// Why.
        why: Refused,
    },
    /// A call with one person cannot go on in a room now, so nobody else can come.
    #[error("nobody is invited: {0}")]
    NobodyInvited(Refused),
    /// The room does not pass our invitation on: in some of ejabberd's only moderators may invite.
    #[error("the room does not pass the invitation on ({condition}); invite directly, or ask its owner to")]
    InvitationNotPassedOn {
        /// The room's condition (RFC 6120 section 8.3.3).
        condition: String,
    },

    /// An invitation was returned, or the copy of it for one device.
    #[error("an invitation to {guest} was returned ({condition}); other devices of theirs may show it")]
    InvitationReturned {
        /// Who was invited.
        guest: BareJid,
        /// The condition (RFC 6120 section 8.3.3).
        condition: String,
    },

    // ---- a call to one person ----------------------------------------------------------------------------------------
    /// One copy of the proposal of a call was returned. The call goes on: other devices ring, or may.
    #[error("a device of {} cannot be told of the call ({condition}); others may ring", .from.to_bare())]
    ProposalReturned {
        /// Who returned it: the device, or a server in its name.
        from: Jid,
        /// The condition (RFC 6120 section 8.3.3).
        condition: String,
    },

    // ---- sessions ----------------------------------------------------------------------------------------------------
    /// A peer asked for something in its session that makes no sense.
    #[error("a request of {nick} was refused: {fault}")]
    RequestRefused {
        /// Its nick.
        nick: String,
        /// What is wrong with it.
        fault: PeerFault,
    },
    /// Something of a session was left out.
    #[error("{nick}: {warning}")]
    Session {
        /// The other's nick.
        nick: String,
        /// What.
        warning: SessionWarning,
    },
    /// A client has stopped sending sound without saying so, and is known to send again when its user mutes and unmutes it (Dino).
    #[error("nothing comes from {nick}'s microphone, which is a fault of its client; ask them to mute and unmute")]
    MicrophoneStalled {
        /// The other's nick.
        nick: String,
        /// When its last packet came, or it said that it sends again.
        since: Instant,
    },
    /// The client's encryption did not take our fingerprint for the other's device, so it was sent plainly.
    #[error("the client could not tie our certificate to its device: {nick} sees it unverified")]
    FingerprintNotSealed {
        /// The other's nick.
        nick: String,
    },

    // ---- the account, and this program -------------------------------------------------------------------------------
    /// The server does not have XEP-0280, or refuses it.
    #[error("the server has no message carbons (XEP-0280): other devices of yours may go on ringing when one answers")]
    NoCarbons,
    /// The media layer.
    #[error(transparent)]
    Media(MediaTrouble),
}

/// What a room is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoomRequest {
    /// To make a guest a member.
    #[error("let a guest in")]
    Admit,
    /// To forget the room that we created by looking for another one.
    #[error("take back the empty room that was created")]
    Discard,
    /// To forget the room that we created and that cannot be used.
    #[error("take back the new room that was created")]
    Abandon,
    /// To be gone, and end the call for everybody.
    #[error("destroy itself")]
    Destroy,
}

/// Why a participant gets no session with us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotCalled {
    /// Sessions run between real JIDs (XEP-0272 section 3).
    #[error("the room hides its real JID")]
    HiddenJid,
    /// The room shows it, but it is not a JID of RFC 6122, by which alone stanzas can be addressed here.
    #[error("its JID {0} cannot be addressed; a resource without emoji can be")]
    UnreadableJid(String),
    /// Two nicks cannot have one JID.
    #[error("its real JID is another participant's")]
    SharedJid,
    /// More than [`MAX_PARTICIPANTS`].
    #[error("the call has {MAX_PARTICIPANTS} participants already")]
    CallFull,
}

#[cfg(test)]
mod tests {
    use muji_xep::rtp::Media;

    use super::*;

    /// One of each. The match makes a new variant fail to compile here until its sentence is listed below.
    fn all() -> Vec<(Warning, &'static str)> {
        [of_rooms(), of_people(), of_sessions_and_this_program()].concat()
    }

    fn nick() -> String {
        "juliet".to_owned()
    }

    #[expect(clippy::disallowed_methods, reason = "a warning needs some moment")]
    fn now() -> Instant {
        Instant::now()
    }

    fn of_rooms() -> Vec<(Warning, &'static str)> {
        vec![
            (Warning::RoomSilent, "the room does not answer; the call goes on"),
            (Warning::RoomUnreachable, "the room cannot be reached for now; the call goes on"),
            (
                Warning::RoomRefused { request: RoomRequest::Admit, why: RoomFault::MembersOnly },
                "the room refused to let a guest in: the room is for members only; ask its owner to make you one",
            ),
            (
                Warning::RoomIgnored(RoomRequest::Discard),
                "the room did not answer when asked to take back the empty room that was created",
            ),
            (
                Warning::RoomIgnored(RoomRequest::Abandon),
                "the room did not answer when asked to take back the new room that was created",
            ),
            (Warning::RoomIgnored(RoomRequest::Destroy), "the room did not answer when asked to destroy itself"),
            (
                Warning::RoomHidesJids,
                "the room hides real JIDs from now on: people who come cannot be called, those who are here stay; its \
                 owner can make it non-anonymous again",
            ),
            (Warning::OccupantsUnknown, "the room did not list again who is in it; the call goes on"),
            (
                Warning::PresenceRefused(RoomFault::Full),
                "a change of our presence was refused: the room is full; try again when somebody has left",
            ),
            (
                Warning::NickShared { shared: nick(), nick: "juliet (call)".to_owned() },
                "another device of yours is in the room as juliet, so that others would not see this one: it goes by juliet \
                 (call)",
            ),
            (
                Warning::PresenceOverwritten,
                "the client sent a presence to the room without its part in the call; it was sent again with it; pass the \
                 client's own presence elements to set_presence_extras",
            ),
        ]
    }

    fn of_people() -> Vec<(Warning, &'static str)> {
        let guest: BareJid = "nurse@capulet.lit".parse().expect("a JID");
        vec![
            (
                Warning::NotCalled { nick: nick(), why: NotCalled::HiddenJid },
                "juliet is not called: the room hides its real JID",
            ),
            (
                Warning::NotCalled {
                    nick: nick(), why: NotCalled::UnreadableJid("juliet@capulet.lit/📱".to_owned())
                },
                "juliet is not called: its JID juliet@capulet.lit/📱 cannot be addressed; a resource without emoji can be",
            ),
            (
                Warning::NotCalled { nick: nick(), why: NotCalled::SharedJid },
                "juliet is not called: its real JID is another participant's",
            ),
            (
                Warning::NotCalled { nick: nick(), why: NotCalled::CallFull },
                "juliet is not called: the call has 64 participants already",
            ),
            (
                Warning::CallInformationIgnored { nick: nick(), excess: Excess::Large },
                "the call information of juliet is ignored: it is larger than 65536 bytes, which is a fault of its client",
            ),
            (
                Warning::SlowToPrepare(vec![nick(), "romeo".to_owned()]),
                "juliet, romeo did not finish preparing in time; the call goes on without waiting",
            ),
            (Warning::NoCommonCodec(Media::Video), "no codec in common for video; it is not sent"),
            (
                Warning::GuestNotAdmitted {
                    guest: guest.clone(),
                    why: Some(RoomFault::Other("undefined-condition".to_owned())),
                },
                "nurse@capulet.lit is not invited, as the room does not let it in: the room refused: undefined-condition",
            ),
            (
                Warning::GuestNotAdmitted { guest: guest.clone(), why: None },
                "nurse@capulet.lit is not invited, as the room does not let it in: it did not answer",
            ),
            (
                Warning::GuestNotInvited { guest, why: Refused::TooManyGuests },
                "nurse@capulet.lit is not invited: too many guests wait to be invited; invite the others later",
            ),
            (
                Warning::NobodyInvited(Refused::TooManyCalls),
                "nobody is invited: too many calls at once; leave one first",
            ),
            (
                Warning::InvitationNotPassedOn { condition: "forbidden".to_owned() },
                "the room does not pass the invitation on (forbidden); invite directly, or ask its owner to",
            ),
            (
                Warning::InvitationReturned {
                    guest: "nurse@capulet.lit".parse().expect("a JID"),
                    condition: "service-unavailable".to_owned(),
                },
                "an invitation to nurse@capulet.lit was returned (service-unavailable); other devices of theirs may show it",
            ),
        ]
    }

    fn of_sessions_and_this_program() -> Vec<(Warning, &'static str)> {
        let session = SessionWarning::Media(MediaTrouble::Device("no microphone".to_owned()));
        vec![
            (
                Warning::ProposalReturned {
                    from: "juliet@capulet.lit/phone".parse().expect("a JID"),
                    condition: "recipient-unavailable".to_owned(),
                },
                "a device of juliet@capulet.lit cannot be told of the call (recipient-unavailable); others may ring",
            ),
            (
                Warning::RequestRefused { nick: nick(), fault: PeerFault::UnknownSession { sid: "s1".to_owned() } },
                "a request of juliet was refused: no session s1 with this peer",
            ),
            (Warning::Session { nick: nick(), warning: session }, "juliet: no microphone"),
            (
                Warning::MicrophoneStalled { nick: nick(), since: now() },
                "nothing comes from juliet's microphone, which is a fault of its client; ask them to mute and unmute",
            ),
            (
                Warning::FingerprintNotSealed { nick: nick() },
                "the client could not tie our certificate to its device: juliet sees it unverified",
            ),
            (
                Warning::NoCarbons,
                "the server has no message carbons (XEP-0280): other devices of yours may go on ringing when one answers",
            ),
            (Warning::Media(MediaTrouble::Device("no camera".to_owned())), "no camera"),
        ]
    }

    /// Where a variant stands in the enum.
    fn place(warning: &Warning) -> usize {
        match warning {
            Warning::RoomSilent => 0,
            Warning::RoomUnreachable => 1,
            Warning::RoomRefused { .. } => 2,
            Warning::RoomIgnored(_) => 3,
            Warning::RoomHidesJids => 4,
            Warning::OccupantsUnknown => 5,
            Warning::PresenceRefused(_) => 6,
            Warning::NickShared { .. } => 7,
            Warning::PresenceOverwritten => 8,
            Warning::NotCalled { .. } => 9,
            Warning::CallInformationIgnored { .. } => 10,
            Warning::SlowToPrepare(_) => 11,
            Warning::NoCommonCodec(_) => 12,
            Warning::GuestNotAdmitted { .. } => 13,
            Warning::GuestNotInvited { .. } => 14,
            Warning::NobodyInvited(_) => 15,
            Warning::InvitationNotPassedOn { .. } => 16,
            Warning::InvitationReturned { .. } => 17,
            Warning::ProposalReturned { .. } => 18,
            Warning::RequestRefused { .. } => 19,
            Warning::Session { .. } => 20,
            Warning::MicrophoneStalled { .. } => 21,
            Warning::FingerprintNotSealed { .. } => 22,
            Warning::NoCarbons => 23,
            Warning::Media(_) => 24,
        }
    }

    #[test]
    fn each_warning_is_a_sentence() {
        for (warning, sentence) in all() {
            assert_eq!(warning.to_string(), sentence);
        }
    }

    #[test]
    fn the_sentence_of_each_warning_is_listed() {
        let mut places: Vec<usize> = all().iter().map(|(warning, _)| place(warning)).collect();
        places.dedup();
        assert_eq!(places, (0..=24).collect::<Vec<_>>());
    }
}
