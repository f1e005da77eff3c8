//! One client: its calls, from its first line to its last.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use futures::StreamExt;
use muji_core::config::Config;
use muji_core::error::Refused;
use muji_core::{
    Call, CallId, ConnectionChange, Digit, Event, EventScope, Handled, Join, Media, Muji, Notice, Pending,
};
use muji_media::backend::{Backend, Devices};
use muji_media::stats::Observation;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::interval;
use xmpp_parsers::iq::Iq;
use xmpp_parsers::stanza::Stanza;

use super::lines::{LinesIn, LinesOut, Unsaid};
use super::protocol::{self, Fault, Medium, Notification, Request};
use crate::exit::Failure;
use crate::network::Network;
use crate::report::Report;

/// Invitations that wait for an answer: more than a person looks at. Of more the oldest are forgotten.
const MAX_INVITATIONS: usize = 64;

/// A client, as this process knows it.
pub(super) struct Client {
    muji: Muji,
    observations: mpsc::Receiver<Observation>,
    lines: LinesOut,
    /// What calls carry.
    contents: Vec<Media>,
    /// Pictures are received, and none are sent.
    watches: bool,
    /// What is told of each call.
    reports: BTreeMap<CallId, Report>,
    /// What is told of the account and of rooms.
    account: Report,
    /// What the reports have told and the client has not been sent yet.
    told: Rc<RefCell<Vec<Value>>>,
    invitations: BTreeMap<u64, Pending>,
    /// Their number so far.
    invited: u64,
    /// Measurements that were left out.
    left_out: u64,
    /// What the client knows that ends its calls, without ids, which are others each time.
    will: Vec<String>,
}

/// Why a client is served no more.
enum Stop {
    Unsaid(Unsaid),
    Unreadable(io::Error),
}

impl From<Unsaid> for Stop {
    fn from(why: Unsaid) -> Self {
        Self::Unsaid(why)
    }
}

impl From<io::Error> for Stop {
    fn from(why: io::Error) -> Self {
        Self::Unreadable(why)
    }
}

impl Client {
    pub(super) fn new(
        network: &Network,
        devices: Devices,
        contents: Vec<Media>,
        watches: bool,
        config: Config,
        lines: LinesOut,
    ) -> Result<Self, Failure> {
        let started = network.transports().and_then(|transports| Backend::start_with(transports, devices));
        let (media, observations) = started.map_err(|why| Failure::Usage(why.to_string()))?;
        let told = Rc::<RefCell<Vec<Value>>>::default();
        Ok(Self {
            muji: Muji::with_config(media, config),
            observations,
            lines,
            contents,
            watches,
            reports: BTreeMap::new(),
            account: report(&told, Value::Null),
            told,
            invitations: BTreeMap::new(),
            invited: 0,
            left_out: 0,
            will: Vec::new(),
        })
    }

    /// Until the client is gone. Its connection is gone with it, so nothing more can be said for it.
    pub(super) async fn run(mut self, from: LinesIn) -> Result<(), Failure> {
        let outcome = match self.serve(from).await {
            Err(Stop::Unsaid(Unsaid::Deaf)) => {
                Err(Failure::Call("the client reads nothing that it is told".to_owned()))
            }
            Err(Stop::Unreadable(why)) => Err(Failure::Call(format!("the client's lines cannot be read: {why}"))),
            Ok(()) | Err(Stop::Unsaid(Unsaid::Gone)) => Ok(()),
        };
        self.lines.finish().await;
        outcome
    }

