// An XMPP stream over WebSocket (RFC 7395): login by SASL PLAIN, a bound resource, stanzas and their answers.
import { NS, child, element, parse, text } from './xml.js';

// Longer than this and the server hangs.
const ANSWER_MS = 10_000;

export class Stream {
  // `handlers`: presence(element), message(element), request(iq) which returns true if it answers.
  constructor(socket, handlers) {
    this.socket = socket;
    this.handlers = handlers;
    this.waiting = new Map();
    this.next = null;
    socket.onmessage = event => this.received(parse(event.data));
  }

  static async login({ websocket, domain, name, password, resource }, handlers) {
    const socket = new WebSocket(websocket, 'xmpp');
    await new Promise((opened, failed) => {
      socket.onopen = opened;
      socket.onerror = () => failed(new Error(`no WebSocket at ${websocket}`));
    });
    const stream = new Stream(socket, handlers);
    await stream.open(domain);
    const secret = btoa(`\0${name}\0${password}`);
    const result = await stream.exchange(element('auth', NS.sasl, { mechanism: 'PLAIN' }, secret));
    if (result.localName !== 'success') throw new Error(`login: ${text(result)}`);
    await stream.open(domain);
    const bind = element('bind', NS.bind, {}, element('resource', NS.bind, {}, resource));
    const bound = await stream.request(null, 'set', bind);
    stream.jid = child(child(bound, 'bind', NS.bind), 'jid').textContent;
    return stream;
  }

  // The answer to an opening are two elements: the server's own, and its features.
  async open(domain) {
    const features = new Promise(received => {
      this.next = () => { this.next = received; };
    });
    this.send(element('open', NS.framing, { to: domain, version: '1.0' }));
    return features;
  }

  exchange(sent) {
    const answer = new Promise(received => { this.next = received; });
    this.send(sent);
    return answer;
  }

  send(sent) {
    this.socket.send(text(sent));
  }

  // Sends a request; fulfilled with the answer, rejected with the error that came instead.
  request(to, type, payload) {
    const id = crypto.randomUUID();
    this.send(element('iq', NS.client, { id, to, type }, payload));
    return new Promise((answered, failed) => {
      const timer = setTimeout(() => failed(new Error(`no answer to ${text(payload).slice(0, 200)}`)), ANSWER_MS);
      this.waiting.set(id, answer => {
        clearTimeout(timer);
        if (answer.getAttribute('type') === 'result') answered(answer);
        else failed(new Error(text(child(answer, 'error') ?? answer)));
      });
    });
  }

  result(request, payload = null) {
    const attributes = { id: request.getAttribute('id'), to: request.getAttribute('from'), type: 'result' };
    this.send(element('iq', NS.client, attributes, payload));
  }

  // As stanza.js does it: an error without a condition if none is known.
  error(request, condition = null) {
    const attributes = { id: request.getAttribute('id'), to: request.getAttribute('from'), type: 'error' };
    const reason = condition && element(condition, NS.stanzas);
    this.send(element('iq', NS.client, attributes, element('error', NS.client, { type: 'cancel' }, reason)));
  }

  received(stanza) {
    if (stanza.namespaceURI !== NS.client) {
      const taken = this.next;
      this.next = null;
      taken?.(stanza);
      return;
    }
    if (stanza.localName === 'presence') this.handlers.presence(stanza);
    if (stanza.localName === 'message') this.handlers.message(stanza);
    if (stanza.localName === 'iq') this.answerOrRequest(stanza);
  }

  answerOrRequest(iq) {
    if (['get', 'set'].includes(iq.getAttribute('type'))) {
      if (!this.handlers.request(iq)) this.error(iq);
      return;
    }
    const id = iq.getAttribute('id');
    this.waiting.get(id)?.(iq);
    this.waiting.delete(id);
  }

  close() {
    this.send(element('close', NS.framing));
  }
}
