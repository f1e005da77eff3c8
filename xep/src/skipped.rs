use std::fmt;

/// Remarks kept of one stanza; what goes beyond is only counted.
const REMARKS: usize = 8;

/// Characters of a remote name that are repeated in a remark.
const WORD: usize = 64;

/// What a reader could not use. The caller reports it, so that nothing is lost silently.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skipped {
    remarks: Vec<String>,
    more: usize,
}

impl Skipped {
    /// Notes that `what` was left out of `place`.
    pub fn note(&mut self, place: &str, what: impl fmt::Display) {
        if self.remarks.len() == REMARKS {
            self.more += 1;
            return;
        }
        let what: String = what.to_string().chars().take(WORD).collect();
        self.remarks.push(format!("{place}: {what}"));
    }

    /// True if everything was understood.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remarks.is_empty()
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.remarks.join("; "))?;
        match self.more {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_unknown_words_is_counted_and_not_kept() {
        let mut skipped = Skipped::default();
        (0..REMARKS + 3).for_each(|_| skipped.note("content", "x".repeat(1000)));
        assert!(skipped.to_string().len() < REMARKS * (WORD + 20));
        assert!(skipped.to_string().ends_with("; and 3 more"));
    }
}
