"""The bot of bot.py on nbxmpp, Gajim's library: it takes every call of its contacts.

    XMPP_JID=bot@example.org XMPP_PASSWORD=… python nbxmpp_bot.py --audio greeting.wav

The arguments are those of `muji-call serve`. XMPP_SERVER=host:port is a server on this machine, which is spoken with without TLS. Ctrl-C ends it.
"""

import logging
import os
import signal
import sys

from gi.repository import GLib
from nbxmpp.client import Client
from nbxmpp.const import ConnectionProtocol, ConnectionType, StreamError
from nbxmpp.protocol import JID, Presence
from nbxmpp.structs import DiscoIdentity

import muji
import muji.nbxmpp


class Bot:
    def __init__(self, options: list[str]) -> None:
        jid = JID.from_string(os.environ["XMPP_JID"])
        self.client = Client()
        self.client.set_username(jid.localpart)
        self.client.set_domain(jid.domain)
        self.client.set_password(os.environ["XMPP_PASSWORD"])
        if server := os.environ.get("XMPP_SERVER"):
            self.client.set_custom_host(server, ConnectionProtocol.TCP, ConnectionType.PLAIN)
            self.client.set_connection_types([ConnectionType.PLAIN])
        self.over = False
        self.client.subscribe("connected", self.begin)
        self.client.subscribe("resume-successful", lambda *_: print("resumed", flush=True))
        self.client.subscribe("disconnected", self.lost)
        self.client.subscribe("connection-failed", self.lost)
        self.calls = muji.nbxmpp.attach(self.client, self.happened, *options)
        identity = DiscoIdentity(category="client", type="bot", name="bot")
        self.client.get_module("EntityCaps").set_caps([identity], self.calls.features, "https://example.org/bot")
        self.client.connect()

    def begin(self, *_: object) -> None:
        self.client.get_module("Roster").request_roster(callback=self.contacts)

    def contacts(self, task: object) -> None:
        friends = [str(item.jid) for item in task.finish().items if item.subscription in ("from", "both")]
        self.calls.tell("contacts", jids=friends)
        presence = Presence()
        caps = self.client.get_module("EntityCaps").caps
        said = presence.addChild("c", namespace="http://jabber.org/protocol/caps", attrs=caps._asdict())
        self.calls.tell("presence", xml=str(said))  # Presences of calls say it too.
        self.client.send_stanza(presence)
        print("online", flush=True)

    def lost(self, *_: object) -> None:
        if self.over or self.client.get_error()[0] is StreamError.SASL:
            loop.quit()
        else:
            GLib.timeout_add_seconds(1, self.client.connect)

    def happened(self, event: muji.Event) -> None:
        print(event, flush=True)
        if event["event"] == "ringing" and event["contact"]:
            self.calls.tell("accept", call=event["call"])

    def end(self) -> None:
        self.over = True
        self.calls.close(self.client.disconnect)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    loop = GLib.MainLoop()
    bot = Bot(sys.argv[1:])
    for number in (signal.SIGINT, signal.SIGTERM):
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, bot.end)
    loop.run()
