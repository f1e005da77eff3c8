//! From the login to the end of the call.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use jid::{BareJid, Jid};
use muji_core::config::Config;
use muji_core::error::{Over, Refused};
use muji_core::xmpp::{Account, Connection, Incoming, LoginError, Trust};
use muji_core::{About, CallId, Connection as Change, Disco, Event, Handled, Join, Media, Muji, Notice, Secret};
use muji_media::backend::{Backend, Devices, Observation};
use muji_media::socket::local_addresses;
use muji_xep::{Element, ns};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, interval, sleep_until, timeout};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::stanza::Stanza;

use crate::args::{Args, server};
use crate::audio::{self, Audio};
use crate::chat::Chat;
use crate::exit::Failure;
use crate::keys::Keys;
use crate::password;
use crate::report::Report;
use crate::ringing::{Due, Manner, Ringing, Waiting};
use crate::stage::Stage;
use crate::trace::Trace;
use crate::video::{self, Video};
#[cfg(feature = "window")]
use crate::window::snapshot::Snapshots;
use crate::wish::Wish;

/// Who made this client, as its capabilities say it.
const NODE: &str = "https://github.com/muji-rs/muji";

/// How long a server may take to say what a name stands for; one that has to be reached first takes seconds.
const DECIDING: Duration = Duration::from_secs(10);

/// The id of that question.
const QUESTION: &str = "what-is-it";

/// How long the server may take to end the stream properly.
const CLOSING: Duration = Duration::from_secs(2);

/// What the program is for.
#[derive(Debug, Clone)]
enum Goal {
    /// The call in this room, or in one made at its service.
    Room(BareJid),
    /// Somebody, on all devices or on one.
    Person(Jid),
    /// A room or a person: the server of the name is asked which.
    Either(BareJid),
    /// Whoever calls.
    Wait,
}

/// Names on one's own server are persons, and only persons have devices.
fn goal(args: &Args, account: &Account) -> Result<Goal, Failure> {
    let Some(whom) = args.whom.clone() else { return Ok(Goal::Wait) };
    let room = args.new || args.in_chat || !args.admit.is_empty();
    Ok(match whom.try_into_full() {
        Ok(device) if room => return Err(Failure::Usage(format!("{device} is no room"))),
        Ok(device) => Goal::Person(device.into()),
        Err(bare) if room => Goal::Room(bare),
        Err(bare) if bare.domain() == account.jid.domain() => Goal::Person(bare.into()),
        Err(bare) => Goal::Either(bare),
    })
}

/// What is around the program: with a window, more than nothing.
#[derive(Default)]
pub(crate) struct Surroundings {
    /// What a window shows.
    pub(crate) stage: Stage,
    /// What the user wants in it.
    pub(crate) wishes: Option<mpsc::Receiver<Wish>>,
    /// Told once the login worked, and dropped if it does not.
    pub(crate) ready: Option<std::sync::mpsc::Sender<()>>,
}

/// Runs the program.
pub(crate) async fn run(args: Args, around: Surroundings) -> Result<(), Failure> {
    let Surroundings { stage, wishes, ready } = around;
    let trace = Trace::begin(args.trace.as_deref())?;
    // What is missing is said before the password is asked for.
    let Audio { source, sink } = audio::open(&args)?;
    let video = video::open(&args, ready.is_some())?;
    let (contents, watches) = (video.media(), matches!(video, Video::Watch));
    let pictures = if let Video::Show(source) = video { Some(source) } else { None };
    let account = account(&args)?;
    let goal = goal(&args, &account)?;
    let addresses = if args.bind.is_empty() { local_addresses() } else { args.bind.clone() };
    let media = Backend::start(Devices {
        source,
        pictures,
        view: Some(Box::new(stage.clone())),
        sink,
        record: args.record.clone(),
        addresses,
    });
    let (media, observations) = media.map_err(|why| Failure::Usage(why.to_string()))?;
    let client = Connection::open(account).await?;
    let mut report = Report::new(&args, stage.clone());
    report.logged_in(client.login());
    let _there_is_no_window = ready.is_none_or(|ready| ready.send(()).is_err());
    #[cfg(feature = "window")]
    let _snapshots = snapshots(&args, &stage)?;
    let mut muji = Muji::with_config(media, Config { anybody_rings: args.anybody, ..Config::default() });
    let disco = Disco::new(NODE, "muji-call", &muji.features());
    muji.introduce(disco.clone());
    if args.wait {
        muji.attend();
    }
    let chat = match (&args.nick, &goal) {
        (Some(nick), Goal::Room(room)) if args.in_chat => {
            Some(Chat::new(room, nick).ok_or_else(|| Failure::Usage("no room takes this nick".to_owned()))?)
        }
        _ if args.in_chat => return Err(Failure::Usage("a chat room knows you by a nick; give --nick".to_owned())),
        _ => None,
    };
    let (keys, ringing) = (Keys::listen(args.wait), Ringing::default());
    let interrupted = false;
    let mut program = Program {
        args,
        contents,
        muted: BTreeSet::from_iter(watches.then_some(Media::Video)),
        stage,
        wishes,
        goal,
        client,
        muji,
        disco,
        chat,
        report,
        trace,
        keys,
        ringing,
        call: None,
        undecided: None,
        timed: false,
        interrupted,
    };
    let outcome = program.go(observations).await;
    if let Some(chat) = program.chat.take() {
        program.send(chat.leave()).await;
    }
    program.report.summary();
    let _slow = timeout(CLOSING, program.client.close()).await.is_err();
    outcome
}

