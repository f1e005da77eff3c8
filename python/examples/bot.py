"""A bot that takes every call of its contacts, and joins the room that one of them names in a chat message.

    XMPP_JID=bot@example.org XMPP_PASSWORD=… python bot.py --audio greeting.wav

The arguments are those of `muji-call serve`. XMPP_CA_FILE names the authority of a server of your own, XMPP_SERVER=host:port its address.
"""

import asyncio
import logging
import os
import sys

from slixmpp import ClientXMPP

import muji
import muji.slixmpp


class Bot(ClientXMPP):
    def __init__(self) -> None:
        super().__init__(os.environ["XMPP_JID"], os.environ["XMPP_PASSWORD"])
        self.ca_certs = os.environ.get("XMPP_CA_FILE")
        self.calls: muji.Calls | None = None
        self.add_event_handler("session_start", self.begin)
        self.add_event_handler("message", self.said)

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
        if event["event"] == "ringing":
            self.calls.background(self.calls.accept(event["call"]))


async def main() -> None:
    bot = Bot()
    bot.calls = await muji.slixmpp.attach(bot, bot.happened, *sys.argv[1:])
    server = os.environ.get("XMPP_SERVER")
    bot.connect(*(server.rsplit(":", 1) if server else ()))
    await bot.disconnected


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(main())
