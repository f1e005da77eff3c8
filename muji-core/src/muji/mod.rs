//! The async face: the [`Engine`] with a clock, a media layer and a stream of what to do. Stanzas come by `text`,
//! `typed` or `client`.

#[cfg(feature = "client")]
mod client;
mod text;
#[cfg(feature = "xmpp-parsers")]
mod typed;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use futures::Stream;
use jid::{BareJid, DomainRef, Jid};
use muji_jingle::{CallId, Hold, Mute};
use muji_xep::dtmf::Digit;
use muji_xep::room_invite::Via;
use muji_xep::rtp::Media;
use tokio::time::{Sleep, sleep_until};

use crate::bridge::{Bridge, BridgeOutput};
use crate::command::{Command, Join};
use crate::config::Config;
use crate::disco::Disco;
use crate::engine::Engine;
use crate::error::Refused;
use crate::event::{ConnectionChange, Event, EventScope};
use crate::media::{Audibility, MediaBackend};
use crate::outgoing_stanza::OutgoingStanza;
use crate::output::Output;
use crate::pair::Pair;
use crate::peer::Peer;
use crate::pending::Pending;
use crate::trust::{CertificateHash, FingerprintVerifier};

/// What a client does for its calls, in order.
#[derive(Debug)]
pub enum Notice {
    /// Send this stanza to the server.
    Send(OutgoingStanza),
    /// Tell the user.
    Event(EventScope, Event),
}

/// All calls of one account: a stream of [`Notice`]s that never ends. It owns no connection and spawns nothing.
pub struct Muji {
    engine: Engine,
    backend: Box<dyn MediaBackend>,
    backend_is_gone: bool,
    timer: Pin<Box<Sleep>>,
    notices: VecDeque<Notice>,
    waker: Option<Waker>,
}

impl fmt::Debug for Muji {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Muji").field("engine", &self.engine).finish_non_exhaustive()
    }
}

/// The one look at the clock; everything below is given the time.
#[expect(clippy::disallowed_methods, reason = "somebody has to look")]
fn now() -> Instant {
    Instant::now()
}

/// What the clocks on the wall show.
#[expect(clippy::disallowed_methods, reason = "servers stamp by it")]
fn wall() -> SystemTime {
    SystemTime::now()
}

/// Reports taken in one go before the notices that follow from them have their turn.
const BURST: usize = 64;

/// How long the timer sleeps if the Engine has no deadline.
const IDLE: Duration = Duration::from_secs(3_600);

impl Muji {
    /// Calls with this media layer. Must be made within a tokio runtime.
    ///
    /// # Panics
    /// If the system has no random source, or there is no tokio runtime.
    #[must_use]
    pub fn new(backend: impl MediaBackend + 'static) -> Self {
        Self::with_config(backend, Config::default())
    }

    /// The same with other limits and policies.
    ///
    /// # Panics
    /// As [`Self::new`].
    #[must_use]
    pub fn with_config(backend: impl MediaBackend + 'static, config: Config) -> Self {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).expect("the system gives random bytes");
        let engine = Engine::with_config(seed, backend.capabilities(), config);
        Self {
            engine,
            backend: Box::new(backend),
            backend_is_gone: false,
            timer: Box::pin(sleep_until((now() + IDLE).into())),
            notices: VecDeque::new(),
            waker: None,
        }
    }

    /// News of the connection. Calls are possible once the server has bound a JID: [`ConnectionChange::Bound`].
    pub fn handle_connection(&mut self, change: ConnectionChange) {
        self.engine.handle_connection(now(), change);
        self.wake();
    }

    /// Enters a room and its call; returns at once. What becomes of it comes as events about the call.
    ///
    /// # Errors
    /// If it cannot even be tried; nothing was sent.
    pub fn join(&mut self, room: BareJid, how: Join) -> Result<CallId, Refused> {
        let call = self.engine.join(now(), room, how);
        self.wake();
        call
    }

    /// Makes a room for a call at this service, such as `conference.example.org`, and enters it: for members only, whom
    /// [`Call::admit`] makes, under a name that nobody can guess. Returns at once.
    ///
    /// # Errors
    /// If it cannot even be tried; nothing was sent.
    pub fn open(&mut self, service: &DomainRef, how: Join) -> Result<(BareJid, CallId), Refused> {
        let opened = self.engine.open(now(), service, how);
        self.wake();
        opened
    }

    /// Takes a call or an invitation, with the media that `how` says; its nick and its password are for rooms. Returns at once. An
    /// invitation by somebody with whom we talk already moves that call into the room: see [`Engine::accept`].
    ///
    /// # Errors
    /// If it cannot even be tried; nothing was sent.
    pub fn accept(&mut self, pending: &Pending, how: Join) -> Result<CallId, Refused> {
        let call = match pending {
            Pending::Call(call) => self.engine.command(now(), *call, Command::Accept(how.media)).map(|()| *call),
            Pending::Invitation(invitation) => self.engine.accept(now(), invitation, how),
            Pending::Room(invite) => {
                let password = how.password.clone().or_else(|| invite.password.clone());
                self.engine.join(now(), invite.room.clone(), Join { password, ..how.invited() })
            }
        };
        self.wake();
        call
    }

