//! The video of a call: which is sent and received, and the bit rate that its paths can carry. Encoding and decoding happen in a thread
//! of its own, whose outputs wake the loop.

use std::collections::{BTreeMap, BTreeSet};
use std::task::{Context, Poll};
use std::time::Instant;

use muji_core::media::Audibility;
use muji_core::{CallId, Media, SessionId};
use muji_jingle::TransportId;
use muji_xep::rtp::PayloadType;

use crate::audio::receiver::PlayoutClock;
use crate::audio::speech::Speech;
use crate::bandwidth::{BandwidthPolicy, DESIRED, PathBandwidths, Target};
use crate::codec::decoder_limit::DecoderLimit;
use crate::codec::encoding::VideoEncoding;
use crate::device::DeviceError;
use crate::rtp::{ReceivedRtp, StreamId};
use crate::transport::Congestion;
use crate::video::forwarder::{ENCODING, Forwarded, Source, VideoForwarder};
use crate::video::packetized::{PacketizedFrame, VideoKind};
use crate::video::task::{VideoOutput, VideoTask};
use crate::video::thread::VideoThread;

/// The kinds of video.
const KINDS: [Media; 2] = [Media::Video, Media::Slides];

/// The thread of video, and what is known around it.
pub(super) struct Video {
    thread: VideoThread,
    /// Passes on what comes in calls that are joined.
    forwarder: VideoForwarder,
    /// What comes is shown or recorded here.
    is_shown: bool,
    /// In which calls and under which names our video is sent.
    published: BTreeMap<(CallId, String), Media>,
    /// The video that participants may send, and how it is encoded.
    streams: BTreeMap<StreamId, Stream>,
    /// Of each stream that is encoded: it follows what is found on its paths.
    bandwidth: BTreeMap<VideoKind, PathBandwidths>,
    policy: BandwidthPolicy,
    /// How is encoded what no peer gets yet.
    preferred: Option<VideoEncoding>,
    /// The largest frames of each kind.
    sizes: BTreeMap<Media, [usize; 2]>,
    /// Of sources that encode themselves, how.
    encoded: BTreeMap<Media, VideoEncoding>,
    /// What the thread encodes, as it was told last.
    told: BTreeMap<VideoKind, DecoderLimit>,
}

/// The video of a participant.
struct Stream {
    call: CallId,
    media: Media,
    payload_types: Vec<PayloadType>,
    /// What these mean, by their ids.
    encodings: BTreeMap<u8, VideoEncoding>,
}

impl Video {
    /// With sources that encode themselves. What no peer gets yet is encoded as is preferred. Without a sink and a recorder
    /// nothing `is_shown`.
    pub(super) fn new(
        thread: VideoThread,
        is_shown: bool,
        policy: BandwidthPolicy,
        encoded: BTreeMap<Media, VideoEncoding>,
        preferred: Option<VideoEncoding>,
    ) -> Self {
        let (published, streams) = (BTreeMap::new(), BTreeMap::new());
        let (bandwidth, sizes, told) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let forwarder = VideoForwarder::default();
        let mut new = Self {
            thread,
            forwarder,
            is_shown,
            published,
            streams,
            bandwidth,
            policy,
            preferred,
            sizes,
            encoded,
            told,
        };
        new.encode(BTreeMap::new());
        new
    }

    // ---- ours ------------------------------------------------------------------------------------------------------

    /// A call publishes our video.
    pub(super) fn publish(&mut self, call: CallId, publication: &str, media: &Media) {
        self.published.insert((call, publication.to_owned()), media.clone());
        self.thread.give(VideoTask::StartCapture(media.clone()));
    }

    /// A call does not any more, or it is muted. Captured is only what some call publishes.
    pub(super) fn unpublish(&mut self, call: CallId, publication: &str) {
        let media = self.published.remove(&(call, publication.to_owned()));
        if let Some(media) = media.filter(|media| self.published.values().all(|other| other != media)) {
            self.thread.give(VideoTask::StopCapture(media));
        }
    }

    /// The calls and names under which a kind is sent.
    pub(super) fn publications(&self, of: &Media) -> impl Iterator<Item = &(CallId, String)> {
        self.published.iter().filter(move |(_, media)| *media == of).map(|(publication, _)| publication)
    }

