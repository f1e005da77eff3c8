//! From the login to the end of the call.

mod bridging;
mod goal;
mod user_actions;

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use jid::FullJid;
use muji_core::bridge::Bridge;
use muji_core::config::Config;
use muji_core::error::EndReason;
use muji_core::stanza;
use muji_core::xmpp::{Account, Connection, Incoming, LoginError, TlsRoots};
use muji_core::{CallId, ConnectionChange as Change, Disco, Event, EventScope, Handled, Media, Muji, Notice, Pending};
use muji_media::backend::Backend;
use muji_media::device::VideoSink;
use muji_media::stats::Observation;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep_until, timeout};
use xmpp_parsers::stanza::Stanza;

use crate::args::{Args, Login, server};
use crate::chat::Chat;
use crate::devices::{self, Opened, Wanted};
use crate::doctor;
use crate::exit::Failure;
use crate::keys::Keys;
use crate::password;
use crate::report::Report;
use crate::ringing::{Alerting, Due, Ringing};
use crate::trace::Trace;
use crate::user_action::UserAction;
#[cfg(feature = "window")]
use crate::window::snapshot::Snapshots;
use crate::window_state::SharedWindowState;
use goal::{Goal, goal, room_password};

/// The node of this client's capabilities (XEP-0115).
const NODE: &str = "https://github.com/muji-rs/muji";

/// How long the server may take to end the stream properly.
const CLOSING: Duration = Duration::from_secs(2);

/// The connection to the window, if there is one.
#[derive(Default)]
pub(crate) struct Frontend {
    /// What a window shows.
    pub(crate) shared_view: SharedWindowState,
    /// What the user asks for in it.
    pub(crate) actions: Option<mpsc::Receiver<UserAction>>,
    /// Told once the login worked, and dropped if it does not.
    pub(crate) ready: Option<std::sync::mpsc::Sender<()>>,
}

/// Runs the program.
pub(crate) async fn run(mut args: Args, around: Frontend) -> Result<(), Failure> {
    let Frontend { shared_view, actions, ready } = around;
    bridging::complete(&mut args)?;
    let trace = Trace::begin(args.trace.as_deref(), args.diagram.as_deref())?;
    // Report missing files and devices before asking for the password.
    let Opened { devices, contents, watches } = devices::open(Wanted {
        media: &args.media,
        network: &args.network,
        ca_file: args.login.ca_file.as_deref(),
        nick: args.nick.as_deref(),
        window: ready.is_some(),
        // Of callers' pictures, which nobody looks at, nothing need be decoded.
        video_sink: (!args.bridge.bridge || ready.is_some())
            .then(|| Box::new(shared_view.clone()) as Box<dyn VideoSink>),
        bridge: args.bridge.bridge,
    })?;
    let account = account(&args.login)?;
    let goal = goal(&args, &account)?;
    let chats = chats(&args, &goal)?;
    let media = args.network.transports().and_then(|transports| Backend::start_with(transports, devices));
    let (media, observations) = media.map_err(|why| Failure::Usage(why.to_string()))?;
    let client = Connection::open(account).await?;
    let mut report = Report::new(&args, shared_view.clone());
    report.logged_in(client.login());
    let _there_is_no_window = ready.is_none_or(|ready| ready.send(()).is_err());
    #[cfg(feature = "window")]
    let _snapshots = snapshots(&args, &shared_view)?;
    let max_direct_calls = bridging::max_direct_calls(&args);
    let config = Config { nick: args.nick.clone(), anybody_rings: args.anybody, max_direct_calls, ..Config::default() };
    let mut muji = Muji::with_config(media, config);
    let disco = Disco::new(NODE, "muji-call", &muji.features());
    muji.answer_disco(disco.clone());
    if args.wait || args.bridge.bridge {
        muji.accept_calls();
    }
    // A program that reads JSON may press keys over a pipe; without --json a pipe may be meant for something else.
    let (keys, ringing) = (Keys::listen(args.wait || args.json), Ringing::default());
    let interrupted = false;
    let mut program = Program {
        args,
        contents,
        muted: BTreeSet::from_iter(watches.then_some(Media::Video)),
        screens_refused: false,
        shared_view,
        actions,
        goal,
        client,
        muji,
        disco,
        chats,
        report,
        trace,
        keys,
        ringing,
        call: None,
        bridge: None,
        removes_next: false,
        undecided: None,
        unseen: None,
        timed: false,
        interrupted,
    };
    let outcome = program.go(observations).await;
    for chat in std::mem::take(&mut program.chats) {
        program.send(chat.leave()).await;
    }
    program.report.summary();
    let _slow = timeout(CLOSING, program.client.close()).await.is_err();
    outcome
}

