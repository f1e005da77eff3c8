//! A peer whose certificate is RSA.

use std::time::Duration;

use muji_core::media::TransportFailure;

use crate::pair::*;

/// Ends of these kinds, of which `client` opens the handshake, after five seconds.
fn meet(kinds: [Kind; 2], client: usize) -> Pair {
    let mut pair = Pair::new(kinds);
    pair.client = client;
    pair.introduce(true, |_| ());
    pair.run(Duration::from_secs(5), |ends| ends.iter().all(|end| end.connected) || ends[0].failed.is_some());
    pair
}

#[test]
fn the_second_transport_connects_with_rsa_whichever_side_opens_the_handshake() {
    for (kind, client) in [Kind::WebrtcIce, Kind::WebrtcIceRsa].into_iter().flat_map(|kind| [(kind, 0), (kind, 1)]) {
        let mut pair = meet([kind, Kind::WebrtcIceRsa], client);
        assert!(pair.ends.iter().all(|end| end.connected), "{kind:?}, client {client}: {:?}", pair.ends[0].failed);
        assert_eq!(flow(&mut pair, 1..50), [49, 49]);
    }
}

#[test]
fn str0m_says_that_it_cannot_do_rsa_whichever_side_opens_the_handshake() {
    for (kind, client) in [Kind::Str0m, Kind::Str0m12].into_iter().flat_map(|kind| [(kind, 0), (kind, 1)]) {
        let pair = meet([kind, Kind::WebrtcIceRsa], client);
        assert_eq!(pair.ends[0].failed, Some(TransportFailure::RsaCertificate), "{kind:?}, client {client}");
        assert!(pair.now - pair.start < Duration::from_secs(2));
    }
}
