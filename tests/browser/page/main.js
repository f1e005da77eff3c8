// A web client: logs in, then joins the call in a room, calls a person, or waits to be called.
import { answerDisco, capabilities } from './capabilities.js';
import { parameters } from './parameters.js';
import { onLeave, report } from './report.js';
import { Ringing } from './ringing.js';
import { CODECS, Room } from './room.js';
import { Session } from './session.js';
import { audio, localStream } from './sources.js';
import { Stream } from './stream.js';
import { NS, child, element } from './xml.js';

const { name, tone, colour, video } = parameters;
const local = localStream(tone, colour, video);
const sessions = new Map(); // By sid.
let room = null;
let ringing = null;

await audio.resume();
const stream = await Stream.login(parameters, { presence, message, request });
stream.send(element('presence', NS.client, { id: crypto.randomUUID() }, await capabilities()));
await stream.request(null, 'set', element('enable', NS.carbons));

const codecs = parameters.room ? CODECS : null;
if (parameters.room) room = new Room(stream, parameters.room, name, open);
ringing = new Ringing(stream, parameters.accepts, (jid, sid) => open(jid, null, sid));
onLeave(leave);
begin();

// The answers to reports say when to leave, so there is always one soon.
setInterval(() => report('here'), 1_000);

function begin() {
  report('begins');
  if (room) room.enter();
  else if (parameters.calls) ringing.propose(parameters.calls, video ? ['audio', 'video'] : ['audio']);
  else report('waiting');
}

function open(jid, marker, sid = crypto.randomUUID()) {
  const session = new Session(stream, jid, sid, 'initiator', local, codecs);
  sessions.set(sid, session);
  session.initiate(marker).catch(error => session.failed(error));
}

function presence(stanza) {
  room?.presence(stanza);
}

function message(stanza) {
  ringing?.message(stanza);
}

// Whether the request was answered.
function request(iq) {
  if (answerDisco(stream, iq)) return true;
  const jingle = child(iq, 'jingle', NS.jingle);
  if (!jingle) return false;
  const action = jingle.getAttribute('action');
  const sid = jingle.getAttribute('sid');
  const from = iq.getAttribute('from');
  if (action === 'session-initiate') {
    stream.result(iq);
    offered(from, sid, jingle);
    return true;
  }
  const session = sessions.get(sid);
  if (!session || session.peer !== from) {
    stream.error(iq, 'item-not-found');
    return true;
  }
  if (!['session-accept', 'session-terminate', 'session-info', 'transport-info'].includes(action)) {
    report('refused', { why: `${action} is not known here` });
    stream.error(iq, 'feature-not-implemented');
    return true;
  }
  stream.result(iq);
  session.handle(action, jingle).catch(error => session.failed(error));
  return true;
}

// In a call the session of somebody in the room, or of the person whose call was accepted.
function offered(from, sid, jingle) {
  const session = new Session(stream, from, sid, 'responder', local, codecs);
  sessions.set(sid, session);
  session.tell('offered');
  session.accept(jingle).catch(error => session.failed(error));
}

async function leave() {
  onLeave(() => {});
  room?.leave();
  await Promise.all([...sessions.values()].map(session => session.end('success')));
  stream.close();
  report('left');
}
