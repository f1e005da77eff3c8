// What this client can: service discovery (XEP-0030) and entity capabilities (XEP-0115).
import { NS, child, element } from './xml.js';

const NODE = 'https://muji-rs.example/browser-test';
const IDENTITY = { category: 'client', type: 'web' };
const FEATURES = [
  NS.dtls, NS.rtp, `${NS.rtp.slice(0, -1)}audio`, `${NS.rtp.slice(0, -1)}video`, NS.feedback, NS.extensions, NS.sources, NS.grouping,
  NS.jingle, NS.message, NS.muji, NS.ice, NS.disco, NS.caps, NS.carbons,
].sort();

// The hash by which others know the features without asking.
async function version() {
  const said = [`${IDENTITY.category}/${IDENTITY.type}//`, ...FEATURES].map(part => `${part}<`).join('');
  const hash = await crypto.subtle.digest('SHA-1', new TextEncoder().encode(said));
  return btoa(String.fromCharCode(...new Uint8Array(hash)));
}

export async function capabilities() {
  return element('c', NS.caps, { hash: 'sha-1', node: NODE, ver: await version() });
}

// Answers a disco#info request; false if this is none.
export function answerDisco(stream, iq) {
  const query = child(iq, 'query', NS.disco);
  if (!query || iq.getAttribute('type') !== 'get') return false;
  const features = FEATURES.map(feature => element('feature', NS.disco, { var: feature }));
  const node = query.getAttribute('node');
  stream.result(iq, element('query', NS.disco, { node }, element('identity', NS.disco, IDENTITY), features));
  return true;
}
