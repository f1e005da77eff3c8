//! From the login to the end of the call.

use std::time::Duration;

use futures::StreamExt;
use jid::BareJid;
use muji_core::error::{Over, Refused};
use muji_core::xmpp::{Account, Connection, Incoming, LoginError, Trust};
use muji_core::{CallId, Connection as Change, Disco, Event, Handled, Join, Muji, Notice, Secret};
use muji_media::backend::{Backend, Devices, Observation};
use muji_media::socket::local_addresses;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, interval, sleep_until, timeout};
use xmpp_parsers::stanza::Stanza;

use crate::args::{Args, server};
use crate::audio::{self, Audio};
use crate::chat::Chat;
use crate::exit::Failure;
use crate::password;
use crate::report::Report;
use crate::trace::Trace;

/// Who made this client, as its capabilities say it.
const NODE: &str = "https://github.com/muji-rs/muji";

/// How long the server may take to end the stream properly.
const CLOSING: Duration = Duration::from_secs(2);

/// Runs the program.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let room = args.room.clone().ok_or_else(|| Failure::Usage("no room is named".to_owned()))?;
    let trace = Trace::begin(args.trace.as_deref())?;
    // What is missing is said before the password is asked for.
    let Audio { source, sink } = audio::open(&args)?;
    let account = account(&args)?;
    let addresses = if args.bind.is_empty() { local_addresses() } else { args.bind.clone() };
    let media = Backend::start(Devices { source, sink, record: args.record.clone(), addresses });
    let (media, observations) = media.map_err(|why| Failure::Usage(why.to_string()))?;
    let client = Connection::open(account).await?;
    let mut report = Report::new(&args);
    report.logged_in(client.login());
    let mut muji = Muji::new(media);
    let disco = Disco::new(NODE, "muji-call", &muji.features());
    muji.introduce(disco.clone());
    let chat = match &args.nick {
        _ if !args.in_chat => None,
        Some(nick) => Some(Chat::new(&room, nick).ok_or_else(|| Failure::Usage("no room takes this nick".to_owned()))?),
        None => return Err(Failure::Usage("a chat room knows you by a nick; give --nick".to_owned())),
    };
    let mut program = Program { args, room, client, muji, disco, chat, report, trace, call: None, interrupted: false };
    let outcome = program.go(observations).await;
    if let Some(chat) = program.chat.take() {
        program.send(chat.leave()).await;
    }
    program.report.summary();
    let _slow = timeout(CLOSING, program.client.close()).await.is_err();
    outcome
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
    room: BareJid,
    client: Connection,
    muji: Muji,
    disco: Disco,
    /// The chat room around the call, if it is inside one.
    chat: Option<Chat>,
    report: Report,
    trace: Trace,
    call: Option<CallId>,
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
                    Notice::Event(_, event) => {
                        self.report.event(&event);
                        if let Event::Joined { .. } = event {
                            self.joined(time_up.as_mut());
                        }
                        if let Event::Ended(why) = event {
                            over = Some(why);
                        }
                    }
                },
                Some(observation) = observations.recv() => self.report.observation(&observation),
                _ = second.tick() => {
                    if let Some(call) = self.call {
                        self.report.pairs(&self.muji.in_call(call).pairs());
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
            // What leaves the call goes out before we do: it stands in the queue before its end.
            if let Some(why) = over.take() {
                return self.outcome(why);
            }
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
            }
            Incoming::Bound(jid) => {
                self.muji.connected(jid);
                if let Some(chat) = &self.chat {
                    let enter = chat.enter(room_password().as_deref(), &self.disco);
                    self.send(enter).await;
                } else if self.call.is_none() {
                    self.join(Join::own())?;
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

    fn join(&mut self, mut how: Join) -> Result<(), Failure> {
        if let Some(nick) = &self.args.nick {
            how = how.nick(nick);
        }
        if let Some(password) = room_password() {
            how = how.password(Secret::new(password));
        }
        self.report.joining();
        let refused = |why: Refused| Failure::Usage(why.to_string());
        self.call = Some(if self.args.new {
            let (room, call) = self.muji.open(self.room.domain(), how).map_err(refused)?;
            self.report.made(&room);
            self.room = room;
            call
        } else {
            self.muji.join(self.room.clone(), how).map_err(refused)?
        });
        Ok(())
    }

    /// We are in, for the first time or again.
    fn joined(&mut self, time_up: std::pin::Pin<&mut Sleep>) {
        if let Some(seconds) = self.args.seconds.take() {
            time_up.reset(Instant::now() + Duration::from_secs(seconds));
        }
        let Some(call) = self.call else { return };
        for guest in std::mem::take(&mut self.args.admit) {
            let _not_ours = self.muji.in_call(call).admit(guest).is_err(); // It is: --admit needs --new.
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
            Over::Left if self.interrupted => Err(Failure::Interrupted),
            Over::Left => self.expectation(),
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
