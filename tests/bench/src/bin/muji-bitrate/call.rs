//! A call in virtual time: one who shows pictures, and everybody who looks, each over a link of their own; the real encoder,
//! transports and estimates.

use std::time::{Duration, Instant};

use muji_harness::link::Link;
use muji_harness::test_content::{HEIGHT, WIDTH, picture};
use muji_jingle::{SessionId, TransportId};
use muji_media::backend::BandwidthPolicy;
use muji_media::parts::codec::VideoEncoding;
use muji_media::parts::{
    DegradationPreference, LayerFilter, PacketizedFrame, PathBandwidths, ReceiverRequest, Share, VideoReceiver,
    VideoSender,
};
use muji_media::stats::Target;

use crate::Failure;

/// Somebody who looks.
pub(crate) struct Viewer {
    pub(crate) link: Link,
    path: TransportId,
    filter: LayerFilter,
    wants_key_frame: bool,
    theirs: VideoReceiver,
    /// In the last second, in kbit/s: what left for it and what came; the share of packets that was lost, in percent; pictures shown.
    pub(crate) sent: f64,
    pub(crate) received: f64,
    pub(crate) lost: f64,
    pub(crate) shown: u32,
    /// The longest time without a new picture.
    pub(crate) longest: Duration,
    last: Instant,
    packets: usize,
}

impl Viewer {
    fn new(number: u64) -> Result<Self, Failure> {
        let link = Link::new();
        let (theirs, last) = (VideoReceiver::new(link.now()), link.now());
        let path = TransportId { session: SessionId(number), index: 0 };
        let (filter, longest) = (LayerFilter::default(), Duration::ZERO);
        Ok(Self {
            link,
            path,
            filter,
            wants_key_frame: false,
            theirs,
            sent: 0.0,
            received: 0.0,
            lost: 0.0,
            shown: 0,
            longest,
            last,
            packets: 0,
        })
    }

    fn send(&mut self, coded: &PacketizedFrame) {
        match self.filter.take(self.link.now(), coded) {
            Share::All(packets) => {
                self.packets += packets.len();
                self.link.send(&packets);
            }
            Share::WantsKeyFrame => self.wants_key_frame = true,
            Share::Nothing => {}
        }
    }

    /// What has come to it, and what is known of its path; whether it asks for a key frame.
    fn look(&mut self, at: Instant, bandwidth: &mut PathBandwidths) -> Result<bool, Failure> {
        let now = self.link.now();
        for received in self.link.received() {
            self.received += received.packet.payload.len() as f64 * 8.0 / 1_000.0;
            for wanted in self.theirs.receive(now, VideoEncoding::Vp8, &received) {
                match wanted {
                    ReceiverRequest::KeyFrame => self.link.request_key_frame(),
                    ReceiverRequest::Undecodable(why) => return Err(why.into()),
                }
            }
        }
        let shown = self.theirs.take(now).len() as u32;
        if shown > 0 {
            self.shown += shown;
            self.longest = self.longest.max(now - self.last);
            self.last = now;
        }
        if let Some(bits) = self.link.take_estimate() {
            bandwidth.estimated(at, self.path, bits);
        }
        self.link.lost().into_iter().for_each(|share| bandwidth.lost(self.path, share));
        for congestion in self.link.overflowed() {
            bandwidth.congested(at, self.path, congestion);
            self.filter.pause(now);
        }
        Ok(self.link.asked() > 0 || std::mem::take(&mut self.wants_key_frame))
    }
}

/// The call.
pub(crate) struct Call {
    ours: VideoSender,
    bandwidth: PathBandwidths,
    pub(crate) target: Target,
    pub(crate) viewers: Vec<Viewer>,
    pictures: usize,
    /// Since it began.
    at: Duration,
    begun: Instant,
}

/// So long all links run before anybody else has a turn.
const TURN: Duration = Duration::from_millis(2);

impl Call {
    /// With so many who look.
    pub(crate) fn begin(policy: BandwidthPolicy, viewers: u64) -> Result<Self, Failure> {
        let viewers = (0..viewers).map(Viewer::new).collect::<Result<Vec<_>, _>>()?;
        let (begun, target) = (Instant::now(), Target::default());
        let ours = VideoSender::new(
            begun,
            VideoEncoding::Vp8,
            [WIDTH, HEIGHT],
            DegradationPreference::MaintainFramerate,
            target,
        )?;
        let bandwidth = PathBandwidths::new(policy);
        Ok(Self { ours, bandwidth, target, viewers, pictures: 0, at: Duration::ZERO, begun })
    }

    /// Lets a second pass.
    pub(crate) fn second(&mut self) -> Result<(), Failure> {
        let end = self.at + Duration::from_secs(1);
        let before: Vec<u64> = self.viewers.iter().map(|viewer| viewer.link.sent()).collect();
        for viewer in &mut self.viewers {
            viewer.link.dropped();
            (viewer.received, viewer.shown, viewer.packets) = (0.0, 0, 0);
        }
        while self.at < end {
            if self.ours.is_due(self.begun + self.at) {
                self.picture()?;
            }
            for viewer in &mut self.viewers {
                if viewer.look(self.begun + self.at, &mut self.bandwidth)? {
                    self.ours.force_key_frame();
                }
            }
            self.follow()?;
            self.viewers.iter_mut().for_each(|viewer| viewer.link.run(TURN));
            self.at += TURN;
        }
        for (viewer, before) in self.viewers.iter_mut().zip(before) {
            viewer.sent = (viewer.link.sent() - before) as f64 * 8.0 / 1_000.0;
            viewer.lost = viewer.link.dropped() as f64 * 100.0 / viewer.packets.max(1) as f64;
        }
        Ok(())
    }

    /// The next picture leaves.
    fn picture(&mut self) -> Result<(), Failure> {
        self.pictures += 1;
        if let Some(coded) = self.ours.packets(self.begun + self.at, &picture(self.pictures))? {
            self.bandwidth.encoded(self.begun + self.at, coded.layer, coded.bytes());
            self.viewers.iter_mut().for_each(|viewer| viewer.send(&coded));
        }
        Ok(())
    }

    fn follow(&mut self) -> Result<(), Failure> {
        if let Some(target) = self.bandwidth.changed(self.begun + self.at) {
            self.target = target;
            self.ours.set_target(target)?;
        }
        for (path, most) in self.bandwidth.layers(self.begun + self.at) {
            let of_path = self.viewers.iter_mut().filter(|viewer| viewer.path == path);
            of_path.for_each(|viewer| viewer.filter.limit(most));
        }
        Ok(())
    }
}
