// What is heard and seen of one peer, measured on decoded sound and pictures, once a second. The events have the form of those of
// `muji-call --json`: heard, seen, first-sound.
import { audio } from './sources.js';

// 341 ms of sound: bins of 2.9 Hz, between which the peak is interpolated.
const WINDOW = 16_384;

// In the last 21 ms there is sound.
const BRIEF = 1_024;
const AUDIBLE = 0.02;

// A tone that is weaker than this, in decibels, is none.
const QUIET = -70;

// Pictures are looked at in this size: their mean is what counts.
const THUMB = 16;

export class Meter {
  constructor(pc, tell) {
    Object.assign(this, { pc, tell });
    this.shown = 0;
    this.ticks = setInterval(() => this.measure(), 1_000);
  }

  add(track) {
    if (track.kind === 'audio') this.listen(track);
    else this.watch(track);
  }

  // Chromium decodes what comes only if an element plays it too.
  listen(track) {
    const stream = new MediaStream([track]);
    play('audio', stream);
    const source = new MediaStreamAudioSourceNode(audio, { mediaStream: stream });
    this.sound = new AnalyserNode(audio, { fftSize: WINDOW, smoothingTimeConstant: 0 });
    const brief = new AnalyserNode(audio, { fftSize: BRIEF });
    source.connect(this.sound);
    source.connect(brief);
    const samples = new Float32Array(BRIEF);
    this.silence = setInterval(() => {
      brief.getFloatTimeDomainData(samples);
      if (level(samples) < AUDIBLE) return;
      clearInterval(this.silence);
      this.tell('first-sound', {});
    }, 10);
  }

  watch(track) {
    this.video = play('video', new MediaStream([track]));
    this.thumb = new OffscreenCanvas(THUMB, THUMB).getContext('2d', { willReadFrequently: true });
    const presented = () => {
      this.shown += 1;
      this.video.requestVideoFrameCallback(presented);
    };
    this.video.requestVideoFrameCallback(presented);
  }

  async measure() {
    const stats = [...(await this.pc.getStats()).values()];
    if (this.sound) this.tell('heard', { hz: tone(this.sound), ...concealment(stats) });
    const colour = this.colour();
    if (colour) this.tell('seen', { colour, shown: this.shown, codec: codec(stats), ...repairs(stats) });
  }

  // The mean of what is shown.
  colour() {
    if (!this.video?.videoWidth) return null;
    this.thumb.drawImage(this.video, 0, 0, THUMB, THUMB);
    const { data } = this.thumb.getImageData(0, 0, THUMB, THUMB);
    const sums = [0, 0, 0];
    data.forEach((value, index) => { if (index % 4 < 3) sums[index % 4] += value; });
    return sums.map(sum => Math.round(sum / THUMB / THUMB).toString(16).padStart(2, '0')).join('');
  }

  close() {
    clearInterval(this.ticks);
    clearInterval(this.silence);
  }
}

// Samples that were filled in, and all samples, so far. Padding without an announced source counts as sound too, without samples.
function concealment(stats) {
  const sound = stats.find(stat => stat.type === 'inbound-rtp' && stat.kind === 'audio' && stat.totalSamplesReceived > 0);
  return { played: sound?.totalSamplesReceived ?? 0, concealed: sound?.concealedSamples ?? 0 };
}

// In which codec pictures come.
function codec(stats) {
  const pictures = stats.find(stat => stat.type === 'inbound-rtp' && stat.kind === 'video' && stat.framesDecoded > 0);
  return stats.find(stat => stat.id === pictures?.codecId)?.mimeType?.replace('video/', '') ?? null;
}

// Packets of pictures that came again and that were sent again, both by RTX alone.
function repairs(stats) {
  const pictures = stats.filter(stat => stat.kind === 'video');
  const came = pictures.find(stat => stat.type === 'inbound-rtp' && stat.rtxSsrc);
  const sent = pictures.find(stat => stat.type === 'outbound-rtp' && stat.rtxSsrc);
  return { cameAgain: came?.retransmittedPacketsReceived ?? 0, sentAgain: sent?.retransmittedPacketsSent ?? 0 };
}

function play(kind, stream) {
  const element = Object.assign(document.createElement(kind), { srcObject: stream, autoplay: true, muted: true, playsInline: true });
  document.body.append(element);
  return element;
}

function level(samples) {
  return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
}

// The strongest frequency: the peak of a parabola through the loudest bin and its neighbours.
function tone(analyser) {
  const bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  let loudest = 1;
  for (let bin = 1; bin < bins.length - 1; bin += 1) {
    if (bins[bin] > bins[loudest]) loudest = bin;
  }
  const [before, peak, after] = bins.subarray(loudest - 1, loudest + 2);
  if (!(peak > QUIET)) return null;
  const offset = (before - after) / (before - 2 * peak + after) / 2;
  const hz = (loudest + offset) * audio.sampleRate / analyser.fftSize;
  return Math.round(hz * 10) / 10;
}
