//! The handshake of DTLS-SRTP (RFC 5764), as a task of the runner.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dtls::cipher_suite::CipherSuiteId;
use dtls::config::{ClientAuthType, Config};
use dtls::conn::DTLSConn;
use dtls::extension::extension_use_srtp::SrtpProtectionProfile as Offered;
use muji_core::media::{DtlsRole, TransportFailure};
use sha2::{Digest, Sha256};
use webrtc_srtp::config::Config as Srtp;
use webrtc_srtp::protection_profile::ProtectionProfile;
use webrtc_util::Conn;

use super::job::{Handshake, JobOutput, Keys, Outbox};

/// The SHA-256 of a certificate.
pub(super) fn fingerprint(certificate: &[u8]) -> Vec<u8> {
    Sha256::digest(certificate).to_vec()
}

/// The cipher suites, for each kind of the server's certificate: all browsers and GnuTLS have them. CBC suites are left out, because dtls
/// reads their records with less care.
const ECDSA: CipherSuiteId = CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256;
const RSA: CipherSuiteId = CipherSuiteId::Tls_Ecdhe_Rsa_With_Aes_128_Gcm_Sha256;
const PROFILES: [Offered; 2] = [Offered::Srtp_Aead_Aes_128_Gcm, Offered::Srtp_Aes128_Cm_Hmac_Sha1_80];

/// Runs it, and listens until the peer closes.
pub(super) async fn run(handshake: Handshake, wire: Arc<dyn Conn + Send + Sync>, outbox: Outbox) {
    let role = handshake.role;
    let made = match connect(handshake, wire).await {
        Ok(Ok((connection, keys))) => {
            outbox.put(JobOutput::Secured(keys));
            let mut unused = vec![0; 8_192];
            // Only a close_notify is ever sent by it.
            while connection.read(&mut unused, None).await.is_ok() {}
            JobOutput::Ended(TransportFailure::Closed)
        }
        Ok(Err(Other)) => JobOutput::WrongCertificate,
        Err(error) => JobOutput::Ended(TransportFailure::Handshake { role, error: error.to_string() }),
    };
    outbox.put(made);
}

/// The peer shows another certificate.
struct Other;

async fn connect(
    handshake: Handshake,
    wire: Arc<dyn Conn + Send + Sync>,
) -> Result<Result<(DTLSConn, Keys), Other>, Box<dyn std::error::Error + Send + Sync>> {
    let Handshake { certificate, role, fingerprint: promised } = handshake;
    let client = role == DtlsRole::Client;
    let other = Arc::new(AtomicBool::new(false));
    let (seen, expected) = (other.clone(), promised.clone());
    let config = Config {
        certificates: vec![certificate],
        // Ours is ECDSA. dtls as a server takes the first suite of the client that it knows, whatever its certificate is.
        cipher_suites: if client { vec![ECDSA, RSA] } else { vec![ECDSA] },
        srtp_protection_profiles: PROFILES.to_vec(),
        client_auth: ClientAuthType::RequireAnyClientCert,
        // It is self-signed: the promised fingerprint proves it (RFC 5763).
        insecure_skip_verify: true,
        verify_peer_certificate: Some(Arc::new(move |certificates, _| {
            if certificates.first().is_some_and(|shown| fingerprint(shown) == expected) {
                return Ok(());
            }
            seen.store(true, Ordering::Relaxed);
            Err(dtls::Error::Other("another certificate was promised".to_owned()))
        })),
        ..Config::default()
    };
    let connection = match DTLSConn::new(wire, config, client, None).await {
        Err(_) if other.load(Ordering::Relaxed) => return Ok(Err(Other)),
        outcome => outcome?,
    };
    let state = connection.connection_state().await;
    // Checked again, in case dtls does not call the verifier in each handshake.
    if state.peer_certificates.first().is_none_or(|shown| fingerprint(shown) != promised) {
        return Ok(Err(Other));
    }
    let profile = match connection.selected_srtpprotection_profile() {
        Offered::Srtp_Aead_Aes_128_Gcm => ProtectionProfile::AeadAes128Gcm,
        Offered::Srtp_Aes128_Cm_Hmac_Sha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        _ => return Err("no cipher for SRTP in common".into()),
    };
    let mut srtp = Srtp { profile, ..Srtp::default() };
    srtp.extract_session_keys_from_dtls(state, client).await?;
    Ok(Ok((connection, Keys { profile, keys: srtp.keys })))
}
