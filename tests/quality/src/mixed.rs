//! Our sender and libwebrtc's receiver in real time: a [`Backend`], as in any call, shows the film or says the speech to a Python program
//! through a [`Relay`]. What that receiver makes of our packets shows which end an advantage comes from.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hound::WavReader;
use muji_core::media::{IceRole, LocalTransport, MediaBackend, MediaCommand, MediaReport, OpenContent, Sending};
use muji_core::{CallId, Media, SessionId};
use muji_harness::impairment::Impairment;
use muji_jingle::TransportId;
use muji_media::backend::{Backend, Devices};
use muji_media::device::wav::WavSource;
use muji_media::device::{AudioFrame, AudioSource, DeviceError, SAMPLE_RATE, VideoFrame, VideoInput, VideoSource};
use muji_media::parts::codec::{opus, red, video, vp8};
use muji_xep::rtp::{HeaderExtension, PayloadType};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::film::Film;
use crate::material::Material;
use crate::pictures::{BEGINNING, LOOK, Seen, Shown};
use crate::relay::Relay;
use crate::rows::path_delay;
use crate::sdp::{self, Offer};
use crate::sound::{self, Heard, TIMES};
use crate::{Failure, delay, pesq};

const CALL: CallId = CallId(1);
const SESSION: SessionId = SessionId(1);
const PATH: TransportId = TransportId { session: SESSION, index: 0 };
const SSRC: u32 = 7;
/// By which what is lost of pictures is sent again.
const RTX_SSRC: u32 = 8;
/// The payload type of what is sent again.
const RTX: u8 = 98;

/// To open the sockets and make a certificate.
const DESCRIBED: Duration = Duration::from_secs(5);

/// Beyond what is shown or said: to start Python, connect and end.
const MORE: Duration = Duration::from_secs(60);

/// A film over a network.
pub(crate) async fn pictures(material: &Material, film: Arc<Film>, network: Impairment) -> Result<Seen, Failure> {
    let captured = Arc::new(Mutex::new(Vec::new()));
    let source = NumberedFilm { film, captured: captured.clone() };
    let devices = Devices { video_source: Some(VideoInput::Raw(Box::new(source))), ..local() };
    let seconds = (BEGINNING + LOOK).as_secs();
    let told = call(material, Media::Video, devices, &[seconds.to_string()], network, BEGINNING + LOOK).await?;
    let captured = captured.lock().unwrap_or_else(PoisonError::into_inner);
    let begun = *captured.first().ok_or("no picture was captured")?;
    let shown = told["shown"].as_array().ok_or("no pictures")?.iter().filter_map(|shown| {
        let (number, at) = (shown[0].as_u64()?, shown[1].as_f64()?);
        let (since, at) = (at - captured.get(usize::try_from(number).ok()?)?, at - begun);
        let counts = at >= BEGINNING.as_secs_f64() && at <= seconds as f64 && since >= 0.0;
        counts.then(|| Shown { at: Duration::from_secs_f64(at), since: Duration::from_secs_f64(since) })
    });
    let number = |name: &str| told[name].as_f64().ok_or_else(|| format!("libwebrtc does not tell {name}"));
    let share = LOOK.as_secs_f64() / seconds as f64;
    Ok(Seen::of(&[shown.collect()], BEGINNING + LOOK, number("key_frames")? * share, number("bytes")? * share))
}

/// Speech over a network.
pub(crate) async fn sound(material: &Material, network: Impairment) -> Result<Told, Failure> {
    let first = Arc::new(Mutex::new(None));
    let source = TimedSpeech { speech: WavSource::open(&material.speech)?, first: first.clone() };
    let devices = Devices { audio_source: Some(Box::new(source)), ..local() };
    let seconds = f64::from(WavReader::open(&material.speech)?.duration()) / f64::from(SAMPLE_RATE);
    let time = Duration::from_secs_f64(seconds * TIMES as f64);
    let recording = recording(material, network);
    let arguments = [time.as_secs().to_string(), recording.to_string_lossy().into_owned()];
    let told = call(material, Media::Audio, devices, &arguments, network, time).await?;
    let first = first.lock().unwrap_or_else(PoisonError::into_inner).ok_or("nothing was said")?;
    Ok(Told { told, first })
}

