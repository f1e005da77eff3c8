"""Calls for clients on slixmpp: `attach` ties a `muji.Calls` to a `slixmpp.ClientXMPP`."""

import asyncio
import xml.etree.ElementTree as ET
from collections.abc import Callable

from slixmpp import ClientXMPP
from slixmpp.stanza import Iq, Message, Presence
from slixmpp.xmlstream.stanzabase import StanzaBase

from . import Calls, Event

_STANZAS: dict[str, type[StanzaBase]] = {
    f"{{jabber:client}}{stanza.name}": stanza for stanza in (Iq, Message, Presence)
}


async def attach(client: ClientXMPP, on_event: Callable[[Event], None], *options: str) -> Calls:
    """Starts `muji-call serve` with these options, before the client connects.

    From then on stanzas of calls never reach the client's handlers, and the contacts of its roster may make it ring.
    """

    def send(xml: str) -> None:
        element = ET.fromstring(xml)
        client.send(_STANZAS[element.tag](stream=client, xml=element))

    calls = Calls(send, on_event)
    given_back: set[int] = set()

    async def ask(stanza: StanzaBase) -> None:
        try:
            is_taken = await calls.stanza(str(stanza)) == "taken"
        except ConnectionError:
            is_taken = False
        if not is_taken:
            given_back.add(id(stanza))
            client.recv_stanza(stanza)

    def come(stanza: StanzaBase) -> StanzaBase | None:
        if id(stanza) in given_back:
            given_back.discard(id(stanza))
            return stanza
        if type(stanza) not in _STANZAS.values():
            return stanza
        asyncio.ensure_future(ask(stanza))  # In order: each writes its line before the next begins.
        return None

    async def online(_: object) -> None:
        await calls.connected(client.boundjid.full)

    async def roster(_: object) -> None:
        own = client.client_roster
        await calls.contacts(jid for jid in own if own[jid]["subscription"] in ("from", "both"))

    await calls.start(*options)
    client.register_plugin("xep_0030")
    for feature in calls.features:
        client["xep_0030"].add_feature(feature)
    client.add_filter("in", come)
    client.add_event_handler("session_start", online)
    client.add_event_handler("session_resumed", lambda _: asyncio.ensure_future(calls.resumed()))
    client.add_event_handler("disconnected", lambda _: asyncio.ensure_future(calls.lost()))
    client.add_event_handler("roster_update", roster)
    return calls
