// What this client sends: a tone of its own and pictures of its own colour.

const RATE = 30;
const [WIDTH, HEIGHT] = [320, 180]; // Small, since each of the others costs an encoder.

// The level at which muji-call sends its tones too.
const GAIN = 0.25;

export const audio = new AudioContext({ sampleRate: 48_000 });

export function localStream(hz, colour, video) {
  const stream = new MediaStream(tone(hz).getAudioTracks());
  if (video) stream.addTrack(picture(colour).getVideoTracks()[0]);
  return stream;
}

function tone(hz) {
  const oscillator = new OscillatorNode(audio, { frequency: hz });
  const gain = new GainNode(audio, { gain: GAIN });
  const destination = new MediaStreamAudioDestinationNode(audio);
  oscillator.connect(gain).connect(destination);
  oscillator.start();
  return destination.stream;
}

// A bar wanders over the colour, so that every picture differs from the one before.
function picture(colour) {
  const canvas = Object.assign(document.createElement('canvas'), { width: WIDTH, height: HEIGHT });
  document.body.append(canvas);
  const context = canvas.getContext('2d');
  let drawn = 0;
  setInterval(() => {
    context.fillStyle = `#${colour}`;
    context.fillRect(0, 0, WIDTH, HEIGHT);
    context.fillStyle = 'white';
    context.fillRect((drawn += 4) % WIDTH, 0, 8, HEIGHT);
  }, 1_000 / RATE);
  return canvas.captureStream(RATE);
}
