//! Statistics of each participant, as a table and as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use muji_core::{Guest, Media, SessionId, ShownGuests, Silence};
use muji_media::stats::{AudioStats, Path, VideoStats};
use serde_json::{Value, json};

/// What is known of a participant.
#[derive(Debug, Default)]
pub(crate) struct ParticipantStats {
    /// Milliseconds from "join" to the first sound.
    pub(crate) first_sound: Option<u128>,
    /// The last that was said of it.
    pub(crate) state: &'static str,
    /// Since when it is so.
    pub(crate) since: Option<Instant>,
    /// What is done about it.
    pub(crate) doing: Option<String>,
    /// What was heard in the last second.
    pub(crate) now: Option<String>,
    /// The session with it, the last of several.
    pub(crate) session: Option<SessionId>,
    /// Who takes part through it, if it is a bridge.
    pub(crate) guests: ShownGuests,
    /// How loud each of these is, in dBFS, by its source; who is not among them says nothing.
    pub(crate) guest_levels: BTreeMap<u32, f32>,
    /// What it sends, by name.
    pub(crate) contents: Vec<(String, Media)>,
    /// What of that it has muted; all of it under no name.
    pub(crate) muted: BTreeSet<Option<String>>,
    /// The media of which nothing comes though the path works, and why.
    pub(crate) silent: Vec<(Media, Silence)>,
    /// It is heard just now.
    pub(crate) speaks: bool,
    /// How loud it is, in dBFS, if it is heard at all.
    pub(crate) level: Option<f32>,
    /// Its pictures: their size, and how they fared.
    pub(crate) pictures: Option<([usize; 2], VideoStats)>,
    /// A screen of it was seen.
    pub(crate) shows_screen: bool,
    /// The network's view of the session with it.
    network: Network,
    /// Its stream so far, the last of several sessions.
    pub(crate) stats: AudioStats,
}

/// How the network fares with a participant.
#[derive(Debug, Default)]
struct Network {
    session: Option<SessionId>,
    paths: Vec<Path>,
    codecs: BTreeSet<String>,
    /// Bytes that came and went in the second before this, and up to then.
    last: [u64; 2],
    second: [u64; 2],
}

impl ParticipantStats {
    /// How loud somebody is who takes part through it, in dBFS, if it is heard at all.
    pub(crate) fn guest_level(&self, guest: &Guest) -> Option<f32> {
        self.guest_levels.get(&guest.source?).copied()
    }

    /// Its pictures are seen. True for the first.
    pub(crate) fn see(&mut self, size: [usize; 2], stats: VideoStats) -> bool {
        self.pictures.replace((size, stats)).is_none()
    }

    /// What goes over its paths now.
    pub(crate) fn travels(&mut self, session: SessionId, paths: &[Path], codecs: &BTreeSet<String>) {
        let sum = |bytes: fn(&Path) -> u64| paths.iter().map(bytes).sum::<u64>();
        let all = [sum(|path| path.received.bytes), sum(|path| path.sent.bytes)];
        let known = &mut self.network;
        // A new session counts from zero, and so does one whose transport was replaced.
        let same = known.session == Some(session) && all.iter().zip(known.last).all(|(now, before)| *now >= before);
        known.second = if same { [all[0] - known.last[0], all[1] - known.last[1]] } else { all };
        (known.session, known.last) = (Some(session), all);
        (known.paths, known.codecs) = (paths.to_vec(), codecs.clone());
    }

    /// The numbers of `network`.
    pub(crate) fn network(&self, nick: &str) -> Value {
        let Network { paths, codecs, last, second, .. } = &self.network;
        let pairs: Vec<Value> =
            paths.iter().map(|path| json!([path.local.to_string(), path.remote.to_string()])).collect();
        let trip = paths.iter().find_map(|path| path.round_trip).map(millis);
        json!({
            "nick": nick, "in_bytes": last[0], "out_bytes": last[1], "in_kbps": kbps(second[0]), "out_kbps": kbps(second[1]),
            "rtt_ms": trip, "codecs": codecs, "candidate_pairs": pairs,
        })
    }
    /// Kilobits a second of payload, over the time it was heard.
    pub(crate) fn bit_rate(&self) -> Option<f64> {
        let seconds = self.stats.played as f64 * 0.020;
        (seconds > 0.0).then(|| self.stats.counts.bytes as f64 * 8.0 / 1_000.0 / seconds)
    }

    /// Packets that never came in time, in percent.
    pub(crate) fn loss(&self) -> Option<f64> {
        let counts = self.stats.counts;
        share(counts.lost, counts.received + counts.lost)
    }

    /// Concealed audio, in percent.
    pub(crate) fn concealed(&self) -> Option<f64> {
        share(self.stats.concealed, self.stats.played)
    }

    /// Whether it has muted all that it has of a medium.
    pub(crate) fn mutes(&self, media: &Media) -> bool {
        let mut of = self.contents.iter().filter(|(_, of)| of == media).peekable();
        of.peek().is_some()
            && (self.muted.contains(&None) || of.all(|(name, _)| self.muted.contains(&Some(name.clone()))))
    }

