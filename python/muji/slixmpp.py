"""Calls for clients on slixmpp: `attach` ties a `muji.Calls` to a `slixmpp.ClientXMPP`."""

import logging
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable

from slixmpp import ClientXMPP
from slixmpp.stanza import Iq, Message, Presence
from slixmpp.xmlstream.stanzabase import StanzaBase

from . import Calls, Event, Refused

_log = logging.getLogger(__name__)

_STANZAS: dict[str, type[StanzaBase]] = {
    f"{{jabber:client}}{stanza.name}": stanza for stanza in (Iq, Message, Presence)
}


class _Filter:
    """Holds each stanza until the calls have said whose it is. Filters of others, such as that which counts stanzas (XEP-0198), see all."""

    def __init__(self, client: ClientXMPP, calls: Calls) -> None:
        self._client = client
        self._calls = calls
        self._known: StanzaBase | None = None
        self._taken = False
        client.add_filter("in", self._hold, -sys.maxsize)  # Before all others, which would see it twice; 0 means behind them.
        client.add_filter("in", self._drop)

    def _hold(self, stanza: StanzaBase) -> StanzaBase | None:
        if stanza is self._known or type(stanza) not in _STANZAS.values() or not self._calls.running:
            return stanza
        self._calls.background(self._ask(stanza))  # In order: each writes its line before the next begins.
        return None

    def _drop(self, stanza: StanzaBase) -> StanzaBase | None:
        return None if stanza is self._known and self._taken else stanza

    async def _ask(self, stanza: StanzaBase) -> None:
        try:
            taken = await self._calls.stanza(str(stanza)) == "taken"
        except (ConnectionError, Refused) as why:
            _log.warning("a stanza was not given to the calls: %s", why)
            taken = False
        self._known, self._taken = stanza, taken
        try:
            self._client.recv_stanza(stanza)
        finally:
            self._known = None


async def attach(client: ClientXMPP, on_event: Callable[[Event], None], *options: str) -> Calls:
    """Starts `muji-call serve` with these options; before the client connects, and after its plugins are registered.

    From then on stanzas of calls never reach the client's handlers, and the contacts of its roster may make it ring.
    """

    def send(xml: str) -> None:
        element = ET.fromstring(xml)
        client.send(_STANZAS[element.tag](stream=client, xml=element))

    calls = Calls(send, on_event)

    async def online(_: object) -> None:
        await calls.connected(client.boundjid.full)
        client.plugin["xep_0280"].enable()  # What other devices of the account do is known by copies alone.

    async def roster(_: object) -> None:
        own = client.client_roster
        await calls.contacts(jid for jid in own if own[jid]["subscription"] in ("from", "both"))

    await calls.start(*options)
    for plugin in ("xep_0030", "xep_0115", "xep_0280"):
        client.register_plugin(plugin)
    for feature in calls.features:
        client.plugin["xep_0030"].add_feature(feature)
    _Filter(client, calls)
    client.add_event_handler("session_start", lambda event: calls.background(online(event)))
    client.add_event_handler("session_resumed", lambda _: calls.background(calls.resumed()))
    client.add_event_handler("disconnected", lambda _: calls.background(calls.lost()))
    client.add_event_handler("roster_update", lambda event: calls.background(roster(event)))
    return calls