    /// These streams are sent to some peer. What none gets is encoded as its source does or as most take it: the first peer need not wait
    /// then.
    pub(super) fn encode(&mut self, mut kinds: BTreeMap<VideoKind, DecoderLimit>) {
        for media in KINDS {
            if kinds.keys().all(|(of, _)| *of != media) {
                let best = self.encoded.get(&media).copied().or(self.preferred);
                kinds.extend(best.map(|best| ((media, best), DecoderLimit::NONE)));
            }
        }
        if kinds == self.told {
            return;
        }
        self.bandwidth.retain(|kind, _| kinds.contains_key(kind));
        for kind in kinds.keys() {
            let new = || {
                // A source that encodes itself makes no layers.
                let has_layers = kind.1.has_layers() && self.encoded.get(&kind.0) != Some(&kind.1);
                let mut bandwidth = PathBandwidths::new(self.policy.with_layers(has_layers));
                self.sizes.get(&kind.0).into_iter().for_each(|size| bandwidth.set_size(*size));
                bandwidth
            };
            self.bandwidth.entry(kind.clone()).or_insert_with(new);
        }
        self.told.clone_from(&kinds);
        self.thread.give(VideoTask::Encode(kinds));
    }

    /// A peer cannot show one of these before a key frame comes.
    pub(super) fn force_key_frame(&self, kinds: Vec<VideoKind>) {
        self.thread.give(VideoTask::ForceKeyFrame(kinds));
    }

    // ---- theirs ----------------------------------------------------------------------------------------------------

    /// A participant may send video from now on.
    pub(super) fn open(&mut self, call: CallId, id: StreamId, media: &Media, payload_types: Vec<PayloadType>) {
        let encodings = payload_types.iter().filter_map(|it| Some((it.id, VideoEncoding::of(it)?))).collect();
        self.streams.insert(id, Stream { call, media: media.clone(), payload_types, encodings });
    }

    /// These streams have ended.
    pub(super) fn close(&mut self, gone: impl Fn(&StreamId) -> bool) {
        let ended: Vec<StreamId> = self.streams.keys().filter(|id| gone(id)).cloned().collect();
        // What their paths carry, if they stay, is estimated from the beginning.
        let sessions: BTreeSet<SessionId> = ended.iter().map(|(session, _)| *session).collect();
        self.forget_paths(|path| sessions.contains(&path.session));
        self.forwarder.close(&gone);
        for id in ended {
            self.streams.remove(&id);
            self.thread.give(VideoTask::StreamEnded(id));
        }
    }

    /// The encodings of a stream; `None` if it is not one of video.
    pub(super) fn payload_types(&self, id: &StreamId) -> Option<&[PayloadType]> {
        self.streams.get(id).map(|stream| stream.payload_types.as_slice())
    }

