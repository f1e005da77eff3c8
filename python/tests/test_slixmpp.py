"""What the plugin for slixmpp tells the program, and which stanzas are left for the client."""

import asyncio
import json
import xml.etree.ElementTree as ET

from slixmpp import ClientXMPP
from slixmpp.stanza import Message
from test_calls import LIMIT, Programs

import muji
import muji.slixmpp


class Plugin(Programs):
    async def attached(self) -> tuple[ClientXMPP, muji.Calls]:
        """A client on slixmpp. Its program takes messages of Tybalt's, and answers `pairs` with all that it was asked."""
        self.program(
            "asked = []",
            "say(READY)",
            "while line := sys.stdin.readline():",
            "    asked.append(json.loads(line))",
            "    method, xml = asked[-1]['method'], asked[-1]['params'].get('xml', '')",
            "    result = asked if method == 'pairs' else 'taken' if 'tybalt' in xml else 'not-ours'",
            "    say(json.dumps({'id': asked[-1]['id'], 'result': result}))",
        )
        client = ClientXMPP("romeo@example.org/orchard", "")
        client.register_plugin("xep_0198")
        calls = await muji.slixmpp.attach(client, lambda event: None)
        self.addAsyncCleanup(calls.close)
        return client, calls

    async def test_the_program_is_told_of_the_stream_as_it_is_lost_resumed_and_bound_again(self) -> None:
        client, calls = await self.attached()
        for event in ("session_start", "disconnected", "session_resumed", "disconnected", "session_start"):
            client.event(event)
        await asyncio.sleep(0)  # Each writes its line, and what is asked next is answered behind them.
        asked = [(line["method"], line["params"]) for line in await calls.ask("pairs", call=1)]
        bound = ("connected", {"jid": "romeo@example.org/orchard"})
        self.assertEqual(asked, [bound, ("lost", {}), ("resumed", {}), ("lost", {}), bound, ("pairs", {"call": 1})])

    async def test_stanzas_that_are_taken_never_reach_the_client_and_others_do_in_their_order(self) -> None:
        client, calls = await self.attached()
        bodies: asyncio.Queue[str] = asyncio.Queue()
        client.plugin["xep_0198"].enabled_in = True
        client.add_event_handler("message", lambda message: bodies.put_nowait(message["body"]))

        def came(name: str, body: str) -> None:
            xml = f"<message xmlns='jabber:client' from='{name}@example.org'><body>{body}</body></message>"
            client.recv_stanza(Message(stream=client, xml=ET.fromstring(xml)))

        for name, body in (("juliet", "one"), ("tybalt", "two"), ("juliet", "three")):
            came(name, body)
        self.assertEqual([await asyncio.wait_for(bodies.get(), LIMIT) for _ in range(2)], ["one", "three"])
        self.assertEqual(client.plugin["xep_0198"].handled, 3, "a server ends streams whose clients count more than it has sent")
        await calls.close()
        came("tybalt", "four")
        self.assertEqual(await asyncio.wait_for(bodies.get(), LIMIT), "four", "without calls all is the client's")