/// What is wanted in the window; never anything without one.
async fn wanted(wishes: &mut Option<mpsc::Receiver<Wish>>) -> Option<Wish> {
    match wishes {
        Some(wishes) => wishes.recv().await,
        None => std::future::pending().await,
    }
}

#[cfg(feature = "window")]
fn snapshots(args: &Args, stage: &Stage) -> Result<Option<Snapshots>, Failure> {
    let begun = args.snapshot.clone().map(|file| Snapshots::begin(stage.clone(), file)).transpose();
    begun.map_err(|why| Failure::Usage(format!("--snapshot: {why}")))
}

fn account(args: &Args) -> Result<Account, Failure> {
    let login = &args.login;
    let jid = login.jid.clone().ok_or_else(|| {
        Failure::Usage("whose call is it? Give --jid or XMPP_JID, or a profile (see --help)".to_owned())
    })?;
    let server = server(login.server.as_deref(), login.tls)?;
    let trust = login.ca_file.clone().map_or(Trust::System, Trust::Authorities);
    let password = password::find(&jid, login)?;
    Ok(Account { jid, password, server, trust })
}

struct Program {
    args: Args,
    /// What our calls carry.
    contents: Vec<Media>,
    /// What of that is not sent for now.
    muted: BTreeSet<Media>,
    stage: Stage,
    wishes: Option<mpsc::Receiver<Wish>>,
    goal: Goal,
    client: Connection,
    muji: Muji,
    disco: Disco,
    /// The chat room around the call, if it is inside one.
    chat: Option<Chat>,
    report: Report,
    trace: Trace,
    keys: Keys,
    ringing: Ringing,
    call: Option<CallId>,
    /// Until when we wait to be told what a name stands for.
    undecided: Option<Instant>,
    /// The time in this call is running.
    timed: bool,
    interrupted: bool,
}

impl Program {
    async fn go(&mut self, mut observations: mpsc::Receiver<Observation>) -> Result<(), Failure> {
        let no_signals = |why| Failure::Call(format!("the system gives no signals: {why}"));
        let mut interrupts = signal(SignalKind::interrupt()).map_err(no_signals)?;
        let mut terminations = signal(SignalKind::terminate()).map_err(no_signals)?;
        let mut second = interval(Duration::from_secs(1));
        let mut over = None;
        let far = Instant::now() + Duration::from_secs(1 << 30);
        let mut time_up = Box::pin(sleep_until(far));
        loop {
            tokio::select! {
                incoming = self.client.next() => self.incoming(incoming).await?,
                Some(notice) = self.muji.next() => match notice {
                    Notice::Send(stanza) => self.send(stanza).await,
                    Notice::Event(about, event) => {
                        if self.concerns(&about, &event) {
                            self.report.event(&event);
                        }
                        if let Event::Joined { .. } | Event::PeerConnecting(..) = event {
                            self.joined(time_up.as_mut());
                        }
                        over = self.happened(&about, event);
                    }
                },
                wish = self.keys.next() => self.wish(wish)?,
                Some(wish) = wanted(&mut self.wishes) => self.wish(wish)?,
                due = self.ringing.due() => match due {
                    Due::Bell => {
                        self.report.bell();
                        self.ringing.belled();
                    }
                    Due::Answer => self.accept()?,
                },
                Some(observation) = observations.recv() => self.report.observation(&observation),
                _ = second.tick() => {
                    self.decide()?;
                    if let Some(call) = self.call {
                        let call = self.muji.in_call(call);
                        self.report.pairs(&call.pairs());
                        self.report.authentication(call.authentication());
                    }
                    self.report.row();
                }
                () = time_up.as_mut(), if self.call.is_some() => {
                    time_up.as_mut().reset(far);
                    self.leave();
                }
                Some(()) = interrupts.recv() => self.interrupt()?,
                Some(()) = terminations.recv() => self.interrupt()?,
            }
            self.show();
            // What leaves the call goes out before we do: it stands in the queue before its end.
            if let Some(why) = over.take() {
                (self.call, self.timed) = (None, false);
                if !self.args.wait || self.args.once || self.interrupted {
                    return self.outcome(why);
                }
                time_up.as_mut().reset(far);
                self.report.summary(); // Of this call; the next begins anew.
                self.report.waiting();
            }
        }
    }

