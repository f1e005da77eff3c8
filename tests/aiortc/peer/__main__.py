"""A WebRTC peer that speaks Jingle over XMPP: aiortc, for the tests of muji-call. It shares no code with Muji for Rust.

    python3 peer answer               accepts each call
    python3 peer call JID             calls all devices of somebody (XEP-0353), or one by its full JID
    python3 peer join ROOM            takes part in the call in a room (XEP-0272)

The password comes from XMPP_PASSWORD. Each line on standard output is an event in JSON; stanzas go to standard error. SIGINT hangs up.
"""

import argparse
import asyncio
import os
import signal

import aioice.ice

from client import Client
from events import tell
from session import Oddities
from xmpp import CLIENT, Connection, element

# aioice leaves loopback out; tests are to touch no other network.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


def arguments():
    parser = argparse.ArgumentParser(prog="peer")
    parser.add_argument("what", choices=["answer", "call", "join"])
    parser.add_argument("whom", nargs="?", help="with call, a JID; with join, a room")
    parser.add_argument("--jid", required=True)
    parser.add_argument("--server", required=True, help="HOST:PORT, TLS from the first byte")
    parser.add_argument("--ca-file", required=True)
    parser.add_argument("--tone", type=int, default=500, help="what we send, in Hertz")
    parser.add_argument("--colour", help="the picture that we send, RRGGBB; without it sound alone")
    parser.add_argument("--certificate", choices=["ecdsa", "rsa"], default="ecdsa")
    parser.add_argument("--codec", help="the only codec of sound, by its name")
    parser.add_argument("--opus-number", type=int, help="the payload type of Opus in our answers")
    parser.add_argument("--digits", help="keys of a telephone that we send; without it we offer no telephone-event")
    parser.add_argument("--loses", action="store_true", help="each tenth packet of pictures is lost, both ways")
    parser.add_argument("--rings-for", type=float, default=0, help="seconds before it accepts")
    parser.add_argument("--new-source-after", type=float, help="seconds after which the sound has another SSRC")
    return parser.parse_args()


async def main():
    chosen = vars(arguments())
    what, whom, jid, server, authority = (chosen.pop(key) for key in ("what", "whom", "jid", "server", "ca_file"))
    connection = await Connection.open(jid, os.environ["XMPP_PASSWORD"], server, authority)
    client = Client(connection, Oddities(**chosen))
    reading = asyncio.ensure_future(client.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, reading.cancel)
    connection.send(element(CLIENT, "presence"))
    tell("ready", jid=connection.jid)
    if what == "join":
        await client.join(whom)
    elif what == "call":
        client.call(whom) if "/" in whom else client.propose(whom)
    try:
        await reading
    except asyncio.CancelledError:
        await leave(client, connection)


async def leave(client, connection):
    """Hangs up, and reads on meanwhile: actions are answered."""
    reading = asyncio.ensure_future(client.run())
    await client.hang_up()
    reading.cancel()
    await connection.close()


asyncio.run(main())
