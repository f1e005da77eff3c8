//! What is to be reached, beside libwebrtc or by itself.

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

    /// Says what is missed, and as the last line the verdict; whether all are met.
    pub(crate) fn verdict(&self) -> bool {
        self.missed.iter().for_each(|missed| println!("missed: {missed}"));
        let skipped = if self.skipped > 0 { format!(", {} skipped", self.skipped) } else { String::new() };
        println!("quality: {} goals met, {} missed{skipped}", self.met, self.missed.len());
        self.missed.is_empty()
    }
}
