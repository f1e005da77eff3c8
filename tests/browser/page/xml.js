// Elements of XMPP, made and read with the browser's own DOM.

export const NS = {
  client: 'jabber:client',
  framing: 'urn:ietf:params:xml:ns:xmpp-framing',
  sasl: 'urn:ietf:params:xml:ns:xmpp-sasl',
  bind: 'urn:ietf:params:xml:ns:xmpp-bind',
  stanzas: 'urn:ietf:params:xml:ns:xmpp-stanzas',
  carbons: 'urn:xmpp:carbons:2',
  forward: 'urn:xmpp:forward:0',
  caps: 'http://jabber.org/protocol/caps',
  disco: 'http://jabber.org/protocol/disco#info',
  originId: 'urn:xmpp:sid:0',
  muc: 'http://jabber.org/protocol/muc',
  mucOwner: 'http://jabber.org/protocol/muc#owner',
  data: 'jabber:x:data',
  mucUser: 'http://jabber.org/protocol/muc#user',
  muji: 'urn:xmpp:jingle:muji:0',
  message: 'urn:xmpp:jingle-message:0',
  jingle: 'urn:xmpp:jingle:1',
  grouping: 'urn:xmpp:jingle:apps:grouping:0',
  rtp: 'urn:xmpp:jingle:apps:rtp:1',
  feedback: 'urn:xmpp:jingle:apps:rtp:rtcp-fb:0',
  extensions: 'urn:xmpp:jingle:apps:rtp:rtp-hdrext:0',
  sources: 'urn:xmpp:jingle:apps:rtp:ssma:0',
  msid: 'urn:xmpp:jingle:apps:rtp:msid:0',
  ice: 'urn:xmpp:jingle:transports:ice-udp:1',
  dtls: 'urn:xmpp:jingle:apps:dtls:0',
};

const made = document.implementation.createDocument(null, null);

// Attributes without a value are left out, and so are children that are null.
export function element(name, namespace, attributes = {}, ...children) {
  const element = made.createElementNS(namespace, name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined) continue;
    const xmlns = key.startsWith('xmlns:') ? 'http://www.w3.org/2000/xmlns/' : null;
    element.setAttributeNS(xmlns, key, value);
  }
  element.append(...children.flat().filter(child => child !== null));
  return element;
}

export function children(parent, name, namespace = parent?.namespaceURI) {
  const all = [...(parent?.children ?? [])];
  return all.filter(child => child.localName === name && child.namespaceURI === namespace);
}

export function child(parent, name, namespace = parent?.namespaceURI) {
  return children(parent, name, namespace)[0] ?? null;
}

export function parse(text) {
  return new DOMParser().parseFromString(text, 'text/xml').documentElement;
}

export function text(element) {
  return new XMLSerializer().serializeToString(element);
}

export function bare(jid) {
  return jid.split('/')[0];
}

export function localPart(jid) {
  return jid.split('@')[0];
}