/// The chat room around the call, if it is inside one; or those in which we wait.
fn chats(args: &Args, goal: &Goal) -> Result<Vec<Chat>, Failure> {
    let rooms = match goal {
        Goal::Room(room) if args.in_chat => std::slice::from_ref(room),
        _ => &args.chat[..],
    };
    let nick = args.nick.as_deref();
    if nick.is_none() && !rooms.is_empty() {
        return Err(Failure::Usage("a chat room needs a nick: use --nick".to_owned()));
    }
    let chat = |room| Chat::new(room, nick?);
    let no_nick = || Failure::Usage("--nick is not valid as a nick".to_owned());
    rooms.iter().map(chat).collect::<Option<Vec<Chat>>>().ok_or_else(no_nick)
}

/// The next action in the window; without a window there is never one.
async fn wanted(actions: &mut Option<mpsc::Receiver<UserAction>>) -> Option<UserAction> {
    match actions {
        Some(actions) => actions.recv().await,
        None => std::future::pending().await,
    }
}

#[cfg(feature = "window")]
fn snapshots(args: &Args, shared_view: &SharedWindowState) -> Result<Option<Snapshots>, Failure> {
    let begun = args.snapshot.clone().map(|file| Snapshots::begin(shared_view.clone(), file)).transpose();
    begun.map_err(|why| Failure::Usage(format!("--snapshot: {why}")))
}

/// Who logs in.
pub(crate) fn account(login: &Login) -> Result<Account, Failure> {
    let jid = login.jid.clone().ok_or_else(|| {
        Failure::Usage("no account: use --jid, set XMPP_JID, or use a profile (see --help)".to_owned())
    })?;
    let server = server(login.server.as_deref(), login.tls)?;
    let trust = login.ca_file.clone().map_or(TlsRoots::System, TlsRoots::Authorities);
    let password = password::find(&jid, login)?;
    Ok(Account { jid, password, server, trust })
}

struct Program {
    args: Args,
    /// What our calls carry.
    contents: Vec<Media>,
    /// What of that is not sent for now.
    muted: BTreeSet<Media>,
    /// Screens could not be added to this call, so it is not tried again each second.
    screens_refused: bool,
    shared_view: SharedWindowState,
    actions: Option<mpsc::Receiver<UserAction>>,
    goal: Goal,
    client: Connection,
    muji: Muji,
    disco: Disco,
    /// Chat rooms in which we are.
    chats: Vec<Chat>,
    report: Report,
    trace: Trace,
    keys: Keys,
    ringing: Ringing,
    call: Option<CallId>,
    /// Who calls into that call, with --bridge.
    bridge: Option<Bridge>,
    /// The next number is that of a caller to be removed.
    removes_next: bool,
    /// Until when we wait to be told what a name stands for.
    undecided: Option<Instant>,
    /// Our JID while we wait for calls and the server has not shown yet that we are there.
    unseen: Option<FullJid>,
    /// The time in this call is running.
    timed: bool,
    interrupted: bool,
}

