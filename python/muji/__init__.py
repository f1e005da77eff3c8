"""Audio and video calls over XMPP for clients in Python: with many (Muji, XEP-0272) or with one (Jingle).

The calls are held by a program, ``muji-call serve``; `Calls` starts it and speaks with it. The client keeps its connection to the XMPP
server. `muji.slixmpp` ties both together for clients on slixmpp.
"""

import asyncio
import json
import logging
import os
import shutil
import sys
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

__all__ = ["Calls", "Refused"]

_log = logging.getLogger(__name__)

#: Of the lines; see docs/serve.md of the project.
PROTOCOL = 1

#: Bytes of a line: a picture of who is in a call of many, and stanzas of half a megabyte, escaped.
MAX_LINE = 4 << 20

#: Seconds until the program has to be there, on a machine that does other things too.
STARTING = 30

#: Seconds until an answer has to be there. A program that hangs must not hang its client: it is killed.
ANSWERING = 30

#: Seconds that the program may take to end.
ENDING = 5

Event = dict[str, Any]
Media = Iterable[str] | None


class Refused(Exception):
    """What was asked cannot be now, or was asked wrongly: the sentence says why."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def _program() -> str:
    """The program that was installed with this package, or the one in the search path."""
    installed = os.path.join(os.path.dirname(sys.executable), "muji-call")
    found = os.environ.get("MUJI_CALL") or (installed if os.path.exists(installed) else shutil.which("muji-call"))
    if not found:
        raise FileNotFoundError("muji-call is not installed; MUJI_CALL may name it")
    return found


class Calls:
    """All calls of one account.

    :param send: sends a stanza, given as text, by the client's connection.
    :param on_event: takes each event: a dict as ``muji-call --json`` prints it.
    """

    def __init__(self, send: Callable[[str], None], on_event: Callable[[Event], None]) -> None:
        self._send = send
        self._on_event = on_event
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        self._last_will: list[str] = []
        #: What a program that is started again has to know.
        self._standing: dict[str, dict[str, Any]] = {}
        self._why_gone = ""
        self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._reading: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        #: What the client adds to its disco#info (XEP-0030).
        self.features: list[str] = []

    async def start(self, *options: str) -> None:
        """Starts the program with options of ``muji-call serve``, such as ``--audio``, ``mic``; after the event ``gone``, starts it again.

        :raises OSError: if it does not start, or is of another version; the sentence says why.
        """
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            _program(), "serve", "--stdio", *options, stdin=pipe, stdout=pipe, limit=MAX_LINE
        )
        try:
            self.features = await self._greeted()
        except BaseException:
            self._kill("muji-call did not start")
            raise
        self._why_gone = "muji-call has ended; it says why on standard error"
        self._closing = False
        self._reading = asyncio.create_task(self._read())
        for method, params in self._standing.copy().items():
            await self.ask(method, **params)

    @property
    def running(self) -> bool:
        """False before `start`, and when the program is gone."""
        return self._reading is not None and not self._reading.done()

    async def close(self) -> None:
        """Leaves all calls and ends the program."""
        if self._process is None or self._process.stdin is None or self._reading is None:
            return
        self._closing = True
        self._process.stdin.close()
        try:
            await asyncio.wait_for(asyncio.shield(self._reading), ENDING)
        except TimeoutError:
            self._kill(f"muji-call did not end in {ENDING} s")
            await self._reading
        await self._process.wait()

    def background(self, work: Coroutine[Any, Any, None]) -> None:
        """Does something that nobody waits for; what goes wrong in it is logged."""

        async def watched() -> None:
            try:
                await work
            except (ConnectionError, Refused) as why:
                if not self._closing:
                    _log.warning("%s", why)

        task = asyncio.ensure_future(watched())
        self._tasks.add(task)  # Or it might be collected before it ends.
        task.add_done_callback(self._tasks.discard)

    # ---- the client's connection ------------------------------------------------------------------------------------

    async def connected(self, jid: str) -> None:
        """The server has bound this JID to a new stream."""
        await self.ask("connected", jid=jid)

    async def lost(self) -> None:
        """The connection is gone for now; sound goes on for a minute."""
        await self.ask("lost")

    async def resumed(self) -> None:
        """The same stream goes on (XEP-0198)."""
        await self.ask("resumed")

    async def stanza(self, xml: str) -> str:
        """A stanza that came: ``taken`` if the client does nothing with it, else ``shared`` or ``not-ours``."""
        return await self.ask("stanza", xml=xml)

    async def presence(self, xml: str) -> None:
        """What the client says in each of its presences: any number of elements."""
        await self.ask("presence", xml=xml)

    async def contacts(self, jids: Iterable[str]) -> None:
        """Who may make it ring."""
        await self.ask("contacts", jids=list(jids))

    # ---- calls ------------------------------------------------------------------------------------------------------

    async def join(
        self,
        room: str,
        *,
        nick: str | None = None,
        password: str | None = None,
        media: Media = None,
        in_chat: bool = False,
        invited: bool = False,
    ) -> int:
        """Joins the call in a room; gives the number of the call."""
        how = self._how(nick, password, media)
        return (await self.ask("join", room=room, in_chat=in_chat, invited=invited, **how))["call"]

    async def open(self, service: str, *, nick: str | None = None, media: Media = None) -> tuple[int, str]:
        """Makes a members-only room for a call at this service; gives the call and the room."""
        opened = await self.ask("open", service=service, **self._how(nick, None, media))
        return opened["call"], opened["room"]

    async def call(self, jid: str, media: Media = None) -> int:
        """Calls somebody; gives the number of the call."""
        return (await self.ask("call", jid=jid, **self._how(None, None, media)))["call"]

    async def accept(self, call: int, media: Media = None) -> None:
        """Takes a call that rings."""
        await self.ask("accept", call=call, **self._how(None, None, media))

    async def accept_invitation(self, invitation: int, *, nick: str | None = None, media: Media = None) -> int:
        """Takes an invitation, by the number in its event; gives the number of the call."""
        taken = await self.ask("accept-invitation", invitation=invitation, **self._how(nick, None, media))
        return taken["call"]

    async def leave(self, call: int) -> None:
        """Leaves a call."""
        await self.ask("leave", call=call)

    async def ask(self, method: str, **params: Any) -> Any:
        """Any request of docs/serve.md.

        :raises Refused: if it is not done.
        :raises ConnectionError: if the program is gone, or does not answer.
        """
        before = self._standing.copy()
        self._remember(method, params)
        if not self.running or self._process is None or self._process.stdin is None:
            raise ConnectionError("muji-call is not running")
        self._number += 1
        number = self._number
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        line = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        try:
            self._process.stdin.write(json.dumps(line).encode() + b"\n")
            return await asyncio.wait_for(answer, ANSWERING)
        except Refused:
            if method in before:  # What the program still goes by.
                self._standing[method] = before[method]
            else:
                self._standing.pop(method, None)
            raise
        except TimeoutError:
            self._kill(f"muji-call does not answer for {ANSWERING} s, and is ended")
            raise ConnectionError(self._why_gone) from None
        finally:
            self._answers.pop(number, None)

    def _remember(self, method: str, params: dict[str, Any]) -> None:
        if method in ("connected", "resumed"):
            self._standing.pop("lost", None)
        if method in ("connected", "lost", "presence", "contacts"):
            self._standing[method] = params

    def _kill(self, why: str) -> None:
        self._why_gone = why
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    @staticmethod
    def _how(nick: str | None, password: str | None, media: Media) -> dict[str, Any]:
        said = {"nick": nick, "password": password, "media": None if media is None else list(media)}
        return {name: value for name, value in said.items() if value is not None}

    # ---- lines ------------------------------------------------------------------------------------------------------

    async def _next(self) -> dict[str, Any] | None:
        """The next line; None after the last.

        :raises ValueError: if it is not one of the protocol, or too long.
        """
        assert self._process is not None and self._process.stdout is not None
        line = await self._process.stdout.readline()
        read = json.loads(line) if line else None
        if line and not (isinstance(read, dict) and isinstance(read.get("params", {}), dict)):
            raise ValueError(f"no object of the protocol: {line[:80]!r}")
        return read

    async def _greeted(self) -> list[str]:
        """The features that the first line names."""
        try:
            ready = await asyncio.wait_for(self._next(), STARTING)
            if ready is None:
                raise ConnectionError("muji-call does not start; it says why on standard error")
            spoken, features = ready["params"]["protocol"], ready["params"]["features"]
        except TimeoutError:
            raise TimeoutError(f"muji-call is not ready after {STARTING} s, and is ended") from None
        except (ValueError, LookupError) as why:
            raise ConnectionError(f"muji-call says what cannot be read: {why}") from None
        if spoken != PROTOCOL:
            raise ConnectionError(f"muji-call speaks protocol {spoken}, this package {PROTOCOL}")
        return features

    async def _read(self) -> None:
        try:
            while (line := await self._next()) is not None:
                self._said(line)
        except (ValueError, LookupError, TypeError) as why:
            self._kill(f"muji-call says what cannot be read, and is ended: {why}")
        finally:
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(ConnectionError(self._why_gone))
            for stanza in self._last_will:
                self._tell(self._send, stanza)
            self._last_will = []
            if not self._closing:
                self._tell(self._on_event, {"event": "gone", "why": self._why_gone})

    def _said(self, line: dict[str, Any]) -> None:
        params = line.get("params", {})
        match line.get("method"):
            case "send":
                self._tell(self._send, params["xml"])
            case "event":
                self._tell(self._on_event, params)
            case "last-will":
                self._last_will = params["stanzas"]
            case None:
                self._answered(line)

    @staticmethod
    def _tell(client: Callable[[Any], None], what: Any) -> None:
        """What goes wrong in the client ends no call."""
        try:
            client(what)
        except Exception:
            _log.exception("the client did not take what muji-call says")

    def _answered(self, line: dict[str, Any]) -> None:
        answer = self._answers.get(line["id"]) if line.get("id") is not None else None
        if answer is None or answer.done():
            return
        if "error" in line:
            answer.set_exception(Refused(line["error"]["code"], line["error"]["message"]))
        else:
            answer.set_result(line["result"])
