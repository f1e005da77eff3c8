use std::fmt;

use sha2::{Digest, Sha256};

/// A call as its user sees it: a conference, or one other person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

impl CallId {
    /// What a bridge calls the sound of this call where it is mixed with that of others (CSRC, RFC 3550 section 5.1). It is told to no one
    /// but those for whom it is mixed.
    #[must_use]
    pub fn source(self) -> u32 {
        self.0 as u32
    }
}

/// A session with one peer, unique within the process that made it. Never on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// One of a session's transports: the only one if its contents are bundled, else one a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransportId {
    /// Whose it is.
    pub session: SessionId,
    /// Counted from 0.
    pub index: u32,
}

/// Ids that cannot be guessed, and that repeat with the seed: a keyed hash of a counter.
#[derive(Clone)]
pub struct Ids {
    seed: [u8; 32],
    next: u64,
}

/// The seed is a secret: all session ids follow from it.
impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ids(***, {})", self.next)
    }
}

impl Ids {
    /// Starts a sequence. Outside of tests the seed must come from a cryptographic random source and be used once: all ids are derived from
    /// it.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self { seed, next: 0 }
    }

    /// 128 bits as 32 hexadecimal digits: a session id (Dino indexes by it alone) or the id of a stanza.
    pub fn token(&mut self) -> String {
        self.draw().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// 32 bits as 8 hexadecimal digits: a nick in a room of its own.
    pub fn nick(&mut self) -> String {
        format!("{:08x}", self.number())
    }

    /// An SSRC, never 0 (some stacks take 0 for none).
    pub fn ssrc(&mut self) -> u32 {
        self.number().max(1)
    }

    /// The next id for use within the process.
    pub fn session(&mut self) -> SessionId {
        self.next += 1;
        SessionId(self.next)
    }

    /// The next id for use within the process.
    pub fn call(&mut self) -> CallId {
        self.next += 1;
        CallId(self.next)
    }

    fn number(&mut self) -> u32 {
        let draw = self.draw();
        u32::from_be_bytes([draw[0], draw[1], draw[2], draw[3]])
    }

    fn draw(&mut self) -> [u8; 32] {
        self.next += 1;
        Sha256::new().chain_update(self.seed).chain_update(self.next.to_be_bytes()).finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_id_comes_twice_and_another_seed_gives_others() {
        let [mut ids, mut again, mut others] = [[7; 32], [7; 32], [8; 32]].map(Ids::new);
        let draw = |ids: &mut Ids| -> Vec<String> {
            (0..3).flat_map(|_| [ids.token(), ids.nick(), format!("{:08x}", ids.ssrc())]).collect()
        };
        let drawn = draw(&mut ids);
        assert_eq!(drawn, draw(&mut again));
        let all: BTreeSet<String> = drawn.into_iter().chain(draw(&mut others)).collect();
        assert_eq!(all.len(), 18);
        assert!(all.iter().all(|id| matches!(id.len(), 8 | 32) && id.bytes().all(|it| it.is_ascii_hexdigit())));
    }

    #[test]
    fn sessions_and_calls_are_counted_upwards() {
        let mut ids = Ids::new([7; 32]);
        assert_eq!((ids.session(), ids.session()), (SessionId(1), SessionId(2)));
        assert_eq!((ids.call(), ids.call()), (CallId(3), CallId(4)));
    }
}