    /// A packet of a participant, and what is to be passed on with it.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        id: StreamId,
        received: ReceivedRtp,
    ) -> (Vec<Forwarded>, Result<(), DeviceError>) {
        let Some(Stream { call, media, encodings, .. }) = self.streams.get(&id) else { return (Vec::new(), Ok(())) };
        let Some(encoding) = encodings.get(&received.payload_type).copied() else { return (Vec::new(), Ok(())) };
        let forwarded = match media {
            Media::Video => self.forwarder.receive(now, *call, &id, encoding, &received),
            Media::Slides | Media::Audio | Media::Other(_) => Vec::new(),
        };
        // Many callers' video is not decoded for nobody.
        if self.forwarder.contains(*call) && !self.is_shown {
            return (forwarded, Ok(()));
        }
        (forwarded, self.thread.receive(id, media, encoding, received))
    }

    /// Which moment of a participant's audio is played now: its video is shown with it. The thread is not woken for who may send none.
    pub(super) fn set_clock(&self, session: SessionId, clock: PlayoutClock) {
        if self.streams.keys().any(|(of, _)| *of == session) {
            self.thread.give(VideoTask::Clock(session, clock));
        }
    }

    /// True if no video is sent or received.
    pub(super) fn is_idle(&self) -> bool {
        self.published.is_empty() && self.streams.is_empty()
    }

    // ---- calls that are joined -------------------------------------------------------------------------------------

    /// From now on these calls are joined, and no others.
    pub(super) fn set_bridge(&mut self, calls: &BTreeMap<CallId, Audibility>) {
        self.forwarder.set_calls(calls);
    }

    /// The call of a session, if it is joined with others: what is sent there as video comes from them.
    pub(super) fn bridged(&self, session: SessionId) -> Option<CallId> {
        let call = self.streams.iter().find(|((of, _), _)| *of == session).map(|(_, stream)| stream.call);
        call.filter(|call| self.forwarder.contains(*call))
    }

    /// True if what is sent in this call as video comes from the calls that it is joined with.
    pub(super) fn bridges(&self, call: CallId) -> bool {
        self.forwarder.contains(call)
    }

    /// A frame of our own camera, for the calls that are joined.
    pub(super) fn forward_own(&mut self, now: Instant, frame: &PacketizedFrame) -> Vec<Forwarded> {
        self.forwarder.own_frame(now, frame)
    }

    /// Somebody in a call that is joined cannot show what it gets before a key frame comes.
    pub(super) fn bridge_key_frame(&mut self, now: Instant, call: CallId) -> Vec<Forwarded> {
        self.forwarder.key_frame_requested(now, call)
    }

    /// Decides who is seen in the calls that are joined; `speech` knows how we and the sessions spoke.
    pub(super) fn choose_seen(&mut self, now: Instant, speech: impl Fn(Option<SessionId>) -> Speech) -> Vec<Forwarded> {
        let viewers = self.publications(&Media::Video).map(|(call, _)| *call).collect();
        self.forwarder.choose(now, &viewers, |source| match source {
            Source::Ours => speech(None),
            Source::Theirs((session, _)) => speech(Some(*session)),
        })
    }

    /// Compares what the paths can take by which pictures are passed on.
    pub(super) fn compare_viewers(&mut self, now: Instant) -> Vec<Forwarded> {
        let paths = self.bandwidth.get(&(Media::Video, ENCODING)).into_iter().flat_map(PathBandwidths::carried);
        let in_calls = paths.filter_map(|(path, bits)| Some((path, (self.bridged(path.session)?, bits)))).collect();
        self.forwarder.carried(now, &in_calls)
    }

    /// No pictures are passed on by a path from now on, and nothing need be as small as it needs them.
    pub(super) fn rest(&mut self, path: TransportId) {
        self.bandwidth.get_mut(&(Media::Video, ENCODING)).into_iter().for_each(|paths| paths.rest(path));
    }

    /// They are again.
    pub(super) fn go_on(&mut self, path: TransportId) {
        self.bandwidth.get_mut(&(Media::Video, ENCODING)).into_iter().for_each(|paths| paths.go_on(path));
    }

    /// So much may come of each stream whose pictures are, or were, passed on.
    pub(super) fn received_limits(&self) -> Vec<(StreamId, Option<u32>)> {
        let limit = |id: &StreamId| self.forwarder.limit(&Source::Theirs(id.clone()));
        let of_camera = self.streams.iter().filter(|(_, stream)| stream.media == Media::Video);
        of_camera.map(|(id, stream)| (id.clone(), self.bridges(stream.call).then(|| limit(id)))).collect()
    }

    /// Our own camera is asked for a key frame, which calls get that are joined.
    pub(super) fn force_own_key_frame(&self) {
        self.force_key_frame(vec![(Media::Video, ENCODING)]);
    }

    // ---- the thread ------------------------------------------------------------------------------------------------

    /// What the thread has made; it wakes the task of `cx`.
    pub(super) fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<VideoOutput> {
        self.thread.poll_output(cx)
    }

    /// What the thread has made, if it has.
    pub(super) fn try_output(&mut self) -> Option<VideoOutput> {
        self.thread.try_output()
    }

    // ---- bandwidth -------------------------------------------------------------------------------------------------

    /// The largest frames of a kind have this size from now on.
    pub(super) fn set_size(&mut self, media: &Media, size: [usize; 2]) {
        self.sizes.insert(media.clone(), size);
        let of_media = self.bandwidth.iter_mut().filter(|((of, _), _)| of == media);
        of_media.for_each(|(_, bandwidth)| bandwidth.set_size(size));
    }

    /// How much of all video that is sent is of use, in bits a second. While none is, paths are kept ready for a usual camera.
    pub(super) fn desired(&self) -> u32 {
        let published: BTreeSet<&Media> = self.published.values().collect();
        // A peer gets each kind in one encoding.
        let desired = |media: &Media| {
            let of_media = self.bandwidth.iter().filter(|((of, _), _)| of == media);
            of_media.map(|(_, bandwidth)| bandwidth.desired()).max()
        };
        let bits: u32 = published.into_iter().filter_map(desired).sum();
        if bits > 0 { bits } else { DESIRED }
    }

    /// A frame was encoded.
    pub(super) fn encoded(&mut self, now: Instant, media: &Media, frame: &PacketizedFrame) {
        if let Some(bandwidth) = self.bandwidth.get_mut(&(media.clone(), frame.encoding)) {
            bandwidth.encoded(now, frame.layer, frame.bytes());
        }
    }

    /// The bandwidth of a path was estimated. The kinds that share the path share the bandwidth.
    pub(super) fn estimated(&mut self, now: Instant, path: TransportId, bits: u32, kinds: &[VideoKind]) {
        let share = bits / u32::try_from(kinds.len().max(1)).unwrap_or(u32::MAX);
        self.on_path(kinds).for_each(|bandwidth| bandwidth.estimated(now, path, share));
    }

    /// This share of the packets on a path was lost lately.
    pub(super) fn lost(&mut self, path: TransportId, share: f32, kinds: &[VideoKind]) {
        self.on_path(kinds).for_each(|bandwidth| bandwidth.lost(path, share));
    }

    /// A path has become narrower.
    pub(super) fn congested(&mut self, now: Instant, path: TransportId, congestion: Congestion, kinds: &[VideoKind]) {
        self.on_path(kinds).for_each(|bandwidth| bandwidth.congested(now, path, congestion));
    }

    fn on_path(&mut self, kinds: &[VideoKind]) -> impl Iterator<Item = &mut PathBandwidths> {
        self.bandwidth.iter_mut().filter(|(kind, _)| kinds.contains(kind)).map(|(_, bandwidth)| bandwidth)
    }

    /// These paths are gone.
    pub(super) fn forget_paths(&mut self, gone: impl Fn(&TransportId) -> bool) {
        self.bandwidth.values_mut().for_each(|bandwidth| bandwidth.forget(&gone));
    }

    /// Fits the encoders to the paths; what has changed.
    pub(super) fn adapt(&mut self, now: Instant) -> Vec<(VideoKind, Target)> {
        let kinds = self.bandwidth.iter_mut();
        let changed: Vec<(VideoKind, Target)> =
            kinds.filter_map(|(kind, bandwidth)| Some((kind.clone(), bandwidth.changed(now)?))).collect();
        for (kind, target) in &changed {
            self.thread.give(VideoTask::Target(kind.clone(), *target));
        }
        changed
    }

    /// The bit rate of the kind that is encoded to the fewest bits a second.
    pub(super) fn lowest_bit_rate(&self) -> Option<u32> {
        self.bandwidth.values().map(|bandwidth| bandwidth.last_target().bits).min()
    }

    /// The highest temporal layer of each kind that each path can carry.
    pub(super) fn layers(&mut self, now: Instant) -> Vec<(TransportId, Media, u8)> {
        let kinds = self.bandwidth.iter_mut();
        kinds
            .flat_map(|((media, _), bandwidth)| {
                bandwidth.layers(now).map(|(path, highest)| (path, media.clone(), highest))
            })
            .collect()
    }
}

