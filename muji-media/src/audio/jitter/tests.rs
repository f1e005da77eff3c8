//! Packets as they come, and what is played when.

use super::delay::{AHEAD, BEHIND, FOR_RECOVERY, MAX_DELAY, MIN_DELAY, STEP};
use super::*;

#[test]
fn packets_wait_for_pictures_that_are_much_later_and_no_longer_than_for_those() {
    let mut buffer = JitterBuffer::default();
    let delay = buffer.delay();
    buffer.pictures_behind(BEHIND);
    assert_eq!(buffer.delay(), delay);
    (0..20).for_each(|_| buffer.pictures_behind(ms(200)));
    assert_eq!(buffer.delay(), delay + 20 * STEP);
    buffer.pictures_behind(BEHIND - AHEAD);
    assert_eq!(buffer.delay(), delay + 20 * STEP);
    (0..200).for_each(|_| buffer.pictures_behind(ms(500)));
    assert_eq!(buffer.delay(), MAX_DELAY);
    (0..200).for_each(|_| buffer.pictures_behind(ms(0)));
    assert_eq!(buffer.delay(), delay);
}

fn packet(start: Instant, sequence: u64, arrives_after: Duration) -> ReceivedRtp {
    let timestamp = (sequence * 960) as u32; // RTP timestamps wrap.
    let packet = RtpPacket { timestamp, marker: false, payload: Arc::from(sequence.to_be_bytes().as_slice()) };
    ReceivedRtp {
        ssrc: 1,
        payload_type: 111,
        sequence,
        arrived: start + arrives_after,
        captured: None,
        turns: None,
        packet,
    }
}

