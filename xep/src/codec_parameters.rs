//! The parameters of video codecs that both ends must agree on: they say what a decoder has to be able to do.

/// Whether two descriptions of a codec agree; `of_both` gives the values of one of its parameters.
pub(crate) fn agree<'a>(codec: &str, of_both: impl Fn(&str) -> [Option<&'a str>; 2]) -> bool {
    let same = |parameter: &str, default: &str| {
        let [ours, theirs] = of_both(parameter).map(|value| value.unwrap_or(default));
        ours == theirs
    };
    match codec.to_ascii_lowercase().as_str() {
        // RFC 6184 section 8.2.2: levels may differ, and either end sends what the other can take.
        "h264" => {
            let [ours, theirs] = of_both("profile-level-id").map(H264Profile::read);
            ours == theirs && same("packetization-mode", "0")
        }
        "vp9" => same("profile-id", "0"), // RFC 9628 section 6.
        "av1" => same("profile", "0"),
        "rtx" => same("apt", ""), // RFC 4588 section 8.6: of which payload type it is.
        _ => true,
    }
}

/// A profile of H.264, without the level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum H264Profile {
    ConstrainedBaseline,
    /// Any other: its number and the constraints on it.
    Other(u8, u8),
}

impl H264Profile {
    /// That of a `profile-level-id`. If there is none, it is the profile that everybody has (RFC 7742 section 6.2), as Dino and browsers take
    /// it, and not the tiny one of RFC 6184.
    fn read(value: Option<&str>) -> Self {
        let Some(number) = value.and_then(|value| u32::from_str_radix(value, 16).ok()) else {
            return Self::ConstrainedBaseline;
        };
        let [_, profile, constraints, _] = number.to_be_bytes();
        // What keeps to two profiles at once is constrained baseline, whichever of them it names (RFC 6184 table 5).
        match (profile, constraints & 0xC0) {
            (66, 0x40 | 0xC0) | (77, 0x80 | 0xC0) | (88, 0xC0) => Self::ConstrainedBaseline,
            _ => Self::Other(profile, constraints & 0xFC),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn h264<'a>(ours: [&'a str; 2], theirs: [&'a str; 2]) -> bool {
        let value = |text: &'a str| Some(text).filter(|text| !text.is_empty());
        agree("H264", |parameter| match parameter {
            "profile-level-id" => [ours[0], theirs[0]].map(value),
            "packetization-mode" => [ours[1], theirs[1]].map(value),
            _ => [None, None],
        })
    }

    #[test]
    fn h264_agrees_if_its_profile_and_its_packets_do_whatever_the_level() {
        assert!(h264(["42e01f", "1"], ["42E034", "1"]), "another level");
        assert!(h264(["42e01f", "1"], ["4d801f", "1"]), "main, kept to baseline");
        for other in ["42001f", "4d001f", "640c1f", "64001f", "f4001f"] {
            assert!(!h264(["42e01f", "1"], [other, "1"]), "{other}");
        }
        assert!(!h264(["42e01f", "1"], ["42e01f", "0"]));
        assert!(!h264(["42e01f", "1"], ["42e01f", ""]), "0 is the default");
        assert!(h264(["42e01f", "0"], ["", ""]), "as Dino offers it");
        assert!(h264(["42e01f", "0"], ["nonsense", "0"]));
    }

    #[test]
    fn vp9_agrees_in_its_profile_and_other_codecs_always() {
        let profile = |ours, theirs| agree("vp9", |_| [ours, theirs]);
        assert!(profile(None, Some("0")) && profile(Some("2"), Some("2")) && !profile(None, Some("2")));
        assert!(agree("VP8", |_| [Some("1"), Some("2")]));
    }
}
