//! Pictures to two at once, one on a link that carries much less: once as the slowest can, once in layers.

use muji_media::backend::BandwidthPolicy;

use crate::call::Call;
use crate::{Failure, Goal};

/// What their links carry, in bits a second.
const LINKS: [u32; 2] = [300_000, 1_500_000];

/// Until the paths are known, and then looked at.
const SECONDS: u32 = 20;
const LOOK: u32 = 20;

pub(crate) fn run() -> Result<Vec<Goal>, Failure> {
    println!("\nTwo who look, on links of {} and {} kbit/s, after {SECONDS} s:", LINKS[0] / 1_000, LINKS[1] / 1_000);
    println!("{:<22} {:>9} {:>18} {:>18} {:>16}", "", "target", "slow: kbit/s", "pictures a second", "lost");
    let [_, all_slow, ..] = settled("as the slowest can", BandwidthPolicy::Slowest)?;
    let [slow_pictures, slow, fast_pictures, fast, longest] = settled("in layers", BandwidthPolicy::Layers)?;
    println!("{:<22} {slow:>9.0} of {all_slow:.0} kbit/s to the slow one, {fast:.0} to the fast one", "");
    Ok(vec![
        Goal::at_most(
            "unequal links, pictures missing of 7 a second on the slow one",
            7.0 - slow_pictures.min(7.0),
            0.0,
            "",
        ),
        Goal::at_most(
            "unequal links, pictures missing of 28 a second on the fast one",
            28.0 - fast_pictures.min(28.0),
            0.0,
            "",
        ),
        Goal::at_most("unequal links, times as much to the slow one as to the fast one", slow / fast, 0.6, ""),
        Goal::at_most("unequal links, longest time without a new picture on the slow one", longest, 1.0, " s"),
    ])
}

/// Of the slow one pictures a second and kbit/s, the same of the fast one, and the longest time without a picture on the slow one.
fn settled(name: &str, policy: BandwidthPolicy) -> Result<[f64; 5], Failure> {
    let mut call = Call::begin(policy, 2)?;
    call.viewers.iter_mut().zip(LINKS).for_each(|(viewer, bits)| viewer.link.limit(bits));
    let mut sums = [0.0; 6];
    for second in 0..SECONDS + LOOK {
        if second == SECONDS {
            call.viewers.iter_mut().for_each(|viewer| viewer.longest = std::time::Duration::ZERO);
        }
        call.second()?;
        if second >= SECONDS {
            let of = |number: usize| {
                let viewer = &call.viewers[number];
                [f64::from(viewer.shown), viewer.received, viewer.lost]
            };
            let seen = [of(0), of(1)].concat();
            sums.iter_mut().zip(seen).for_each(|(sum, seen)| *sum += seen / f64::from(LOOK));
        }
    }
    let [slow_pictures, slow, slow_lost, fast_pictures, fast, fast_lost] = sums;
    println!(
        "{name:<22} {:>9} {:>9.0} and {:>4.0} {:>9.1} and {:>4.1} {:>7.1}% and {:>3.1}%",
        call.target.bits / 1_000,
        slow,
        fast,
        slow_pictures,
        fast_pictures,
        slow_lost,
        fast_lost
    );
    Ok([slow_pictures, slow, fast_pictures, fast, call.viewers[0].longest.as_secs_f64()])
}
