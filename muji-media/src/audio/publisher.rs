//! From a source to packets: captured, encoded and packetised once, whatever the number of peers.

use std::collections::BTreeSet;

use muji_core::CallId;

use crate::audio::frame::FRAME;
use crate::codec::opus::{Encoder, OpusFault};
use crate::device::{DeviceError, Source};
use crate::rtp::RtpPacket;

/// Our sound, and the calls that publish it.
pub struct Publisher {
    source: Option<Box<dyn Source>>,
    encoder: Encoder,
    publications: BTreeSet<(CallId, String)>,
    timestamp: u32,
    /// The next packet is the first after a pause (RFC 3551 section 4.1).
    pausing: bool,
}

impl Publisher {
    /// Nothing is taken from `source` yet. Without one nothing is ever sent.
    ///
    /// # Errors
    /// If there is no memory for an encoder.
    pub fn new(source: Option<Box<dyn Source>>) -> Result<Self, OpusFault> {
        Ok(Self { source, encoder: Encoder::new()?, publications: BTreeSet::new(), timestamp: 0, pausing: true })
    }

    /// A call publishes our sound.
    pub fn publish(&mut self, call: CallId, publication: &str) {
        self.publications.insert((call, publication.to_owned()));
    }

    /// A call does not any more, or we are muted.
    pub fn unpublish(&mut self, call: CallId, publication: &str) {
        self.publications.remove(&(call, publication.to_owned()));
        if self.publications.is_empty()
            && let Some(source) = &mut self.source
        {
            source.rest();
        }
    }

    /// True if there is something to capture.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.source.is_some() && !self.publications.is_empty()
    }

    /// What happened to the source meanwhile.
    pub fn news(&mut self) -> Option<DeviceError> {
        self.source.as_mut().and_then(|source| source.news())
    }

    /// From now on so many bits a second.
    ///
    /// # Errors
    /// If the codec does not take it; it goes on as before.
    pub fn set_bit_rate(&mut self, bits: u32) -> Result<(), DeviceError> {
        self.encoder.set_bit_rate(bits).map_err(|why| DeviceError(why.to_string()))
    }

    /// The calls and names under which the next packet goes out.
    pub fn publications(&self) -> impl Iterator<Item = &(CallId, String)> {
        self.publications.iter()
    }

    /// The packet of the next 20 ms; `None` while nothing is captured.
    ///
    /// # Errors
    /// If the source ends, or encoding fails; the source is then not asked again.
    pub fn packet(&mut self) -> Result<Option<RtpPacket>, DeviceError> {
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
    use crate::audio::frame::Frame;
    use crate::codec::opus;

    /// Counts what is captured, and ends after three frames.
    struct Counted(Arc<AtomicUsize>);

    impl Source for Counted {
        fn fill(&mut self, _: &mut Frame) -> Result<(), DeviceError> {
            if self.0.fetch_add(1, Ordering::Relaxed) == 3 { Err(DeviceError("it ended".to_owned())) } else { Ok(()) }
        }
    }

    #[test]
    fn nothing_is_captured_unless_a_call_publishes_it() {
        let captured = Arc::new(AtomicUsize::new(0));
        let mut publisher = Publisher::new(Some(Box::new(Counted(captured.clone())))).unwrap();
        assert_eq!(publisher.packet(), Ok(None));
        assert_eq!(captured.load(Ordering::Relaxed), 0);
        publisher.publish(CallId(1), "audio");
        let first = publisher.packet().unwrap().expect("a packet");
        let second = publisher.packet().unwrap().expect("a packet");
        assert_eq!((first.marker, second.marker), (true, false));
        assert_eq!(second.timestamp - first.timestamp, 960);
        publisher.unpublish(CallId(1), "audio");
        assert_eq!(publisher.packet(), Ok(None));
        assert_eq!(captured.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn where_pictures_hardly_fit_sound_takes_less_and_then_as_much_again() {
        let mut publisher = Publisher::new(Some(Box::new(Counted(Arc::default())))).unwrap();
        publisher.publish(CallId(1), "audio");
        let bytes = [600_000, 90_000, 600_000].map(|pictures| {
            publisher.set_bit_rate(opus::beside(pictures)).unwrap();
            publisher.packet().unwrap().expect("a packet").payload.len()
        });
        assert_eq!(bytes, [80, 50, 80], "bits of 20 ms");
    }

    #[test]
    fn a_source_that_ends_is_told_once_and_not_asked_again() {
        let captured = Arc::new(AtomicUsize::new(0));
        let mut publisher = Publisher::new(Some(Box::new(Counted(captured.clone())))).unwrap();
        publisher.publish(CallId(1), "audio");
        let told = (0..6).filter(|_| publisher.packet().is_err()).count();
        assert_eq!((told, captured.load(Ordering::Relaxed)), (1, 4));
    }
}
