// Descriptions of sessions as browsers have them (SDP) and as Jingle has them. The forms are those of stanza.js 12: prefixes on
// feedback and header extensions, `channels` on pictures too, parameters without a value, a `ssrc` attribute, the group last.
//
// XEP-0167 descriptions, XEP-0176 transports, XEP-0293 feedback, XEP-0294 header extensions, XEP-0320 fingerprints, XEP-0338 groups,
// XEP-0339 sources.
import { NS, child, children, element } from './xml.js';

const PREFIXES = { 'xmlns:rtcpf': NS.feedback, 'xmlns:rtph': NS.extensions };

// --- From SDP to Jingle ---

// The contents and the group of a local description; contents are named by the mids, as XEP-0338 wants it in bundles.
export function jingleOf(sdp, role) {
  const { session, media } = sections(sdp);
  const contents = media.filter(section => section.port !== '0').map(section => contentOf(section, session, role));
  const mids = first(session, 'group')?.split(' ').slice(1) ?? [];
  const named = mids.map(mid => element('content', NS.grouping, { name: mid }));
  const group = mids.length > 0 ? element('group', NS.grouping, { semantics: 'BUNDLE' }, named) : null;
  return { contents, group };
}

// Cuts a description: the lines of the session, and for each medium its kind, port, payload types and lines.
export function sections(sdp) {
  const [session, ...rest] = sdp.split(/\r?\n(?=m=)/);
  const media = rest.map(text => {
    const lines = text.trim().split(/\r?\n/);
    const [kind, port, , ...payloads] = lines[0].slice(2).split(' ');
    return { kind, port, payloads, lines, mid: first(lines, 'mid') };
  });
  return { session: session.split(/\r?\n/), media };
}

function values(lines, attribute) {
  const prefix = `a=${attribute}:`;
  return lines.filter(line => line.startsWith(prefix)).map(line => line.slice(prefix.length));
}

function first(lines, attribute) {
  return values(lines, attribute)[0] ?? null;
}

function contentOf(section, session, role) {
  const attributes = { creator: 'initiator', name: section.mid, senders: sendersOf(section.lines, role) };
  return element('content', NS.jingle, attributes, descriptionOf(section), transportOf(section, session));
}

// Left out where both send.
function sendersOf(lines, role) {
  const other = role === 'initiator' ? 'responder' : 'initiator';
  if (lines.includes('a=sendonly')) return role;
  if (lines.includes('a=recvonly')) return other;
  return lines.includes('a=inactive') ? 'none' : null;
}

function descriptionOf({ kind, payloads, lines }) {
  const sources = sourcesOf(lines);
  const stream = first(lines, 'msid')?.split(' ');
  return element('description', NS.rtp, { ...PREFIXES, media: kind, ssrc: sources.first },
    lines.includes('a=rtcp-mux') ? element('rtcp-mux', NS.rtp) : null,
    lines.includes('a=rtcp-rsize') ? element('rtcp-reduced-size', NS.rtp) : null,
    payloads.map(id => payloadTypeOf(id, lines)),
    values(lines, 'extmap').map(extensionOf),
    sources.elements,
    stream ? element('stream', NS.msid, { id: stream[0], track: stream[1] }) : null);
}

function payloadTypeOf(id, lines) {
  const [name, clockrate, channels = '1'] = about(lines, 'rtpmap', id)[0].split('/');
  const parameters = about(lines, 'fmtp', id).flatMap(text => text.split(';')).map(text => {
    const [key, value] = text.trim().split('=');
    return element('parameter', NS.rtp, value === undefined ? { name: key } : { name: key, value });
  });
  return element('payload-type', NS.rtp, { channels, clockrate, id, name }, parameters,
    about(lines, 'rtcp-fb', id).map(feedbackOf));
}

// The values of an attribute that begin with a payload type.
function about(lines, attribute, id) {
  const prefix = `${id} `;
  return values(lines, attribute).filter(value => value.startsWith(prefix)).map(value => value.slice(prefix.length));
}

