// A call in a room (XEP-0272): says that it prepares, waits for those who said so before it, publishes, and calls those who have
// published. Those who come later call us.
import { parameters } from './parameters.js';
import { report } from './report.js';
import { NS, child, children, element } from './xml.js';

// What a room agrees on, by kind, and the encodings that Chromium numbers so.
const PAYLOADS = {
  audio: () => element('payload-type', NS.rtp, { channels: '2', clockrate: '48000', id: '111', name: 'opus' },
    element('parameter', NS.rtp, { name: 'useinbandfec', value: '1' })),
  video: () => element('payload-type', NS.rtp, { clockrate: '90000', id: '96', name: 'VP8' },
    [['goog-remb'], ['ccm', 'fir'], ['nack'], ['nack', 'pli']].map(([type, subtype]) =>
      element('rtcpf:rtcp-fb', NS.feedback, { type, subtype }))),
};

export const CODECS = ['opus', 'vp8'];

export class Room {
  // `call(jid, marker)`: opens a session with somebody in it.
  constructor(stream, jid, nick, call) {
    Object.assign(this, { stream, jid, nick, call });
    this.others = new Map(); // By nick: { jid, preparing, published }.
    this.entered = false;
    this.published = false;
  }

  marker() {
    return element('muji', NS.muji, { room: this.jid });
  }

  enter() {
    this.send(element('muji', NS.muji, {}, element('preparing', NS.muji)), element('x', NS.muc));
  }

  leave() {
    this.send();
    this.stream.send(element('presence', NS.client, { id: crypto.randomUUID(), to: `${this.jid}/${this.nick}`, type: 'unavailable' }));
  }

  send(...payloads) {
    const attributes = { id: crypto.randomUUID(), to: `${this.jid}/${this.nick}` };
    this.stream.send(element('presence', NS.client, attributes, payloads));
  }

  presence(stanza) {
    const [room, nick] = stanza.getAttribute('from').split('/');
    if (room !== this.jid) return;
    if (stanza.getAttribute('type') === 'error') {
      report('fault', { why: 'the room refused a presence' });
      return;
    }
    if (nick === this.nick) this.echoed(stanza);
    else this.changed(nick, stanza);
    this.advance();
  }

  changed(nick, stanza) {
    const muji = child(stanza, 'muji', NS.muji);
    if (stanza.getAttribute('type') === 'unavailable' || !muji) {
      this.others.delete(nick);
      return;
    }
    const jid = child(child(stanza, 'x', NS.mucUser), 'item')?.getAttribute('jid');
    const preparing = child(muji, 'preparing') !== null;
    const before = this.others.get(nick);
    // Who begins to prepare after us waits for us.
    const ahead = before?.ahead ?? !this.entered;
    this.others.set(nick, { jid, ahead, preparing, published: children(muji, 'content', NS.jingle).length > 0 });
  }

  echoed(stanza) {
    this.entered = true;
    const codes = children(child(stanza, 'x', NS.mucUser), 'status').map(status => status.getAttribute('code'));
    if (codes.includes('201')) this.configure();
    if (this.published && !this.called) {
      this.called = true;
      report('joined');
      const there = [...this.others.values()].filter(other => other.ahead && other.published && other.jid);
      there.forEach(other => this.call(other.jid, this.marker()));
    }
  }

  // A new room is closed until its first occupant has configured it (XEP-0045 10.1.3): in a call all see the JIDs of all.
  configure() {
    const settings = { FORM_TYPE: 'http://jabber.org/protocol/muc#roomconfig', 'muc#roomconfig_whois': 'anyone' };
    const fields = Object.entries(settings).map(([name, value]) =>
      element('field', NS.data, { var: name }, element('value', NS.data, {}, value)));
    const form = element('x', NS.data, { type: 'submit' }, fields);
    this.stream.request(this.jid, 'set', element('query', NS.mucOwner, {}, form));
  }

  advance() {
    const blocked = [...this.others.values()].some(other => other.ahead && other.preparing);
    if (!this.entered || this.published || blocked) return;
    this.published = true;
    const kinds = parameters.video ? ['audio', 'video'] : ['audio'];
    this.send(element('muji', NS.muji, {}, kinds.map((kind, index) => this.content(kind, index))));
  }

  content(kind, index) {
    const name = parameters.names === 'media' ? kind : String(index);
    const description = element('description', NS.rtp, { 'xmlns:rtcpf': NS.feedback, media: kind }, PAYLOADS[kind]());
    return element('content', NS.jingle, { creator: 'initiator', name }, description);
  }
}
