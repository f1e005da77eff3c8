//! The peer's RTCP, which str0m reads and does not show.
//!
//! NACKs say which packets to send again, and reports how many of ours are lost. str0m shows both in raw packets alone: copies of each
//! packet, both ways, which cost more than all that is done here with one. But it takes its ciphers from outside. These are its own, and
//! keep what they decrypt of one datagram.

use std::cell::RefCell;
use std::sync::LazyLock;

use str0m::config::CryptoProvider;
use str0m::crypto::{
    AeadAes128GcmCipher, AeadAes256GcmCipher, Aes128CmSha1_80Cipher, CryptoError, SrtpProvider, SupportedAeadAes128Gcm,
    SupportedAeadAes256Gcm, SupportedAes128CmSha1_80,
};
use str0m::rtp::rtcp::Rtcp;

/// The beginning of SRTCP that is not encrypted (RFC 3711 section 3.4): the head of the first packet, and its sender.
const PLAIN: usize = 8;

/// What is read (RFC 3550 section 12.1, RFC 4585 section 6.1): sender and receiver reports, and feedback of the transport, such as NACKs.
/// The rest is str0m's alone, and its descriptions of sources, which come with each sender report, are large.
const READ: [u8; 3] = [200, 201, 205];

static STR0M: LazyLock<CryptoProvider> = LazyLock::new(str0m::crypto::from_feature_flags);

thread_local! {
    /// What was decrypted since [`decrypted`] began. A thread has one such place, because str0m takes ciphers that all transports share,
    /// and works for one of them at a time.
    static DECRYPTED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// The cryptography of str0m, with ciphers that let [`decrypted`] see RTCP.
pub(super) fn cryptography() -> CryptoProvider {
    CryptoProvider { srtp_provider: &Ciphers, ..STR0M.clone() }
}

/// Lets str0m handle a datagram, and gives the RTCP in it, if it is authentic and encrypted, as DTLS-SRTP has it.
pub(super) fn decrypted(datagram: &[u8], handle: impl FnOnce()) -> Vec<Rtcp> {
    DECRYPTED.set(Some(Vec::new()));
    handle();
    let rest = DECRYPTED.take().unwrap_or_default();
    match datagram.get(..PLAIN).filter(|_| !rest.is_empty()) {
        Some(plain) => packets(&[plain, &rest].concat()),
        None => Vec::new(),
    }
}

/// The packets of a compound one (RFC 3550 section 6.1) that are [`READ`]. What str0m cannot read is left out, as it does itself.
fn packets(mut rest: &[u8]) -> Vec<Rtcp> {
    let mut packets = Vec::new();
    while let Some([first, kind, high, low]) = rest.first_chunk() {
        let length = 4 * (1 + usize::from(u16::from_be_bytes([*high, *low])));
        let Some((packet, behind)) = rest.split_at_checked(length) else { break };
        rest = behind;
        if !READ.contains(kind) {
            continue;
        }
        let padding = packet.last().filter(|_| first & 0x20 != 0).map_or(0, |padding| usize::from(*padding));
        let read = length.checked_sub(padding).and_then(|length| Rtcp::try_from(packet.get(..length)?).ok());
        packets.extend(read);
    }
    packets
}

fn keep(plain: Option<&[u8]>) {
    DECRYPTED.with_borrow_mut(|kept| {
        if let (Some(kept), Some(plain)) = (kept, plain) {
            kept.extend(plain);
        }
    });
}

/// Makes str0m's ciphers.
#[derive(Debug)]
struct Ciphers;

/// A cipher of str0m that decrypts.
#[derive(Debug)]
struct Decrypting<C: ?Sized>(Box<C>);

impl SrtpProvider for Ciphers {
    fn aes_128_cm_sha1_80(&self) -> &'static dyn SupportedAes128CmSha1_80 {
        &Self
    }

    fn aead_aes_128_gcm(&self) -> &'static dyn SupportedAeadAes128Gcm {
        &Self
    }

    fn aead_aes_256_gcm(&self) -> &'static dyn SupportedAeadAes256Gcm {
        &Self
    }

    fn srtp_aes_128_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        STR0M.srtp_provider.srtp_aes_128_ecb_round(key, input, output);
    }

    fn srtp_aes_256_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        STR0M.srtp_provider.srtp_aes_256_ecb_round(key, input, output);
    }
}

impl SupportedAes128CmSha1_80 for Ciphers {
    fn create_cipher(&self, key: [u8; 16], encrypt: bool) -> Box<dyn Aes128CmSha1_80Cipher> {
        let cipher = STR0M.srtp_provider.aes_128_cm_sha1_80().create_cipher(key, encrypt);
        if encrypt { cipher } else { Box::new(Decrypting(cipher)) }
    }
}

impl Aes128CmSha1_80Cipher for Decrypting<dyn Aes128CmSha1_80Cipher> {
    fn encrypt(&mut self, iv: &[u8; 16], input: &[u8], output: &mut [u8]) -> Result<(), CryptoError> {
        self.0.encrypt(iv, input, output)
    }

    // str0m has authenticated it before.
    fn decrypt(&mut self, iv: &[u8; 16], input: &[u8], output: &mut [u8]) -> Result<(), CryptoError> {
        self.0.decrypt(iv, input, output)?;
        keep(output.get(..input.len()));
        Ok(())
    }
}

