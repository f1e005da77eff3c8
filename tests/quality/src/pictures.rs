//! Pictures of ours in virtual time: one who shows a film to some, each over a path of the same kind.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use muji_harness::link::Link;
use muji_jingle::{SessionId, TransportId};
use muji_media::backend::BandwidthPolicy;
use muji_media::parts::codec::VideoEncoding;
use muji_media::parts::{
    DegradationPreference, LayerFilter, PacketizedFrame, PathBandwidths, ReceiverRequest, Share, VideoReceiver,
    VideoSender,
};
use muji_media::stats::Target;

use crate::film::{self, Film};
use crate::freezes::freezes;
use crate::rows::PicturesRow;
use crate::{Failure, SEED, delay};

/// Until the bit rate has settled; what is shown then does not count.
pub(crate) const BEGINNING: Duration = Duration::from_secs(10);
/// How long is looked.
pub(crate) const LOOK: Duration = Duration::from_secs(90);
/// So long all paths run before anybody else has a turn.
const TURN: Duration = Duration::from_millis(1);

/// What was seen, in the mean of those who look.
pub(crate) struct Seen {
    /// The share of time.
    pub(crate) frozen: f64,
    /// The same as the receiver itself counts it, if it does.
    pub(crate) frozen_as_told: Option<f64>,
    /// Pictures a second.
    pub(crate) rate: f64,
    /// A minute.
    pub(crate) key_frames: f64,
    /// From capture to shown, in milliseconds: median and 95 %.
    pub(crate) delay: [f64; 2],
    /// Sent to each, a second.
    pub(crate) bits: f64,
}

/// A picture that was shown.
pub(crate) struct Shown {
    /// When.
    pub(crate) at: Duration,
    /// How long after it was captured.
    pub(crate) since: Duration,
}

impl Seen {
    /// Of what each viewer was shown up to `end`; `key_frames` and `bytes` were sent since the beginning.
    pub(crate) fn of(viewers: &[Vec<Shown>], end: Duration, key_frames: f64, bytes: f64) -> Self {
        let seconds = LOOK.as_secs_f64();
        let viewer_seconds = seconds * viewers.len() as f64;
        let frozen = |shown: &Vec<Shown>| {
            let times: Vec<Duration> = shown.iter().map(|shown| shown.at).collect();
            if times.is_empty() { LOOK } else { freezes(&times, end).time }
        };
        let since = viewers.iter().flatten().map(|shown| shown.since.as_secs_f64() * 1_000.0);
        let mut delays: Vec<f64> = since.collect();
        delays.sort_by(f64::total_cmp);
        Self {
            frozen: viewers.iter().map(frozen).sum::<Duration>().as_secs_f64() / viewer_seconds,
            frozen_as_told: None,
            rate: delays.len() as f64 / viewer_seconds,
            key_frames: key_frames * 60.0 / seconds,
            delay: [0.5, 0.95].map(|share| delay::at(&delays, share)),
            bits: bytes * 8.0 / viewer_seconds,
        }
    }
}

pub(crate) fn measure(film: &Film, row: &PicturesRow) -> Result<Seen, Failure> {
    let mut call = Call::begin(film, row)?;
    call.run(BEGINNING)?;
    let key_frames = call.key_frames;
    let sent = call.sent();
    call.viewers.iter_mut().for_each(|viewer| viewer.shown.clear());
    call.run(BEGINNING + LOOK)?;
    let viewers: Vec<Vec<Shown>> = call.viewers.iter_mut().map(|viewer| std::mem::take(&mut viewer.shown)).collect();
    Ok(Seen::of(&viewers, call.at, f64::from(call.key_frames - key_frames), (call.sent() - sent) as f64))
}

/// Somebody who looks.
struct Viewer {
    link: Link,
    path: TransportId,
    filter: LayerFilter,
    wants_key_frame: bool,
    theirs: VideoReceiver,
    shown: Vec<Shown>,
}

impl Viewer {
    fn new(number: u64, row: &PicturesRow) -> Result<Self, Failure> {
        let mut link = Link::new();
        link.impair(row.network, SEED + number);
        let theirs = VideoReceiver::new(link.now());
        let path = TransportId { session: SessionId(number), index: 0 };
        Ok(Self { link, path, filter: LayerFilter::default(), wants_key_frame: false, theirs, shown: Vec::new() })
    }

    fn send(&mut self, coded: &PacketizedFrame) {
        match self.filter.take(self.link.now(), coded) {
            Share::All(packets) => self.link.send(&packets),
            Share::WantsKeyFrame => self.wants_key_frame = true,
            Share::Nothing => {}
        }
    }

