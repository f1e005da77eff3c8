//! What a decoder of H.264 can do, as its `profile-level-id` says it (RFC 6184 section 8.1, ITU-T H.264 table A-1).

use muji_xep::rtp::PayloadType;

use crate::codec::decoder_limit::DecoderLimit;

/// A `profile-level-id` with a level that the standard does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnknownLevel(pub(crate) String);

/// The levels (table A-1): `level_idc`, and macroblocks a second and a frame, and kbit/s. 1b is 9 here.
const LEVELS: [(u8, [u32; 3]); 20] = [
    (9, [1_485, 99, 128]),
    (10, [1_485, 99, 64]),
    (11, [3_000, 396, 192]),
    (12, [6_000, 396, 384]),
    (13, [11_880, 396, 768]),
    (20, [11_880, 396, 2_000]),
    (21, [19_800, 792, 4_000]),
    (22, [20_250, 1_620, 4_000]),
    (30, [40_500, 1_620, 10_000]),
    (31, [108_000, 3_600, 14_000]),
    (32, [216_000, 5_120, 20_000]),
    (40, [245_760, 8_192, 20_000]),
    (41, [245_760, 8_192, 50_000]),
    (42, [522_240, 8_704, 50_000]),
    (50, [589_824, 22_080, 135_000]),
    (51, [983_040, 36_864, 240_000]),
    (52, [2_073_600, 36_864, 240_000]),
    (60, [4_177_920, 139_264, 240_000]),
    (61, [8_355_840, 139_264, 480_000]),
    (62, [16_711_680, 139_264, 800_000]),
];

/// Characters of a parameter that are shown.
const LONGEST_SHOWN: usize = 16;

/// The constraint with which baseline and main say that 1.1 means 1b.
const CONSTRAINT_3: u8 = 0x10;

/// What a peer can decode which takes this. One that does not name a level takes what everybody does, as Dino and browsers see it, and not the
/// 128 x 96 of RFC 6184.
///
/// # Errors
/// If there is no such level.
pub(crate) fn decoder_limit(payload: &PayloadType) -> Result<DecoderLimit, UnknownLevel> {
    let named = match payload.parameter("profile-level-id") {
        None => DecoderLimit::USUAL,
        Some(text) => {
            let number = u32::from_str_radix(text, 16).ok().filter(|_| text.len() == 6);
            let [_, profile, constraints, level] = number.unwrap_or_default().to_be_bytes();
            let is_1b = level == 11 && constraints & CONSTRAINT_3 != 0 && matches!(profile, 66 | 77 | 88);
            let level = if is_1b { 9 } else { level };
            of_level(level).ok_or_else(|| UnknownLevel(text.chars().take(LONGEST_SHOWN).collect()))?
        }
    };
    // What it takes beyond its level, but for the shape of frames.
    let more = |name: &str, level: u32| {
        let value = payload.parameter(name).and_then(|value| value.parse().ok());
        value.map_or(level, |value: u32| value.max(level))
    };
    let raised = DecoderLimit {
        macroblocks: more("max-fs", named.macroblocks),
        macroblocks_per_second: more("max-mbps", named.macroblocks_per_second),
        bits: more("max-br", named.bits / 1_000).saturating_mul(1_000),
    };
    // Without asymmetry both ends send the lower of both levels; ours is in our offer or answer (section 8.2.2).
    let asymmetric = payload.parameter("level-asymmetry-allowed") == Some("1");
    Ok(if asymmetric { raised } else { named.and(DecoderLimit::USUAL) })
}

