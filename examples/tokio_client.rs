//! Calls in a client on `tokio_xmpp::Client`: joins the room given as the first argument and says what happens. Ctrl-C hangs up.
//!
//! ```text
//! MUJI_JID=romeo@example.org MUJI_PASSWORD=… cargo run --example tokio_client balcony@conference.example.org
//! ```
//!
//! `MUJI_SERVER=127.0.0.1:5222` names a server on this machine without TLS; without it the server is found by its domain.
//!
//! `Client::send_stanza` returns when the stanza is written, which a connection that is cut delays until there is another one. So it is
//! awaited together with all else, and events of the call and reports of the media layer go on.

use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use futures::channel::mpsc;
use muji_core::error::EndReason;
use muji_core::media::MediaBackend;
use muji_core::{Disco, Event, EventScope, Handled, Join, Muji, Notice};
use muji_media::backend::{Backend, Devices};
use muji_media::device::tone::Tone;
use tokio::time::timeout;
use tokio_xmpp::connect::DnsConfig;
use tokio_xmpp::jid::BareJid;
use tokio_xmpp::xmlstream::Timeouts;
use tokio_xmpp::{Client, ClientReceiver, ClientSender, Event as XmppEvent};

/// For what is still to be sent when a call is over, and again for the end of the stream: `Client` waits for a connection without end.
const CLOSING: Duration = Duration::from_secs(3);

/// With several threads the login of tokio-xmpp 6.0.0 stalls now and then.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let room = std::env::args().nth(1).ok_or("usage: tokio_client room@conference.example.org")?.parse()?;
    let (jid, password) = (std::env::var("MUJI_JID")?.parse::<BareJid>()?, std::env::var("MUJI_PASSWORD")?);
    let client = match std::env::var("MUJI_SERVER") {
        Ok(address) => Client::new_plaintext(jid, password, DnsConfig::addr(&address), Timeouts::tight()),
        Err(_) => Client::new(jid, password),
    };
    let source = Some(Box::new(Tone::new(440.0)) as _);
    let (media, _) = Backend::start(Devices { audio_source: source, ..Devices::default() })?;
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await; // Then only the call itself ends it.
        }
    };
    println!("{}", run(client, media, room, interrupted).await?);
    Ok(())
}

/// Logs in and takes part in the call of a room until it is over, which the user may bring about; then the client is closed.
pub(crate) async fn run(
    client: Client,
    media: impl MediaBackend + 'static,
    room: BareJid,
    hang_up: impl Future<Output = ()>,
) -> Result<EndReason, Box<dyn Error>> {
    let (sender, mut receiver) = client.split();
    let outcome = take_part(&sender, &mut receiver, Muji::new(media), room, hang_up).await;
    let _cut_off = timeout(CLOSING, Client::reunite(sender, receiver).send_end()).await.is_err();
    outcome
}

async fn take_part(
    sender: &ClientSender,
    receiver: &mut ClientReceiver,
    mut muji: Muji,
    room: BareJid,
    hang_up: impl Future<Output = ()>,
) -> Result<EndReason, Box<dyn Error>> {
    muji.answer_disco(Disco::new("https://example.org/tokio_client", "tokio_client", &muji.features())); // A client does this itself.
    let mut hang_up = pin!(hang_up);
    let (outbox, waiting) = mpsc::unbounded();
    // One after the other. While one is written `receiver` gives nothing and wakes nobody: it is polled again with each turn of the loop.
    let mut written = pin!(waiting.then(|stanza| sender.send_stanza(stanza)));
    let (mut call, mut hung_up) = (None, false);
    let why = loop {
        tokio::select! {
            event = receiver.next() => {
                let event = event.ok_or("tokio-xmpp ended the client")?;
                let handled = muji.handle_event(&event);
                if call.is_none() && matches!(event, XmppEvent::Online { .. }) {
                    call = Some(muji.join(room.clone(), Join::call_room())?);
                }
                if handled != Handled::Taken {
                    println!("the client handles {event:?}"); // It answers each request (iq) that it does not know with an error.
                }
            }
            Some(written) = written.next() => drop(written?),
            Some(notice) = muji.next() => match notice {
                Notice::Send(stanza) => outbox.unbounded_send(stanza.into())?,
                Notice::Event(EventScope::Call(ended), Event::Ended(why)) if call == Some(ended) => break why,
                Notice::Event(_, event) => println!("{event:?}"),
            },
            () = &mut hang_up, if !hung_up => {
                hung_up = true;
                let Some(call) = call else { return Ok(EndReason::Left) };
                muji.in_call(call).leave()?; // `Event::Ended` follows, behind all that is to be sent for it.
            }
        }
    };
    drop(outbox);
    let rest = async { while written.next().await.is_some() {} };
    let _cut_off = timeout(CLOSING, rest).await.is_err();
    Ok(why)
}