    /// Puts on the stage what is ours.
    fn show(&self) {
        self.stage.with(|scene| {
            scene.in_call = self.call.is_some();
            scene.rings = self.ringing.who().map(str::to_owned);
            scene.muted = self.muted.contains(&Media::Audio);
            scene.dark = self.muted.contains(&Media::Video) || !self.contents.contains(&Media::Video);
            scene.title = match &self.goal {
                Goal::Room(name) | Goal::Either(name) => name.to_string(),
                Goal::Person(whom) => whom.to_string(),
                Goal::Wait => "Waiting to be called".to_owned(),
            };
            scene.name = self.args.nick.clone().unwrap_or_default();
        });
    }

    /// What an event means for the program; why its call is over, if it is.
    fn happened(&mut self, about: &About, event: Event) -> Option<Over> {
        let answer_after = self.args.auto_answer.map(Duration::from_secs);
        let aloud = Manner::Aloud { answer_after };
        match (about, event) {
            (About::Call(call), Event::Ringing { from, .. }) => self.rings(Waiting::Call(*call), aloud, from.as_str()),
            (About::Call(call), Event::Stranger { from, .. }) => {
                self.rings(Waiting::Call(*call), Manner::Silent, from.as_str());
            }
            (_, Event::Invited(invitation)) => {
                let from = invitation.from.to_string();
                self.rings(Waiting::Invitation(invitation), aloud, &from);
            }
            (_, Event::InvitationOver(invitation, _)) => {
                let rang = self.ringing.invitation_over(&invitation);
                return (rang && self.args.once).then_some(Over::Cancelled);
            }
            (About::Call(call), Event::Ended(why)) if self.ringing.call_over(*call) || self.call == Some(*call) => {
                return Some(why);
            }
            _ => {}
        }
        None
    }

    /// Somebody wants to talk. Who waits is in one call at a time; but whoever we talk with may invite us to go on in a room.
    fn rings(&mut self, waiting: Waiting, manner: Manner, who: &str) {
        let free = match (&waiting, self.call) {
            (Waiting::Invitation(invitation), Some(call)) => {
                let pairs = self.muji.in_call(call).pairs();
                matches!(&pairs[..], [pair] if pair.peer.jid.to_bare() == invitation.from.to_bare())
            }
            (_, call) => self.args.wait && call.is_none(),
        };
        // Declining would silence the user's other devices too, where it may be picked up.
        if !free || !self.ringing.begin(waiting, manner, who) {
            self.report.busy(who);
        }
    }

    /// False for the end of a call that only other devices could take.
    fn concerns(&self, about: &About, event: &Event) -> bool {
        match (about, event) {
            (About::Call(call), Event::Ended(_)) => self.call == Some(*call) || self.ringing.is(*call),
            (_, Event::Ringing { .. } | Event::Stranger { .. }) => self.args.wait && self.call.is_none(),
            _ => true,
        }
    }

    fn accept(&mut self) -> Result<(), Failure> {
        let refused = |why: Refused| Failure::Call(why.to_string());
        let Some(waiting) = self.ringing.take() else { return Ok(()) };
        if self.call.is_none() {
            self.report.joining();
        }
        let call = match waiting {
            Waiting::Call(call) => {
                self.muji.in_call(call).accept(self.contents.clone()).map_err(refused)?;
                call
            }
            Waiting::Invitation(invitation) => {
                let how = self.how(Join::own());
                self.muji.accept(&invitation, how).map_err(refused)?
            }
        };
        self.begun(call);
        Ok(())
    }

    fn decline(&mut self) {
        match self.ringing.take() {
            Some(Waiting::Call(call)) => {
                self.call = Some(call); // Its end is the program's, with --once.
                let _over_already = self.muji.in_call(call).decline().is_err();
            }
            Some(Waiting::Invitation(invitation)) => self.muji.decline(&invitation),
            None => {}
        }
    }

