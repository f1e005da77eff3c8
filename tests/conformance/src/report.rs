//! Reports of the results, as text, JSON, JUnit and Markdown.

use std::fmt::Write as _;
use std::path::Path;

use muji_harness::register::Register;

use crate::run::{Judged, Verdict};

/// In what form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// For people.
    Table,
    /// An object for each case.
    Json,
    /// For build servers.
    Junit,
    /// For documents.
    Markdown,
}

impl Kind {
    /// What the ending of a file's name says.
    pub(crate) fn of(file: &Path) -> Result<Self, String> {
        match file.extension().and_then(|ending| ending.to_str()) {
            Some("txt") => Ok(Self::Table),
            Some("json") => Ok(Self::Json),
            Some("xml") => Ok(Self::Junit),
            Some("md") => Ok(Self::Markdown),
            _ => Err(format!("{} must end in .txt, .json, .xml or .md", file.display())),
        }
    }
}

/// What came of all cases with one client.
pub(crate) struct Report<'a> {
    pub(crate) register: &'a Register,
    pub(crate) subject: &'a str,
    pub(crate) judged: &'a [Judged],
}

impl Report<'_> {
    pub(crate) fn write(&self, kind: Kind) -> String {
        match kind {
            Kind::Table => self.table(|_| true),
            Kind::Json => self.json(),
            Kind::Junit => self.junit(),
            Kind::Markdown => self.markdown(),
        }
    }

    /// For the terminal: the rest is summed up.
    pub(crate) fn what_is_not_passed(&self) -> String {
        self.table(|verdict| *verdict != Verdict::Pass)
    }

    fn table(&self, shown: impl Fn(&Verdict) -> bool) -> String {
        let mut text = String::new();
        for one in self.judged.iter().filter(|one| shown(&one.verdict)) {
            let _infallible = writeln!(text, "{:<16} {:<10} {}", word(&one.verdict), one.group, one.case.name);
            match &one.verdict {
                Verdict::Fail(why, ladder) => {
                    let _infallible = writeln!(text, "    {why}\n    {}", self.sections(one));
                    for line in ladder {
                        let _infallible = writeln!(text, "      {line}");
                    }
                }
                Verdict::Skipped(why) => {
                    let _infallible = writeln!(text, "    {why}");
                }
                Verdict::Pass | Verdict::NotImplemented => {}
            }
        }
        let _infallible = writeln!(text, "{}: {}", self.subject, self.summary());
        text
    }

    fn json(&self) -> String {
        let object = |one: &Judged| {
            let ladder: &[String] = if let Verdict::Fail(_, ladder) = &one.verdict { ladder } else { &[] };
            serde_json::json!({
                "group": one.group,
                "case": one.case.name,
                "requirements": one.case.ids,
                "sections": self.sections(one),
                "verdict": word(&one.verdict).to_lowercase(),
                "why": why(&one.verdict),
                "ladder": ladder,
                "ms": u64::try_from(one.took.as_millis()).unwrap_or(u64::MAX),
            })
        };
        self.judged.iter().map(|one| format!("{}\n", object(one))).collect()
    }

    fn junit(&self) -> String {
        let failures = self.judged.iter().filter(|one| one.verdict.is_failure()).count();
        let skipped = self
            .judged
            .iter()
            .filter(|one| matches!(one.verdict, Verdict::Skipped(_) | Verdict::NotImplemented))
            .count();
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" skipped=\"{skipped}\">\n",
            escaped(self.subject),
            self.judged.len()
        );
        for one in self.judged {
            let (name, group, time) = (escaped(one.case.name), one.group, one.took.as_secs_f64());
            let _infallible = write!(text, "  <testcase classname=\"{group}\" name=\"{name}\" time=\"{time:.3}\"");
            let inside = match &one.verdict {
                Verdict::Pass => None,
                Verdict::Fail(why, ladder) => Some(format!(
                    "<failure message=\"{}\">{}\n{}</failure>",
                    escaped(why),
                    escaped(&self.sections(one)),
                    escaped(&ladder.join("\n"))
                )),
                Verdict::Skipped(why) => Some(format!("<skipped message=\"{}\"/>", escaped(why))),
                Verdict::NotImplemented => Some("<skipped message=\"not implemented\"/>".to_owned()),
            };
            let _infallible = match inside {
                Some(inside) => writeln!(text, ">{inside}</testcase>"),
                None => writeln!(text, "/>"),
            };
        }
        text + "</testsuite>\n"
    }

    fn markdown(&self) -> String {
        let mut text =
            format!("# {}\n\n{}.\n\n| case | requirements | verdict |\n|---|---|---|\n", self.subject, self.summary());
        for one in self.judged {
            let (name, ids, said) = (one.case.name, one.case.ids.join(", "), said(&one.verdict).replace('|', "/"));
            let _infallible = writeln!(text, "| {name} | {ids} | {said} |");
        }
        for one in self.judged {
            if let Verdict::Fail(_, ladder) = &one.verdict {
                let _infallible = write!(
                    text,
                    "\n## {}\n\n{}\n\n```\n{}\n```\n",
                    one.case.name,
                    self.sections(one),
                    ladder.join("\n")
                );
            }
        }
        text
    }

    /// The sections that a case shows.
    fn sections(&self, judged: &Judged) -> String {
        let section = |id: &&str| format!("{} ({id})", self.register.section(id));
        judged.case.ids.iter().map(section).collect::<Vec<_>>().join("; ")
    }

    fn summary(&self) -> String {
        let count = |is: fn(&Verdict) -> bool| self.judged.iter().filter(|judged| is(&judged.verdict)).count();
        format!(
            "{} of {} cases passed, {} failed, {} skipped, {} not implemented",
            count(|verdict| *verdict == Verdict::Pass),
            self.judged.len(),
            count(Verdict::is_failure),
            count(|verdict| matches!(verdict, Verdict::Skipped(_))),
            count(|verdict| *verdict == Verdict::NotImplemented),
        )
    }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail(..) => "FAIL",
        Verdict::Skipped(_) => "skipped",
        Verdict::NotImplemented => "not implemented",
    }
}

/// In a line.
pub(crate) fn said(verdict: &Verdict) -> String {
    why(verdict).map_or_else(|| word(verdict).to_owned(), |why| format!("{}: {why}", word(verdict)))
}

fn why(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Fail(why, _) => Some(why),
        Verdict::Skipped(why) => Some(why),
        Verdict::Pass | Verdict::NotImplemented => None,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