    /// What has come.
    fn receive(&mut self) -> Result<(), Failure> {
        let now = self.link.now();
        for received in self.link.received() {
            for wanted in self.theirs.receive(now, VideoEncoding::Vp8, &received) {
                match wanted {
                    ReceiverRequest::KeyFrame => self.link.request_key_frame(),
                    ReceiverRequest::Undecodable(why) => return Err(why.into()),
                }
            }
        }
        Ok(())
    }

    /// Of several pictures that are due only the last is seen.
    fn show(&mut self, at: Duration, captured: &BTreeMap<usize, Duration>, width: usize) {
        let Some(last) = self.theirs.take(self.link.now()).pop() else { return };
        let number = film::number(&last.frame, width);
        self.shown.extend(captured.get(&number).map(|captured| Shown { at, since: at - *captured }));
    }

    /// What is known of its path; whether it wants a key frame.
    fn report(&mut self, at: Instant, bandwidth: &mut PathBandwidths) -> bool {
        if let Some(bits) = self.link.take_estimate() {
            bandwidth.estimated(at, self.path, bits);
        }
        self.link.lost().into_iter().for_each(|share| bandwidth.lost(self.path, share));
        for congestion in self.link.overflowed() {
            bandwidth.congested(at, self.path, congestion);
            self.filter.pause(self.link.now());
        }
        self.link.asked() > 0 || std::mem::take(&mut self.wants_key_frame)
    }
}

/// The call.
struct Call<'film> {
    film: &'film Film,
    ours: VideoSender,
    bandwidth: PathBandwidths,
    viewers: Vec<Viewer>,
    pictures: usize,
    /// When each was captured.
    captured: BTreeMap<usize, Duration>,
    key_frames: u32,
    /// Since it began.
    at: Duration,
    begun: Instant,
}

impl<'film> Call<'film> {
    fn begin(film: &'film Film, row: &PicturesRow) -> Result<Self, Failure> {
        let viewers = (0..row.viewers).map(|number| Viewer::new(number, row)).collect::<Result<_, _>>()?;
        let begun = Instant::now();
        let ours = VideoSender::new(
            begun,
            VideoEncoding::Vp8,
            film.size(),
            DegradationPreference::MaintainFramerate,
            Target::default(),
        )?;
        let bandwidth = PathBandwidths::new(BandwidthPolicy::default());
        let (captured, at) = (BTreeMap::new(), Duration::ZERO);
        Ok(Self { film, ours, bandwidth, viewers, pictures: 0, captured, key_frames: 0, at, begun })
    }

    fn run(&mut self, until: Duration) -> Result<(), Failure> {
        while self.at < until {
            if self.ours.is_due(self.now()) {
                self.capture()?;
            }
            for viewer in &mut self.viewers {
                viewer.receive()?;
                viewer.show(self.at, &self.captured, self.film.size()[0]);
                if viewer.report(self.begun + self.at, &mut self.bandwidth) {
                    self.ours.force_key_frame();
                }
            }
            self.adapt()?;
            self.viewers.iter_mut().for_each(|viewer| viewer.link.run(TURN));
            self.at += TURN;
        }
        Ok(())
    }

    fn now(&self) -> Instant {
        self.begun + self.at
    }

    /// The next picture leaves.
    fn capture(&mut self) -> Result<(), Failure> {
        self.pictures += 1;
        self.captured.insert(self.pictures, self.at);
        if let Some(coded) = self.ours.packets(self.now(), &self.film.picture(self.pictures))? {
            self.key_frames += u32::from(coded.key);
            self.bandwidth.encoded(self.now(), coded.layer, coded.bytes());
            self.viewers.iter_mut().for_each(|viewer| viewer.send(&coded));
        }
        Ok(())
    }

    /// Fits the encoder to the paths.
    fn adapt(&mut self) -> Result<(), Failure> {
        if let Some(target) = self.bandwidth.changed(self.now()) {
            self.ours.set_target(target)?;
        }
        for (path, highest) in self.bandwidth.layers(self.now()) {
            let of_path = self.viewers.iter_mut().filter(|viewer| viewer.path == path);
            of_path.for_each(|viewer| viewer.filter.limit(highest));
        }
        Ok(())
    }

    /// Bytes so far, to all.
    fn sent(&self) -> u64 {
        self.viewers.iter().map(|viewer| viewer.link.sent()).sum()
    }
}