    fn wish(&mut self, wish: Wish) -> Result<(), Failure> {
        match wish {
            Wish::Accept => return self.accept(),
            Wish::Decline => self.decline(),
            Wish::Mute => self.toggle(Media::Audio),
            Wish::Camera => self.toggle(Media::Video),
            Wish::Invite(guest) => {
                if let Some(call) = self.call {
                    let _over_already = self.muji.in_call(call).invite(guest).is_err();
                }
            }
            Wish::Leave => self.leave(),
            Wish::Quit => return self.interrupt(),
        }
        Ok(())
    }

    /// Mutes a medium, or goes on; one that the call does not carry yet is added.
    fn toggle(&mut self, media: Media) {
        let Some(call) = self.call else { return };
        let mut in_call = self.muji.in_call(call);
        if !self.contents.contains(&media) {
            if in_call.add(media.clone()).is_ok() {
                self.contents.push(media);
            }
            return;
        }
        let done =
            if self.muted.contains(&media) { in_call.unmute(media.clone()) } else { in_call.mute(media.clone()) };
        if done.is_ok() && !self.muted.remove(&media) {
            self.muted.insert(media);
        }
    }

    async fn incoming(&mut self, incoming: Incoming) -> Result<(), Failure> {
        match incoming {
            Incoming::Stanza(stanza) => {
                self.trace.received(&stanza);
                if self.muji.handle_stanza(&stanza) != Handled::Taken {
                    self.client.answer(&stanza).await;
                }
                self.chatted(&stanza)?;
                self.told(&stanza)?;
            }
            Incoming::Bound(jid) => {
                self.muji.connected(jid);
                if let Some(chat) = &self.chat {
                    let enter = chat.enter(room_password().as_deref(), &self.disco);
                    self.send(enter).await;
                } else if self.call.is_none() {
                    self.begin().await?;
                }
            }
            Incoming::Lost(why) => {
                self.report.connection("lost", why.as_deref());
                self.muji.connection(Change::Lost);
            }
            Incoming::Resumed => {
                self.report.connection("resumed", None);
                self.muji.connection(Change::Resumed);
            }
            Incoming::Over(why) if self.call.is_none() => return Err(why.into()),
            Incoming::Over(why) => return Err(Failure::Call(lost(&why))),
        }
        Ok(())
    }

    /// What the chat room around the call says.
    fn chatted(&mut self, stanza: &Stanza) -> Result<(), Failure> {
        let Some(chat) = self.chat.as_ref().filter(|_| self.call.is_none()) else { return Ok(()) };
        if let Some(why) = chat.refusal(stanza) {
            return Err(why.into());
        }
        if chat.is_entered(stanza) {
            self.join(Join::in_chat())?;
        }
        Ok(())
    }

    /// Does what the program is for.
    async fn begin(&mut self) -> Result<(), Failure> {
        match self.goal.clone() {
            Goal::Room(_) => self.join(Join::own())?,
            Goal::Person(whom) => self.dial(whom)?,
            Goal::Either(name) => {
                self.undecided = Some(Instant::now() + DECIDING);
                let domain = Jid::from(BareJid::from_parts(None, name.domain()));
                let query = Element::bare("query", ns::DISCO_INFO);
                let ask = Iq::Get { from: None, to: Some(domain), id: QUESTION.to_owned(), payload: query };
                self.send(Box::new(ask.into())).await;
            }
            Goal::Wait => self.report.waiting(),
        }
        Ok(())
    }

    /// The server of a name says what it is: rooms live on services of their own.
    fn told(&mut self, stanza: &Stanza) -> Result<(), Failure> {
        let (Stanza::Iq(iq), Goal::Either(name)) = (stanza, self.goal.clone()) else { return Ok(()) };
        let from = iq.from().is_some_and(|from| from.as_str() == name.domain().as_str());
        if !from || iq.id() != QUESTION || self.undecided.take().is_none() {
            return Ok(());
        }
        let info = if let Iq::Result { payload, .. } = iq { payload.as_ref() } else { None };
        let identities = info.into_iter().flat_map(Element::children).filter(|child| child.name() == "identity");
        let categories: Vec<&str> = identities.filter_map(|identity| identity.attr("category")).collect();
        // Who does not say what it is may still have the room: then that is the better error.
        if categories.contains(&"conference") || !categories.contains(&"server") {
            return self.take_for_room(name);
        }
        self.dial(name.into())
    }

