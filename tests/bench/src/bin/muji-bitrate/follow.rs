//! How well sizes of frames follow a target.

/// Frames that are taken together.
pub(crate) const WINDOW: usize = 10;

/// Within so much of the target it is reached.
const NEAR: f64 = 0.15;

/// Sizes of frames in bytes, and what was wanted of each.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<usize>,
    pub(crate) target: Vec<f64>,
    /// Frames a second.
    pub(crate) rate: f64,
}

impl Series {
    /// The mean of the frames from one on.
    fn mean(&self, from: usize, count: usize) -> f64 {
        let frames = &self.bytes[from..(from + count).min(self.bytes.len())];
        frames.iter().sum::<usize>() as f64 / frames.len().max(1) as f64
    }

    /// The mean of the last frames up to each.
    pub(crate) fn averages(&self) -> Vec<f64> {
        (0..self.bytes.len())
            .map(|frame| self.mean((frame + 1).saturating_sub(WINDOW), WINDOW.min(frame + 1)))
            .collect()
    }

    /// Frames from one on until those that follow have the size that is wanted; `None` if they never do before the end.
    pub(crate) fn follows(&self, step: usize, end: usize) -> Option<usize> {
        let wanted = self.target[step];
        let near = |frame: usize| (self.mean(frame, WINDOW) - wanted).abs() <= wanted * NEAR;
        (step..end.saturating_sub(WINDOW)).find(|frame| near(*frame)).map(|frame| frame - step)
    }

    /// The longest queue from one frame to another if a link carried exactly what is wanted, in ms.
    pub(crate) fn queue(&self, step: usize, end: usize) -> f64 {
        let (mut queue, mut worst) = (0.0_f64, 0.0_f64);
        for frame in step..end {
            queue = (queue + self.bytes[frame] as f64 - self.target[frame]).max(0.0);
            worst = worst.max(queue / (self.target[frame] * self.rate) * 1_000.0);
        }
        worst
    }

    /// The largest frame of some, in means of all of them.
    pub(crate) fn unrest(&self, from: usize, end: usize) -> f64 {
        let largest = self.bytes[from..end].iter().max().copied().unwrap_or(0) as f64;
        largest / self.mean(from, end - from).max(1.0)
    }

    /// How many frames of some were left out.
    pub(crate) fn left_out(&self, from: usize, end: usize) -> usize {
        self.bytes[from..end].iter().filter(|bytes| **bytes == 0).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(bytes: Vec<usize>, target: f64) -> Series {
        Series { name: "made up", target: vec![target; bytes.len()], bytes, rate: 30.0 }
    }

    #[test]
    fn what_has_the_wanted_size_at_once_follows_at_once_and_what_never_has_never() {
        assert_eq!(series(vec![1_000; 40], 1_000.0).follows(0, 40), Some(0));
        assert_eq!(series(vec![2_000; 40], 1_000.0).follows(0, 40), None);
        let late = [vec![3_000; 5], vec![1_000; 35]].concat();
        assert_eq!(series(late, 1_000.0).follows(0, 40), Some(5));
    }

    #[test]
    fn a_queue_grows_by_what_is_too_much_and_drains() {
        let series = series([vec![2_000; 3], vec![0; 5]].concat(), 1_000.0);
        assert_eq!(series.queue(0, 8), 100.0);
        assert_eq!((series.unrest(0, 3), series.left_out(0, 8)), (1.0, 5));
    }
}
