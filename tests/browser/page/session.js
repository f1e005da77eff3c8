// A Jingle session with one peer around an RTCPeerConnection (XEP-0166), as web clients have it: candidates are trickled, what only
// newer clients know is refused.
import { Meter } from './meter.js';
import { parameters } from './parameters.js';
import { report } from './report.js';
import { answerOf, candidateOf, candidateText, jingleOf, offerOf, sections } from './sdp.js';
import { NS, child, children, element, localPart } from './xml.js';

export class Session {
  // `codecs`: the names of the encodings to offer; all that the browser can, if null.
  constructor(stream, peer, sid, role, local, codecs) {
    Object.assign(this, { stream, peer, sid, role, codecs });
    this.pc = new RTCPeerConnection({ bundlePolicy: parameters.bundlePolicy });
    this.pc.onicecandidate = event => this.gathered(event.candidate);
    this.pc.onconnectionstatechange = () => this.tell('connection', { state: this.pc.connectionState });
    this.pc.ontrack = event => this.meter.add(event.track);
    this.meter = new Meter(this.pc, (event, measured) => this.tell(event, measured));
    this.described = false;
    this.ours = []; // Candidates that wait until the peer knows the session.
    this.theirs = []; // Candidates that wait until we know the peer's description.
    for (const track of local.getTracks()) this.pc.addTrack(track, local);
  }

  tell(event, fields = {}) {
    report(event, { nick: localPart(this.peer), ...fields });
  }

  // --- What we do ---

  async initiate(marker = null) {
    this.preferCodecs();
    const { sdp } = await this.pc.createOffer();
    this.offer = parameters.names === 'media' ? namedByMedia(sdp) : sdp;
    await this.pc.setLocalDescription({ type: 'offer', sdp: this.offer });
    const { contents, group } = jingleOf(this.offer, 'initiator');
    await this.act('session-initiate', { initiator: this.stream.jid }, [...contents, group, marker], () => this.sent());
  }

  async accept(jingle) {
    await this.pc.setRemoteDescription({ type: 'offer', sdp: offerOf(jingle) });
    this.theirsAreWelcome();
    this.preferCodecs();
    const answer = await this.pc.createAnswer();
    await this.pc.setLocalDescription(answer);
    const { contents, group } = jingleOf(answer.sdp, 'responder');
    await this.act('session-accept', { responder: this.stream.jid }, [...contents, group], () => this.sent());
  }

  async end(reason, text = null) {
    if (this.pc.signalingState === 'closed') return;
    this.close();
    const words = text && element('text', NS.jingle, {}, text);
    await this.act('session-terminate', {}, [element('reason', NS.jingle, {}, element(reason, NS.jingle), words)]).catch(() => {});
  }

  // What cannot be negotiated ends the session, as web clients do it.
  async failed(error) {
    this.tell('failed', { why: String(error?.message ?? error) });
    await this.end('failed-application', String(error?.message ?? error));
  }

  close() {
    this.meter.close();
    this.pc.close();
  }

  async act(action, attributes, payload, sent = () => {}) {
    const jingle = element('jingle', NS.jingle, { sid: this.sid, action, ...attributes }, payload);
    const answered = this.stream.request(this.peer, 'set', jingle);
    sent();
    await answered;
  }

  sent() {
    this.described = true;
    this.ours.splice(0).forEach(candidate => this.trickle(candidate));
  }

  gathered(candidate) {
    if (this.described) this.trickle(candidate);
    else this.ours.push(candidate);
  }

  // The last one is null: nothing else comes.
  trickle(candidate) {
    const local = this.pc.localDescription?.sdp;
    if (!local) return;
    const { contents } = jingleOf(local, this.role);
    const name = candidate?.sdpMid ?? contents[0].getAttribute('name');
    const described = contents.find(content => content.getAttribute('name') === name);
    const ufrag = child(described, 'transport', NS.ice).getAttribute('ufrag');
    const payload = candidate?.candidate ? candidateOf(candidate.candidate) : element('gathering-complete', NS.ice);
    const content = element('content', NS.jingle, { creator: 'initiator', name }, element('transport', NS.ice, { ufrag }, payload));
    this.act('transport-info', {}, [content]).catch(error => this.tell('refused', { why: error.message }));
  }

  preferCodecs() {
    if (!this.codecs) return;
    for (const transceiver of this.pc.getTransceivers()) {
      const { codecs } = RTCRtpReceiver.getCapabilities(transceiver.receiver.track.kind);
      const wanted = codecs.filter(codec => this.codecs.includes(codec.mimeType.split('/')[1].toLowerCase()));
      transceiver.setCodecPreferences(wanted);
    }
  }

  // --- What the peer does ---

  // What this client does not know is confirmed all the same, and has no effect.
  async handle(action, jingle) {
    if (action === 'session-accept') {
      await this.pc.setRemoteDescription({ type: 'answer', sdp: answerOf(jingle, this.offer) });
      this.theirsAreWelcome();
    }
    if (action === 'transport-info') this.theirCandidates(jingle);
    if (action === 'session-terminate') {
      const reason = child(jingle, 'reason');
      this.tell('session-ended', { why: reason?.firstElementChild?.localName ?? 'no reason' });
      this.close();
    }
  }

  theirCandidates(jingle) {
    for (const content of children(jingle, 'content')) {
      const transport = child(content, 'transport', NS.ice);
      const sdpMid = content.getAttribute('name');
      this.theirs.push(...children(transport, 'candidate').map(found => ({ candidate: candidateText(found), sdpMid })));
    }
    if (this.pc.remoteDescription) this.theirsAreWelcome();
  }

  theirsAreWelcome() {
    for (const candidate of this.theirs.splice(0)) {
      this.pc.addIceCandidate(candidate).catch(error => this.tell('refused', { why: `${candidate.candidate}: ${error.message}` }));
    }
  }
}

// The offer with audio and video as mids instead of 0 and 1.
function namedByMedia(sdp) {
  const kinds = new Map(sections(sdp).media.map(({ mid, kind }) => [mid, kind]));
  return sdp
    .replace(/^a=mid:(.*)$/gm, (_, mid) => `a=mid:${kinds.get(mid.trim())}`)
    .replace(/^a=group:BUNDLE (.*)$/m, (_, mids) => `a=group:BUNDLE ${mids.trim().split(' ').map(mid => kinds.get(mid)).join(' ')}`);
}
