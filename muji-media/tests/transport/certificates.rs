//! A peer whose certificate is RSA.

use std::time::Duration;

use muji_core::media::TransportFailure;

use crate::pair::*;

/// What OpenSSL and GnuTLS answer if they have an RSA certificate and are offered cipher suites for ECDSA alone: the alert
/// handshake_failure (RFC 5246 section 7.2.2).
const NO_COMMON_CIPHER: [u8; 15] = [21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40];

#[test]
fn str0m_says_at_once_that_a_server_which_refuses_its_ciphers_has_an_rsa_certificate() {
    for kind in [Kind::Str0m, Kind::Str0m12] {
        let mut pair = Pair::new([kind; 2]);
        (pair.client, pair.mute_dtls) = (0, true);
        pair.introduce(true, |_| ());
        pair.run(Duration::from_millis(200), |_| false);
        let (from, to) = (pair.ends[1].address, pair.ends[0].address);
        assert_eq!(pair.ends[0].failed, None);
        pair.arrive((1, from, to, NO_COMMON_CIPHER.to_vec()));
        pair.run(Duration::from_millis(20), |_| false);
        assert_eq!(pair.ends[0].failed, Some(TransportFailure::RsaCertificate), "{kind:?}");
    }
}
