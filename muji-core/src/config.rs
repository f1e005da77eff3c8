//! Limits of a call, in numbers and in time, each with its reason.

use std::time::Duration;

/// Policies and time limits that a client may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Our nick in rooms for calls, where [`crate::Join::nick`] names no other; `None`: a random one, which others see. A call that goes on
    /// in a room uses it too, so a client sets the name of its user. If another occupant has it, we enter as `romeo (call)`.
    pub nick: Option<String>,
    /// Longest wait for participants who prepared before us; by default [`PREPARING`]. With zero nobody is waited for, and two who join
    /// at once may number their payload types differently.
    pub preparing: Duration,
    /// Pause between those who wait behind the same stalled participant; by default [`STAGGER`]; with zero they all go at once.
    pub stagger: Duration,
    /// False if the client makes calls with one person itself, by other code: what is said about them is left to it.
    pub one_to_one: bool,
    /// Calls with one person at once, those included that ring; by default [`MAX_CALLS`]. A bridge has one for each caller.
    pub max_direct_calls: usize,
    /// True if people who are no contacts make us ring too, and so learn that we are there (XEP-0353 section 6).
    pub anybody_rings: bool,
    /// True if a call with one person goes on in a room without asking the user when the other invites us to one (as Dino
    /// does): the room may hold anybody.
    pub follow: bool,
    /// True if a peer that shows another certificate than those tied to it ([`crate::Engine::pin`]) is refused.
    pub refuse_changed: bool,
    /// True if nobody is talked with whose certificate is not tied to one of its devices by the client's own encryption
    /// ([`crate::Engine::set_verifier`]): who shows it plainly is refused.
    pub require_bound: bool,
    /// True if the own server is asked for STUN and TURN servers when a call begins (XEP-0215).
    pub discover_servers: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            nick: None,
            preparing: PREPARING,
            stagger: STAGGER,
            one_to_one: true,
            max_direct_calls: MAX_CALLS,
            anybody_rings: false,
            follow: false,
            refuse_changed: false,
            require_bound: false,
            discover_servers: true,
        }
    }
}

/// Calls at once. A client sits in hundreds of rooms, but a person talks in one.
pub const MAX_CALLS: usize = 8;

/// Strangers who wait for the user at once: one attacker can use many JIDs.
pub(crate) const MAX_STRANGERS: usize = 2;

/// Participants with Muji kept per room; a full mesh is hopeless long before.
pub const MAX_PARTICIPANTS: usize = 64;

/// Offers held for one JID that is not a participant yet: one, and repeats with other ids.
pub(crate) const MAX_HELD_PER_JID: usize = 4;

/// Offers held in all.
pub const MAX_HELD: usize = 64;

/// Ended sessions remembered, so that late stanzas get `unknown-session` and not the answer of a stranger.
pub(crate) const MAX_REMEMBERED: usize = 64;

/// Pauses before we enter a closed room again: its creator is configuring it, which takes a round trip or a person.
pub(crate) const LOCKED_ROOM_RETRY: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// How long we wait for our own presence to come back from the room; then the room counts as silent.
pub const ECHO: Duration = Duration::from_secs(10);

/// Longest wait for participants who prepared before us. XEP-0272 sets no limit, and one crashed client would block a
/// room for good; Dino probes codecs for seconds while preparing, so it is not short.
pub const PREPARING: Duration = Duration::from_secs(20);

/// Pause between participants who wait behind the same stalled one: they go one after the other.
pub const STAGGER: Duration = Duration::from_secs(4);

/// Longest we keep others waiting ourselves, while the room is configured or asked.
pub(crate) const OWN_PREPARING: Duration = Duration::from_secs(10);

/// How long an offer waits for the presence of its sender: they travel by different routes.
pub const EARLY_OFFER: Duration = Duration::from_secs(10);

/// How long we wait for the call of a participant whose turn it is; then we call.
pub const CALL_FALLBACK: Duration = Duration::from_secs(10);

/// Pauses before we call again after a failure.
pub(crate) const REDIAL: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(10), Duration::from_secs(20)];

/// A presence without Muji may be stale; a session outlives it for this time.
pub(crate) const STALE_PRESENCE: Duration = Duration::from_secs(5);

