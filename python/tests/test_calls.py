"""A program that dies, hangs, talks nonsense or is another one: its client learns why, and goes on."""

import asyncio
import os
import signal
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import muji

READY = '{"jsonrpc":"2.0","method":"ready","params":{"protocol":1,"version":"0.1.0","features":["urn:xmpp:jingle:1"]}}'
WILL = '{"jsonrpc":"2.0","method":"last-will","params":{"stanzas":["<presence type=\'unavailable\'/>"]}}'

#: No wait in here may take longer.
LIMIT = 20


class Client:
    """What a chat client sees of its calls."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.events: asyncio.Queue[muji.Event] = asyncio.Queue()
        self.calls = muji.Calls(self.sent.append, self.events.put_nowait)

    async def gone(self) -> str:
        """Waits until the program is gone; why it is."""
        event = await asyncio.wait_for(self.events.get(), LIMIT)
        assert event["event"] == "gone", event
        return event["why"]


class Programs(unittest.IsolatedAsyncioTestCase):
    """Tests with programs in the place of muji-call."""

    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def program(self, *lines: str) -> None:
        """From now on the program is this one: `read` is a request, and `say(…)` a line of its own."""
        path = self.folder / "muji-call"
        begin = [f"#!{sys.executable}", "import json, os, signal, sys, time", "def say(line): print(line, flush=True)"]
        begin += ["def read(): return json.loads(sys.stdin.readline())"]
        path.write_text("\n".join([*begin, f"READY, WILL = {READY!r}, {WILL!r}", *lines]))
        path.chmod(0o755)
        self.enterContext(mock.patch.dict(os.environ, MUJI_CALL=str(path)))


class Faults(Programs):
    async def begun(self, *lines: str) -> Client:
        """A client whose program is ready, and then does this."""
        self.program("say(READY)", *lines)
        client = Client()
        await client.calls.start()
        return client

    async def test_a_program_that_is_killed_ends_all_requests_and_its_last_will_is_sent(self) -> None:
        client = await self.begun("say(WILL)", "read()", "os.kill(os.getpid(), signal.SIGKILL)")
        with self.assertRaisesRegex(ConnectionError, "has ended"):
            await client.calls.join("balcony@conference.example.org")
        self.assertRegex(await client.gone(), "has ended")
        self.assertEqual(client.sent, ["<presence type='unavailable'/>"])
        self.assertFalse(client.calls.running)
        with self.assertRaisesRegex(ConnectionError, "not running"):
            await client.calls.leave(1)
        await client.calls.close()
        self.assertEqual(len(client.sent), 1, "the will is sent once")

    async def test_a_program_that_does_not_answer_is_killed_and_what_it_left_is_ended(self) -> None:
        client = await self.begun("say(WILL)", "signal.pause()")
        with mock.patch.object(muji, "ANSWERING", 0.1), self.assertRaisesRegex(ConnectionError, "does not answer"):
            await client.calls.leave(1)
        self.assertRegex(await client.gone(), "does not answer")
        self.assertEqual(client.sent, ["<presence type='unavailable'/>"])

    async def test_a_program_that_does_not_end_is_killed(self) -> None:
        client = await self.begun("signal.pause()")
        with mock.patch.object(muji, "ENDING", 0.1):
            await client.calls.close()
        self.assertFalse(client.calls.running)
        self.assertTrue(client.events.empty(), "its client has ended it")

    async def test_a_program_that_says_what_cannot_be_read_is_killed(self) -> None:
        send = '{"method":"send"}', '{"method":"send","params":[]}'
        for nonsense in ("Segmentation fault", "[]", "{", *send, '{"id":[]}'):
            with self.subTest(nonsense):
                client = await self.begun("say(WILL)", f"say({nonsense!r})", "signal.pause()")
                self.assertRegex(await client.gone(), "cannot be read")
                self.assertEqual(client.sent, ["<presence type='unavailable'/>"])

    async def test_a_line_without_end_is_nonsense_too(self) -> None:
        with mock.patch.object(muji, "MAX_LINE", 1 << 16):
            client = await self.begun("say('a' * (1 << 18))", "signal.pause()")
            self.assertRegex(await client.gone(), "cannot be read")

    async def test_what_is_unknown_is_left_out(self) -> None:
        unknown = '{"method":"sing","params":{}}', '{"id":7,"result":null}'
        client = await self.begun(*(f"say({line!r})" for line in unknown), "read()")
        with self.assertRaisesRegex(ConnectionError, "has ended"):
            await client.calls.leave(1)

    async def test_a_program_that_does_not_start_is_an_os_error_that_says_why(self) -> None:
        cases = {
            "": "does not start",
            "say('usage: muji-call')": "cannot be read",
            "say(WILL)": "cannot be read",
            'say(READY.replace(\'"protocol":1\', \'"protocol":0\')); signal.pause()': "speaks protocol 0, this package 1",
        }
        for program, why in cases.items():
            with self.subTest(program):
                self.program(program)
                with self.assertRaisesRegex(OSError, why):
                    await Client().calls.start()

    async def test_a_program_that_is_never_ready_is_ended(self) -> None:
        self.program("signal.pause()")
        calls = Client().calls
        with mock.patch.object(muji, "STARTING", 0.1), self.assertRaisesRegex(OSError, "is not ready"):
            await calls.start()
        self.assertFalse(calls.running)

    async def test_a_wrong_path_is_an_os_error_that_names_it(self) -> None:
        self.enterContext(mock.patch.dict(os.environ, MUJI_CALL="/nowhere/muji-call"))
        with self.assertRaisesRegex(OSError, "/nowhere/muji-call"):
            await Client().calls.start()

    async def test_a_program_that_is_started_again_knows_who_and_where_the_client_is(self) -> None:
        client = await self.begun(
            "for _ in range(3): say(json.dumps({'id': read()['id'], 'result': None}))",
            "for _ in range(2): say(json.dumps({'id': read()['id'], 'error': {'code': -32602, 'message': 'no JID'}}))",
        )
        await client.calls.connected("romeo@example.org/orchard")
        await client.calls.contacts(["juliet@example.org"])
        await client.calls.lost()
        with self.assertRaisesRegex(muji.Refused, "no JID"):
            await client.calls.presence("<")
        with self.assertRaisesRegex(muji.Refused, "no JID"):
            await client.calls.contacts(["nurse@"])
        await client.gone()
        with self.assertRaises(ConnectionError):
            await client.calls.connected("romeo@example.org/balcony")
        self.program(
            "asked = []",
            "say(READY)",
            "while line := sys.stdin.readline():",
            "    asked.append(json.loads(line))",
            "    say(json.dumps({'id': asked[-1]['id'], 'result': asked}))",
        )
        await client.calls.start()
        asked = await client.calls.ask("pairs", call=1)
        told = [(line["method"], line["params"]) for line in asked]
        where = ("connected", {"jid": "romeo@example.org/balcony"})
        self.assertEqual(told, [where, ("contacts", {"jids": ["juliet@example.org"]}), ("pairs", {"call": 1})])
        await client.calls.close()


if __name__ == "__main__":
    unittest.main()
