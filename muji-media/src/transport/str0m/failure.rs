//! Why str0m gave a path up.

use dimpl::{CertificateError, CryptoError as DtlsCryptoError, SignatureAlgorithm, TimeoutError};
use muji_core::media::{DtlsRole, TransportFailure};
use str0m::RtcError;
use str0m::crypto::dtls::DtlsImplError;

/// A DTLS record that is an alert (RFC 6347 section 4.1), and where its epoch and what it says are.
const ALERT: u8 = 21;
const EPOCH: std::ops::Range<usize> = 3..5;
const DESCRIPTION: usize = 14;

/// Alerts with which a server says that it has no certificate for the cipher suites that it was offered (RFC 5246 section 7.2.2): OpenSSL
/// and GnuTLS the first.
const HANDSHAKE_FAILURE: u8 = 40;
const INSUFFICIENT_SECURITY: u8 = 71;

/// What a datagram says, if it is an alert before the end of the handshake.
pub(super) fn alert(datagram: &[u8]) -> Option<u8> {
    let is_alert = datagram.first() == Some(&ALERT) && datagram.get(EPOCH) == Some(&[0, 0]);
    datagram.get(DESCRIPTION).copied().filter(|_| is_alert)
}

/// Why the path has ended. `role` is ours in a handshake that has not ended, and `alert` the peer's last word in it, if that was one.
///
/// str0m's DTLS knows ECDSA alone. As a client it offers cipher suites for ECDSA, which a server with an RSA certificate refuses; as a
/// server it asks for an ECDSA certificate, in place of which OpenSSL and GnuTLS show none, and others theirs.
pub(super) fn failure(error: &RtcError, role: Option<DtlsRole>, alert: Option<u8>) -> TransportFailure {
    let (RtcError::Dtls(error), Some(role)) = (error, role) else {
        return TransportFailure::Library(error.to_string());
    };
    let error = error.to_string();
    match (role, alert) {
        (DtlsRole::Client, Some(HANDSHAKE_FAILURE | INSUFFICIENT_SECURITY)) => TransportFailure::RsaCertificate,
        (_, Some(alert)) => {
            let error = format!("the peer refuses it, with the alert {}", name(alert));
            TransportFailure::Handshake { role, error }
        }
        (DtlsRole::Server, None) if is_one(&error, &no_ecdsa()) => TransportFailure::RsaCertificate,
        (_, None) if is_one(&error, &timeouts()) => TransportFailure::NoHandshake,
        (_, None) => TransportFailure::Handshake { role, error },
    }
}

/// str0m gives the errors of its DTLS as sentences only, so those that are known are recognised by theirs.
fn is_one(error: &str, known: &[DtlsImplError]) -> bool {
    known.iter().any(|known| error == sentence(known))
}

fn sentence(error: &DtlsImplError) -> String {
    format!("DTLS error: {error}")
}

/// A client has no ECDSA certificate.
fn no_ecdsa() -> [DtlsImplError; 3] {
    [
        DtlsImplError::CertificateError(CertificateError::NoClientCertificateReceived),
        DtlsImplError::CryptoError(DtlsCryptoError::UnsupportedPublicKeyAlgorithm),
        DtlsImplError::CryptoError(DtlsCryptoError::UnsupportedSignatureAlgorithm(SignatureAlgorithm::RSA)),
    ]
}

/// Nothing comes any more.
fn timeouts() -> [DtlsImplError; 3] {
    [TimeoutError::HybridClientHello, TimeoutError::Connect, TimeoutError::Handshake].map(DtlsImplError::Timeout)
}

/// The name of an alert (RFC 8446 section 6).
fn name(alert: u8) -> String {
    let name = match alert {
        10 => "unexpected_message",
        20 => "bad_record_mac",
        HANDSHAKE_FAILURE => "handshake_failure",
        42 => "bad_certificate: it was promised another certificate than ours",
        43 => "unsupported_certificate",
        46 => "certificate_unknown: it was promised another certificate than ours",
        47 => "illegal_parameter",
        48 => "unknown_ca: it takes no self-signed certificates",
        50 => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version: it knows no version of DTLS that we do",
        INSUFFICIENT_SECURITY => "insufficient_security",
        80 => "internal_error",
        116 => "certificate_required",
        other => return other.to_string(),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use str0m::crypto::{CryptoError, DtlsError};

    use super::*;

    /// An error of its DTLS as str0m gives it.
    fn of(error: &DtlsImplError) -> RtcError {
        RtcError::Dtls(DtlsError::CryptoError(CryptoError::Other(sentence(error))))
    }

    #[test]
    fn a_client_that_shows_no_ecdsa_certificate_has_an_rsa_one() {
        // The sentence in a call with aiortc, whose DTLS is OpenSSL's.
        let openssl = CryptoError::Other("DTLS error: certificate error: no client certificate received".to_owned());
        let openssl = RtcError::Dtls(DtlsError::CryptoError(openssl));
        assert_eq!(failure(&openssl, Some(DtlsRole::Server), None), TransportFailure::RsaCertificate);
        for error in no_ecdsa() {
            assert_eq!(failure(&of(&error), Some(DtlsRole::Server), None), TransportFailure::RsaCertificate);
            let TransportFailure::Handshake { .. } = failure(&of(&error), Some(DtlsRole::Client), None) else {
                panic!("a server does not get so far");
            };
        }
    }

    #[test]
    fn an_alert_has_its_name_and_once_connected_the_error_is_that_of_the_library() {
        let error = of(&DtlsImplError::RenegotiationAttempt);
        let failed = TransportFailure::Handshake {
            role: DtlsRole::Server,
            error: "the peer refuses it, with the alert bad_certificate: it was promised another certificate than ours"
                .to_owned(),
        };
        assert_eq!(failure(&error, Some(DtlsRole::Server), Some(42)), failed);
        assert_eq!(failure(&error, Some(DtlsRole::Client), Some(HANDSHAKE_FAILURE)), TransportFailure::RsaCertificate);
        assert!(matches!(failure(&error, None, Some(HANDSHAKE_FAILURE)), TransportFailure::Library(_)));
        let late = of(&DtlsImplError::Timeout(TimeoutError::Handshake));
        assert_eq!(failure(&late, Some(DtlsRole::Client), None), TransportFailure::NoHandshake);
    }

    #[test]
    fn only_an_alert_that_nobody_has_encrypted_is_read() {
        let record = |kind: u8, epoch: u8| [kind, 254, 253, 0, epoch, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40];
        assert_eq!(alert(&record(21, 0)), Some(40));
        assert_eq!([alert(&record(22, 0)), alert(&record(21, 1)), alert(&record(21, 0)[..14])], [None; 3]);
    }
}