impl Program {
    async fn go(&mut self, mut observations: mpsc::Receiver<Observation>) -> Result<(), Failure> {
        let no_signals = |why| Failure::Call(format!("the system cannot deliver signals: {why}"));
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
                        self.tell_bridge(&about, &event);
                        if self.concerns(&about, &event) {
                            self.report.event(&about, &event);
                        }
                        if let Event::Joined { .. } | Event::PeerConnecting(..) = event {
                            self.joined(time_up.as_mut());
                        }
                        over = self.happened(&about, event);
                    }
                },
                action = self.keys.next() => self.action(action)?,
                Some(action) = wanted(&mut self.actions) => self.action(action)?,
                due = self.ringing.due() => match due {
                    Due::Bell => {
                        self.report.bell();
                        self.ringing.bell_rang();
                    }
                    Due::Answer => self.accept()?,
                },
                Some(observation) = observations.recv() => self.report.observation(&observation),
                _ = second.tick() => {
                    self.decide()?;
                    self.bridge_timeout();
                    if let Some(call) = self.call {
                        let in_call = self.muji.in_call(call);
                        let mut pairs = in_call.pairs();
                        let code = in_call.authentication();
                        for caller in self.bridged_calls() {
                            pairs.extend(self.muji.in_call(caller).pairs());
                        }
                        self.report.pairs(&pairs);
                        self.report.authentication(code);
                        self.watch_screens(call, &pairs);
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
                self.report.summary(); // Of this call; the next one starts from zero.
                self.report.waiting();
            }
        }
    }

    /// Updates the view with our own state.
    fn show(&self) {
        self.shared_view.with(|window_state| {
            window_state.in_call = self.call.is_some();
            window_state.rings = self.ringing.who().map(str::to_owned);
            window_state.muted = self.muted.contains(&Media::Audio);
            window_state.camera_off = self.muted.contains(&Media::Video) || !self.contents.contains(&Media::Video);
            window_state.title = match &self.goal {
                Goal::Room(name) | Goal::Either(name) => name.to_string(),
                Goal::Person(whom) => whom.to_string(),
                Goal::Wait => "Waiting for calls".to_owned(),
            };
            window_state.name = self.args.nick.clone().unwrap_or_default();
        });
    }

    /// What an event means for the program; why its call is over, if it is.
    fn happened(&mut self, about: &EventScope, event: Event) -> Option<EndReason> {
        let answer_after = self.args.auto_answer.map(Duration::from_secs);
        let aloud = Alerting::Aloud { answer_after };
        let rings_no_more = self.ringing.is_over(about, &event);
        match (about, event) {
            (_, Event::Ringing { .. } | Event::Stranger { .. }) if self.bridge.is_some() => {}
            (EventScope::Call(call), Event::Ringing { from, .. }) => {
                self.rings(Pending::Call(*call), aloud, from.as_str())
            }
            (EventScope::Call(call), Event::Stranger { from, .. }) => {
                self.rings(Pending::Call(*call), Alerting::Silent, from.as_str());
            }
            (_, Event::Invited(invitation)) => {
                let from = invitation.from.to_string();
                self.rings(Pending::Invitation(invitation), aloud, &from);
            }
            (_, Event::InvitationOver(..)) => {
                return (rings_no_more && self.args.once).then_some(EndReason::Cancelled);
            }
            (EventScope::Call(call), Event::NotAdded { media, .. }) if self.call == Some(*call) => {
                self.not_added(media)
            }
            (_, Event::PeerFailed(peer, failure)) => doctor::remember(&peer.nick, &failure.to_string()),
            (EventScope::Call(call), Event::Ended(why)) if rings_no_more || self.call == Some(*call) => {
                return Some(why);
            }
            _ => {}
        }
        None
    }

    /// False for the end of a call that only other devices could take.
    fn concerns(&self, about: &EventScope, event: &Event) -> bool {
        match (about, event) {
            (EventScope::Call(call), Event::Ended(_)) => self.call == Some(*call) || self.ringing.is(*call),
            (_, Event::Ringing { .. } | Event::Stranger { .. }) => self.args.wait && self.call.is_none(),
            _ => true,
        }
    }

    async fn incoming(&mut self, incoming: Incoming) -> Result<(), Failure> {
        match incoming {
            Incoming::Stanza(stanza) => {
                self.trace.received(&stanza);
                if self.muji.handle_element(&stanza) != Handled::Taken {
                    self.client.answer(&stanza).await;
                }
                // What cannot be read the Engine tells.
                if let Ok(stanza) = stanza::read(&stanza) {
                    self.chat_presence_received(&stanza)?;
                    self.identity_received(&stanza)?;
                    self.own_presence_received(&stanza);
                    self.bridge_stanza_received(&stanza);
                }
            }
            Incoming::Bound(jid) => {
                self.trace.bound(&jid);
                self.muji.handle_connection(Change::Bound { jid: jid.clone() });
                let enter = |chat: &Chat| chat.enter(room_password().as_deref(), &self.disco);
                for presence in self.chats.iter().map(enter).collect::<Vec<_>>() {
                    self.send(presence).await;
                }
                // Inside a chat room it begins once we are in.
                if !self.args.in_chat && self.call.is_none() {
                    self.unseen = Some(jid).filter(|_| matches!(self.goal, Goal::Wait));
                    self.begin().await?;
                }
            }
            Incoming::Lost(why) => {
                self.report.connection("lost", why.as_deref());
                self.muji.handle_connection(Change::Lost);
            }
            Incoming::Resumed => {
                self.report.connection("resumed", None);
                self.muji.handle_connection(Change::Resumed);
            }
            // The Engine repeats requests and presences itself.
            Incoming::Unsent(stanza) => {
                if let ("message", Some(to)) = (stanza.name(), stanza.attr("to")) {
                    self.report.warning(&format!("a message to {to} may be lost: there was no connection"));
                }
            }
            Incoming::Over(why) if self.call.is_none() => return Err(why.into()),
            Incoming::Over(why) => return Err(Failure::Call(lost(&why))),
        }
        Ok(())
    }

    async fn send(&mut self, stanza: impl Into<Stanza>) {
        let stanza = stanza.into();
        self.trace.sent(&stanza);
        self.client.send(stanza).await;
    }

    /// The outcome of the program when the call has ended.
    fn outcome(&self, why: EndReason) -> Result<(), Failure> {
        match why {
            EndReason::Room(fault) => Err(fault.into()),
            // What rang here was answered elsewhere, or is no matter any more.
            EndReason::Elsewhere(_) | EndReason::DeclinedElsewhere(_) | EndReason::Cancelled | EndReason::Expired => {
                Ok(())
            }
            EndReason::Left | EndReason::DeclinedHere if self.interrupted => Err(Failure::Interrupted),
            EndReason::DeclinedHere => Ok(()),
            EndReason::Left | EndReason::HungUp => self.expectation(),
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

fn lost(why: &LoginError) -> String {
    format!("the connection to the server was lost and cannot be restored: {why}")
}