/// How long we wait for the room to confirm that we left; then we are gone anyway.
pub const LEAVING: Duration = Duration::from_secs(5);

/// How long media goes on without the server.
pub const DISCONNECTED: Duration = Duration::from_secs(60);

/// How long media goes on without the room, while we come back to it.
pub const ROOM_LOSS: Duration = Duration::from_secs(60);

/// Pauses before we enter a room again that lost us; the last one repeats. A service that restarts needs seconds.
pub const REJOIN: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];

/// Silence of the room after which we ask whether we are still in it (XEP-0410).
pub const SELF_PING: Duration = Duration::from_secs(60);

/// Nicks tried in one room. Two random ones in a row are taken only if somebody does it on purpose, and few people are in one call with more
/// devices.
pub(crate) const MAX_NICKS: usize = 3;

/// Times our presence is said again after others overwrote it; a client that goes on does not know of the call.
pub(crate) const MAX_PRESENCE_REPEATS: usize = 3;

/// How long we wait after our presence before we call a Movim: it drops an offer that overtakes our presence, and the two travel by
/// different routes.
pub const MOVIM_GRACE: Duration = Duration::from_millis(500);

/// Rooms whose calls are observed. A client may sit in hundreds; of each only those with Muji are kept.
pub const MAX_ROOMS: usize = 512;

/// Rooms remembered after a call, so that offers from before are known for what they are.
pub(crate) const MAX_LEFT_ROOMS: usize = 64;

/// How long an invitation asks. Others to the same room are not shown meanwhile: they come directly, through the room
/// and to the call at once.
pub const INVITATION_LIFETIME: Duration = Duration::from_secs(60);

/// Guests who wait to be invited, and those who are told when a call comes to nothing.
pub const MAX_GUESTS: usize = 64;

/// Bytes of a bridge's presence that say who its callers are: the room sends each presence to everybody in it, and a bridge sends one with
/// each caller that comes or goes. Beyond this callers are named without details, and then counted.
pub const GUESTS_BYTES: usize = 2_048;

/// Rooms to which we were invited that are remembered for that.
pub(crate) const MAX_INVITED: usize = 64;

/// Devices remembered whose clients do something in their own way. A roster has hundreds; a call with one that is forgotten is as with a
/// usual client.
pub(crate) const MAX_KNOWN_CLIENTS: usize = 512;

/// Devices and certificates remembered of those we talk with, so that sessions can be tied to them.
pub(crate) const MAX_BOUND: usize = 4 * MAX_PARTICIPANTS;

/// A call is over if the peer's device has been unavailable for this time and nothing is heard of it either (XEP-0166
/// section 6.7 says five to ten seconds). A client that only lost its stream is back by then, or is still heard.
pub const UNAVAILABLE: Duration = Duration::from_secs(10);

/// How far the clocks of two servers and ours may differ. What a stamp says is over (XEP-0203) counts as said so much later, as a caller
/// may wait whose call looks old.
pub(crate) const CLOCK_SKEW: Duration = Duration::from_secs(120);

/// Calls found in an archive that are looked at together. More than that in one absence are told by the client's own history.
pub(crate) const MAX_ARCHIVED: usize = 64;

/// If a participant has offered a session and the room has not told of it for this time, we ask the room who is in it.
pub const RESYNC: Duration = Duration::from_secs(3);

/// How long before their end credentials of STUN and TURN servers are asked for again: an allocation made with them needs time.
pub(crate) const SERVERS_AHEAD: Duration = Duration::from_secs(60);

/// The least time they are taken to last: a machine whose clock is wrong asks each minute, not without pause.
pub(crate) const SERVERS_LEAST: Duration = Duration::from_secs(120);

/// The most time they are taken to last, also where the server says nothing of their end.
pub(crate) const SERVERS_MOST: Duration = Duration::from_secs(12 * 3_600);

/// STUN and TURN servers that are used.
pub const MAX_ICE_SERVERS: usize = 8;

/// Times our payload map is changed for others who were there first. More than this is an attack.
pub const MAX_ID_CHANGES: usize = 8;
