//! What is to be reached, compared with libwebrtc or by itself.

/// Met and missed.
#[derive(Default)]
pub(crate) struct Goals {
    met: usize,
    missed: Vec<String>,
    skipped: usize,
}

impl Goals {
    /// One of a row, and how the row says it; `None` if there is nothing to compare with.
    pub(crate) fn check(&mut self, row: &str, what: &str, met: Option<bool>) -> &'static str {
        match met {
            Some(true) => {
                self.met += 1;
                "yes"
            }
            Some(false) => {
                self.missed.push(format!("{row}: {what}"));
                "no"
            }
            None => {
                self.skipped += 1;
                "skipped"
            }
        }
    }

    /// What a row says of several of its goals: the worst.
    pub(crate) fn worst(met: &[&'static str]) -> &'static str {
        ["no", "skipped"].into_iter().find(|verdict| met.contains(verdict)).unwrap_or("yes")
    }

    /// Says what is missed, and as the last line the verdict; whether all are met.
    pub(crate) fn verdict(&self) -> bool {
        self.missed.iter().for_each(|missed| println!("missed: {missed}"));
        let skipped = if self.skipped > 0 { format!(", {} skipped", self.skipped) } else { String::new() };
        println!("quality: {} goals met, {} missed{skipped}", self.met, self.missed.len());
        self.missed.is_empty()
    }
}