    /// Declines a call, for all our devices, or tells who invited us that we do not come.
    ///
    /// # Errors
    /// If the call does not ring any more.
    pub fn decline(&mut self, pending: &Pending) -> Result<(), Refused> {
        let outcome = match pending {
            Pending::Call(call) => self.engine.command(now(), *call, Command::Decline),
            Pending::Invitation(invitation) => {
                self.engine.decline(invitation);
                Ok(())
            }
            Pending::Room(invite) => {
                self.engine.decline_room(invite);
                Ok(())
            }
        };
        self.wake();
        outcome
    }

    /// Who is in a call in a chat room in which the client sits, whether or not we take part.
    #[must_use]
    pub fn people_in_call(&self, room: &BareJid) -> Vec<Peer> {
        self.engine.people_in_call(room)
    }

    /// Answers who asks what we are, for programs without a client around them: see [`Engine::answer_disco`].
    pub fn answer_disco(&mut self, disco: Disco) {
        self.engine.answer_disco(now(), disco);
        self.wake();
    }

    /// Calls somebody, sending these media: all its devices ring. Returns at once; see [`Engine::call`].
    ///
    /// # Errors
    /// If it cannot even be tried; nothing was sent.
    pub fn call(&mut self, to: impl Into<Jid>, media: impl IntoIterator<Item = Media>) -> Result<CallId, Refused> {
        let call = self.engine.call(now(), to, media.into_iter().collect());
        self.wake();
        call
    }

    /// Does what a bridge wants done, and gives back what is to be shown: see [`Engine::follow`].
    pub fn follow(&mut self, bridge: &mut Bridge) -> Vec<BridgeOutput> {
        let shown = self.engine.follow(now(), bridge);
        self.wake();
        shown
    }

    /// Joins calls: see [`Engine::bridge`].
    ///
    /// # Errors
    /// If there is no such call, or the media layer cannot do it.
    pub fn bridge(&mut self, calls: BTreeMap<CallId, Audibility>) -> Result<(), Refused> {
        let outcome = self.engine.bridge(calls);
        self.wake();
        outcome
    }

    /// A call, to do something with it.
    pub fn in_call(&mut self, id: CallId) -> Call<'_> {
        Call { muji: self, id }
    }

    /// Lets people call us, for programs without a client around them: see [`Engine::accept_calls`].
    pub fn accept_calls(&mut self) {
        self.engine.accept_calls(now());
        self.wake();
    }

    /// That was all that had been said: see [`Engine::archive_done`].
    pub fn archive_done(&mut self) {
        self.engine.archive_done(now());
        self.wake();
    }

    /// Ties certificates to a person: see [`Engine::pin`].
    pub fn pin(&mut self, who: BareJid, certificates: Vec<CertificateHash>) {
        self.engine.pin(who, certificates);
    }

    /// Ties certificates to devices by an encryption of the client's: see [`Engine::set_verifier`].
    pub fn set_verifier(&mut self, verifier: Arc<dyn FingerprintVerifier>) {
        self.engine.set_verifier(verifier);
    }

    /// Where rooms for calls are made: see [`Engine::set_room_service`].
    pub fn set_room_service(&mut self, service: &DomainRef) {
        self.engine.set_room_service(service);
    }

    /// Who sees our presence and may make us ring: see [`Engine::set_contacts`].
    pub fn set_contacts(&mut self, contacts: impl IntoIterator<Item = BareJid>) {
        self.engine.set_contacts(contacts);
    }

    /// What the client adds to its disco#info and its caps.
    #[must_use]
    pub fn features(&self) -> Vec<&'static str> {
        self.engine.features()
    }

    /// What to send if this process is gone without having left its calls: see [`Engine::last_will`].
    #[must_use]
    pub fn last_will(&self) -> Vec<OutgoingStanza> {
        self.engine.last_will(now())
    }

    /// Looks at both clocks: between two stanzas the machine may have slept, which only the one on the wall counts.
    fn look(&mut self) -> Instant {
        let now = now();
        self.engine.set_clock(now, wall());
        now
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Takes what the Engine says: commands to the media layer at once, the rest into the stream.
    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Send(stanza) => self.notices.push_back(Notice::Send(stanza)),
                Output::Media(command) => self.backend.execute(command),
                Output::Event(about, event) => self.notices.push_back(Notice::Event(about, event)),
            }
        }
    }

    /// True if something came of it.
    fn take_reports(&mut self, cx: &mut Context<'_>) -> bool {
        for taken in 0..BURST {
            if self.backend_is_gone {
                return taken > 0;
            }
            match self.backend.poll_report(cx) {
                Poll::Ready(Some(report)) => self.engine.handle_media(now(), &report),
                Poll::Ready(None) => {
                    self.backend_is_gone = true;
                    self.engine.handle_media_gone(now());
                    return true;
                }
                Poll::Pending => return taken > 0,
            }
        }
        true
    }

    /// True if something was due.
    fn take_timeout(&mut self, cx: &mut Context<'_>) -> bool {
        let now = now();
        let due = self.engine.poll_timeout().unwrap_or(now + IDLE);
        if due <= now {
            self.engine.handle_timeout(now);
            return true;
        }
        self.timer.as_mut().reset(due.into());
        self.timer.as_mut().poll(cx).is_ready()
    }
}

