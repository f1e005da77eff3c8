"""What comes from the server, and to whom it goes: calls with one person (XEP-0353), a call in a room (XEP-0272), disco#info."""

import asyncio
import uuid

from aiortc.exceptions import OperationError

import jingle
from events import tell
from session import MUJI, Session
from xmpp import CLIENT, element, name_of

JINGLE_MESSAGE = "urn:xmpp:jingle-message:0"
HINTS = "urn:xmpp:hints"
DISCO = "http://jabber.org/protocol/disco#info"
PING = "urn:xmpp:ping"
MUC = "http://jabber.org/protocol/muc"
MUC_USER = f"{MUC}#user"
OWNER = f"{MUC}#owner"
FORMS = "jabber:x:data"

NICK = "aiortc"
OWN_PRESENCE, ROOM_CREATED = "110", "201"


class Client:
    def __init__(self, connection, oddities):
        self.connection, self.oddities = connection, oddities
        self.sessions = {}
        self.tasks = set()
        # The call that we propose, and the room whose call we are in.
        self.proposed, self.room = None, None
        self.contents, self.joined = [], False
        # Full JIDs of those whose contents were public before ours.
        self.others = {}

    async def run(self):
        """Reads stanzas until the server is gone."""
        while True:
            stanza = await self.connection.next()
            kind = name_of(stanza)
            if kind == (CLIENT, "iq") and not self.connection.answered(stanza):
                self.asked(stanza)
            elif kind == (CLIENT, "message"):
                self.messaged(stanza)
            elif kind == (CLIENT, "presence") and self.room:
                self.present(stanza)

    # Calls with one person

    def propose(self, person):
        """Calls all devices of somebody."""
        self.proposed = uuid.uuid4().hex
        kinds = ["audio", "video"] if self.oddities.colour else ["audio"]
        media = [element(jingle.RTP, "description", {"media": kind}) for kind in kinds]
        self.say(person, element(JINGLE_MESSAGE, "propose", {"id": self.proposed}, *media))

    def call(self, device, sid=None):
        """Offers a session to one device."""
        session = self.begin(device, sid or uuid.uuid4().hex, "initiator")
        self.spawn(session.offer())

    def messaged(self, message):
        sender = message.get("from")
        for child in message:
            namespace, verb = name_of(child)
            if namespace != JINGLE_MESSAGE:
                continue
            tell("message", verb=verb, by=sender)
            if verb == "propose":
                for answer in ("ringing", "proceed"):
                    self.say(sender, element(JINGLE_MESSAGE, answer, {"id": child.get("id")}))
            elif verb == "proceed" and child.get("id") == self.proposed:
                self.call(sender, self.proposed)

    def say(self, to, word):
        stored = element(HINTS, "store")
        self.connection.send(element(CLIENT, "message", {"to": to, "type": "chat", "id": uuid.uuid4().hex}, word, stored))

    # A call in a room

    async def join(self, room):
        """Enters and says that it prepares."""
        self.room = room
        draft = Session(self.connection, room, "none", "initiator", self.oddities)
        self.contents = await draft.published()
        muc = element(MUC, "x")
        self.say_present(muc, element(MUJI, "muji", None, element(MUJI, "preparing")))

    def present(self, presence):
        room, _, nick = presence.get("from").partition("/")
        user = presence.find(f"{{{MUC_USER}}}x")
        if room != self.room or user is None:
            return
        codes = {status.get("code") for status in user.iterfind(f"{{{MUC_USER}}}status")}
        muji = presence.find(f"{{{MUJI}}}muji")
        if nick != NICK and muji is not None and muji.find(f"{{{jingle.JINGLE}}}content") is not None:
            self.others[nick] = user.find(f"{{{MUC_USER}}}item").get("jid")
        elif OWN_PRESENCE in codes and not self.joined:
            self.joined = True
            self.spawn(self.enter(ROOM_CREATED in codes))

    async def enter(self, created):
        """Our own presence came back: those before us are called."""
        others = list(self.others.values())
        if created:
            await self.connection.send_iq(self.room, configuration())
        self.say_present(element(MUJI, "muji", None, *self.contents))
        tell("joined", others=others)
        for other in others:
            self.call(other)

    def say_present(self, *children):
        self.connection.send(element(CLIENT, "presence", {"to": f"{self.room}/{NICK}"}, *children))

    # Sessions

    def asked(self, iq):
        payload = iq[0] if len(iq) else None
        kind = name_of(payload) if payload is not None else None
        if kind == (jingle.JINGLE, "jingle"):
            self.spawn(self.acted(iq, payload))
        elif kind == (DISCO, "query"):
            identity = element(DISCO, "identity", {"category": "client", "type": "pc", "name": "aiortc"})
            features = [*jingle.FEATURES, JINGLE_MESSAGE, MUJI, DISCO]
            answer = [element(DISCO, "feature", {"var": feature}) for feature in features]
            self.connection.answer(iq, element(DISCO, "query", {"node": payload.get("node")}, identity, *answer))
        elif kind == (PING, "ping"):
            self.connection.answer(iq)
        elif iq.get("type") in ("get", "set"):
            self.connection.refuse(iq, "service-unavailable")

    async def acted(self, iq, content):
        """An action of Jingle."""
        sid, action, peer = content.get("sid"), content.get("action"), iq.get("from")
        if action == "session-initiate":
            self.connection.answer(iq)
            tell("offered", by=peer, sid=sid)
            await self.accept(self.begin(peer, sid, "responder"), content)
            return
        session = self.sessions.get((peer, sid))
        if session is None:
            self.connection.refuse(iq, "item-not-found")
        elif await session.heard(action, content):
            self.connection.answer(iq)
        else:
            self.connection.refuse(iq, "feature-not-implemented")

    async def accept(self, session, offer):
        try:
            await session.offered(offer)
        except OperationError as error:
            # aiortc has no codec in common.
            tell("error", why=str(error))
            await session.hang_up("failed-application")

    def begin(self, peer, sid, role):
        session = Session(self.connection, peer, sid, role, self.oddities, self.room)
        self.sessions[(peer, sid)] = session
        return session

    async def hang_up(self):
        if self.room:
            gone = {"to": f"{self.room}/{NICK}", "type": "unavailable"}
            self.connection.send(element(CLIENT, "presence", gone))
        for session in self.sessions.values():
            if not session.ended.is_set():
                await session.hang_up()

    def spawn(self, work):
        """A task that is kept, and whose failure is told."""
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.done)

    def done(self, task):
        self.tasks.discard(task)
        if not task.cancelled() and task.exception():
            tell("error", why=repr(task.exception()))
            raise task.exception()


def configuration():
    """The owner's form: everybody sees the real JIDs, without which nobody can call anybody."""
    form = element(FORMS, "value", text=f"{MUC}#roomconfig")
    anyone = element(FORMS, "value", text="anyone")
    fields = [
        element(FORMS, "field", {"var": "FORM_TYPE", "type": "hidden"}, form),
        element(FORMS, "field", {"var": "muc#roomconfig_whois"}, anyone),
    ]
    return element(OWNER, "query", None, element(FORMS, "x", {"type": "submit"}, *fields))
