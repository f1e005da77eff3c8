//! The least a chat client does for calls: joins the room given as the first argument and says what happens.
//!
//! MUJI_JID and MUJI_PASSWORD name the account; its server is found by its domain.

use futures::StreamExt;
use muji_core::xmpp::{Account, Connection, Incoming};
use muji_core::{ConnectionChange, Disco, Event, Handled, Join, Muji, Notice, Secret};
use muji_media::backend::{Backend, Devices};
use muji_media::device::tone::Tone;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let room = std::env::args().nth(1).ok_or("usage: minimal room@conference.example.org")?.parse()?;
    let (jid, password) = (std::env::var("MUJI_JID")?.parse()?, Secret::new(std::env::var("MUJI_PASSWORD")?));
    let mut client = Connection::open(Account::new(jid, password)).await?;

    let source = Some(Box::new(Tone::new(440.0)) as _);
    let (media, _) = Backend::start(Devices { audio_source: source, ..Devices::default() })?;
    let mut muji = Muji::new(media); // A stream of notices; it owns no connection and spawns nothing.
    muji.answer_disco(Disco::new("https://example.org/minimal", "minimal", &muji.features())); // A client does this itself.
    let mut wish = Some((room, Join::call_room()));
    loop {
        tokio::select! {
            incoming = client.next() => match incoming {
                Incoming::Stanza(stanza) => match muji.handle_element(&stanza) {
                    Handled::Taken => {}
                    // Here a client goes on with what it does itself; this one only answers that it cannot.
                    Handled::Shared | Handled::NotOurs => client.answer(&stanza).await,
                },
                Incoming::Bound(jid) => {
                    muji.handle_connection(ConnectionChange::Bound { jid });
                    if let Some((room, how)) = wish.take() {
                        muji.join(room, how)?;
                    }
                }
                Incoming::Lost(_) => muji.handle_connection(ConnectionChange::Lost),
                Incoming::Resumed => muji.handle_connection(ConnectionChange::Resumed),
                Incoming::Unsent(_) => {} // Here a client says that a message is lost.
                Incoming::Over(why) => return Err(why.into()),
            },
            Some(notice) = muji.next() => match notice {
                Notice::Send(stanza) => client.send(stanza).await,
                Notice::Event(_, event) => {
                    println!("{event:?}");
                    if let Event::Ended(_) = event {
                        return Ok(());
                    }
                }
            },
        }
    }
}
