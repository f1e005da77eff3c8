//! A call whose camera is a pipeline of GStreamer: what it encodes is sent as it is, so a graphics card can do it (`vah264enc`,
//! `nvh264enc`), or a library that this project does not know.
//!
//! ```text
//! MUJI_JID=romeo@example.org MUJI_PASSWORD=… cargo run -p muji-gstreamer --features gstreamer -- balcony@conference.example.org \
//!     'v4l2src ! videoconvert ! openh264enc name=encoder ! h264parse config-interval=-1'
//! ```
//!
//! The element that encodes is called `encoder`: it is told the bit rate, and asked for key frames. `MUJI_SERVER=127.0.0.1:5222` names a
//! server on this machine without TLS; without it the server is found by its domain.
//!
//! # If GStreamer does all of the media
//! Then a client implements `muji_core::media::MediaBackend` itself, with a `webrtcbin` for each transport:
//!
//! | `webrtcbin` 1.22 | what the backend does |
//! |---|---|
//! | makes RSA certificates | sets `certificate` of its DTLS transport (`pem` of `dtlsdec`): one with an ECDSA key |
//! | restarts no ICE: it changes no transport | says `Capabilities { ice_restart: false, .. }`, and is never told `Restart` |
//! | keeps the transport of a stream that is removed | says `Capabilities { bundling: false, .. }`, and drops the `webrtcbin` of a content; monocles and Movim, which demand a bundle, refuse such an offer |
//! | speaks SDP | uses `Candidate::from_sdp` and `to_sdp`, `Fingerprint::from_sdp` and `to_sdp` |
//! | numbers payload types and SSRCs itself | sets those of `OpenContent` and `Content` in the caps of its pads |
//!
//! RSA certificates `muji-media` takes with its feature `webrtc-ice` alone; a certificate is set before the end is described, as its hash
//! goes with that.

mod pipeline;

use futures::StreamExt;
use muji_core::xmpp::{Account, Connection, Incoming, Server};
use muji_core::{ConnectionChange, Disco, Event, Handled, Join, Media, Muji, Notice, Secret};
use muji_media::backend::{Backend, Devices};
use muji_media::device::VideoInput;
use muji_media::stats::Observation;
use pipeline::PipelineSource;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(room), Some(description)) = (words.next(), words.next()) else {
        return Err("usage: muji-gstreamer room@conference.example.org 'v4l2src ! … name=encoder …'".into());
    };
    let camera = PipelineSource::new(&description)?;
    let mut account = Account::new(std::env::var("MUJI_JID")?.parse()?, Secret::new(std::env::var("MUJI_PASSWORD")?));
    if let Ok(address) = std::env::var("MUJI_SERVER") {
        account.server = Server::Plaintext(address.parse()?);
    }
    let video_source = Some(VideoInput::Encoded(Box::new(camera)));
    let (media, mut observations) = Backend::start(Devices { video_source, ..Devices::default() })?;
    let mut muji = Muji::new(media);
    muji.answer_disco(Disco::new("https://example.org/gstreamer", "gstreamer", &muji.features()));
    let mut client = Connection::open(account).await?;
    let mut wish = Some((room.parse()?, Join::call_room().media([Media::Video])));
    loop {
        tokio::select! {
            incoming = client.next() => match incoming {
                Incoming::Bound(jid) => {
                    muji.handle_connection(ConnectionChange::Bound { jid });
                    if let Some((room, how)) = wish.take() {
                        muji.join(room, how)?;
                    }
                }
                Incoming::Stanza(stanza) => match muji.handle_element(&stanza) {
                    Handled::Taken => {}
                    Handled::Shared | Handled::NotOurs => client.answer(&stanza).await,
                },
                Incoming::Over(why) => return Err(why.into()),
                Incoming::Lost(_) => muji.handle_connection(ConnectionChange::Lost),
                Incoming::Resumed => muji.handle_connection(ConnectionChange::Resumed),
                Incoming::Unsent(_) => {} // Here a client says that a message is lost.
            },
            Some(notice) = muji.next() => match notice {
                Notice::Send(stanza) => client.send(stanza).await,
                Notice::Event(_, Event::Ended(why)) => return Err(why.into()),
                Notice::Event(_, Event::Warning(why)) => println!("{why}"),
                Notice::Event(..) => {}
            },
            Some(observation) = observations.recv() => match observation {
                Observation::Video { size: [width, height], colour, .. } => {
                    println!("sees {width} x {height} of {colour:?}");
                }
                Observation::Paths { codecs, .. } => println!("receives {}", Vec::from_iter(codecs).join(" and ")),
                _ => {}
            },
        }
    }
}