/// What was told of speech.
pub(crate) struct Told {
    told: Value,
    /// When the first frame was captured.
    first: f64,
}

/// What was heard of it.
pub(crate) fn heard(material: &Material, network: Impairment, Told { told, first }: &Told) -> Result<Heard, Failure> {
    let number = |name: &str| told[name].as_f64().ok_or_else(|| format!("libwebrtc does not tell {name}"));
    let file = recording(material, network);
    let said = sound::read(&material.speech)?;
    let late = ((number("first")? - first) * f64::from(SAMPLE_RATE)).max(0.0) as usize;
    let heard: Vec<i16> = std::iter::repeat_n(0, late).chain(sound::read(&file)?).collect();
    sound::write(&file, &heard)?;
    let delays = delay::delays(&said, heard.get(said.len()..).unwrap_or_default());
    Ok(Heard {
        pesq: pesq::pesq(material, &file)?,
        delay: [0.5, 0.95].map(|share| delay::at(&delays, share) - path_delay(&network)),
        concealed: number("concealed")?,
        lost: number("lost")?,
        bits: number("bits")?,
        decoding: None,
    })
}

fn recording(material: &Material, network: Impairment) -> PathBuf {
    material.recording("ours to libwebrtc", network.name)
}

fn local() -> Devices {
    Devices { addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)], ..Devices::default() }
}

/// The clock of Python's `time.monotonic`, in seconds.
fn monotonic() -> f64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// A film whose pictures bear their number, and when each was captured.
struct NumberedFilm {
    film: Arc<Film>,
    captured: Arc<Mutex<Vec<f64>>>,
}

impl VideoSource for NumberedFilm {
    fn size(&self) -> [usize; 2] {
        self.film.size()
    }

    fn capture(&mut self) -> Result<VideoFrame, DeviceError> {
        let mut captured = self.captured.lock().unwrap_or_else(PoisonError::into_inner);
        captured.push(monotonic());
        Ok(self.film.picture(captured.len() - 1))
    }
}

/// Speech, and when its first frame was captured.
struct TimedSpeech {
    speech: WavSource,
    first: Arc<Mutex<Option<f64>>>,
}

impl AudioSource for TimedSpeech {
    fn fill(&mut self, frame: &mut AudioFrame) -> Result<(), DeviceError> {
        // A frame that is given now was said in the 20 ms before.
        self.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| monotonic() - 0.020);
        self.speech.fill(frame)
    }
}

/// Runs the call; what the program tells.
async fn call(
    material: &Material,
    media: Media,
    devices: Devices,
    arguments: &[String],
    network: Impairment,
    time: Duration,
) -> Result<Value, Failure> {
    let relay = Relay::bind(network).await?;
    let [towards_us, towards_receiver] = relay.ports()?.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let (mut backend, _observations) = Backend::start(devices)?;
    let local = opened(&mut backend, &media).await?;
    let (payload_types, rtx_ssrc) = (payload_types(&media), rtx_ssrc(&media));
    let offer = Offer { payload_types, extensions: extensions(&media), ssrc: SSRC, rtx_ssrc };
    let offer = sdp::write(&media, &offer, &local, towards_receiver);
    let mut receiver = receiver(material, &media, arguments)?;
    let exchange = async {
        let answer = exchange(&mut receiver, &offer).await?;
        agree(&mut backend, &media, &answer, towards_us)?;
        last_line(&mut receiver).await
    };
    tokio::select! {
        why = relay.run() => Err(why.into()),
        told = timeout(time + MORE, exchange) => told.map_err(|_| "libwebrtc does not end")?,
    }
}

