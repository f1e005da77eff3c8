//! How much later something is heard than it was said, by where the two are most alike.

/// The rate at which they are compared: enough to tell a millisecond, and quick.
const RATE: usize = 8_000;

/// Of the recordings.
const RECORDED: usize = 48_000;

/// So much is compared at once, each so much after the one before, in samples.
const WINDOW: usize = RATE * 3 / 10;
const STEP: usize = RATE * 2 / 10;

/// The longest delay that is looked for: half a second.
const LONGEST: usize = RATE / 2;

/// Below this share of the loudest window's energy there is nothing to compare.
const QUIET: f64 = 0.05;

/// Less alike than this is not the same: it was made up.
const ALIKE: f64 = 0.6;

/// Milliseconds, sorted, of each window of what was said again and again and begins `heard`.
pub(crate) fn delays(said: &[i16], heard: &[i16]) -> Vec<f64> {
    let times = heard.len() / said.len();
    let (said, heard) = (fewer(said).repeat(times), fewer(heard));
    let windows = (0..said.len().min(heard.len()).saturating_sub(WINDOW + LONGEST)).step_by(STEP);
    let loudest = windows.clone().map(|at| energy(&said[at..][..WINDOW])).fold(0.0, f64::max);
    let loud = windows.filter(|at| energy(&said[*at..][..WINDOW]) > QUIET * loudest);
    let mut delays: Vec<f64> =
        loud.filter_map(|at| delay(&said[at..][..WINDOW], &heard[at..][..WINDOW + LONGEST])).collect();
    delays.sort_by(f64::total_cmp);
    delays
}

/// What this share of sorted values does not exceed.
pub(crate) fn at(sorted: &[f64], share: f64) -> f64 {
    sorted.get((sorted.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN)
}

/// At a lower rate.
fn fewer(samples: &[i16]) -> Vec<f32> {
    let mean = |together: &[i16]| together.iter().map(|sample| f32::from(*sample)).sum::<f32>() / together.len() as f32;
    samples.chunks_exact(RECORDED / RATE).map(mean).collect()
}

fn energy(samples: &[f32]) -> f64 {
    f64::from(product(samples, samples))
}

/// Eight sums at once, as processors can; one alone would wait for each addition.
fn product(one: &[f32], other: &[f32]) -> f32 {
    let mut sums = [0.0; 8];
    for (one, other) in one.chunks_exact(8).zip(other.chunks_exact(8)) {
        sums.iter_mut().zip(one.iter().zip(other)).for_each(|(sum, (one, other))| *sum += one * other);
    }
    sums.iter().sum()
}

fn delay(said: &[f32], heard: &[f32]) -> Option<f64> {
    let of_said = energy(said);
    let likeness = |at: usize| {
        let heard = &heard[at..][..WINDOW];
        f64::from(product(said, heard)) / (of_said * energy(heard)).sqrt().max(1.0)
    };
    let all = (0..LONGEST).map(|at| (likeness(at), at));
    let (best, at) = all.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (best > ALIKE).then_some(at as f64 * 1_000.0 / RATE as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_that_comes_90_ms_later_is_found_90_ms_later() {
        let mut random = muji_harness::seeded_random::SeededRandom::new(3);
        let mut level = 0.0;
        // Deep noise, as a voice is.
        let said: Vec<i16> = (0..96_000)
            .map(|_| {
                level = level * 0.98 + (random.number() % 2_001) as f64 - 1_000.0;
                level as i16
            })
            .collect();
        let heard: Vec<i16> = std::iter::repeat_n(0, 4_320).chain(said.repeat(2)).collect();
        let delays = delays(&said, &heard);
        assert!(delays.len() > 10 && delays.iter().all(|delay| (delay - 90.0).abs() < 0.2), "{delays:?}");
    }
}
