//! What is sent follows what the path carries.

use std::time::Duration;

use muji_harness::link::{Link, packet};
use muji_jingle::{SessionId, TransportId};
use muji_media::parts::{INITIAL, PathBandwidths};

/// Sends as an encoder would that keeps exactly to its target; what the target was at the end, and how much was lost.
fn send(link: &mut Link, bandwidth: &mut PathBandwidths, target: &mut u32, seconds: u32) -> (u32, f64) {
    let path = TransportId { session: SessionId(0), index: 0 };
    let (mut packets, mut bytes) = (0usize, 0usize);
    link.dropped();
    for number in 0..seconds * 30 {
        bytes += *target as usize / 8 / 30;
        while bytes >= 1_000 {
            link.send(&[packet(number, true, 1_000)]);
            (bytes, packets) = (bytes - 1_000, packets + 1);
        }
        link.run(Duration::from_micros(33_333));
        if let Some(bits) = link.estimate() {
            bandwidth.estimated(path, bits);
        }
        link.lost().into_iter().for_each(|share| bandwidth.lost(path, share));
        link.overflowed().into_iter().for_each(|share| bandwidth.congested(path, share));
        *target = bandwidth.changed().map_or(*target, |news| news.bits);
    }
    (*target, link.dropped() as f64 / packets.max(1) as f64)
}

#[test]
fn a_peer_that_counts_no_packets_is_told_how_much_it_may_send_and_so_follows_too() {
    let (mut link, mut bandwidth, mut target) = (Link::without_counting(), PathBandwidths::default(), INITIAL);
    assert_eq!(link.estimate(), None);
    link.limit(2_000_000);
    let (wide, lost) = send(&mut link, &mut bandwidth, &mut target, 30);
    assert!(wide >= 1_000_000 && lost < 0.01, "{wide} bit/s, {lost} lost");
    link.limit(300_000);
    send(&mut link, &mut bandwidth, &mut target, 8);
    let (narrow, lost) = send(&mut link, &mut bandwidth, &mut target, 15);
    let told = link.estimate().expect("it is told");
    assert!((100_000..330_000).contains(&narrow) && lost < 0.1, "{narrow} bit/s, {lost} lost, {told} told");
}

#[test]
fn what_is_sent_follows_a_link_that_becomes_narrow_and_wide_again() {
    let (mut link, mut bandwidth, mut target) = (Link::new(), PathBandwidths::default(), INITIAL);
    link.limit(2_000_000);
    let (wide, lost) = send(&mut link, &mut bandwidth, &mut target, 20);
    assert!(wide >= 1_200_000 && lost < 0.01, "{wide} bit/s, {lost} lost");
    link.limit(300_000);
    let (soon, lost) = send(&mut link, &mut bandwidth, &mut target, 3);
    assert!(soon < 400_000, "three seconds after it became narrow {soon} bit/s, {lost} lost");
    send(&mut link, &mut bandwidth, &mut target, 5);
    let (narrow, lost) = send(&mut link, &mut bandwidth, &mut target, 15);
    assert!((100_000..330_000).contains(&narrow) && lost < 0.05, "{narrow} bit/s, {lost} lost");
    link.limit(2_000_000);
    let (wide, lost) = send(&mut link, &mut bandwidth, &mut target, 30);
    assert!(wide >= 1_000_000 && lost < 0.01, "{wide} bit/s, {lost} lost");
}
