//! How loud the contributing sources of a packet are, as str0m writes and reads it (RFC 6465 section 3).

use str0m::rtp::{ExtensionSerializer, ExtensionValues, RtpHeader, RtpWrite};

use crate::transport::contributors::{Contributor, MAX_CONTRIBUTORS};

/// The bit before each level says nothing.
const LEVEL: u8 = 0x7f;

/// A byte for each contributing source, in their order.
#[derive(Debug)]
pub(super) struct Levels;

/// What stands in the extension.
struct Bytes(Vec<u8>);

impl ExtensionSerializer for Levels {
    fn write_to(&self, buffer: &mut [u8], values: &ExtensionValues) -> usize {
        let Some(Bytes(levels)) = values.user_values.get::<Bytes>() else { return 0 };
        let Some(space) = buffer.get_mut(..levels.len()) else { return 0 };
        space.copy_from_slice(levels);
        levels.len()
    }

    fn parse_value(&self, buffer: &[u8], values: &mut ExtensionValues) -> bool {
        let levels = buffer.iter().take(MAX_CONTRIBUTORS).map(|level| level & LEVEL);
        values.user_values.set(Bytes(levels.collect()));
        true
    }

    fn is_video(&self) -> bool {
        false
    }

    fn is_audio(&self) -> bool {
        true
    }
}

/// Those who are heard in a packet, if it says how loud they are.
pub(super) fn contributors(header: &RtpHeader) -> Vec<Contributor> {
    let levels = header.ext_vals.user_values.get::<Bytes>().into_iter().flat_map(|Bytes(levels)| levels);
    let sources = header.csrc.iter().take(header.csrc_count);
    sources.zip(levels).map(|(source, level)| Contributor { source: *source, level: *level }).collect()
}

/// A packet in which these are heard.
pub(super) fn with_contributors(write: RtpWrite, contributors: &[Contributor]) -> RtpWrite {
    if contributors.is_empty() {
        return write; // Nothing is allocated for those who are no mixer.
    }
    let named = contributors.iter().take(MAX_CONTRIBUTORS);
    let (sources, levels): (Vec<u32>, Vec<u8>) = named.map(|one| (one.source, one.level.min(LEVEL))).unzip();
    let mut values = ExtensionValues::default();
    values.user_values.set(Bytes(levels));
    write.csrc(&sources).ext_vals(values)
}