    fn take_for_room(&mut self, name: BareJid) -> Result<(), Failure> {
        self.goal = Goal::Room(name);
        self.join(Join::own())
    }

    /// Nobody says what a name stands for: entering a room has its own deadlines and errors.
    fn decide(&mut self) -> Result<(), Failure> {
        match (&self.goal, self.undecided.take_if(|until| *until <= Instant::now())) {
            (Goal::Either(name), Some(_)) => self.take_for_room(name.clone()),
            _ => Ok(()),
        }
    }

    fn dial(&mut self, whom: Jid) -> Result<(), Failure> {
        self.report.joining();
        let refused = |why: Refused| Failure::Usage(why.to_string());
        let call = self.muji.call(whom, self.contents.clone()).map_err(refused)?;
        self.begun(call);
        Ok(())
    }

    /// This is our call. Others learn from its first moment what of ours is muted.
    fn begun(&mut self, call: CallId) {
        self.call = Some(call);
        for media in &self.muted {
            let _over_already = self.muji.in_call(call).mute(media.clone()).is_err();
        }
    }

    fn how(&self, how: Join) -> Join {
        let mut how = how.media(self.contents.clone());
        if let Some(nick) = &self.args.nick {
            how = how.nick(nick);
        }
        if let Some(password) = room_password() {
            how = how.password(Secret::new(password));
        }
        how
    }

    fn join(&mut self, how: Join) -> Result<(), Failure> {
        let Goal::Room(room) = self.goal.clone() else { return Ok(()) };
        let how = self.how(how);
        self.report.joining();
        let refused = |why: Refused| Failure::Usage(why.to_string());
        let call = if self.args.new {
            let (room, call) = self.muji.open(room.domain(), how).map_err(refused)?;
            self.report.made(&room);
            call
        } else {
            self.muji.join(room, how).map_err(refused)?
        };
        self.begun(call);
        Ok(())
    }

    /// We are in, for the first time or again.
    fn joined(&mut self, time_up: std::pin::Pin<&mut Sleep>) {
        if let Some(seconds) = self.args.seconds.filter(|_| !self.timed) {
            self.timed = true;
            time_up.reset(Instant::now() + Duration::from_secs(seconds));
        }
        let Some(call) = self.call else { return };
        for guest in std::mem::take(&mut self.args.admit) {
            let _not_ours = self.muji.in_call(call).admit(guest).is_err(); // It is: --admit needs --new.
        }
        for guest in std::mem::take(&mut self.args.invite) {
            let _over_already = self.muji.in_call(call).invite(guest).is_err();
        }
    }

    async fn send(&mut self, stanza: Box<Stanza>) {
        self.trace.sent(&stanza);
        self.client.send(stanza).await;
    }

    /// The first time the call is left properly.
    fn interrupt(&mut self) -> Result<(), Failure> {
        let first = !std::mem::replace(&mut self.interrupted, true);
        if first && self.call.is_some() {
            eprintln!("muji-call: leaving; once more to quit at once");
            self.leave();
            return Ok(());
        }
        Err(Failure::Interrupted)
    }

    fn leave(&mut self) {
        if let Some(call) = self.call {
            let _over_already = self.muji.in_call(call).leave().is_err();
        }
    }

    /// What the end of the call means for whoever started the program.
    fn outcome(&self, why: Over) -> Result<(), Failure> {
        match why {
            Over::Room(fault) => Err(fault.into()),
            // What rang here was answered elsewhere, or is no matter any more.
            Over::Elsewhere(_) | Over::DeclinedElsewhere(_) | Over::Cancelled | Over::Expired => Ok(()),
            Over::Left if self.interrupted => Err(Failure::Interrupted),
            Over::Left if self.args.wait && !self.timed => Ok(()), // It was declined.
            Over::Left | Over::HungUp => self.expectation(),
            other => Err(Failure::Call(other.to_string())),
        }
    }

    fn expectation(&self) -> Result<(), Failure> {
        let heard = self.report.heard();
        match self.args.expect {
            Some(0) => Ok(()),
            _ if !self.report.anybody_came() => Err(Failure::NobodyCame),
            Some(expected) if heard < expected => {
                Err(Failure::Call(format!("{heard} others were heard, {expected} were expected")))
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn room_password() -> Option<String> {
    std::env::var("XMPP_ROOM_PASSWORD").ok()
}

fn lost(why: &LoginError) -> String {
    format!("the connection to the server was lost and does not come back: {why}")
}
