//! The library itself through real servers: what `muji-call` has no word for yet. The media layer does at once what it is
//! asked, so only words are seen.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::StreamExt;
use jid::BareJid;
use muji_core::media::{Capabilities, MediaBackend, MediaCommand, MediaReport};
use muji_core::xmpp::{Account, Connection, Incoming, Server, TlsRoots};
use muji_core::{
    Call, ConnectionChange, Event, Join, Media, Muji, Notice, Pending, RoomInvite, Secret, SessionId, Via,
};
use muji_harness::instant_backend;
use muji_harness::person::usual;
use muji_harness::real_server::{PEOPLE, RealServer};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use xmpp_parsers::presence::Presence;

use crate::real_servers::{ejabberd, prosody};
use crate::support::PASSWORD;

/// A busy machine and a server in Erlang.
const LIMIT: Duration = Duration::from_secs(60);

/// What flows in each content of each session: whether we send and receive.
type Flows = BTreeMap<(SessionId, String), (bool, bool)>;

/// A media layer without media.
#[derive(Default)]
struct Pretended {
    flows: Arc<Mutex<Flows>>,
    reports: VecDeque<MediaReport>,
    waker: Option<Waker>,
}

impl MediaBackend for Pretended {
    fn capabilities(&self) -> Capabilities {
        usual()
    }

    fn execute(&mut self, command: MediaCommand) {
        self.reports.extend(instant_backend::obey(&command));
        let mut flows = self.flows.lock().unwrap();
        match command {
            MediaCommand::Content { session, content, send, receive, .. } => {
                flows.insert((session, content), (send.is_some(), receive));
            }
            MediaCommand::RemoveContent { session, content } => drop(flows.remove(&(session, content))),
            MediaCommand::Close { session } => flows.retain(|(of, _), _| *of != session),
            _ => {}
        }
        self.waker.take().into_iter().for_each(Waker::wake);
    }

    fn poll_report(&mut self, cx: &mut Context<'_>) -> Poll<Option<MediaReport>> {
        self.waker = Some(cx.waker().clone());
        self.reports.pop_front().map_or(Poll::Pending, |report| Poll::Ready(Some(report)))
    }
}

/// What the user of a client wants.
enum UserAction {
    Join,
    Leave,
    Add,
    Remove,
    Invite(BareJid, Via),
    Decline(RoomInvite),
}

/// Somebody's account on a server.
pub(crate) fn account(server: &RealServer, name: &str) -> Account {
    let jid: BareJid = format!("{name}@{}", server.domain).parse().unwrap();
    let mut account = Account::new(jid.into(), Secret::new(PASSWORD));
    account.server = Server::StartTls { host: "127.0.0.1".to_owned(), port: server.port };
    account.trust = TlsRoots::Authorities(server.authority().into());
    account
}

/// A client, seen from outside.
struct Person {
    jid: BareJid,
    wishes: mpsc::UnboundedSender<UserAction>,
    flows: Arc<Mutex<Flows>>,
    events: Rc<RefCell<Vec<Event>>>,
}

impl Person {
    fn new(server: &RealServer, name: &str) -> Self {
        let account = account(server, name);
        let jid = account.jid.to_bare();
        let room: BareJid = format!("growth@conference.{}", server.domain).parse().unwrap();
        let (wishes, to_do) = mpsc::unbounded_channel();
        let (flows, events) = (Arc::<Mutex<Flows>>::default(), Rc::<RefCell<Vec<Event>>>::default());
        let backend = Pretended { flows: flows.clone(), ..Pretended::default() };
        tokio::task::spawn_local(live(account, room, name.to_owned(), backend, to_do, events.clone()));
        Self { jid, wishes, flows, events }
    }

    fn wishes(&self, wish: UserAction) {
        self.wishes.send(wish).unwrap_or_else(|_| panic!("{} is still there", self.jid));
    }

    /// With how many others a content flows both ways.
    fn with(&self, content: &str) -> usize {
        let flows = self.flows.lock().unwrap();
        flows.iter().filter(|((_, name), both)| name == content && **both == (true, true)).count()
    }

    fn saw<Found>(&self, what: impl Fn(&Event) -> Option<Found>) -> Option<Found> {
        self.events.borrow().iter().rev().find_map(what)
    }
}

