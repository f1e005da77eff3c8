//! What an application is told.

use jid::{BareJid, FullJid, Jid};
use muji_jingle::{CallId, RingStopped, SessionId, Silence};
use muji_xep::bridge::BridgeMark;
use muji_xep::dtmf::Digit;
use muji_xep::room_invite::RoomInvite;
use muji_xep::rtp::Media;

use crate::error::{AddFailure, EndReason, PeerFailure, RoomFault};
use crate::guest::ShownGuests;
use crate::invitation::Invitation;
use crate::peer::Peer;
use crate::trust::Verification;
use crate::warning::Warning;

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventScope {
    /// The account as a whole.
    Account,
    /// A room whose call we are not in.
    Room(BareJid),
    /// One call.
    Call(CallId),
}

/// What happened. Those about a peer come in order: joined, connecting, connected, flowing, and left or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Somebody invites us to a call. About the account; [`crate::Engine::accept`] or [`crate::Engine::decline`] it, or with `Muji` what
    /// [`crate::Pending::of`] gives.
    Invited(Box<Invitation>),
    /// An invitation needs no answer any more: another of our devices answered it, or it was taken back. About the account.
    InvitationOver(Box<Invitation>, RingStopped),
    /// Somebody calls us. [`crate::Command::Accept`] or [`crate::Command::Decline`] it; [`Event::Ended`] if another device did, or the
    /// caller gave up.
    Ringing {
        /// The device that calls.
        from: FullJid,
        /// What it wants to send.
        media: Vec<Media>,
    },
    /// Somebody who is no contact calls us: the same, but it does not learn that we are there before we accept or decline. Do
    /// not let it ring; show it, or nothing.
    Stranger {
        /// The device that calls.
        from: FullJid,
        /// What it wants to send.
        media: Vec<Media>,
    },
    /// Somebody called while we were not there, and may have given up long since. About the account.
    Missed {
        /// The device that called.
        from: FullJid,
        /// What it wanted to send.
        media: Vec<Media>,
    },
    /// A device of the person we call rings, or a participant's client asks its user before it answers us.
    DeviceRings(FullJid),
    /// This device of the other takes the call.
    PickedUp(FullJid),
    /// The other goes on with the call on this device.
    PeerMoved(Peer),
    /// A call with one person goes on in this room, so that others can come; sound does not stop. What becomes of entering it
    /// comes as for any room.
    GoesOnInRoom(BareJid),
    /// A call with one person could not go on in a room; it goes on without.
    NotInRoom(RoomFault),
    /// Somebody invites us to a room, without mentioning a call. About the account; [`crate::Engine::join`] it as
    /// [`crate::Join::invited`], or [`crate::Engine::decline_room`] it; with
    /// `Muji` [`crate::Pending::of`] gives what accepts and declines it.
    RoomInvited(RoomInvite),
    /// Somebody whom we invited does not come, and why, if it said so.
    Declined(Jid, Option<String>),
    /// In a room whose call we are not in: these people are in a call; nobody any more if empty.
    CallRunning {
        /// Who has contents there.
        people: Vec<Peer>,
    },
    /// Our contents are public, for the first time or after the room was lost: people who come now call us.
    Joined {
        /// The names of our contents in this room.
        contents: Vec<String>,
    },
    /// These are our public contents now: one was added or taken out.
    ContentsChanged {
        /// Their names in this room.
        contents: Vec<String>,
    },
    /// A content could not be added, and the user may try again; all is as before.
    NotAdded {
        /// What was to be sent.
        media: Media,
        /// Why it is not.
        why: AddFailure,
    },
    /// The room is lost, or the connection to it. Sound goes on while we come back; then [`Event::Joined`].
    RoomLost(EndReason),
    /// The room's moderators changed what an account may do there, whether it is in or not, as far as the room tells us: they banned it, or
    /// gave it another affiliation (XEP-0045 section 5.2).
    AffiliationChanged {
        /// Whose.
        who: BareJid,
        /// It is not let in any more.
        banned: bool,
    },
    /// Somebody is about to take part.
    PeerPreparing(Peer),
    /// A participant has contents.
    PeerJoined(Peer),
    /// A participant has other contents than before: their names and media.
    PeerContents(Peer, Vec<(String, Media)>),
    /// These people take part through it, as it is a bridge; what it hears they may hear, and nothing says who they are but the bridge.
    PeerGuests(Peer, ShownGuests),
    /// Who is in a call with us alone is a conference itself, such as a mixer (XEP-0298), and perhaps this bridge.
    PeerFocus(Peer, Option<BridgeMark>),
    /// A participant of a room is this bridge, or none any more.
    PeerBridge(Peer, Option<BridgeMark>),
    /// We called it.
    PeerOffered(Peer),
    /// Both sides agreed; the transports connect.
    PeerConnecting(Peer, SessionId),
    /// Every transport to it works.
    PeerConnected(Peer, SessionId),
    /// Its audio or video arrives.
    PeerFlowing(Peer, SessionId),
    /// Nothing comes of a content of it, though the path works; or its reason is another now. [`Event::PeerFlowing`] follows when
    /// something comes again.
    PeerSilent {
        /// Whose content.
        peer: Peer,
        /// The session.
        session: SessionId,
        /// The content's name there.
        content: String,
        /// Audio, video or slides.
        media: Media,
        /// Why, if it said so.
        why: Silence,
    },
    /// It shows another certificate than those that are tied to it: it is on another device, or an attacker is between you.
    CertificateChanged(Peer),
    /// It named a device of its to which its certificate could have been tied, and shows it plainly: its client did not do
    /// it, or somebody between took that away.
    CertificateUnbound(Peer),
    /// Nothing arrives from it for now.
    PeerInterrupted(Peer),
    /// A content was added to the session with it.
    PeerContentAdded {
        /// With whom.
        peer: Peer,
        /// The session.
        session: SessionId,
        /// Its name there.
        content: String,
        /// Audio, video or slides.
        media: Media,
    },
    /// The content of this name was taken out of the session with it.
    PeerContentRemoved(Peer, SessionId, String),
    /// It pressed a key of a telephone.
    PeerDigit(Peer, Digit),
    /// It stopped sending a content, given by its name and its medium, or all (`None`).
    PeerMuted(Peer, Option<(String, Media)>),
    /// It sends a content again, or all (`None`).
    PeerUnmuted(Peer, Option<(String, Media)>),
    /// It does not listen for now: nothing is sent to it.
    PeerHeld(Peer),
    /// It listens again.
    PeerUnheld(Peer),
    /// There is no session with it.
    PeerFailed(Peer, PeerFailure),
    /// It left the call or the room.
    PeerLeft(Peer),
    /// Something was left out or went wrong; the rest works on.
    Warning(Warning),
    /// Parts of a stanza that are not known, and had no effect. Dino's SDES keys are among them; for logs.
    Skipped {
        /// The nick or JID of the sender.
        from: String,
        /// What was left out.
        what: String,
    },
    /// The call is over.
    Ended(EndReason),
}

impl Event {
    /// What a user should know about the certificate that a peer shows now.
    pub(crate) fn of_certificate(now: Verification, peer: Peer) -> Option<Self> {
        match now {
            Verification::Changed => Some(Self::CertificateChanged(peer)),
            Verification::Downgraded => Some(Self::CertificateUnbound(peer)),
            Verification::Unverified | Verification::Pinned | Verification::Bound => None,
        }
    }
}

/// What happened to the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionChange {
    /// It is gone for now.
    Lost,
    /// The same stream goes on (XEP-0198): nothing was lost.
    Resumed,
    /// A new stream: whatever the server knew of us is gone.
    Bound {
        /// Our full JID.
        jid: FullJid,
    },
}

/// Whether a stanza was for us.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// It was ours alone, such as a presence in a room that we entered for a call.
    Taken,
    /// We used it, and the client needs it too, such as a presence in a chat room in which it sits.
    Shared,
    /// It is the client's.
    NotOurs,
}