fn at(frame: u64) -> Duration {
    FRAME_TIME * u32::try_from(frame).unwrap()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Plays a stream whose packets arrive as `arrival` says, as the receiver does; how many frames of a kind came out.
fn play(frames: u64, arrival: impl Fn(u64) -> Option<Duration>) -> (u64, u64, u64, JitterBuffer) {
    let start = Instant::now();
    let mut arrivals: Vec<(Duration, u64)> = (0..frames).filter_map(|n| Some((arrival(n)?, n))).collect();
    arrivals.sort();
    let mut arrivals = arrivals.into_iter().peekable();
    let (mut buffer, mut packets, mut lost, mut empty) = (JitterBuffer::default(), 0, 0, 0);
    let mut in_a_row = 0;
    for frame in 0..frames + 50 {
        while let Some((time, sequence)) = arrivals.next_if(|(time, _)| *time <= at(frame)) {
            buffer.insert(packet(start, sequence, time), AudioEncoding::Opus);
        }
        let taken = buffer.take(start + at(frame), Duration::ZERO);
        in_a_row = if taken == Playout::Empty { in_a_row + 1 } else { 0 };
        match taken {
            Playout::Packet { .. } => packets += 1,
            Playout::Lost { .. } => lost += 1,
            Playout::Empty if packets > 0 && in_a_row <= 5 => buffer.made_up(FRAME),
            Playout::Empty => buffer.pause(),
        }
        empty += u64::from(in_a_row > 0);
    }
    (packets, lost, empty, buffer)
}

/// A buffer from which packets 0 to 9 were played, each as soon as it should be; the next turn is that of packet 10.
fn in_the_midst(start: Instant) -> JitterBuffer {
    let mut buffer = JitterBuffer::default();
    (0..10).for_each(|n| buffer.insert(packet(start, n, at(n)), AudioEncoding::Opus));
    for n in 0..10 {
        assert!(matches!(buffer.take(start + at(n) + ms(25), Duration::ZERO), Playout::Packet { made_up: 0, .. }));
    }
    buffer
}

#[test]
fn a_steady_stream_is_played_without_a_gap_and_with_little_delay() {
    let (packets, lost, _, buffer) = play(500, |n| Some(at(n)));
    assert_eq!((packets, lost), (500, 0));
    assert_eq!(buffer.delay(), MIN_DELAY);
}

#[test]
fn a_lost_packet_is_told_with_the_one_behind_it() {
    let (packets, lost, _, buffer) = play(500, |n| (n % 10 != 5).then(|| at(n) + at(n % 3)));
    // Until the unrest is known a few come too late.
    let counts = buffer.counts();
    assert_eq!((counts.received, counts.lost), (450, 50 + counts.discarded));
    assert_eq!(packets + counts.discarded + counts.skipped, 450);
    assert!(lost >= 45 && counts.discarded < 5, "{lost} {counts:?}");
}

#[test]
fn what_was_made_up_of_a_lost_packet_is_left_out_of_its_copy() {
    let start = Instant::now();
    let mut buffer = in_the_midst(start);
    assert_eq!(buffer.take(start + at(10) + ms(25), Duration::ZERO), Playout::Empty);
    buffer.made_up(480);
    buffer.insert(packet(start, 11, at(11)), AudioEncoding::Opus);
    let taken = buffer.take(start + at(10) + ms(35), Duration::ZERO);
    assert!(matches!(taken, Playout::Lost { timestamp: 9_600, made_up: 480, .. }), "{taken:?}");
    let taken = buffer.take(start + at(11) + ms(25), Duration::ZERO);
    assert!(matches!(taken, Playout::Packet { timestamp: 10_560, made_up: 0, .. }), "{taken:?}");
}

#[test]
fn a_lost_packet_that_was_made_up_as_a_whole_is_not_made_up_again() {
    let start = Instant::now();
    let mut buffer = in_the_midst(start);
    buffer.made_up(FRAME);
    buffer.insert(packet(start, 11, at(11)), AudioEncoding::Opus);
    let taken = buffer.take(start + at(11) + ms(25), Duration::ZERO);
    assert!(matches!(taken, Playout::Packet { timestamp: 10_560, made_up: 0, .. }), "{taken:?}");
    assert_eq!(buffer.counts().lost, 1);
}

#[test]
fn what_was_made_up_for_a_late_packet_stays_as_far_as_packets_should_wait_longer() {
    let start = Instant::now();
    let mut buffer = in_the_midst(start);
    buffer.made_up(FRAME);
    // 32 ms late: they should wait for 32 + 25 ms from now on.
    buffer.insert(packet(start, 10, at(10) + ms(32)), AudioEncoding::Opus);
    let taken = buffer.take(start + at(10) + ms(45), Duration::ZERO);
    assert!(matches!(taken, Playout::Packet { made_up: 0, .. }), "{taken:?}");
    // 37 ms late: of what was made up 17 ms stay, so that it waits for 62 ms and not for 65.
    buffer.made_up(FRAME);
    buffer.insert(packet(start, 11, at(11) + ms(37)), AudioEncoding::Opus);
    let taken = buffer.take(start + at(11) + ms(65), Duration::ZERO);
    let Playout::Packet { made_up, .. } = taken else { panic!("{taken:?}") };
    assert!(made_up.abs_diff(3 * 48) < 10, "{made_up} samples");
}

#[test]
fn of_a_burst_only_the_last_packet_has_a_copy_behind_it() {
    let start = Instant::now();
    let mut buffer = in_the_midst(start);
    buffer.insert(packet(start, 13, at(13)), AudioEncoding::Opus);
    let kinds = (0..4).map(|turn| match buffer.take(start + at(10 + turn) + ms(25), Duration::ZERO) {
        Playout::Empty => {
            buffer.made_up(FRAME);
            "made up"
        }
        Playout::Lost { .. } => "recovered",
        Playout::Packet { .. } => "played",
    });
    assert_eq!(kinds.collect::<Vec<_>>(), ["made up", "made up", "recovered", "played"]);
    assert_eq!(buffer.counts().lost, 3);
}

/// The packet with this number, which has a copy of the one so many before it.
fn insert_with_copy(buffer: &mut JitterBuffer, start: Instant, sequence: u64, before: u64) -> Result<(), RedFault> {
    buffer.insert(packet(start, sequence, at(sequence)), AudioEncoding::Opus);
    buffer.insert_copy(sequence, before as u32 * 960, b"copy")
}

#[test]
fn a_copy_takes_the_place_of_the_packet_that_is_lost_and_of_no_other() {
    let start = Instant::now();
    let mut buffer = in_the_midst(start);
    insert_with_copy(&mut buffer, start, 10, 1).unwrap();
    insert_with_copy(&mut buffer, start, 12, 1).unwrap();
    insert_with_copy(&mut buffer, start, 13, 1).unwrap();
    let played = (10..14).map(|turn| match buffer.take(start + at(turn) + ms(25), Duration::ZERO) {
        Playout::Packet { timestamp, payload, .. } => (timestamp / 960, *payload == *b"copy"),
        other => panic!("{other:?}"),
    });
    assert_eq!(played.collect::<Vec<_>>(), [(10, false), (11, true), (12, false), (13, false)]);
    assert_eq!((buffer.counts().lost, buffer.counts().discarded), (0, 0));
}

#[test]
fn packets_wait_for_copies_of_lost_ones_though_nothing_is_missing_with_them() {
    let (start, mut buffer) = (Instant::now(), JitterBuffer::default());
    for n in 0..1_000 {
        if n % 50 != 49 {
            let _as_before = insert_with_copy(&mut buffer, start, n, u64::from(n > 0)).is_ok();
        }
        if buffer.take(start + at(n) + ms(25), Duration::ZERO) == Playout::Empty {
            buffer.made_up(FRAME);
        }
    }
    assert_eq!(buffer.delay(), MIN_DELAY + FOR_RECOVERY);
    assert!(buffer.counts().lost <= 1, "{:?}", buffer.counts());
}

#[test]
fn a_packet_that_its_copy_has_overtaken_takes_its_place() {
    let start = Instant::now();
    let mut buffer = in_the_midst(start);
    insert_with_copy(&mut buffer, start, 11, 1).unwrap();
    buffer.insert(packet(start, 10, at(11)), AudioEncoding::Opus);
    let taken = buffer.take(start + at(10) + ms(25), Duration::ZERO);
    assert!(matches!(&taken, Playout::Packet { payload, .. } if **payload == 10u64.to_be_bytes()), "{taken:?}");
    assert_eq!(buffer.counts().discarded, 0);
}

#[test]
fn a_copy_of_what_was_sent_before_a_pause_or_where_no_packet_began_is_not_played() {
    let start = Instant::now();
    let mut buffer = in_the_midst(start);
    // The sender paused for a second before packet 11, so packet 10 was sent long before it.
    let mut behind = packet(start, 11, at(61));
    behind.packet.timestamp = 61 * 960;
    buffer.insert(behind, AudioEncoding::Opus);
    assert_eq!(buffer.insert_copy(11, 960, b"copy"), Ok(()));
    assert_eq!(buffer.packets.len(), 1);
    for offset in [0, 1, 959, 961, 16_383] {
        assert_eq!(buffer.insert_copy(11, offset, b"copy"), Err(RedFault::NoPacket(offset)));
    }
    assert_eq!(buffer.insert_copy(11, 16_320, b"copy"), Ok(()), "it is too late, as most are");
    assert_eq!(buffer.packets.len(), 1);
}

#[test]
fn while_packets_get_lost_they_wait_for_the_ones_behind_them() {
    let (_, _, _, buffer) = play(1_000, |n| (n % 50 != 49).then(|| at(n)));
    assert_eq!(buffer.delay(), MIN_DELAY + FOR_RECOVERY, "2 %");
    let (_, _, _, buffer) = play(1_000, |n| (n % 300 != 299).then(|| at(n)));
    assert_eq!(buffer.delay(), MIN_DELAY, "0.3 %");
    let (_, _, _, buffer) = play(2_000, |n| (n % 50 != 49 || n > 1_000).then(|| at(n)));
    assert_eq!(buffer.delay(), MIN_DELAY, "no longer any");
}

#[test]
fn after_a_pause_of_the_sender_its_first_packet_waits_for_its_time() {
    let start = Instant::now();
    let mut buffer = in_the_midst(start);
    buffer.pause();
    let mut resumed = packet(start, 10, at(100));
    resumed.packet.timestamp = 100 * 960;
    buffer.insert(resumed, AudioEncoding::Opus);
    assert_eq!(buffer.take(start + at(100), Duration::ZERO), Playout::Empty);
    assert!(matches!(buffer.take(start + at(101), Duration::ZERO), Playout::Packet { .. }));
    assert_eq!(buffer.counts().lost, 0);
}

#[test]
fn after_an_outage_sound_is_played_as_soon_as_it_comes() {
    for outage in [5, 50, 120, 1_500, 20_000] {
        let (packets, lost, empty, buffer) = play(outage + 1_000, |n| (n < 200 || n >= 200 + outage).then(|| at(n)));
        let counts = buffer.counts();
        assert!(packets >= 997, "{packets} of 1000 are played after {outage} lost ones: {counts:?}");
        assert!(lost + empty <= outage + 54, "{lost} and {empty} frames are made up for {outage}");
        assert_eq!(counts.lost, outage);
    }
}

#[test]
fn the_wait_follows_the_unrest_and_packets_in_another_order_are_no_loss() {
    let (packets, lost, _, buffer) = play(2_000, |n| Some(at(n) + Duration::from_millis((n * 37) % 60)));
    assert!(lost < 20 && packets > 1_970, "{packets} {lost}");
    assert!(buffer.delay() > Duration::from_millis(50) && buffer.delay() < Duration::from_millis(100));
}

#[test]
fn after_a_burst_the_delay_shrinks_again() {
    let hold = |n: u64| if (100..120).contains(&n) { at(120) } else { at(n) };
    let (packets, _, _, buffer) = play(6_000, |n| Some(hold(n)));
    assert!(buffer.counts().skipped > 10, "{:?}", buffer.counts());
    assert_eq!(packets + buffer.counts().skipped + buffer.counts().discarded, 6_000);
    assert!(buffer.delay() < Duration::from_millis(40), "{:?}", buffer.delay());
}

#[test]
fn a_sender_whose_clock_runs_fast_does_not_pile_up() {
    let fast = |n: u64| Duration::from_micros(n * 19_980);
    let (_, lost, _, buffer) = play(100_000, |n| Some(fast(n)));
    assert_eq!(lost, 0);
    assert!(buffer.counts().skipped > 80 && buffer.packets.len() < 6, "{:?}", buffer.counts());
}

#[test]
fn a_sender_that_starts_again_is_heard_at_once() {
    let start = Instant::now();
    let mut buffer = JitterBuffer::default();
    buffer.insert(packet(start, 1_000_000, Duration::ZERO), AudioEncoding::Opus);
    assert!(matches!(buffer.take(start + FRAME_TIME, Duration::ZERO), Playout::Packet { .. }));
    buffer.insert(packet(start, 5, at(2)), AudioEncoding::Opus);
    assert!(matches!(buffer.take(start + at(3), Duration::ZERO), Playout::Packet { .. }));
}

#[test]
fn a_flood_is_kept_to_the_bound() {
    let start = Instant::now();
    let mut buffer = JitterBuffer::default();
    (0..10_000).for_each(|n| buffer.insert(packet(start, n, Duration::from_micros(n)), AudioEncoding::Opus));
    assert!(buffer.packets.len() <= MAX_PACKETS);
    buffer.insert(packet(start, u64::MAX >> 20, Duration::ZERO), AudioEncoding::Opus);
}

#[test]
fn timestamps_that_wrap_at_2_to_the_32_cause_no_loss() {
    // At 2^31 the sign changes.
    for limit in [1u64 << 31, 1 << 32] {
        let (start, first) = (Instant::now(), limit / 960 - 100);
        let mut buffer = JitterBuffer::default();
        let mut played = 0;
        for frame in 0..200 {
            // Packets arrive swapped in pairs, also the two at the limit.
            buffer.insert(packet(start, first + (frame ^ 1), at(frame)), AudioEncoding::Opus);
            let taken = buffer.take(start + at(frame), Duration::ZERO);
            played += u64::from(matches!(taken, Playout::Packet { .. }));
        }
        assert_eq!(buffer.counts(), PacketCounts { received: 200, bytes: 1_600, ..PacketCounts::default() }, "{limit}");
        assert_eq!(played, 200 - buffer.packets.len() as u64, "{limit}");
        assert!(played >= 195, "{played} of 200, {limit}");
    }
}

#[test]
fn the_first_packet_waits_for_its_delay_give_or_take_half_a_frame() {
    let start = Instant::now();
    let mut buffer = JitterBuffer::default();
    buffer.insert(packet(start, 1, ms(0)), AudioEncoding::Opus);
    assert_eq!(buffer.take(start + ms(14), Duration::ZERO), Playout::Empty);
    assert!(matches!(buffer.take(start + ms(15), Duration::ZERO), Playout::Packet { .. }));
}

#[test]
fn every_packet_is_counted_by_what_became_of_it_for_another_source_too() {
    let start = Instant::now();
    let mut buffer = JitterBuffer::default();
    buffer.insert(packet(start, 1, ms(0)), AudioEncoding::Opus);
    buffer.insert(packet(start, 1, ms(1)), AudioEncoding::Opus);
    buffer.take(start + ms(25), Duration::ZERO);
    buffer.insert(packet(start, 1, ms(26)), AudioEncoding::Opus);
    buffer.malformed();
    let counts = PacketCounts { received: 3, bytes: 24, discarded: 2, malformed: 1, ..PacketCounts::default() };
    assert_eq!(buffer.counts(), counts, "one came twice, and once more when its turn was over");
    buffer.insert(packet(start, 2, ms(27)), AudioEncoding::Opus);
    buffer.start_again();
    let counts = PacketCounts { received: 4, bytes: 32, discarded: 3, ..counts };
    assert_eq!((buffer.counts(), buffer.has_next(), buffer.next_timestamp()), (counts, false, None));
}

#[test]
fn timestamps_of_8_khz_are_told_in_samples_at_48() {
    let start = Instant::now();
    let mut buffer = JitterBuffer::default();
    for number in 0..2 {
        let mut received = packet(start, number, at(number));
        received.packet.timestamp /= 6;
        buffer.insert(received, AudioEncoding::Pcmu);
    }
    assert_eq!((buffer.has_next(), buffer.next_timestamp()), (false, None), "it has not begun");
    assert!(matches!(buffer.take(start + ms(25), Duration::ZERO), Playout::Packet { timestamp: 0, .. }));
    assert_eq!((buffer.has_next(), buffer.next_timestamp()), (true, Some(960)));
}

#[test]
fn what_a_packet_waits_longer_than_it_should_is_measured_without_what_was_made_up_and_smoothed() {
    let start = Instant::now();
    // 35 ms where 25 are right: 480 samples, of which a fiftieth counts.
    for (made_up, is_paused, left_out, excess) in [(0, false, 0, 9.6), (100, false, 100, 7.6), (100, true, 0, 9.6)] {
        let mut buffer = JitterBuffer::default();
        buffer.insert(packet(start, 0, ms(0)), AudioEncoding::Opus);
        buffer.made_up(made_up);
        if is_paused {
            buffer.pause();
        }
        let taken = buffer.take(start + ms(35), Duration::ZERO);
        assert!(matches!(taken, Playout::Packet { made_up, .. } if made_up == left_out), "{taken:?}");
        assert!((buffer.excess() - excess).abs() < 1e-6, "{}", buffer.excess());
        buffer.shortened(5);
        assert!((buffer.excess() - (excess - 5.0)).abs() < 1e-6, "{}", buffer.excess());
    }
}

#[test]
fn the_jitter_of_a_stream_is_that_of_its_packets() {
    let start = Instant::now();
    let mut buffer = JitterBuffer::default();
    assert_eq!(buffer.jitter(), Duration::ZERO);
    for (number, arrives) in [(0, 0), (1, 36)] {
        buffer.insert(packet(start, number, ms(arrives)), AudioEncoding::Opus);
    }
    assert_eq!(buffer.jitter(), ms(1), "16 ms late, of which a sixteenth counts");
    assert_eq!(buffer.delay(), MIN_DELAY + ms(16));
}
