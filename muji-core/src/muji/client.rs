//! Events of `tokio_xmpp::Client`: for clients on it.

use tokio_xmpp::Event as XmppEvent;

use super::Muji;
use crate::event::{ConnectionChange, Handled};

impl Muji {
    /// An event of `tokio_xmpp::Client`: a stanza as for [`Self::handle_stanza`], or news of the connection, which is
    /// [`Handled::Shared`].
    pub fn handle_event(&mut self, event: &tokio_xmpp::Event) -> Handled {
        let change = match event {
            XmppEvent::Stanza(stanza) => return self.handle_stanza(stanza),
            XmppEvent::Online { resumed: true, .. } => ConnectionChange::Resumed,
            XmppEvent::Online { bound_jid, .. } => match bound_jid.try_as_full() {
                Ok(jid) => ConnectionChange::Bound { jid: jid.clone() },
                Err(_) => return Handled::NotOurs, // A component (XEP-0114), which has no calls.
            },
            XmppEvent::Disconnected(_) => ConnectionChange::Lost,
        };
        self.handle_connection(change);
        Handled::Shared
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll};

    use jid::BareJid;
    use muji_xep::Element;
    use muji_xep::rtp::PayloadType;
    use xmpp_parsers::stream_features::StreamFeatures;

    use super::*;
    use crate::command::Join;
    use crate::error::Refused;
    use crate::media::{Capabilities, MediaBackend, MediaCommand, MediaReport};
    use crate::stanza;

    /// A media layer that does nothing.
    struct Idle;

    impl MediaBackend for Idle {
        fn capabilities(&self) -> Capabilities {
            Capabilities { audio: vec![PayloadType::new(111, "opus", 48_000, 2)], ..Capabilities::default() }
        }

        fn execute(&mut self, _: MediaCommand) {}

        fn poll_report(&mut self, _: &mut Context<'_>) -> Poll<Option<MediaReport>> {
            Poll::Pending
        }
    }

    fn online(jid: &str, resumed: bool) -> XmppEvent {
        let bound_jid = jid.parse().expect("a JID");
        XmppEvent::Online { bound_jid, features: StreamFeatures::default(), resumed }
    }

    fn lost() -> XmppEvent {
        XmppEvent::Disconnected(tokio_xmpp::Error::Disconnected)
    }

    /// Whether a call can begin now.
    fn joins(muji: &mut Muji, room: &str) -> Result<(), Refused> {
        let room: BareJid = format!("{room}@conference.example.org").parse().expect("a room");
        muji.join(room, Join::call_room()).map(drop)
    }

    #[tokio::test]
    async fn calls_begin_while_the_client_is_online() {
        let mut muji = Muji::new(Idle);
        assert_eq!(muji.handle_event(&online("component.example.org", false)), Handled::NotOurs);
        assert_eq!(joins(&mut muji, "a"), Err(Refused::NotConnected));
        assert_eq!(muji.handle_event(&online("romeo@example.org/orchard", false)), Handled::Shared);
        assert_eq!(joins(&mut muji, "a"), Ok(()));
        assert_eq!(muji.handle_event(&lost()), Handled::Shared);
        assert_eq!(joins(&mut muji, "b"), Err(Refused::Offline));
        assert_eq!(muji.handle_event(&online("romeo@example.org/orchard", true)), Handled::Shared);
        assert_eq!(joins(&mut muji, "b"), Ok(()));
    }

    #[tokio::test]
    async fn stanzas_are_looked_at() {
        let mut muji = Muji::new(Idle);
        let _shared = muji.handle_event(&online("romeo@example.org/orchard", false));
        assert_eq!(joins(&mut muji, "balcony"), Ok(()));
        let event = |text: &str| {
            let element: Element = text.parse().expect("it is XML");
            XmppEvent::Stanza(stanza::read(&element).expect("it is a stanza"))
        };
        let chat =
            event("<message xmlns='jabber:client' from='juliet@example.org/1' type='chat'><body>O</body></message>");
        assert_eq!(muji.handle_event(&chat), Handled::NotOurs);
        let presence = event("<presence xmlns='jabber:client' from='balcony@conference.example.org/juliet'/>");
        assert_eq!(muji.handle_event(&presence), Handled::Taken);
    }
}
