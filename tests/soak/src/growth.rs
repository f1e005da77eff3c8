//! Whether something that is measured again and again grows.

/// By how much it has grown from the first measurements to the last: the lower middle of the first third is taken from that of the last, so
/// that a measurement taken at a bad moment changes nothing. `None` of fewer than three.
pub(crate) fn growth(measured: &[i64]) -> Option<i64> {
    let third = measured.len() / 3;
    if third == 0 {
        return None;
    }
    let first = middle(measured.iter().take(third));
    let last = middle(measured.iter().rev().take(third));
    Some(last? - first?)
}

fn middle<'a>(of: impl Iterator<Item = &'a i64>) -> Option<i64> {
    let mut sorted: Vec<i64> = of.copied().collect();
    sorted.sort_unstable();
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
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