async fn live(
    account: Account,
    room: BareJid,
    name: String,
    backend: Pretended,
    mut wishes: mpsc::UnboundedReceiver<UserAction>,
    events: Rc<RefCell<Vec<Event>>>,
) {
    let mut connection = Connection::open(account).await.unwrap();
    let mut muji = Muji::new(backend);
    // The first thing that comes is that the server has bound a JID; wishes wait for it.
    let Incoming::Bound(jid) = connection.next().await else { panic!("{name} is not let in") };
    muji.handle_connection(ConnectionChange::Bound { jid });
    connection.send(Presence::available()).await; // Or messages to the account would not reach it.
    let mut call = None;
    loop {
        tokio::select! {
            Some(wish) = wishes.recv() => {
                let mut in_call = |act: &dyn Fn(&mut Call<'_>)| act(&mut muji.in_call(call.expect("it has joined")));
                match wish {
                    UserAction::Join => call = Some(muji.join(room.clone(), Join::call_room().nick(&name)).unwrap()),
                    UserAction::Leave => in_call(&|call| call.leave().unwrap()),
                    UserAction::Add => in_call(&|call| call.add(Media::Video).unwrap()),
                    UserAction::Remove => in_call(&|call| call.remove(Media::Video).unwrap()),
                    UserAction::Invite(guest, via) => in_call(&|call| call.invite_to_room(guest.clone(), via).unwrap()),
                    UserAction::Decline(invite) => muji.decline(&Pending::Room(invite)).unwrap(),
                }
            }
            incoming = connection.next() => match incoming {
                Incoming::Bound(jid) => muji.handle_connection(ConnectionChange::Bound { jid }),
                Incoming::Stanza(stanza) => {
                    let _whose = muji.handle_element(&stanza);
                }
                Incoming::Over(why) => panic!("{why}"),
                Incoming::Lost(_) | Incoming::Resumed | Incoming::Unsent(_) => {}
            },
            Some(notice) = muji.next() => match notice {
                Notice::Send(stanza) => connection.send(stanza).await,
                Notice::Event(_, event) => events.borrow_mut().push(event),
            },
        }
    }
}

async fn until(what: &str, so: impl Fn() -> bool) {
    let wait = async {
        while !so() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(LIMIT, wait).await.is_ok(), "never came true: {what}");
}

async fn a_call_grows(server: &RealServer) {
    let [romeo, juliet, mercutio, ..] = &PEOPLE.map(|name| Person::new(server, name));
    let all = [romeo, juliet, mercutio];
    // He makes the room: in one of ejabberd's only its moderators may invite through it.
    romeo.wishes(UserAction::Join);
    until("one is there", || romeo.saw(|event| matches!(event, Event::Joined { .. }).then_some(())).is_some()).await;
    [juliet, mercutio].iter().for_each(|person| person.wishes(UserAction::Join));
    until("all hear each other", || all.iter().all(|person| person.with("audio") == 2)).await;

    romeo.wishes(UserAction::Add);
    juliet.wishes(UserAction::Add);
    until("two see each other", || romeo.with("video") == 1 && juliet.with("video") == 1).await;
    mercutio.wishes(UserAction::Add);
    until("three see each other", || all.iter().all(|person| person.with("video") == 2)).await;
    romeo.wishes(UserAction::Remove);
    until("two still do", || {
        all.map(|person| person.with("video")) == [0, 1, 1] && all.iter().all(|person| person.with("audio") == 2)
    })
    .await;

    for guest in [juliet, mercutio] {
        guest.wishes(UserAction::Leave);
    }
    until("one is alone", || romeo.with("audio") == 0).await;
    romeo.wishes(UserAction::Invite(juliet.jid.clone(), Via::Message));
    romeo.wishes(UserAction::Invite(mercutio.jid.clone(), Via::Room));
    let invited = |event: &Event| match event {
        Event::RoomInvited(invite) => Some(invite.clone()),
        _ => None,
    };
    until("both are invited", || juliet.saw(invited).is_some() && mercutio.saw(invited).is_some()).await;
    let (direct, mediated) = (juliet.saw(invited).unwrap(), mercutio.saw(invited).unwrap());
    assert_eq!((direct.via, mediated.via), (Via::Message, Via::Room));
    assert_eq!((direct.from.to_bare(), mediated.from.to_bare()), (romeo.jid.clone(), romeo.jid.clone()));
    assert_eq!(direct.room, mediated.room);
    mercutio.wishes(UserAction::Decline(mediated));
    let declined =
        |event: &Event| matches!(event, Event::Declined(who, _) if who.to_bare() == mercutio.jid).then_some(());
    until("one declines", || romeo.saw(declined).is_some()).await;
}

#[tokio::test]
async fn a_call_through_prosody_grows_and_shrinks() {
    let Some(server) = prosody() else { return };
    tokio::task::LocalSet::new().run_until(a_call_grows(&server)).await;
}

#[tokio::test]
async fn a_call_through_ejabberd_grows_and_shrinks() {
    let Some(server) = ejabberd() else { return };
    tokio::task::LocalSet::new().run_until(a_call_grows(&server)).await;
}
