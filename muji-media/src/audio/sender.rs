//! From an audio source to packets: captured, encoded and packetised once for all peers.

use std::collections::BTreeSet;

use muji_core::CallId;

use crate::audio::frame::FRAME;
use crate::codec::opus::{Encoder, OpusFault};
use crate::device::{AudioSource, DeviceError};
use crate::rtp::RtpPacket;

/// Our audio, and the calls that publish it.
pub(crate) struct AudioSender {
    source: Option<Box<dyn AudioSource>>,
    encoder: Encoder,
    publications: BTreeSet<(CallId, String)>,
    timestamp: u32,
    /// The next packet is the first after a pause: it has the marker bit (RFC 3551 section 4.1).
    pausing: bool,
}

impl AudioSender {
    /// Nothing is captured yet. Without a source nothing is sent.
    ///
    /// # Errors
    /// If there is no memory for an encoder.
    pub(crate) fn new(source: Option<Box<dyn AudioSource>>) -> Result<Self, OpusFault> {
        Ok(Self { source, encoder: Encoder::new()?, publications: BTreeSet::new(), timestamp: 0, pausing: true })
    }

    /// A call publishes our audio.
    pub(crate) fn publish(&mut self, call: CallId, publication: &str) {
        self.publications.insert((call, publication.to_owned()));
    }

    /// A call no longer publishes it, or we are muted.
    pub(crate) fn unpublish(&mut self, call: CallId, publication: &str) {
        self.publications.remove(&(call, publication.to_owned()));
        if self.publications.is_empty()
            && let Some(source) = &mut self.source
        {
            source.release();
        }
    }

    /// True if there is something to capture.
    #[must_use]
    pub(crate) fn is_on(&self) -> bool {
        self.source.is_some() && !self.publications.is_empty()
    }

    /// What happened to the source meanwhile.
    pub(crate) fn poll_notice(&mut self) -> Option<DeviceError> {
        self.source.as_mut().and_then(|source| source.poll_notice())
    }

    /// The encoder makes so many bits a second from now on.
    ///
    /// # Errors
    /// If the codec refuses; it goes on as before.
    pub(crate) fn set_bit_rate(&mut self, bits: u32) -> Result<(), DeviceError> {
        self.encoder.set_bit_rate(bits).map_err(|why| DeviceError(why.to_string()))
    }

    /// The calls and names under which the next packet is sent.
    pub(crate) fn publications(&self) -> impl Iterator<Item = &(CallId, String)> {
        self.publications.iter()
    }

    /// The packet of the next 20 ms; `None` while nothing is captured.
    ///
    /// # Errors
    /// If the source ends, or encoding fails; the source is then not asked again.
    pub(crate) fn packet(&mut self) -> Result<Option<RtpPacket>, DeviceError> {
        self.timestamp = self.timestamp.wrapping_add(u32::try_from(FRAME).expect("a frame is short"));
        let on = self.is_on();
        let Some(source) = self.source.as_mut().filter(|_| on) else {
            self.pausing = true;
            return Ok(None);
        };
        let mut frame = [0; FRAME];
        let filled = source.fill(&mut frame);
        let payload = filled.and_then(|()| self.encoder.encode(&frame).map_err(|why| DeviceError(why.to_string())));
        if payload.is_err() {
            self.source = None;
        }
        let marker = std::mem::replace(&mut self.pausing, false);
        Ok(Some(RtpPacket { timestamp: self.timestamp, marker, payload: payload? }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::audio::frame::AudioFrame;
    use crate::codec::opus;

    /// Counts what is captured, and ends after three frames.
    struct Counted(Arc<AtomicUsize>);

    impl AudioSource for Counted {
        fn fill(&mut self, _: &mut AudioFrame) -> Result<(), DeviceError> {
            if self.0.fetch_add(1, Ordering::Relaxed) == 3 { Err(DeviceError("it ended".to_owned())) } else { Ok(()) }
        }
    }

    #[test]
    fn nothing_is_captured_unless_a_call_publishes_it() {
        let captured = Arc::new(AtomicUsize::new(0));
        let mut sender = AudioSender::new(Some(Box::new(Counted(captured.clone())))).unwrap();
        assert_eq!(sender.packet(), Ok(None));
        assert_eq!(captured.load(Ordering::Relaxed), 0);
        sender.publish(CallId(1), "audio");
        let first = sender.packet().unwrap().expect("a packet");
        let second = sender.packet().unwrap().expect("a packet");
        assert_eq!((first.marker, second.marker), (true, false));
        assert_eq!(second.timestamp - first.timestamp, 960);
        sender.unpublish(CallId(1), "audio");
        assert_eq!(sender.packet(), Ok(None));
        assert_eq!(captured.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn audio_takes_less_where_video_hardly_fits_and_then_as_much_again() {
        let mut sender = AudioSender::new(Some(Box::new(Counted(Arc::default())))).unwrap();
        sender.publish(CallId(1), "audio");
        let bytes = [600_000, 90_000, 600_000].map(|video| {
            sender.set_bit_rate(opus::bit_rate_with_video(video)).unwrap();
            sender.packet().unwrap().expect("a packet").payload.len()
        });
        assert_eq!(bytes, [80, 50, 80], "bits of 20 ms");
    }

    #[test]
    fn a_source_that_ends_is_told_once_and_not_asked_again() {
        let captured = Arc::new(AtomicUsize::new(0));
        let mut sender = AudioSender::new(Some(Box::new(Counted(captured.clone())))).unwrap();
        sender.publish(CallId(1), "audio");
        let told = (0..6).filter(|_| sender.packet().is_err()).count();
        assert_eq!((told, captured.load(Ordering::Relaxed)), (1, 4));
    }
}
