//! Words to compare by voice: whoever hears another say the same talks with that person and nobody between (ZRTP's idea,
//! RFC 6189 section 4.5, without its commitment).
//!
//! Somebody who sits between two and wants both to read the same digits has to find certificates that make it so while the
//! call is being set up. With n bits that takes 2^(n/2) attempts; 83 bits leave nobody the time.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

/// Digits: 83 bits.
const DIGITS: usize = 25;

/// Digits said in one breath.
const GROUP: usize = 5;

/// What the string is about, so that no other use of the hash gives the same.
const PURPOSE: &[u8] = b"muji short authentication string 1";

/// The digits for everybody who sees these certificates, in groups of five. The order, and how often one is named, do not
/// matter.
#[must_use]
pub fn short_string<'a>(fingerprints: impl IntoIterator<Item = &'a [u8]>) -> String {
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
        let string = short_string([&a[..], &b, &c]);
        assert_eq!(string, short_string([&c[..], &a, &b, &a]));
        assert_ne!(string, short_string([&a[..], &b]));
        assert_eq!(string.split(' ').map(str::len).collect::<Vec<_>>(), [5; 5]);
    }

    #[test]
    fn where_one_ends_and_the_next_begins_makes_a_difference() {
        assert_ne!(short_string([&[1, 2][..], &[3]]), short_string([&[1][..], &[2, 3]]));
    }
}
