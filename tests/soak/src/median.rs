//! The middle one of several measurements.

use std::cmp::Ordering;

/// The median, of an even number the lower of the two in the middle. `None` of none.
pub(crate) fn median<T: PartialOrd>(of: impl IntoIterator<Item = T>) -> Option<T> {
    let mut sorted: Vec<T> = of.into_iter().collect();
    sorted.sort_by(|one, other| one.partial_cmp(other).unwrap_or(Ordering::Equal));
    let middle = sorted.len().saturating_sub(1) / 2;
    sorted.into_iter().nth(middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_in_the_middle_it_is_the_lower() {
        assert_eq!(median([4.0, 1.0, 3.0, 2.0]), Some(2.0));
        assert_eq!(median([3, 1, 2]), Some(2));
        assert_eq!(median::<i64>([]), None);
    }
}
