//! TLS, to XMPP servers and to TURN servers: whom we trust, and what a certificate may be refused for.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
#[cfg(feature = "tokio-xmpp")]
use tokio_rustls::rustls::ProtocolVersion;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error as TlsError, RootCertStore};

/// Label and length of the channel binding `tls-exporter` (RFC 9266 section 4.2).
#[cfg(feature = "tokio-xmpp")]
const EXPORTER: (&[u8], usize) = (b"EXPORTER-Channel-Binding", 32);

/// Who vouches for the server's certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TlsRoots {
    /// The authorities of this system.
    #[default]
    System,
    /// The authorities in this PEM file, and nobody else.
    Authorities(PathBuf),
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateFault {
    /// Signed by itself or by an authority we do not know.
    #[error("it is not signed by an authority that this machine trusts")]
    Untrusted,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Its time has not come; perhaps our clock is wrong.
    #[error("it is not valid yet; is this machine's clock right?")]
    NotYetValid,
    /// It is for another domain.
    #[error("it is for another domain")]
    WrongName,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// There is no TLS with a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFault {
    /// It shows a certificate that is not taken.
    #[error("its certificate is refused: {0}")]
    Certificate(#[from] CertificateFault),
    /// There is nobody whom we trust.
    #[error("{0}")]
    Authorities(String),
    /// Anything else.
    #[error("{0}")]
    Handshake(String),
}

/// Does the handshake. The certificate must be for `name`, wherever the connection leads (RFC 6120 section 13.7.2).
/// `protocol` is what is announced by ALPN.
///
/// # Errors
/// If there is nobody to trust, or the other end is not whom it should be.
pub async fn connect(
    socket: TcpStream,
    name: &str,
    protocol: Option<&[u8]>,
    trust: &TlsRoots,
) -> Result<TlsStream<TcpStream>, TlsFault> {
    let of = ServerName::try_from(name.to_owned());
    let of = of.map_err(|_| TlsFault::Handshake(format!("{name} is no name for TLS")))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|why| TlsFault::Handshake(why.to_string()))?;
    let mut config = config.with_root_certificates(authorities(trust)?).with_no_client_auth();
    config.alpn_protocols.extend(protocol.map(<[u8]>::to_vec));
    let connected = TlsConnector::from(Arc::new(config)).connect(of, socket).await;
    connected.map_err(|why| certificate_fault(&why).map_or_else(|| TlsFault::Handshake(why.to_string()), Into::into))
}

fn authorities(trust: &TlsRoots) -> Result<RootCertStore, TlsFault> {
    let mut roots = RootCertStore::empty();
    match trust {
        TlsRoots::System => {
            let found = rustls_native_certs::load_native_certs();
            let _unusable = roots.add_parsable_certificates(found.certs); // Stores hold old forms that rustls does not take.
            if roots.is_empty() {
                return Err(TlsFault::Authorities("this system has no list of authorities".to_owned()));
            }
        }
        TlsRoots::Authorities(path) => {
            let unusable = |why: String| TlsFault::Authorities(format!("{}: {why}", path.display()));
            for certificate in CertificateDer::pem_file_iter(path).map_err(|why| unusable(why.to_string()))? {
                let certificate = certificate.map_err(|why| unusable(why.to_string()))?;
                roots.add(certificate).map_err(|why| unusable(why.to_string()))?;
            }
            if roots.is_empty() {
                return Err(unusable("there is no certificate in it".to_owned()));
            }
        }
    }
    Ok(roots)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the errors are another crate's, and few have advice of their own")]
fn certificate_fault(error: &io::Error) -> Option<CertificateFault> {
    let TlsError::InvalidCertificate(fault) = error.get_ref()?.downcast_ref::<TlsError>()? else { return None };
    Some(match fault {
        // Its own authority in the place of a server: what a certificate made in one step looks like.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => CertificateFault::Untrusted,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => CertificateFault::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => CertificateFault::NotYetValid,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            CertificateFault::WrongName
        }
        // A self-signed certificate that is also given as the authority; webpki reports it only in the text of the error.
        other if other.to_string().contains("CaUsedAsEndEntity") => CertificateFault::Other(
            "it is an authority's own; a server needs one of its own, by that authority (CA:FALSE)".to_owned(),
        ),
        other => CertificateFault::Other(other.to_string()),
    })
}

/// What ties a login to this very connection; only TLS 1.3 always has it.
#[cfg(feature = "tokio-xmpp")]
pub(crate) fn channel_binding(stream: &TlsStream<TcpStream>) -> Option<Vec<u8>> {
    let (_, tls) = stream.get_ref();
    let (label, length) = EXPORTER;
    let recent = tls.protocol_version() == Some(ProtocolVersion::TLSv1_3);
    recent.then(|| tls.export_keying_material(vec![0; length], label, Some(&[])).ok()).flatten()
}
