// What the test program asks of this page, in the query of its address.
const query = new URLSearchParams(location.search);

export const parameters = {
  // Who this is: the first part of the JID, also the nick in rooms. `resource` tells pages of one account apart.
  name: query.get('name'),
  resource: query.get('resource'),
  domain: query.get('domain'),
  password: query.get('password'),
  websocket: query.get('websocket'),
  // A room to join, or a person to call; with neither the page waits to be called.
  room: query.get('room'),
  calls: query.get('calls'),
  // Milliseconds after which a call that rings is accepted; never without it.
  accepts: query.has('accepts') ? Number(query.get('accepts')) : null,
  tone: Number(query.get('tone')),
  colour: query.get('colour'),
  video: query.has('video'),
  bundlePolicy: query.get('bundle') ?? 'balanced',
  // `media`: contents are named audio and video; otherwise by Chromium's mids, 0 and 1, as stanza.js and Movim do.
  names: query.get('names') ?? 'mids',
};