    async fn serve(&mut self, mut from: LinesIn) -> Result<(), Stop> {
        let features = self.muji.features().into_iter().map(str::to_owned).collect();
        let version = env!("CARGO_PKG_VERSION").to_owned();
        self.say(Notification::Ready { protocol: protocol::VERSION, version, features }).await?;
        let mut second = interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                line = from.next() => {
                    let Some(line) = line else { return Ok(()) };
                    if let Some(answer) = self.asked(&line?) {
                        self.lines.say(&answer).await?;
                    }
                }
                Some(notice) = self.muji.next() => self.noticed(notice).await?,
                Some(observation) = self.observations.recv() => self.observed(&observation),
                _ = second.tick() => self.look().await?,
            }
            for event in self.told.take() {
                self.lines.say(&protocol::notification(&Notification::Event(event))).await?;
            }
        }
    }

    async fn say(&self, what: Notification) -> Result<(), Unsaid> {
        self.lines.say(&protocol::notification(&what)).await
    }

    // ---- what the client asks ----------------------------------------------------------------------------------------

    /// Does what a line asks; what is answered, if an answer is wanted.
    fn asked(&mut self, line: &str) -> Option<Value> {
        if line.trim().is_empty() {
            return None;
        }
        let (id, request) = protocol::read(line);
        let outcome = request.and_then(|request| self.request(request));
        match (id, outcome) {
            (Some(id), outcome) => Some(protocol::answer(id, outcome)),
            (None, Err(fault)) => {
                self.account.warning(&fault.to_string()); // JSON-RPC has no answer to what wants none.
                None
            }
            (None, Ok(_)) => None,
        }
    }

    fn request(&mut self, request: Request) -> Result<Value, Fault> {
        match request {
            Request::Connected { jid } => self.muji.handle_connection(ConnectionChange::Bound { jid }),
            Request::Lost {} => self.muji.handle_connection(ConnectionChange::Lost),
            Request::Resumed {} => self.muji.handle_connection(ConnectionChange::Resumed),
            Request::Stanza { xml } => return self.muji.handle_xml(&xml).map(handled).map_err(Fault::params),
            Request::Presence { xml } => self.muji.set_presence_extras_xml(&xml).map_err(Fault::params)?,
            Request::Contacts { jids } => self.muji.set_contacts(jids),
            Request::Archived { xml, age_ms } => {
                self.muji.handle_archived_xml(Duration::from_millis(age_ms), &xml).map_err(Fault::params)?;
            }
            Request::ArchiveDone {} => self.muji.archive_done(),

            Request::Join { room, in_chat, invited, nick, password, media } => {
                let how = if in_chat { Join::chat_room() } else { Join::call_room() };
                let how = if invited { how.invited() } else { how };
                let how = self.how(how, nick, password, media);
                let call = self.muji.join(room, how)?;
                return Ok(self.begun(call));
            }
            Request::Open { service, nick, password, media } => {
                let how = self.how(Join::call_room(), nick, password, media);
                let (room, call) = self.muji.open(service.domain(), how)?;
                let mut result = self.begun(call);
                result["room"] = json!(room.to_string());
                return Ok(result);
            }
            Request::Call { jid, media } => {
                let media = self.media(media);
                let call = self.muji.call(jid, media)?;
                return Ok(self.begun(call));
            }
            Request::Accept { call, media } => {
                let media = self.media(media);
                let call = self.muji.accept(&Pending::Call(CallId(call)), Join::call_room().media(media))?;
                return Ok(self.begun(call));
            }
            Request::Decline { call } => self.muji.decline(&Pending::Call(CallId(call)))?,
            Request::AcceptInvitation { invitation, nick, password, media } => {
                let how = self.how(Join::call_room(), nick, password, media);
                let wanted = self.invitations.get(&invitation).ok_or_else(Fault::no_invitation)?;
                let call = self.muji.accept(wanted, how)?;
                self.invitations.remove(&invitation);
                return Ok(self.begun(call));
            }
            Request::DeclineInvitation { invitation } => {
                let declined = self.invitations.remove(&invitation).ok_or_else(Fault::no_invitation)?;
                self.muji.decline(&declined)?;
            }

            Request::Leave { call } => self.call(call).leave()?,
            Request::EndForAll { call } => self.call(call).end_for_all()?,
            Request::Hold { call } => self.call(call).hold()?,
            Request::Unhold { call } => self.call(call).unhold()?,
            Request::Mute { call, media } => self.call(call).mute(media.into())?,
            Request::Unmute { call, media } => self.call(call).unmute(media.into())?,
            Request::Add { call, media } => self.call(call).add(media.into())?,
            Request::Remove { call, media } => self.call(call).remove(media.into())?,
            Request::Invite { call, jid } => self.call(call).invite(jid)?,
            Request::Admit { call, jid } => self.call(call).admit(jid)?,
            Request::Digits { call, digits } => {
                let digits: Option<Vec<Digit>> = digits.chars().map(Digit::of_key).collect();
                let digits = digits.ok_or_else(|| Fault::params("digits are 0 to 9, A to D, * and #"))?;
                self.call(call).send_digits(digits)?;
            }

            Request::Pairs { call } => {
                let pairs = self.call(call).pairs();
                return Ok(json!({ "pairs": crate::report::rows(&pairs) }));
            }
            Request::PeopleInCall { room } => {
                let people = self.muji.people_in_call(&room);
                let people = people.iter().map(|peer| json!({ "nick": peer.nick, "jid": peer.jid.to_string() }));
                return Ok(json!({ "people": people.collect::<Vec<_>>() }));
            }
        }
        Ok(Value::Null)
    }

    fn call(&mut self, call: u64) -> Call<'_> {
        self.muji.in_call(CallId(call))
    }

    fn media(&self, said: Option<Vec<Medium>>) -> Vec<Media> {
        said.map_or_else(|| self.contents.clone(), |said| said.into_iter().map(Media::from).collect())
    }

    fn how(&self, how: Join, nick: Option<String>, password: Option<String>, media: Option<Vec<Medium>>) -> Join {
        let how = how.media(self.media(media));
        let how = if let Some(nick) = nick { how.nick(&nick) } else { how };
        if let Some(password) = password { how.password(muji_core::Secret::new(password)) } else { how }
    }

    /// The user takes part in this call from now on: what is answered.
    fn begun(&mut self, call: CallId) -> Value {
        if self.watches {
            let _over_already = self.muji.in_call(call).mute(Media::Video).is_err();
        }
        self.report(call).joining();
        json!({ "call": call.0 })
    }

    // ---- what the client is told -------------------------------------------------------------------------------------

    fn report(&mut self, call: CallId) -> &mut Report {
        self.reports.entry(call).or_insert_with(|| report(&self.told, json!({ "call": call.0 })))
    }

    async fn noticed(&mut self, notice: Notice) -> Result<(), Unsaid> {
        self.renew_will().await?; // Before what makes it needed goes out.
        let (about, event) = match notice {
            Notice::Send(stanza) => return self.say(Notification::Send { xml: stanza.to_xml() }).await,
            Notice::Event(about, event) => (about, event),
        };
        match (&about, &event) {
            (_, Event::Invited(invitation)) => self.invited(Pending::Invitation(invitation.clone())),
            (_, Event::RoomInvited(invite)) => self.invited(Pending::Room(invite.clone())),
            (_, Event::InvitationOver(..)) => self.invitations.retain(|_, known| !known.is_over(&about, &event)),
            _ => {}
        }
        match &about {
            EventScope::Call(call) => self.report(*call).event(&about, &event),
            EventScope::Account | EventScope::Room(_) => self.account.event(&about, &event),
        }
        self.account.also(Value::Null);
        if let (EventScope::Call(call), Event::Ended(_)) = (&about, &event)
            && let Some(mut report) = self.reports.remove(call)
        {
            report.summary();
        }
        Ok(())
    }

    /// Tells the client what to send if this process dies, if that is something else than before.
    async fn renew_will(&mut self) -> Result<(), Unsaid> {
        let will = self.muji.last_will();
        let says: Vec<String> = will.iter().map(|stanza| without_id(stanza.as_stanza())).collect();
        if says == self.will {
            return Ok(());
        }
        self.will = says;
        self.say(Notification::LastWill { stanzas: will.iter().map(|stanza| stanza.to_xml()).collect() }).await
    }

    /// The event gets the number by which the client can take the invitation.
    fn invited(&mut self, invitation: Pending) {
        self.invited += 1;
        if self.invitations.len() == MAX_INVITATIONS
            && let Some((number, _)) = self.invitations.pop_first()
        {
            self.account.warning(&format!("too many invitations wait: invitation {number} cannot be taken any more"));
        }
        self.invitations.insert(self.invited, invitation);
        self.account.also(json!({ "invitation": self.invited }));
    }

    /// A measurement is of one session, and only the report of its call knows it.
    fn observed(&mut self, observation: &Observation) {
        let before = self.told.take();
        match observation {
            // Of all calls together.
            Observation::Target { .. } | Observation::Sent { .. } => self.account.observation(observation),
            _ => self.reports.values_mut().for_each(|report| report.observation(observation)),
        }
        for event in self.told.replace(before) {
            let said = self.lines.try_say(&protocol::notification(&Notification::Event(event)));
            self.left_out += u64::from(!said);
        }
    }

    /// Once a second.
    async fn look(&mut self) -> Result<(), Unsaid> {
        for (call, report) in &mut self.reports {
            let in_call = self.muji.in_call(*call);
            report.pairs(&in_call.pairs());
            report.authentication(in_call.authentication());
        }
        match std::mem::take(&mut self.left_out) {
            0 => Ok(()),
            measurements => self.say(Notification::LeftOut { measurements }).await,
        }
    }
}

