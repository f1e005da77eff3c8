//! The DTLS of str0m, with one configuration for all transports.
//!
//! str0m makes one for each transport. Its DTLS library tests all cryptography with each that is made, with key pairs of each group: that
//! takes three times as long as all else that connects two ends.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use dimpl::{Config, Dtls};
use str0m::DATAGRAM_MTU_TARGET;
use str0m::crypto::CryptoError;
use str0m::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion,
};

/// As str0m makes it. A server needs no cookies: ICE has shown that the client is where it says.
static CONFIG: LazyLock<Result<Arc<Config>, DtlsImplError>> = LazyLock::new(|| {
    let config = Config::builder().use_server_cookie(false).mtu(DATAGRAM_MTU_TARGET);
    config.build().map(Arc::new)
});

/// Makes handshakes with that configuration.
#[derive(Debug)]
pub(super) struct Handshakes;

impl DtlsProvider for Handshakes {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        str0m::crypto::from_feature_flags().dtls_provider.generate_certificate()
    }

    // The size of packets is not ours to choose for one transport: all have str0m's.
    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        _mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let config = CONFIG.as_ref().map_err(|error| CryptoError::Other(error.to_string()))?.clone();
        let certificate = certificate.clone();
        let dtls = match version {
            DtlsVersion::Auto => Dtls::new_auto(config, certificate, now),
            DtlsVersion::Dtls12 => Dtls::new_12(config, certificate, now),
            DtlsVersion::Dtls13 => Dtls::new_13(config, certificate, now),
            other => return Err(CryptoError::Other(format!("{other} is not known"))),
        };
        Ok(Box::new(Handshake(dtls)))
    }
}

/// One, and what is encrypted by it.
struct Handshake(Dtls);

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").finish_non_exhaustive()
    }
}

impl DtlsInstance for Handshake {
    fn set_active(&mut self, active: bool) {
        self.0.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.0.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        self.0.poll_output(buffer)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.0.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.0.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.0.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.0.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.0.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.0.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_transports_share_one_configuration() {
        let certificate = Handshakes.generate_certificate().unwrap();
        let now = Instant::now();
        let versions = [DtlsVersion::Auto, DtlsVersion::Dtls12, DtlsVersion::Dtls13];
        let made = versions.map(|version| Handshakes.new_dtls(&certificate, now, version, None).unwrap());
        let shared = Arc::strong_count(CONFIG.as_ref().unwrap());
        assert!(shared > made.len(), "{shared}"); // Other tests may make some at the same time.
    }
}
