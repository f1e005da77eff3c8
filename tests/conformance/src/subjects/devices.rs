//! Devices of the suite on a real server: they send what a case tells them and log what they receive.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use jid::{FullJid, Jid};
use muji_core::xmpp::{Account, Connection, Incoming};
use muji_xep::Element;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use xmpp_parsers::iq::Iq;
use xmpp_parsers::stanza::Stanza;

/// Stanzas that wait for the connection: cases say few at once.
const QUEUE: usize = 256;

/// From a login to its JID, and from a request to its answer: on a server that is far away and busy.
const ANSWER: Duration = Duration::from_secs(20);

/// For the ends of all streams.
const END: Duration = Duration::from_secs(3);

/// They log off with the value.
pub(super) struct Devices {
    runtime: Runtime,
    all: Vec<Device>,
    tell: Sender<DeviceUpdate>,
    news: Receiver<DeviceUpdate>,
    /// What was heard while an answer was waited for.
    held: VecDeque<ReceivedStanza>,
    asked: usize,
}

struct Device {
    jid: FullJid,
    to_say: mpsc::Sender<Box<Stanza>>,
    carrying: JoinHandle<()>,
}

/// What a device heard.
pub(super) struct ReceivedStanza {
    pub(super) device: FullJid,
    pub(super) at: Instant,
    pub(super) stanza: Element,
}

enum DeviceUpdate {
    ReceivedStanza(ReceivedStanza),
    /// A connection is gone, for this reason.
    Broken(String),
}

impl Devices {
    pub(super) fn new() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (tell, news) = channel();
        Ok(Self { runtime, all: Vec::new(), tell, news, held: VecDeque::new(), asked: 0 })
    }

    /// One more logs in, and is named after this if the server lets it.
    pub(super) fn log_in(&mut self, account: &Account, name: &str) -> io::Result<FullJid> {
        let jid = account.jid.to_bare().with_resource_str(name).map_err(io::Error::other)?;
        let account = Account { jid: jid.into(), ..account.clone() };
        // Where the runtime was made, not where we are now: that may be another network.
        let (connection, jid) =
            self.runtime.block_on(self.runtime.spawn(open(account))).map_err(io::Error::other)??;
        let (to_say, said) = mpsc::channel(QUEUE);
        let carrying = self.runtime.spawn(carry(connection, jid.clone(), said, self.tell.clone()));
        self.all.push(Device { jid: jid.clone(), to_say, carrying });
        Ok(jid)
    }

    /// One of them has this address.
    pub(super) fn are_at(&self, address: Option<&str>) -> bool {
        self.all.iter().any(|device| Some(device.jid.as_str()) == address)
    }

    /// One of them says something.
    pub(super) fn say(&self, device: &FullJid, stanza: Stanza) {
        let device = self.all.iter().find(|known| known.jid == *device);
        let device = device.expect("only those who logged in say something");
        // One that takes nothing more is broken, which is told by the next that is heard.
        let _full = device.to_say.try_send(Box::new(stanza)).is_err();
    }

    /// What is heard next, within a limit; or why nothing will be heard any more.
    pub(super) fn hear(&mut self, limit: Duration) -> Result<Option<ReceivedStanza>, String> {
        match self.held.pop_front() {
            Some(heard) => Ok(Some(heard)),
            None => self.listen(limit),
        }
    }

    fn listen(&self, limit: Duration) -> Result<Option<ReceivedStanza>, String> {
        match self.news.recv_timeout(limit) {
            Ok(DeviceUpdate::ReceivedStanza(heard)) => Ok(Some(heard)),
            Ok(DeviceUpdate::Broken(why)) => Err(why),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(None),
        }
    }

    /// Asks something for a device, of its own account if of nobody else. The answer: what stands in it, or nothing for an error.
    pub(super) fn ask(
        &mut self,
        device: &FullJid,
        to: Option<Jid>,
        request: Request,
    ) -> Result<Option<Element>, String> {
        self.asked += 1;
        let (from, id) = (None, format!("suite{}", self.asked));
        let iq = match request {
            Request::Get(payload) => Iq::Get { from, to, id: id.clone(), payload },
            Request::Set(payload) => Iq::Set { from, to, id: id.clone(), payload },
        };
        self.say(device, iq.into());
        let answered = |stanza: &Element| stanza.name() == "iq" && stanza.attr("id") == Some(&id);
        let answer = self.wait_for(device, answered)?;
        let nothing = || Element::bare("nothing", "");
        let result = answer.attr("type") == Some("result");
        Ok(result.then(|| answer.children().next().cloned().unwrap_or_else(nothing)))
    }

    /// Waits until a device hears such a stanza, which is not heard again; the others are.
    pub(super) fn wait_for(&mut self, device: &FullJid, is: impl Fn(&Element) -> bool) -> Result<Element, String> {
        let until = Instant::now() + ANSWER;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.listen(left)? {
                Some(heard) if heard.device == *device && is(&heard.stanza) => return Ok(heard.stanza),
                Some(heard) => self.held.push_back(heard),
                None if left.is_zero() => return Err(format!("no answer within {} s", ANSWER.as_secs())),
                None => {}
            }
        }
    }
}

/// What a device asks.
pub(super) enum Request {
    Get(Element),
    Set(Element),
}

async fn open(account: Account) -> io::Result<(Connection, FullJid)> {
    let mut connection = Connection::open(account).await.map_err(io::Error::other)?;
    let bound = timeout(ANSWER, async {
        loop {
            match connection.next().await {
                Incoming::Bound(jid) => return Ok(jid),
                Incoming::Over(why) => return Err(io::Error::other(why)),
                _ => {} // Nothing else comes before.
            }
        }
    });
    let jid = bound.await.map_err(io::Error::other)??;
    Ok((connection, jid))
}

/// Between one connection and the cases.
async fn carry(
    mut connection: Connection,
    jid: FullJid,
    mut said: mpsc::Receiver<Box<Stanza>>,
    tell: Sender<DeviceUpdate>,
) {
    loop {
        let news = tokio::select! {
            said = said.recv() => match said {
                Some(said) => {
                    connection.send(*said).await;
                    continue;
                }
                None => break,
            },
            incoming = connection.next() => match incoming {
                Incoming::Stanza(stanza) => {
                    DeviceUpdate::ReceivedStanza(ReceivedStanza { device: jid.clone(), at: Instant::now(), stanza: *stanza })
                }
                Incoming::Bound(_) | Incoming::Resumed | Incoming::Unsent(_) => continue, // After a loss, which is told.
                Incoming::Lost(why) => DeviceUpdate::Broken(why.unwrap_or_else(|| "the connection is lost".to_owned())),
                Incoming::Over(why) => DeviceUpdate::Broken(why.to_string()),
            },
        };
        let over = matches!(news, DeviceUpdate::Broken(_));
        // Nobody listens any more: the case is over.
        if tell.send(news).is_err() || over {
            break;
        }
    }
    connection.close().await;
}

impl Drop for Devices {
    fn drop(&mut self) {
        let streams: Vec<JoinHandle<()>> = self.all.drain(..).map(|device| device.carrying).collect();
        self.runtime.block_on(async {
            for stream in streams {
                // One that does not end is cut off with the runtime.
                let _late = timeout(END, stream).await.is_err();
            }
        });
    }
}