fn payload_types(media: &Media) -> Vec<PayloadType> {
    let (opus, vp8) = (opus::payload_type(), vp8::payload_type());
    if *media == Media::Video { vec![PayloadType::rtx(RTX, &vp8), vp8] } else { vec![red::payload_type(opus.id), opus] }
}

fn rtx_ssrc(media: &Media) -> Option<u32> {
    (*media == Media::Video).then_some(RTX_SSRC)
}

fn extensions(media: &Media) -> Vec<HeaderExtension> {
    if *media == Media::Video { video::extensions() } else { Vec::new() }
}

/// Opens our end; what the other has to know of it.
async fn opened(backend: &mut Backend, media: &Media) -> Result<LocalTransport, Failure> {
    let content = OpenContent {
        name: media.to_string(),
        media: media.clone(),
        ssrc: SSRC,
        rtx_ssrc: rtx_ssrc(media),
        transport: PATH,
        payload_types: payload_types(media),
        extensions: extensions(media),
    };
    backend.execute(MediaCommand::Open {
        call: CALL,
        session: SESSION,
        peer: "libwebrtc@x.example".parse()?,
        name: "libwebrtc".to_owned(),
        role: IceRole::Controlling,
        contents: vec![content],
    });
    let described = std::future::poll_fn(|context| backend.poll_report(context));
    match timeout(DESCRIBED, described).await? {
        Some(MediaReport::Described { local, .. }) => Ok(local),
        other => Err(format!("our end is not described: {other:?}").into()),
    }
}

/// Lets it flow, and begins to capture.
fn agree(backend: &mut Backend, media: &Media, answer: &str, towards_us: SocketAddr) -> Result<(), Failure> {
    let accepted: Vec<_> = payload_types(media).into_iter().filter(|payload| sdp::accepts(answer, payload)).collect();
    let find = |is: fn(&PayloadType) -> bool| accepted.iter().find(|payload| is(payload)).map(|payload| payload.id);
    let [red, rtx] = [find(PayloadType::is_red), find(PayloadType::is_rtx)];
    let payload_type =
        accepted.into_iter().find(PayloadType::is_codec).ok_or("libwebrtc takes none of our encodings")?;
    let send = Some(Sending { publication: media.to_string(), payload_type, red, rtx });
    let content = media.to_string();
    backend.execute(MediaCommand::Content { session: SESSION, content, send, receive: false, streams: Vec::new() });
    backend.execute(MediaCommand::Candidate { transport: PATH, candidate: sdp::candidate(towards_us) });
    backend.execute(MediaCommand::Remote { transport: PATH, remote: sdp::read(answer, extensions(media))? });
    backend.execute(MediaCommand::Publish { call: CALL, publication: media.to_string(), media: media.clone() });
    Ok(())
}

fn receiver(material: &Material, media: &Media, arguments: &[String]) -> Result<Child, Failure> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/receiver.py");
    let mut command = Command::new(&material.python);
    command.arg("-B").arg(program).arg(media.to_string()).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
    Ok(command.spawn()?)
}

/// Gives the program our description; its own.
async fn exchange(receiver: &mut Child, offer: &str) -> Result<String, Failure> {
    let mut input = receiver.stdin.take().ok_or("libwebrtc has no input")?;
    input.write_all(format!("{}\n", json!(offer)).as_bytes()).await?;
    let output = receiver.stdout.as_mut().ok_or("libwebrtc has no output")?;
    let mut line = String::new();
    BufReader::with_capacity(1, output).read_line(&mut line).await?;
    serde_json::from_str(&line).map_err(|why| format!("libwebrtc answers nothing that can be read: {why}").into())
}

/// What it tells in the end.
async fn last_line(receiver: &mut Child) -> Result<Value, Failure> {
    let mut output = receiver.stdout.take().ok_or("libwebrtc has no output")?;
    let mut told = String::new();
    output.read_to_string(&mut told).await?;
    if !receiver.wait().await?.success() {
        return Err("libwebrtc failed; what it said stands above".into());
    }
    Ok(serde_json::from_str(&told)?)
}