    /// The numbers of a `summary`.
    pub(crate) fn summary(&self, nick: &str) -> Value {
        let rounded = |number: Option<f64>| number.map(|number| (number * 100.0).round() / 100.0);
        json!({
            "nick": nick, "state": self.state, "first_sound_ms": self.first_sound, "kbps": rounded(self.bit_rate()),
            "loss_percent": rounded(self.loss()), "rtt_ms": rounded(self.stats.round_trip.map(millis)),
            "jitter_ms": rounded(Some(millis(self.stats.jitter))), "concealed_percent": rounded(self.concealed()),
            "codecs": self.network.codecs, "decoded": self.pictures.map(|(_, stats)| stats.decoded),
            "freezes": self.pictures.map(|(_, stats)| stats.freezes),
            "frozen_ms": self.pictures.map(|(_, stats)| stats.frozen.as_millis()),
            "in_bytes": self.network.last[0], "out_bytes": self.network.last[1],
        })
    }
}

/// Kilobits a second from the bytes of one.
fn kbps(bytes: u64) -> f64 {
    bytes as f64 * 8.0 / 1_000.0
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// The table, a line for each participant below the names of the columns.
pub(crate) fn lines<'a>(people: impl IntoIterator<Item = (String, &'a ParticipantStats)>) -> Vec<String> {
    let line = |words: [&str; 8]| {
        let [name, state, first, rate, loss, trip, jitter, concealed] = words;
        format!("{name:<24} {state:<10} {first:>11} {rate:>11} {loss:>7} {trip:>8} {jitter:>8} {concealed:>9}")
    };
    let mut lines =
        vec![line(["participant", "state", "first sound", "bit rate", "loss", "RTT", "jitter", "concealed"])];
    for (name, known) in people {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        lines.push(line([
            &name,
            known.state,
            &known.first_sound.map_or_else(|| "never".to_owned(), |ms| format!("{ms} ms")),
            &or_dash(known.bit_rate().map(|rate| format!("{rate:.1} kbit/s"))),
            &or_dash(known.loss().map(|loss| format!("{loss:.1} %"))),
            &or_dash(known.stats.round_trip.map(|trip| format!("{:.1} ms", millis(trip)))),
            &or_dash(known.bit_rate().map(|_| format!("{:.1} ms", millis(known.stats.jitter)))),
            &or_dash(known.concealed().map(|share| format!("{share:.1} %"))),
        ]));
    }
    lines
}

/// Network statistics: a line for each participant with whom packets were exchanged, below the names of the columns.
pub(crate) fn network_lines<'a>(people: impl IntoIterator<Item = (String, &'a ParticipantStats)>) -> Vec<String> {
    let line = |words: [&str; 8]| {
        let [name, rate_in, rate_out, codecs, pictures, decoded, frozen, path] = words;
        let line = format!(
            "{name:<24} {rate_in:>11} {rate_out:>11} {codecs:<10} {pictures:<9} {decoded:>7} {frozen:>12} {path}"
        );
        line.trim_end().to_owned()
    };
    let mut lines = vec![line(["network", "in", "out", "codecs", "pictures", "decoded", "freezes", "candidate pair"])];
    for (name, known) in people {
        let Network { paths, codecs, second, .. } = &known.network;
        if paths.is_empty() {
            continue;
        }
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let [rate_in, rate_out] = second.map(|bytes| format!("{:.0} kbit/s", kbps(bytes)));
        let size = known.pictures.map(|([width, height], _)| format!("{width}x{height}"));
        let decoded = known.pictures.map(|(_, stats)| stats.decoded.to_string());
        let frozen = known.pictures.map(|(_, stats)| format!("{} x, {} ms", stats.freezes, stats.frozen.as_millis()));
        let pairs: Vec<String> = paths.iter().map(|path| format!("{} - {}", path.local, path.remote)).collect();
        let codecs = Vec::from_iter(codecs.iter().map(String::as_str)).join(", ");
        lines.push(line([
            &name,
            &rate_in,
            &rate_out,
            &codecs,
            &or_dash(size),
            &or_dash(decoded),
            &or_dash(frozen),
            &pairs.join(", "),
        ]));
    }
    if lines.len() == 1 { Vec::new() } else { lines }
}

#[cfg(test)]
mod tests {
    use muji_media::stats::PacketCounts;

    use super::*;

    #[test]
    fn a_minute_of_sound_is_summed_up() {
        let counts = PacketCounts { received: 2_970, lost: 30, bytes: 240_000, ..PacketCounts::default() };
        let stats = AudioStats {
            counts,
            played: 3_000,
            concealed: 45,
            round_trip: Some(Duration::from_micros(20_500)),
            ..AudioStats::default()
        };
        let known = ParticipantStats { first_sound: Some(335), state: "flowing", stats, ..ParticipantStats::default() };
        let lines = lines([("romeo".to_owned(), &known), ("juliet".to_owned(), &ParticipantStats::default())]);
        let words = |line: usize| lines[line].split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(1), "romeo flowing 335 ms 32.0 kbit/s 1.0 % 20.5 ms 0.0 ms 1.5 %");
        assert_eq!(words(2), "juliet never - - - - -");
        assert_eq!(known.summary("romeo")["loss_percent"], 1.0);
    }
}