function feedbackOf(value) {
  const [type, subtype] = value.split(' ');
  return element('rtcpf:rtcp-fb', NS.feedback, { type, subtype });
}

function extensionOf(value) {
  const [id, uri] = value.split(' ');
  return element('rtph:rtp-hdrext', NS.extensions, { id: id.split('/')[0], uri });
}

function sourcesOf(lines) {
  const bySource = new Map();
  for (const value of values(lines, 'ssrc')) {
    const [, ssrc, name, text] = value.match(/^(\d+) ([^:]+):?(.*)$/);
    const parameters = bySource.get(ssrc) ?? bySource.set(ssrc, []).get(ssrc);
    parameters.push(element('parameter', NS.sources, { name, value: text }));
  }
  const elements = [...bySource].map(([ssrc, parameters]) => element('source', NS.sources, { ssrc }, parameters));
  for (const value of values(lines, 'ssrc-group')) {
    const [semantics, ...ssrcs] = value.split(' ');
    const grouped = ssrcs.map(ssrc => element('source', NS.sources, { ssrc }));
    elements.push(element('ssrc-group', NS.sources, { semantics }, grouped));
  }
  return { elements, first: [...bySource.keys()][0] ?? null };
}

function transportOf({ lines }, session) {
  const ours = attribute => first(lines, attribute) ?? first(session, attribute);
  const [hash, fingerprint] = ours('fingerprint').split(' ');
  return element('transport', NS.ice, { ufrag: ours('ice-ufrag'), pwd: ours('ice-pwd') },
    element('fingerprint', NS.dtls, { hash, setup: ours('setup') }, fingerprint),
    values(lines, 'candidate').map(value => candidateOf(value)));
}

// A candidate of the browser's, `candidate:…`, as an element.
export function candidateOf(value) {
  const [foundation, component, protocol, priority, ip, port, , type, ...rest] = value.replace(/^candidate:/, '').split(' ');
  const named = {};
  for (let index = 0; index < rest.length; index += 2) named[rest[index]] = rest[index + 1];
  return element('candidate', NS.ice, {
    component, foundation, ip, port, priority, protocol: protocol.toLowerCase(), 'rel-addr': named.raddr, 'rel-port': named.rport,
    tcptype: named.tcptype, type,
  });
}

// --- From Jingle to SDP ---

// What a peer offered.
export function offerOf(jingle) {
  return descriptionWith(jingle, children(jingle, 'content').flatMap(content => contentLines(content, 'initiator')));
}

// What a peer answered to our own offer: its contents in our order, those left out refused.
export function answerOf(jingle, offer) {
  const answered = new Map(children(jingle, 'content').map(content => [content.getAttribute('name'), content]));
  return descriptionWith(jingle, sections(offer).media.flatMap(({ kind, payloads, mid }) => {
    if (answered.has(mid)) return contentLines(answered.get(mid), 'responder');
    return [`m=${kind} 0 UDP/TLS/RTP/SAVPF ${payloads[0]}`, 'c=IN IP4 0.0.0.0', `a=mid:${mid}`, 'a=inactive'];
  }));
}

function descriptionWith(jingle, lines) {
  const session = ['v=0', 'o=- 1 2 IN IP4 127.0.0.1', 's=-', 't=0 0', ...groupLines(jingle), 'a=msid-semantic: WMS *'];
  return `${[...session, ...lines].join('\r\n')}\r\n`;
}

function groupLines(jingle) {
  const group = children(jingle, 'group', NS.grouping).find(group => group.getAttribute('semantics') === 'BUNDLE');
  const names = children(group, 'content').map(content => content.getAttribute('name'));
  return group ? [`a=group:BUNDLE ${names.join(' ')}`] : [];
}

