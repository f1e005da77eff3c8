//! The head of an RTP packet, which is not encrypted.

/// The head of an RTP packet (RFC 3550 section 5.1), which is not encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::transport) struct RtpHead {
    pub(in crate::transport) payload_type: u8,
    pub(in crate::transport) marker: bool,
    pub(in crate::transport) sequence: u16,
    pub(in crate::transport) timestamp: u32,
    pub(in crate::transport) ssrc: u32,
    /// Where the payload begins.
    pub(in crate::transport) length: usize,
    /// Padding ends it.
    pub(in crate::transport) padded: bool,
    /// Contributing sources.
    pub(in crate::transport) sources: Vec<u32>,
    /// The profile and the bytes of its extensions.
    pub(in crate::transport) extensions: Option<(u16, Vec<u8>)>,
}

impl RtpHead {
    /// Reads it; `None` if the packet is no RTP, or shorter than it says.
    pub(in crate::transport) fn read(packet: &[u8]) -> Option<Self> {
        let (first, second) = (*packet.first()?, *packet.get(1)?);
        let sources = usize::from(first & 0x0F);
        let mut length = 12 + 4 * sources;
        let mut extensions = None;
        if first & 0x10 != 0 {
            let block = 4 * usize::from(word(packet, length + 2)?);
            let begin = length + 4;
            extensions = Some((word(packet, length)?, packet.get(begin..begin + block)?.to_vec()));
            length = begin + block;
        }
        let head = Self {
            payload_type: second & 0x7F,
            marker: second & 0x80 != 0,
            sequence: word(packet, 2)?,
            timestamp: long(packet, 4)?,
            ssrc: long(packet, 8)?,
            length,
            padded: first & 0x20 != 0,
            sources: (0..sources).map(|index| long(packet, 12 + 4 * index)).collect::<Option<_>>()?,
            extensions,
        };
        (is_rtp(first, second) && packet.len() >= length).then_some(head)
    }

    /// The SSRC alone: this is asked for each packet, and its extensions cost memory. `None` for RTCP and everything else.
    pub(in crate::transport) fn ssrc(packet: &[u8]) -> Option<u32> {
        let (first, second) = (*packet.first()?, *packet.get(1)?);
        long(packet, 8).filter(|_| is_rtp(first, second))
    }

    /// The value of an extension (RFC 8285), whose elements are read only as far as they are whole.
    pub(in crate::transport) fn extension(&self, id: u8) -> Option<&[u8]> {
        let (profile, block) = self.extensions.as_ref()?;
        let mut rest = block.as_slice();
        while let Some((first, behind)) = rest.split_first() {
            if *first == 0 {
                rest = behind; // Padding.
                continue;
            }
            let (of, length, behind) = match profile {
                0xBEDE if first >> 4 == 15 => return None,
                0xBEDE => (first >> 4, usize::from(first & 0x0F) + 1, behind),
                0x1000..=0x100F => (*first, usize::from(*behind.first()?), &behind[1..]),
                _ => return None,
            };
            let (value, behind) = behind.split_at_checked(length)?;
            if of == id {
                return Some(value);
            }
            rest = behind;
        }
        None
    }
}

/// RTP, and not RTCP (RFC 5761 section 4), by the first two bytes.
fn is_rtp(first: u8, second: u8) -> bool {
    first >> 6 == 2 && !(64..=95).contains(&(second & 0x7F))
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