fn of_level(level: u8) -> Option<DecoderLimit> {
    let (_, [macroblocks_per_second, macroblocks, kbits]) = LEVELS.into_iter().find(|(idc, _)| *idc == level)?;
    Some(DecoderLimit { macroblocks, macroblocks_per_second, bits: kbits * 1_000 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::frame::INTERVAL;

    fn payload(parameters: &[(&str, &str)]) -> PayloadType {
        let h264 = PayloadType::new(102, "H264", 90_000, 1);
        parameters.iter().fold(h264, |payload, (name, value)| payload.with_parameter(name, value))
    }

    /// The largest of usual sizes that may be sent thirty times a second.
    fn largest(parameters: &[(&str, &str)]) -> Option<[usize; 2]> {
        let limit = decoder_limit(&payload(parameters)).expect("the level exists");
        let sizes = [[3_840, 2_160], [1_920, 1_080], [1_280, 720], [640, 480], [640, 360], [320, 180], [176, 144]];
        sizes.into_iter().find(|size| limit.permits(*size, INTERVAL))
    }

    #[test]
    fn what_clients_say_is_the_size_that_they_are_sent() {
        for (client, parameters, size) in [
            ("Chromium", &[("level-asymmetry-allowed", "1"), ("profile-level-id", "42e01f")][..], [1_280, 720]),
            ("Movim in Firefox", &[("profile-level-id", "42e01f"), ("level-asymmetry-allowed", "1")], [1_280, 720]),
            ("an iPhone", &[("level-asymmetry-allowed", "1"), ("profile-level-id", "42e034")], [3_840, 2_160]),
            ("an older phone", &[("profile-level-id", "42E01E"), ("level-asymmetry-allowed", "1")], [640, 480]),
            ("a video telephone", &[("profile-level-id", "42e00d")], [320, 180]),
            ("Dino", &[], [1_280, 720]),
        ] {
            assert_eq!(largest(parameters), Some(size), "{client}");
        }
    }

    #[test]
    fn more_than_the_level_may_be_named_and_less_is_not_believed() {
        let asymmetric = ("level-asymmetry-allowed", "1");
        let level_3_1 = ("profile-level-id", "42e01f");
        let ours = super::super::payload_type(super::super::Packetization::NonInterleaved);
        assert!(decoder_limit(&ours).unwrap().permits([1_920, 1_080], INTERVAL), "what we offer");
        let more = [asymmetric, level_3_1, ("max-fs", "8160"), ("max-mbps", "244800")];
        assert_eq!(largest(&more), Some([1_920, 1_080]));
        assert_eq!(largest(&more[..3]), Some([1_280, 720]), "larger frames, but no more macroblocks a second");
        assert_eq!(largest(&[asymmetric, level_3_1, ("max-fs", "99")]), Some([1_280, 720]));
        assert_eq!(largest(&[asymmetric, level_3_1, ("max-fs", "-1"), ("max-mbps", "")]), Some([1_280, 720]));
    }

    #[test]
    fn without_asymmetry_the_lower_of_both_levels_counts() {
        assert_eq!(largest(&[("profile-level-id", "42e034")]), Some([1_280, 720]), "ours is 3.1");
        assert_eq!(largest(&[("profile-level-id", "42e01e")]), Some([640, 480]));
        assert_eq!(largest(&[("profile-level-id", "42e034"), ("level-asymmetry-allowed", "0")]), Some([1_280, 720]));
    }

    #[test]
    fn levels_that_do_not_exist_are_told_by_their_text() {
        for text in ["42e0ff", "42e000", "nonsense", "", "42e01f42", "42e0", "-2e01f"] {
            let why = decoder_limit(&payload(&[("profile-level-id", text)]));
            assert_eq!(why, Err(UnknownLevel(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn level_1b_has_two_names_and_more_bits_than_level_1() {
        let bits = |id: &str| decoder_limit(&payload(&[("profile-level-id", id)])).unwrap().bits();
        assert_eq!(["42e00a", "42f00b", "42e009", "42e00b"].map(bits), [64_000, 128_000, 128_000, 192_000]);
    }

    #[test]
    fn frames_of_a_shape_that_no_level_has_are_not_sent() {
        let limit = decoder_limit(&payload(&[])).unwrap();
        assert!(limit.permits([2_704, 32], INTERVAL) && !limit.permits([2_720, 32], INTERVAL));
        assert!(DecoderLimit::NONE.permits([4_096, 2_304], INTERVAL));
    }
}
