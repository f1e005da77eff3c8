// Calls to a person on all devices (XEP-0353): proposes, or rings and accepts, and learns by carbons (XEP-0280) what other devices of
// the own account do.
import { report } from './report.js';
import { NS, bare, child, element } from './xml.js';

const WORDS = ['propose', 'retract', 'ringing', 'accept', 'proceed', 'reject', 'finish'];

export class Ringing {
  // `call(jid, sid)`: opens the session that a device takes. `accepts`: milliseconds after which a call is accepted, or null.
  constructor(stream, accepts, call) {
    Object.assign(this, { stream, accepts, call });
    this.placed = null;
    this.rings = new Map(); // By id: who calls.
  }

  propose(person, kinds) {
    this.placed = crypto.randomUUID();
    const media = kinds.map(media => element('description', NS.rtp, { media }));
    this.send(person, 'propose', this.placed, media);
  }

  send(to, word, id, payload = []) {
    const message = crypto.randomUUID();
    const origin = element('origin-id', NS.originId, { id: message });
    const said = element(word, NS.message, { id }, payload);
    this.stream.send(element('message', NS.client, { id: message, to, type: 'chat' }, origin, said));
  }

  message(stanza) {
    const own = bare(this.stream.jid);
    const carbon = child(child(stanza, 'sent', NS.carbons) ?? child(stanza, 'received', NS.carbons), 'forwarded', NS.forward);
    if (carbon && stanza.getAttribute('from') !== own) return;
    const inner = child(carbon, 'message', NS.client) ?? stanza;
    const from = inner.getAttribute('from');
    const word = WORDS.map(word => child(inner, word, NS.message)).find(found => found);
    if (!word || from === this.stream.jid) return;
    this.heard(word.localName, word.getAttribute('id'), from, own);
  }

  heard(word, id, from, own) {
    if (bare(from) === own) {
      if (['accept', 'proceed', 'reject'].includes(word) && this.rings.delete(id)) report('ended', { why: `answered on ${from}` });
      return;
    }
    if (word === 'propose') this.proposed(id, from);
    if (word === 'retract' && this.rings.delete(id)) report('ended', { why: 'taken back' });
    if (id !== this.placed) return;
    if (word === 'ringing') report('device', { jid: from, state: 'rings' });
    if (word === 'reject') report('ended', { why: `declined by ${from}` });
    if (word === 'proceed') {
      report('device', { jid: from, state: 'picked up' });
      this.placed = null;
      this.call(from, id);
    }
  }

  proposed(id, from) {
    this.rings.set(id, from);
    report('ringing', { from });
    this.send(from, 'ringing', id);
    if (this.accepts !== null) setTimeout(() => this.accept(id, from), this.accepts);
  }

  accept(id, from) {
    if (!this.rings.delete(id)) return;
    report('picked-up', { from });
    this.send(bare(this.stream.jid), 'accept', id);
    this.send(from, 'proceed', id);
  }
}