/// What tells of a call, or of the rest: into `told`, with these fields.
fn report(told: &Rc<RefCell<Vec<Value>>>, also: Value) -> Report {
    let told = told.clone();
    Report::objects(Box::new(move |event| told.borrow_mut().push(event)), also)
}

/// What a stanza says to whom.
fn without_id(stanza: &Stanza) -> String {
    match stanza {
        Stanza::Iq(iq) => {
            format!("{:?} {}", iq.to(), if let Iq::Set { payload, .. } = iq { payload.into() } else { String::new() })
        }
        Stanza::Message(message) => format!("{:?} {:?}", message.to, message.payloads),
        Stanza::Presence(presence) => format!("{:?} {:?} {:?}", presence.to, presence.type_, presence.payloads),
    }
}

fn handled(handled: Handled) -> Value {
    json!(match handled {
        Handled::Taken => "taken",
        Handled::Shared => "shared",
        Handled::NotOurs => "not-ours",
    })
}

impl From<Refused> for Fault {
    fn from(why: Refused) -> Self {
        Self::Refused(why.to_string())
    }
}

impl Fault {
    fn params(why: impl ToString) -> Self {
        Self::BadParams(why.to_string())
    }

    fn no_invitation() -> Self {
        Self::Refused("there is no such invitation, or it is answered already".to_owned())
    }
}
