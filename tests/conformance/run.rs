//! Every case with one client, and what came of each.

use std::time::Duration;

use crate::cases::{Case, GROUPS};
use crate::ground::engine::Virtual;
use crate::ground::{Cannot, Ground};
use crate::play::{Fault, Play};
use crate::wrong::Fault as Spoiled;

/// Worlds in virtual time repeat with this.
const SEED: u64 = 1;

/// Who is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Our Engine.
    Engine,
    /// Our Engine, spoiled.
    Wrong(Spoiled),
}

impl Subject {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "engine" {
            return Ok(Self::Engine);
        }
        if let Some(name) = text.strip_prefix("wrong:") {
            let named = Spoiled::ALL.into_iter().find(|fault| fault.name() == name).map(Self::Wrong);
            let all = || Spoiled::ALL.map(|fault| fault.name()).join(", ");
            return named.ok_or_else(|| format!("there is no such fault as {name}, but {}", all()));
        }
        Err(format!("--subject {text} is none: engine, or wrong:NAME"))
    }

    fn ground(&self) -> Box<dyn Ground> {
        match self {
            Self::Engine => Box::new(Virtual::new(SEED, None)),
            Self::Wrong(fault) => Box::new(Virtual::new(SEED, Some(fault.meddler()))),
        }
    }
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    /// Why, and what was said and heard: a line each.
    Fail(String, Vec<String>),
    Skipped(&'static str),
    NotImplemented,
}

impl Verdict {
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self, Self::Fail(..))
    }
}

/// A case, and what came of it.
pub(crate) struct Judged {
    pub(crate) group: &'static str,
    pub(crate) case: &'static Case,
    pub(crate) verdict: Verdict,
    /// As the client saw it.
    pub(crate) took: Duration,
}

/// The cases that are asked for.
pub(crate) fn chosen(only: Option<&str>) -> impl Iterator<Item = (&'static str, &'static Case)> {
    let all = GROUPS.iter().flat_map(|(group, cases)| cases.iter().map(|case| (*group, case)));
    all.filter(move |(group, case)| {
        only.is_none_or(|only| {
            group.contains(only) || case.name.contains(only) || case.ids.iter().any(|id| id.contains(only))
        })
    })
}

/// Plays them.
pub(crate) fn judge(subject: &Subject, only: Option<&str>) -> Vec<Judged> {
    let judged = |(group, case): (&'static str, &'static Case)| {
        let ground = subject.ground();
        let lacks = ground.lacks().iter().find(|(id, _)| case.ids.contains(id));
        let mut play = Play::new(ground);
        let played = match lacks {
            Some((_, why)) => Err(Fault::Cannot(Cannot::Here(why))),
            None => (case.play)(&mut play),
        };
        let verdict = match played {
            Ok(()) => Verdict::Pass,
            Err(Fault::Wrong(why)) => Verdict::Fail(why, play.ladder()),
            Err(Fault::Cannot(Cannot::NotImplemented)) => Verdict::NotImplemented,
            Err(Fault::Cannot(Cannot::Here(why))) => Verdict::Skipped(why),
            Err(Fault::Cannot(Cannot::Gone(why))) => Verdict::Fail(format!("it is gone: {why}"), play.ladder()),
        };
        Judged { group, case, verdict, took: play.age() }
    };
    chosen(only).map(judged).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn failures(subject: &Subject) -> BTreeSet<&'static str> {
        let judged = judge(subject, None);
        judged.iter().filter(|judged| judged.verdict.is_failure()).map(|judged| judged.case.name).collect()
    }

    #[test]
    fn the_engine_passes_every_case_but_that_of_its_client() {
        for Judged { case, verdict, .. } in judge(&Subject::Engine, None) {
            let clients = case.ids.contains(&"ping-08") && matches!(verdict, Verdict::Skipped(_));
            assert!(clients || verdict == Verdict::Pass, "{}: {verdict:?}", case.name);
        }
    }

    #[test]
    fn each_fault_made_on_purpose_fails_the_cases_that_name_it_and_no_others() {
        for fault in Spoiled::ALL {
            let failed = failures(&Subject::Wrong(fault));
            assert_eq!(failed, fault.cases().iter().copied().collect(), "{}", fault.name());
        }
    }

    #[test]
    fn no_two_cases_have_one_name_and_none_shows_more_than_three_demands() {
        let mut names = BTreeSet::new();
        for (_, case) in chosen(None) {
            assert!(names.insert(case.name), "{} stands twice", case.name);
            assert!((1..=3).contains(&case.ids.len()), "{}", case.name);
        }
    }
}
