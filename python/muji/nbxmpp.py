"""Calls for clients on nbxmpp, such as Gajim: `attach` ties calls to an `nbxmpp.client.Client`.

nbxmpp lives in the main loop of GLib, as windows do; what `muji-call` says is read by asyncio, in a thread. All functions here belong to the
main loop, and events come in it.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from gi.repository import GLib
from nbxmpp.client import Client
from nbxmpp.protocol import Iq, Message, NodeProcessed, Presence
from nbxmpp.simplexml import Node
from nbxmpp.structs import StanzaHandler

from . import Calls, Event, Refused

_log = logging.getLogger(__name__)

_STANZAS = {"iq": Iq, "message": Message, "presence": Presence}


class Attached:
    """The calls of a client."""

    def __init__(self, client: Client, on_event: Callable[[Event], None]) -> None:
        self._client = client
        self._taken = False
        self._calls = Calls(self._in_main_loop(self._send), self._in_main_loop(on_event))
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        self._loop.run_forever()
        self._loop.close()

    @property
    def features(self) -> list[str]:
        """What the client adds to its capabilities: ``client.get_module("EntityCaps").set_caps(…)``."""
        return self._calls.features

    def ask(self, method: str, **params: Any) -> Future[Any]:
        """Any request of docs/serve.md, such as ``ask("join", room="balcony@conference.example.org")``.

        What comes of it is asked of the future: its callbacks are run in another thread, so they use ``GLib.idle_add``.
        """
        return asyncio.run_coroutine_threadsafe(self._calls.ask(method, **params), self._loop)

    def start(self, *options: str) -> None:
        """Starts the program, after the event `gone` as well; `attach` has done it first."""
        asyncio.run_coroutine_threadsafe(self._calls.start(*options), self._loop).result()

    def tell(self, method: str, **params: Any) -> None:
        """A request of which nobody asks what came: if it was not done, that is logged."""

        def done(answer: Future[Any]) -> None:
            if not answer.cancelled() and (why := answer.exception()) is not None:
                _log.warning("%s was not done: %s", method, why)

        self.ask(method, **params).add_done_callback(done)

    def close(self, then: Callable[[], None]) -> None:
        """Leaves all calls and ends the program, for good; does `then`, such as disconnecting, when the last stanza is sent."""
        asyncio.run_coroutine_threadsafe(self._calls.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._in_main_loop(lambda _: then())(None)

    def came(self, stanza: Node) -> None:
        """A stanza as it came; nbxmpp then takes it out of copies (XEP-0280), and gives it to handlers."""
        self._taken = False
        if stanza.getName() not in _STANZAS or not self._calls.running:
            return
        try:
            self._taken = self.ask("stanza", xml=str(stanza)).result() == "taken"
        except (ConnectionError, Refused) as why:
            _log.warning("a stanza was not given to the calls: %s", why)

    def handle(self, *_: object) -> None:
        """As a handler of nbxmpp, before all others."""
        if self._taken:
            raise NodeProcessed

    def _send(self, xml: str) -> None:
        stanza = Node(node=xml)
        self._client.send_stanza(_STANZAS[stanza.getName()](node=stanza))

    @staticmethod
    def _in_main_loop(what: Callable[[Any], None]) -> Callable[[Any], None]:
        def once(argument: Any) -> bool:
            what(argument)
            return GLib.SOURCE_REMOVE

        return lambda argument: GLib.idle_add(once, argument, priority=GLib.PRIORITY_DEFAULT)


def attach(client: Client, on_event: Callable[[Event], None], *options: str) -> Attached:
    """Starts `muji-call serve` with these options; before the client connects.

    From then on stanzas of calls never reach the client's handlers. The client adds the features to its capabilities, and says who may make it
    ring: ``ask("contacts", jids=[…])``.

    :raises OSError: if the program does not start; the sentence says why.
    """
    calls = Attached(client, on_event)
    try:
        calls.start(*options)
    except BaseException:
        calls.close(lambda: None)
        raise

    def connected(*_: object) -> None:
        calls.tell("connected", jid=str(client.get_bound_jid()))
        copies = Iq("set")
        copies.addChild("enable", namespace="urn:xmpp:carbons:2")  # What other devices of the account do is known by copies alone.
        client.send_stanza(copies)

    client.subscribe("connected", connected)
    client.subscribe("resume-successful", lambda *_: calls.tell("resumed"))
    client.subscribe("disconnected", lambda *_: calls.tell("lost"))
    client.subscribe("stanza-received", lambda _client, _signal, stanza: calls.came(stanza))
    for name in _STANZAS:
        client.register_handler(StanzaHandler(name=name, callback=calls.handle, priority=0))
    return calls
