//! How the results are written down.

use std::fmt::Write as _;

use crate::Format;
use crate::run::{Judged, Verdict};
use muji_conformance::register::Register;

/// All of it in one form.
pub(crate) fn write(format: Format, subject: &str, judged: &[Judged]) -> Result<String, String> {
    let register = Register::of_this_repository()?;
    Ok(match format {
        Format::Table => table(&register, subject, judged),
        Format::Json => json(&register, judged),
        Format::Junit => junit(&register, subject, judged),
        Format::Markdown => markdown(&register, subject, judged),
    })
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail(..) => "FAIL",
        Verdict::Skipped(_) => "skipped",
        Verdict::NotImplemented => "not implemented",
    }
}

/// The sections that a case shows.
fn sections(register: &Register, judged: &Judged) -> String {
    let section = |id: &&str| format!("{} ({id})", register.section(id));
    judged.case.ids.iter().map(section).collect::<Vec<_>>().join("; ")
}

fn summary(judged: &[Judged]) -> String {
    let count = |is: fn(&Verdict) -> bool| judged.iter().filter(|judged| is(&judged.verdict)).count();
    format!(
        "{} of {} cases passed, {} failed, {} skipped, {} not implemented",
        count(|verdict| *verdict == Verdict::Pass),
        judged.len(),
        count(Verdict::is_failure),
        count(|verdict| matches!(verdict, Verdict::Skipped(_))),
        count(|verdict| *verdict == Verdict::NotImplemented),
    )
}

fn table(register: &Register, subject: &str, judged: &[Judged]) -> String {
    let mut text = String::new();
    for one in judged {
        let _infallible = writeln!(text, "{:<16} {:<10} {}", word(&one.verdict), one.group, one.case.name);
        match &one.verdict {
            Verdict::Fail(why, ladder) => {
                let _infallible = writeln!(text, "    {why}\n    {}", sections(register, one));
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
    let _infallible = writeln!(text, "{subject}: {}", summary(judged));
    text
}

fn why(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Fail(why, _) => Some(why),
        Verdict::Skipped(why) => Some(why),
        Verdict::Pass | Verdict::NotImplemented => None,
    }
}

fn json(register: &Register, judged: &[Judged]) -> String {
    let object = |one: &Judged| {
        let ladder: &[String] = if let Verdict::Fail(_, ladder) = &one.verdict { ladder } else { &[] };
        serde_json::json!({
            "group": one.group,
            "case": one.case.name,
            "demands": one.case.ids,
            "sections": sections(register, one),
            "verdict": word(&one.verdict).to_lowercase(),
            "why": why(&one.verdict),
            "ladder": ladder,
            "ms": u64::try_from(one.took.as_millis()).unwrap_or(u64::MAX),
        })
    };
    judged.iter().map(|one| format!("{}\n", object(one))).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn junit(register: &Register, subject: &str, judged: &[Judged]) -> String {
    let failures = judged.iter().filter(|one| one.verdict.is_failure()).count();
    let skipped =
        judged.iter().filter(|one| matches!(one.verdict, Verdict::Skipped(_) | Verdict::NotImplemented)).count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" skipped=\"{skipped}\">\n",
        escaped(subject),
        judged.len()
    );
    for one in judged {
        let (name, group, time) = (escaped(one.case.name), one.group, one.took.as_secs_f64());
        let _infallible = write!(text, "  <testcase classname=\"{group}\" name=\"{name}\" time=\"{time:.3}\"");
        let inside = match &one.verdict {
            Verdict::Pass => None,
            Verdict::Fail(why, ladder) => Some(format!(
                "<failure message=\"{}\">{}\n{}</failure>",
                escaped(why),
                escaped(&sections(register, one)),
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

fn markdown(register: &Register, subject: &str, judged: &[Judged]) -> String {
    let mut text = format!("# {subject}\n\n{}.\n\n| case | demands | verdict |\n|---|---|---|\n", summary(judged));
    for one in judged {
        let why = why(&one.verdict).map(|why| format!(": {why}")).unwrap_or_default();
        let (name, ids) = (one.case.name, one.case.ids.join(", "));
        let _infallible = writeln!(text, "| {name} | {ids} | {}{} |", word(&one.verdict), why.replace('|', "/"));
    }
    for one in judged {
        if let Verdict::Fail(_, ladder) = &one.verdict {
            let _infallible = write!(
                text,
                "\n## {}\n\n{}\n\n```\n{}\n```\n",
                one.case.name,
                sections(register, one),
                ladder.join("\n")
            );
        }
    }
    text
}
