"""An XMPP connection: TLS from the first byte, one login, then stanzas as elements."""

import asyncio
import base64
import ssl
import sys
import uuid
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

CLIENT = "jabber:client"
STREAMS = "http://etherx.jabber.org/streams"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
XML = "{http://www.w3.org/XML/1998/namespace}"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"

# Longer than any answer of a server on the same machine.
ANSWER_S = 20


def element(namespace, name, attributes=None, *children, text=None):
    """An element with these children. Attributes and children that are None are left out."""
    attributes = {key: str(value) for key, value in (attributes or {}).items() if value is not None}
    made = ET.Element(f"{{{namespace}}}{name}", attributes)
    made.text = text
    made.extend(child for child in children if child is not None)
    return made


def name_of(element):
    """Its namespace and its name."""
    return tuple(element.tag[1:].split("}", 1))


def to_text(element, inherited=""):
    """The element as it goes on the wire. ElementTree would invent prefixes, which real clients do not send."""
    namespace, name = name_of(element)
    attributes = {} if namespace == inherited else {"xmlns": namespace}
    attributes.update((key.replace(XML, "xml:"), value) for key, value in element.attrib.items())
    opening = name + "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    content = escape(element.text or "") + "".join(to_text(child, namespace) for child in element)
    return f"<{opening}>{content}</{name}>" if content else f"<{opening}/>"


class Connection:
    """A stream to a server. `jid` is the full JID that the server bound."""

    def __init__(self, reader, writer, domain):
        self.reader, self.writer, self.domain = reader, writer, domain
        self.jid = None
        self.parser = None
        self.depth = 0
        self.root = None
        self.read = []
        self.waiting = {}

    @classmethod
    async def open(cls, jid, password, server, authority):
        """Logs in as `jid`, by TLS to `server` (HOST:PORT), which the authority in that file vouches for."""
        account, _, resource = jid.partition("/")
        user, domain = account.split("@")
        host, port = server.rsplit(":", 1)
        trust = ssl.create_default_context(cafile=authority)
        this = cls(*await asyncio.open_connection(host, int(port), ssl=trust, server_hostname=domain), domain)
        await this.begin()
        token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        this.send(element(SASL, "auth", {"mechanism": "PLAIN"}, text=token))
        outcome = await this.next()
        if name_of(outcome) != (SASL, "success"):
            raise ConnectionError(f"the login is refused: {to_text(outcome)}")
        await this.begin()
        bind = element(BIND, "bind", None, element(BIND, "resource", None, text=resource) if resource else None)
        this.send(element(CLIENT, "iq", {"type": "set", "id": "bind"}, bind))
        this.jid = (await this.next()).findtext(f".//{{{BIND}}}jid")
        return this

    async def begin(self):
        """Opens a stream and reads what the server can do."""
        self.parser = ET.XMLPullParser(["start", "end"])
        self.depth, self.root, self.read = 0, None, []
        opening = f"<stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAMS}' to='{self.domain}' version='1.0'>"
        self.writer.write(f"<?xml version='1.0'?>{opening}".encode())
        await self.next()

    async def next(self):
        """The next element of the stream."""
        while not self.read:
            data = await self.reader.read(65_536)
            if not data:
                raise ConnectionError("the server closed the stream")
            self.parser.feed(data)
            self.take()
        return self.read.pop(0)

    def take(self):
        """Keeps the whole elements that the parser has."""
        for event, element in self.parser.read_events():
            if event == "start":
                self.root = element if self.depth == 0 else self.root
                self.depth += 1
                continue
            self.depth -= 1
            if self.depth == 1:
                self.root.remove(element)
                trace("RECV", element)
                self.read.append(element)

    def send(self, stanza):
        trace("SENT", stanza)
        self.writer.write(to_text(stanza, CLIENT).encode())

    def send_iq(self, to, payload):
        """Asks with an IQ of type set. What is returned becomes the answer, which may be an error."""
        id = uuid.uuid4().hex
        self.send(element(CLIENT, "iq", {"type": "set", "id": id, "to": to}, payload))
        answer = asyncio.get_running_loop().create_future()
        self.waiting[id] = answer
        return asyncio.wait_for(answer, ANSWER_S)

    def answered(self, stanza):
        """Whether this is the answer to one of our IQs."""
        answer = self.waiting.pop(stanza.get("id"), None) if stanza.get("type") in ("result", "error") else None
        if answer is not None and not answer.done():
            answer.set_result(stanza)
        return answer is not None

    def answer(self, iq, payload=None):
        self.send(element(CLIENT, "iq", {"type": "result", "id": iq.get("id"), "to": iq.get("from")}, payload))

    def refuse(self, iq, condition):
        why = element(CLIENT, "error", {"type": "cancel"}, element(STANZAS, condition))
        self.send(element(CLIENT, "iq", {"type": "error", "id": iq.get("id"), "to": iq.get("from")}, why))

    async def close(self):
        self.writer.write(b"</stream:stream>")
        await self.writer.drain()
        self.writer.close()


def trace(direction, stanza):
    """What a test that fails shows."""
    print(direction, to_text(stanza) if name_of(stanza)[0] != SASL else "a part of the login", file=sys.stderr, flush=True)
