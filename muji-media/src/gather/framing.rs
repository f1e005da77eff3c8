//! STUN messages and channel data in a stream (RFC 8656 section 12.5): a length says where each ends, and channel data is padded.

/// The length of a STUN header.
const STUN_HEADER: usize = 20;

/// The header of channel data: its number and its length.
const CHANNEL_HEADER: usize = 4;

/// What was received and is not complete yet: at most one message, which is 64 KiB.
#[derive(Debug, Default)]
pub(super) struct StunFramer {
    buffer: Vec<u8>,
}

impl StunFramer {
    /// The messages that are complete now, without their padding. `None` if the stream holds something else: there is no way to go on.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
        self.buffer.extend_from_slice(bytes);
        let (mut frames, mut begin) = (Vec::new(), 0);
        while let [first, _, high, low, ..] = self.buffer[begin..] {
            let length = usize::from(u16::from_be_bytes([high, low]));
            let whole = match first {
                0..0x40 => STUN_HEADER + length,
                0x40..0x80 => CHANNEL_HEADER + length,
                0x80.. => return None,
            };
            let padded = whole.next_multiple_of(4);
            if self.buffer.len() - begin < padded {
                break;
            }
            frames.push(self.buffer[begin..begin + whole].to_vec());
            begin += padded;
        }
        self.buffer.drain(..begin);
        Some(frames)
    }
}

/// A message as it is sent in a stream.
pub(super) fn padded(mut message: Vec<u8>) -> Vec<u8> {
    message.resize(message.len().next_multiple_of(4), 0);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_whole_however_the_stream_cuts_them() {
        let stun = [&[0, 1, 0, 4][..], &[7; 20]].concat();
        let channel = [&[0x40, 0, 0, 5][..], b"sound"].concat();
        let sent = [stun.clone(), padded(channel.clone()), padded(channel.clone()), stun.clone()];
        let stream = sent.concat();
        for size in 1..=stream.len() {
            let mut frames = StunFramer::default();
            let came: Vec<Vec<u8>> =
                stream.chunks(size).flat_map(|piece| frames.take(piece).expect("it is all well")).collect();
            assert_eq!(came, [stun.clone(), channel.clone(), channel.clone(), stun.clone()], "in pieces of {size}");
            assert!(frames.buffer.is_empty());
        }
    }

    #[test]
    fn what_is_no_message_ends_the_stream() {
        assert_eq!(StunFramer::default().take(b"\xFFTTP/1.1 400 Bad Request"), None);
    }
}
