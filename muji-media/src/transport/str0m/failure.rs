//! Why str0m gave a path up.

use dimpl::{CertificateError, CryptoError as DtlsCryptoError, SecurityError, SignatureAlgorithm};
use muji_core::media::{DtlsRole, TransportFailure};
use str0m::RtcError;
use str0m::crypto::dtls::DtlsImplError;
use str0m::crypto::{CryptoError, DtlsError};

/// Alerts with which a server says that it has no certificate for the cipher suites that it was offered (RFC 5246 section 7.2.2): OpenSSL
/// and GnuTLS the first.
const HANDSHAKE_FAILURE: u8 = 40;
const INSUFFICIENT_SECURITY: u8 = 71;

/// Why the path has ended; `role` is ours in a handshake that goes on.
pub(super) fn failure(error: &RtcError, role: Option<DtlsRole>) -> TransportFailure {
    match (error, role) {
        (RtcError::Dtls(DtlsError::CryptoError(CryptoError::DtlsImpl(error))), Some(role)) => of_handshake(error, role),
        _ => TransportFailure::Library(error.to_string()),
    }
}

/// str0m's DTLS knows ECDSA alone. As a client it offers cipher suites for ECDSA, which a server with an RSA certificate refuses; as a
/// server it asks for an ECDSA certificate, in place of which OpenSSL and GnuTLS show none, and others theirs.
fn of_handshake(error: &DtlsImplError, role: DtlsRole) -> TransportFailure {
    match error {
        DtlsImplError::SecurityError(SecurityError::FatalAlert {
            description: HANDSHAKE_FAILURE | INSUFFICIENT_SECURITY,
        }) if role == DtlsRole::Client => TransportFailure::RsaCertificate,
        DtlsImplError::CertificateError(CertificateError::NoClientCertificateReceived)
        | DtlsImplError::CryptoError(
            DtlsCryptoError::UnsupportedPublicKeyAlgorithm
            | DtlsCryptoError::UnsupportedSignatureAlgorithm(SignatureAlgorithm::RSA)
            | DtlsCryptoError::SignatureAlgorithmMismatch { actual: SignatureAlgorithm::RSA, .. },
        ) => TransportFailure::RsaCertificate,
        DtlsImplError::SecurityError(SecurityError::FatalAlert { description }) => {
            let error = format!("the peer refuses it, with the alert {}", alert(*description));
            TransportFailure::Handshake { role, error }
        }
        DtlsImplError::Timeout(_) => TransportFailure::NoHandshake,
        DtlsImplError::ConnectionClosed => TransportFailure::Closed,
        other => TransportFailure::Handshake { role, error: other.to_string() },
    }
}

/// The name of an alert (RFC 8446 section 6).
fn alert(description: u8) -> String {
    let name = match description {
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
