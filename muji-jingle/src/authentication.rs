//! A short authentication string: if two people read the same digits to each other, nobody is between them (as in ZRTP, RFC 6189
//! section 4.5, without its commitment).
//!
//! An attacker between two people who wants both to read the same digits has to find certificates for that while the call is
//! being set up. With n bits that takes 2^(n/2) attempts; 83 bits are too many for the time.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

/// Digits: 83 bits.
const DIGITS: usize = 25;

/// Digits read in one group.
const GROUP: usize = 5;

/// Domain separation: no other use of the hash gives the same string.
const PURPOSE: &[u8] = b"muji short authentication string 1";

/// The digits for everybody who sees these certificates, in groups of five. The order and repetitions of the certificates do not
/// matter.
#[must_use]
pub fn short_authentication_string<'a>(fingerprints: impl IntoIterator<Item = &'a [u8]>) -> String {
    let sorted: BTreeSet<&[u8]> = fingerprints.into_iter().collect();
    let mut hash = Sha256::new().chain_update(PURPOSE);
    for fingerprint in sorted {
        hash.update((fingerprint.len() as u64).to_be_bytes());
        hash.update(fingerprint);
    }
    let hash = hash.finalize();
    let number = hash.iter().take(16).fold(0_u128, |number, byte| (number << 8) | u128::from(*byte));
    let digits = format!("{:0width$}", number % 10_u128.pow(25), width = DIGITS);
    let groups = digits.as_bytes().chunks(GROUP).map(|group| String::from_utf8_lossy(group).into_owned());
    groups.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_who_see_the_same_certificates_read_the_same() {
        let [a, b, c] = [[1; 32], [2; 32], [3; 32]];
        let string = short_authentication_string([&a[..], &b, &c]);
        assert_eq!(string, short_authentication_string([&c[..], &a, &b, &a]));
        assert_ne!(string, short_authentication_string([&a[..], &b]));
        assert_eq!(string.split(' ').map(str::len).collect::<Vec<_>>(), [5; 5]);
    }

    #[test]
    fn every_version_reads_these_digits() {
        let string = short_authentication_string([&[1; 32][..], &[2; 32]]);
        assert_eq!(string, "66861 79990 69004 73599 67579");
    }

    #[test]
    fn where_one_ends_and_the_next_begins_makes_a_difference() {
        assert_ne!(short_authentication_string([&[1, 2][..], &[3]]), short_authentication_string([&[1][..], &[2, 3]]));
    }

    #[test]
    fn one_other_certificate_gives_other_digits() {
        let [a, b, c] = [[1; 32], [2; 32], [3; 32]];
        assert_ne!(short_authentication_string([&a[..], &b]), short_authentication_string([&a[..], &c]));
    }
}
