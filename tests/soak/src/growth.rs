//! Whether something that is measured many times grows.

use crate::median::median;

/// How much it has grown from the first measurements to the last: the median of the last third less that of the first, so that a
/// measurement taken at a bad moment changes nothing. `None` of fewer than three.
pub(crate) fn growth(measured: &[i64]) -> Option<i64> {
    let third = measured.len() / 3;
    let first = median(measured.iter().take(third));
    let last = median(measured.iter().rev().take(third));
    Some(last? - first?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_a_little_each_time_is_found() {
        let leaking: Vec<i64> = (0..22).map(|hour| 1_000 + 100 * hour).collect();
        assert_eq!(growth(&leaking), Some(1_500));
    }

    #[test]
    fn one_bad_moment_is_no_growth() {
        assert_eq!(growth(&[10, 11, 10, 10, 11, 90, 10, 11, 90]), Some(1));
        assert_eq!(growth(&[10, 10]), None);
    }
}
