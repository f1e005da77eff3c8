"""A bot that takes every call of its contacts, and joins the room that one of them names in a chat message.

    XMPP_JID=bot@example.org XMPP_PASSWORD=… python bot.py --audio greeting.wav

The arguments are those of `muji-call serve`. XMPP_CA_FILE names the authority of a server of your own, XMPP_SERVER=host:port its address.
Ctrl-C ends it.
"""

import asyncio
import logging
import os
import signal
import sys

from slixmpp import ClientXMPP

import muji
import muji.slixmpp


class Bot(ClientXMPP):
    def __init__(self) -> None:
        super().__init__(os.environ["XMPP_JID"], os.environ["XMPP_PASSWORD"])
        self.ca_certs = os.environ.get("XMPP_CA_FILE")
        self.calls: muji.Calls | None = None
        self.over = self.loop.create_future()
        for number in (signal.SIGINT, signal.SIGTERM):
            self.loop.add_signal_handler(number, self.end)
        self.register_plugin("xep_0198")  # A stream that is cut goes on, and calls with it.
        self.add_event_handler("session_start", self.begin)
        self.add_event_handler("session_resumed", lambda _: print("resumed", flush=True))
        self.add_event_handler("disconnected", lambda _: self.loop.call_later(1, self.dial))
        self.add_event_handler("failed_all_auth", self.refused)
        self.add_event_handler("message", self.said)

    def end(self) -> None:
        if not self.over.done():
            self.over.set_result(None)

    def refused(self, _: object) -> None:
        print("the server does not accept this name and password", file=sys.stderr)
        self.end()

    def dial(self) -> None:
        if not self.over.done():
            server = os.environ.get("XMPP_SERVER")
            self.connect(*(server.rsplit(":", 1) if server else ()))

    async def begin(self, _: object) -> None:
        self.send_presence()
        await self.get_roster()
        print("online", flush=True)

    async def said(self, message: object) -> None:
        is_contact = self.client_roster[message["from"].bare]["subscription"] in ("from", "both")
        if message["type"] != "chat" or not message["body"] or not is_contact:
            return  # Nobody else brings it anywhere.
        try:
            await self.calls.join(message["body"].strip(), nick="bot")
        except muji.Refused as why:
            message.reply(str(why)).send()

    def happened(self, event: muji.Event) -> None:
        print(event, flush=True)
        if event["event"] == "ringing" and event["contact"]:
            self.calls.background(self.calls.accept(event["call"]))


async def main() -> None:
    bot = Bot()
    bot.calls = await muji.slixmpp.attach(bot, bot.happened, *sys.argv[1:])
    bot.dial()
    try:
        await bot.over
    finally:  # The others see it leave, as long as it is connected.
        await bot.calls.close()
        await bot.disconnect()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(main())