impl Stream for Muji {
    type Item = Notice;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Notice>> {
        let this = &mut *self;
        loop {
            this.drain();
            if let Some(notice) = this.notices.pop_front() {
                return Poll::Ready(Some(notice));
            }
            if !this.take_reports(cx) && !this.take_timeout(cx) {
                this.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
    }
}

/// A call, to do something with it.
#[derive(Debug)]
pub struct Call<'a> {
    muji: &'a mut Muji,
    id: CallId,
}

impl Call<'_> {
    /// Stops listening and sending for a while, and tells the others.
    ///
    /// # Errors
    /// If the call is over.
    pub fn hold(&mut self) -> Result<(), Refused> {
        self.command(Command::Hold(Hold::On))
    }

    /// Listens and sends again.
    ///
    /// # Errors
    /// If the call is over.
    pub fn unhold(&mut self) -> Result<(), Refused> {
        self.command(Command::Hold(Hold::Off))
    }

    /// Leaves the call; its end comes as an event.
    ///
    /// # Errors
    /// If it is over already.
    pub fn leave(&mut self) -> Result<(), Refused> {
        self.command(Command::Leave)
    }

    /// Ends the call for everybody by destroying its room.
    ///
    /// # Errors
    /// If the room is not ours.
    pub fn end_for_all(&mut self) -> Result<(), Refused> {
        self.command(Command::EndForAll)
    }

    /// Lets somebody into the room of the call.
    ///
    /// # Errors
    /// If the room is not ours.
    pub fn admit(&mut self, guest: BareJid) -> Result<(), Refused> {
        self.command(Command::Admit(guest))
    }

    /// Invites somebody to the call, after letting it in where that is ours to do.
    ///
    /// # Errors
    /// If the call is over.
    pub fn invite(&mut self, guest: BareJid) -> Result<(), Refused> {
        self.command(Command::Invite(guest))
    }

    /// Invites somebody to the room as such, whose client may know nothing of calls; after letting it in.
    ///
    /// # Errors
    /// If the call is over.
    pub fn invite_to_room(&mut self, guest: BareJid, via: Via) -> Result<(), Refused> {
        self.command(Command::InviteToRoom(guest, via))
    }

    /// Sends this medium too, such as pictures in a call that began with sound; what becomes of it comes as events.
    ///
    /// # Errors
    /// If the call is over, or the media layer has no codec for it.
    pub fn add(&mut self, media: Media) -> Result<(), Refused> {
        self.command(Command::Add(media))
    }

    /// Sends this medium no more, and takes no part in it any more.
    ///
    /// # Errors
    /// If the call is over, or it is the only content.
    pub fn remove(&mut self, media: Media) -> Result<(), Refused> {
        self.command(Command::Remove(media))
    }

    /// Digits to be compared by voice: see [`Engine::authentication`].
    #[must_use]
    pub fn authentication(&self) -> Option<String> {
        self.muji.engine.authentication(self.id)
    }

    /// How we stand with each other participant, by nick: who hears whom.
    #[must_use]
    pub fn pairs(&self) -> Vec<Pair> {
        self.muji.engine.pairs(self.id)
    }

    /// Presses keys of a telephone, for everybody who takes them.
    ///
    /// # Errors
    /// If the call is over, or nobody takes them.
    pub fn send_digits(&mut self, digits: impl IntoIterator<Item = Digit>) -> Result<(), Refused> {
        self.command(Command::SendDigits(digits.into_iter().collect()))
    }

    /// Stops capturing and sending a medium, and tells the others.
    ///
    /// # Errors
    /// If the call is over.
    pub fn mute(&mut self, media: Media) -> Result<(), Refused> {
        self.command(Command::Mute(media, Mute::On))
    }

    /// Sends a medium again.
    ///
    /// # Errors
    /// If the call is over.
    pub fn unmute(&mut self, media: Media) -> Result<(), Refused> {
        self.command(Command::Mute(media, Mute::Off))
    }

    fn command(&mut self, command: Command) -> Result<(), Refused> {
        let outcome = self.muji.engine.command(now(), self.id, command);
        self.muji.wake();
        outcome
    }
}