function contentLines(content, role) {
  const description = child(content, 'description', NS.rtp);
  const transport = child(content, 'transport', NS.ice);
  const payloads = children(description, 'payload-type');
  const ids = payloads.map(payload => payload.getAttribute('id'));
  return [
    `m=${description.getAttribute('media')} 9 UDP/TLS/RTP/SAVPF ${ids.join(' ')}`,
    'c=IN IP4 0.0.0.0',
    ...transportLines(transport),
    `a=mid:${content.getAttribute('name')}`,
    `a=${directionOf(content.getAttribute('senders') ?? 'both', role)}`,
    ...(child(description, 'rtcp-mux') ? ['a=rtcp-mux'] : []),
    ...(child(description, 'rtcp-reduced-size') ? ['a=rtcp-rsize'] : []),
    ...children(description, 'rtp-hdrext', NS.extensions).map(extensionLine),
    ...children(description, 'rtcp-fb', NS.feedback).map(feedback => feedbackLine('*', feedback)),
    ...payloads.flatMap(payloadLines),
    ...sourceLines(description),
  ];
}

function directionOf(senders, role) {
  if (senders === 'both') return 'sendrecv';
  if (senders === 'none') return 'inactive';
  return senders === role ? 'sendonly' : 'recvonly';
}

function transportLines(transport) {
  const fingerprint = child(transport, 'fingerprint', NS.dtls);
  return [
    `a=ice-ufrag:${transport.getAttribute('ufrag')}`,
    `a=ice-pwd:${transport.getAttribute('pwd')}`,
    `a=fingerprint:${fingerprint.getAttribute('hash')} ${fingerprint.textContent.trim()}`,
    `a=setup:${fingerprint.getAttribute('setup')}`,
    ...children(transport, 'candidate').map(candidate => `a=${candidateText(candidate)}`),
  ];
}

// A candidate as the browser takes it.
export function candidateText(candidate) {
  const get = name => candidate.getAttribute(name);
  const words = [get('foundation'), get('component'), get('protocol'), get('priority'), get('ip'), get('port'), 'typ', get('type')];
  if (get('rel-addr')) words.push('raddr', get('rel-addr'), 'rport', get('rel-port'));
  if (get('tcptype')) words.push('tcptype', get('tcptype'));
  return `candidate:${[...words, 'generation', get('generation') ?? '0'].join(' ')}`;
}

function extensionLine(extension) {
  return `a=extmap:${extension.getAttribute('id')} ${extension.getAttribute('uri')}`;
}

function payloadLines(payload) {
  const get = name => payload.getAttribute(name);
  const channels = Number(get('channels') ?? 1) > 1 ? `/${get('channels')}` : '';
  const parameters = children(payload, 'parameter').map(parameter => {
    const [name, value] = [parameter.getAttribute('name'), parameter.getAttribute('value')];
    return name && value ? `${name}=${value}` : name || value;
  });
  return [
    `a=rtpmap:${get('id')} ${get('name')}/${get('clockrate')}${channels}`,
    ...(parameters.length > 0 ? [`a=fmtp:${get('id')} ${parameters.join(';')}`] : []),
    ...children(payload, 'rtcp-fb', NS.feedback).map(feedback => feedbackLine(get('id'), feedback)),
  ];
}

function feedbackLine(id, feedback) {
  const subtype = feedback.getAttribute('subtype');
  return `a=rtcp-fb:${id} ${feedback.getAttribute('type')}${subtype ? ` ${subtype}` : ''}`;
}

function sourceLines(description) {
  const sources = children(description, 'source', NS.sources).flatMap(source =>
    children(source, 'parameter').map(parameter => {
      const [name, value] = [parameter.getAttribute('name'), parameter.getAttribute('value')];
      return `a=ssrc:${source.getAttribute('ssrc')} ${name}${value ? `:${value}` : ''}`;
    }));
  const groups = children(description, 'ssrc-group', NS.sources).map(group => {
    const ssrcs = children(group, 'source').map(source => source.getAttribute('ssrc'));
    return `a=ssrc-group:${group.getAttribute('semantics')} ${ssrcs.join(' ')}`;
  });
  const stream = child(description, 'stream', NS.msid);
  const msid = stream ? [`a=msid:${stream.getAttribute('id')} ${stream.getAttribute('track')}`] : [];
  return [...groups, ...sources, ...msid];
}