#[cfg(all(test, feature = "vp8"))]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::video::worker::Sources;

    const CALL: CallId = CallId(1);

    /// Without a camera: what a thread would make of it is not looked at.
    fn video() -> Video {
        let thread = VideoThread::start(Sources::new(), None, None, mpsc::channel(1).0).expect("there are threads");
        Video::new(thread, false, BandwidthPolicy::Layers, BTreeMap::new(), Some(VideoEncoding::Vp8))
    }

    #[test]
    fn video_without_layers_is_fitted_to_the_slowest_path() {
        for (encoding, fitted) in [(VideoEncoding::Vp8, (585, true)), (VideoEncoding::H264, (300, false))] {
            let (mut video, kind, now) = (video(), (Media::Video, encoding), Instant::now());
            video.encode(BTreeMap::from([(kind.clone(), DecoderLimit::NONE)]));
            for (number, carried) in [(1, 300_000), (2, 600_000)] {
                let path = TransportId { session: SessionId(number), index: 0 };
                video.estimated(now, path, carried * 100 / 85 + 100, std::slice::from_ref(&kind));
            }
            let changed = video.adapt(now).into_iter().filter(|(of, _)| *of == kind);
            let targets: Vec<(u32, bool)> = changed.map(|(_, it)| (it.bits / 1_000, it.layered)).collect();
            assert_eq!(targets, [fitted], "{encoding:?}");
        }
    }

    #[test]
    fn what_is_of_use_is_that_of_all_video_that_is_sent_and_never_nothing() {
        let mut video = video();
        assert_eq!(video.desired(), DESIRED);
        video.publish(CALL, "camera", &Media::Video);
        video.set_size(&Media::Video, [1_280, 720]);
        assert_eq!(video.desired(), 2_500_000);
        video.publish(CALL, "screen", &Media::Slides);
        video.set_size(&Media::Slides, [1_920, 1_080]);
        assert_eq!(video.desired(), 6_500_000);
        video.unpublish(CALL, "camera");
        assert_eq!(video.desired(), 4_000_000);
        video.unpublish(CALL, "screen");
        assert_eq!(video.desired(), DESIRED);
        video.publish(CALL, "camera", &Media::Video);
        assert_eq!(video.desired(), 2_500_000, "its size is known");
    }
}
