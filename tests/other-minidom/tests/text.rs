//! A chat client whose stanzas are elements of minidom 0.16 holds a call: between it and `Muji` everything is text.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures::StreamExt;
use minidom::Element as OnTheWire;
use minidom_0_16::Element;
use muji_core::xmpp::{Account, Connection, Incoming, Server as At};
use muji_core::{ConnectionChange, Event, Handled, Join, Muji, Notice, Secret};
use muji_harness::room::Rules;
use muji_harness::server::Server;
use muji_media::backend::{Backend, Devices};
use muji_media::device::tone::Tone;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Two joins over loopback take a tenth of a second; the rest is for a machine that does other things.
const LIMIT: Duration = Duration::from_secs(60);

/// The connection of the client, as its own XMPP crate gives it.
struct OtherConnection(Connection);

impl OtherConnection {
    async fn open(server: &Server, name: &str) -> (Self, String) {
        let jid = format!("{name}@localhost").parse().expect("a JID");
        let mut account = Account::new(jid, Secret::new("secret"));
        account.server = At::Plaintext(server.address());
        let mut connection = Connection::open(account).await.expect("the login works");
        let Incoming::Bound(jid) = connection.next().await else { panic!("nothing comes before the JID") };
        (Self(connection), jid.to_string())
    }

    async fn next(&mut self) -> Element {
        loop {
            if let Incoming::Stanza(stanza) = self.0.next().await {
                return String::from(&*stanza).parse().expect("it is XML");
            }
        }
    }

    async fn send(&mut self, stanza: Element) {
        let stanza: OnTheWire = String::from(&stanza).parse().expect("it is XML");
        self.0.send_element(stanza).await;
    }
}

/// Stays in the room's call, and says when somebody is heard in it.
async fn talk(server: &Server, name: &str, heard: mpsc::Sender<()>) {
    let (mut connection, jid) = OtherConnection::open(server, name).await;
    let devices = Devices {
        audio_source: Some(Box::new(Tone::new(440.0))),
        addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        ..Devices::default()
    };
    let (media, _) = Backend::start(devices).expect("media works");
    let mut muji = Muji::new(media);
    muji.handle_connection(ConnectionChange::Bound { jid: jid.parse().expect("the server bound it") });
    muji.set_presence_extras_xml("<show>dnd</show><priority>5</priority>").expect("it is XML");
    muji.join("balcony@conference.localhost".parse().expect("a room"), Join::call_room()).expect("it is connected");
    let mut taken = 0;
    loop {
        tokio::select! {
            stanza = connection.next() => {
                let handled = muji.handle_xml(&String::from(&stanza)).expect("it is one element");
                taken += usize::from(handled == Handled::Taken);
            }
            Some(notice) = muji.next() => match notice {
                Notice::Send(stanza) => connection.send(stanza.to_xml().parse().expect("it is XML")).await,
                Notice::Event(_, Event::PeerFlowing(..)) => {
                    assert!(taken > 0, "sessions are made by requests that are the call's alone");
                    heard.send(()).await.expect("the test waits for it");
                }
                Notice::Event(..) => {}
            },
        }
    }
}

#[tokio::test]
async fn a_client_on_another_version_of_minidom_talks_by_stanzas_as_text() {
    let server = Server::start("localhost", "secret", Rules::default()).await.expect("a free port");
    let (heard, mut hears) = mpsc::channel(2);
    let talking = futures::future::join(talk(&server, "romeo", heard.clone()), talk(&server, "juliet", heard));
    let both_hear = async {
        hears.recv().await;
        hears.recv().await;
    };
    tokio::select! {
        _ = talking => unreachable!("they stay"),
        heard = timeout(LIMIT, both_hear) => heard.expect("both hear each other"),
    }
}
