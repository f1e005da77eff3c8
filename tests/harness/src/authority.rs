//! A certificate authority for test servers.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub struct Certified {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

/// An authority, made for one test.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// A new one, that nobody trusts yet.
    ///
    /// # Panics
    /// If the system has no random numbers for a key.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, "An authority for tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("the system has random numbers for a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("the form is right"))
    }

    /// Its own certificate, for a file of trusted authorities.
    #[must_use]
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Vouches for a server of these names.
    #[must_use]
    pub fn certify(&self, names: &[&str]) -> Certified {
        self.issue(names, |_| {})
    }

    /// Vouches until the end of 2020.
    #[must_use]
    pub fn certify_until_2020(&self, names: &[&str]) -> Certified {
        self.issue(names, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2020, 12, 31);
        })
    }

    fn issue(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Certified {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names for a certificate");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // rcgen's own end of time, the year 4096, is more than ejabberd's timers can count to.
        params.not_after = date_time_ymd(year() + 2, 1, 1);
        change(&mut params);
        let key = KeyPair::generate().expect("the system has random numbers for a key");
        let certificate = params.signed_by(&key, &self.0).expect("the form is right");
        Certified { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

fn year() -> i32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    1970 + i32::try_from(since.as_secs() / (365 * 24 * 3_600)).unwrap_or(0)
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Certified {
    /// For a TLS server.
    ///
    /// # Panics
    /// If the two do not fit together.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        let chain = CertificateDer::pem_slice_iter(self.certificate.as_bytes()).map(|der| der.expect("PEM")).collect();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("PEM");
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider knows TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(chain, key);
        Arc::new(config.expect("the key is the certificate's"))
    }
}