/// The same for both lengths of keys, which str0m's traits distinguish and nothing else does.
macro_rules! aead {
    ($supported:ident, $cipher:ident, $make:ident, $key:literal) => {
        impl $supported for Ciphers {
            fn create_cipher(&self, key: [u8; $key], encrypt: bool) -> Box<dyn $cipher> {
                let cipher = STR0M.srtp_provider.$make().create_cipher(key, encrypt);
                if encrypt { cipher } else { Box::new(Decrypting(cipher)) }
            }
        }

        impl $cipher for Decrypting<dyn $cipher> {
            fn encrypt(
                &mut self,
                iv: &[u8; 12],
                aad: &[u8],
                input: &[u8],
                output: &mut [u8],
            ) -> Result<(), CryptoError> {
                self.0.encrypt(iv, aad, input, output)
            }

            fn decrypt(
                &mut self,
                iv: &[u8; 12],
                aads: &[&[u8]],
                input: &[u8],
                output: &mut [u8],
            ) -> Result<usize, CryptoError> {
                let length = self.0.decrypt(iv, aads, input, output)?;
                keep(output.get(..length));
                Ok(length)
            }
        }
    };
}

aead!(SupportedAeadAes128Gcm, AeadAes128GcmCipher, aead_aes_128_gcm, 16);
aead!(SupportedAeadAes256Gcm, AeadAes256GcmCipher, aead_aes_256_gcm, 32);

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty report and a NACK of 7 and 9, with padding.
    const REPORT: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 1];
    const NACK: [u8; 20] = [0xA1, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 7, 0, 2, 0, 0, 0, 4];

    /// The SSRC and the first number of each NACK, by its entries.
    fn nacks(packets: &[Rtcp]) -> Vec<(u32, Vec<(u16, u16)>)> {
        let nacks = packets.iter().filter_map(|packet| match packet {
            Rtcp::Nack(nack) => Some((*nack.ssrc, nack.reports.iter().map(|entry| (entry.pid, entry.blp)).collect())),
            _ => None,
        });
        nacks.collect()
    }

    #[test]
    fn what_each_cipher_decrypts_of_a_datagram_is_read() {
        let (plain, secret) = ([REPORT.as_slice(), &NACK].concat(), [7; 32]);
        let (head, body) = plain.split_at(PLAIN);
        let (srtp, mut room) = (cryptography().srtp_provider, [0; 64]);
        let (aad, short) = ([1; 12], *secret.first_chunk().unwrap());
        let mut read = Vec::new();

        let [mut ours, mut theirs] =
            [true, false].map(|encrypt| srtp.aes_128_cm_sha1_80().create_cipher(short, encrypt));
        ours.encrypt(&[2; 16], body, &mut room).unwrap();
        let encrypted = room[..body.len()].to_vec();
        read.push(decrypted(head, || theirs.decrypt(&[2; 16], &encrypted, &mut room).unwrap()));

        let [mut ours, mut theirs] = [true, false].map(|encrypt| srtp.aead_aes_128_gcm().create_cipher(short, encrypt));
        ours.encrypt(&[2; 12], &aad, body, &mut room).unwrap();
        let encrypted = room[..body.len() + 16].to_vec();
        read.push(decrypted(head, || assert!(theirs.decrypt(&[2; 12], &[&aad], &encrypted, &mut room).is_ok())));
        read.push(decrypted(head, || assert!(theirs.decrypt(&[3; 12], &[&aad], &encrypted, &mut room).is_err())));

        let [mut ours, mut theirs] =
            [true, false].map(|encrypt| srtp.aead_aes_256_gcm().create_cipher(secret, encrypt));
        ours.encrypt(&[2; 12], &aad, body, &mut room).unwrap();
        let encrypted = room[..body.len() + 16].to_vec();
        read.push(decrypted(head, || assert!(theirs.decrypt(&[2; 12], &[&aad], &encrypted, &mut room).is_ok())));

        let (whole, nothing) = (vec![(2, vec![(7, 2)])], vec![]);
        assert_eq!(
            read.iter().map(|packets| nacks(packets)).collect::<Vec<_>>(),
            [&whole[..], &whole, &nothing, &whole]
        );
        // Media, which is decrypted by the same ciphers, is not kept.
        assert!(theirs.decrypt(&[2; 12], &[&aad], &encrypted, &mut room).is_ok() && DECRYPTED.take().is_none());
    }

    #[test]
    fn of_a_compound_packet_reports_and_nacks_are_read() {
        let sources: [u8; 12] = [0x81, 202, 0, 2, 0, 0, 0, 1, 1, 0, 0, 0];
        assert!(Rtcp::try_from(&sources[..]).is_ok(), "str0m would read it");
        let read = packets(&[REPORT.as_slice(), &sources, &NACK].concat());
        assert!(matches!(read[..], [Rtcp::ReceiverReport(_), Rtcp::Nack(_)]), "{read:?}");
    }

    #[test]
    fn a_compound_packet_is_read_up_to_where_its_lengths_are_wrong() {
        let compound = [REPORT.as_slice(), &NACK, &REPORT].concat();
        let read: Vec<usize> = (0..=compound.len()).map(|length| packets(&compound[..length]).len()).collect();
        let expected: Vec<usize> = (0..=36)
            .map(|length| usize::from(length >= 8) + usize::from(length >= 28) + usize::from(length == 36))
            .collect();
        assert_eq!(read, expected);
        let overpadded = [&NACK[..19], &[21]].concat();
        assert_eq!(packets(&overpadded).len(), 0);
    }
}
