//! Lists the requirements with the tests that cover each, and how those tests went.
//!
//! `muji-requirements LOG…` reads what `cargo test` printed. It fails if a test that covers a requirement failed or did not run, if a
//! comment names an unknown requirement, and if a priority-1 requirement of the XEPs below is not covered.
#![forbid(unsafe_code)]

mod claims;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use claims::Claim;
use muji_harness::register::{Register, Requirement};

/// Those whose requirements of the first priority must all be shown.
const COMPLETE: [&str; 22] = [
    "XEP-0272", "XEP-0045", "XEP-0410", "XEP-0030", "XEP-0115", "XEP-0249", "XEP-0334", "XEP-0390", "XEP-0421",
    "XEP-0353", "XEP-0482", "XEP-0280", "XEP-0166", "XEP-0167", "XEP-0176", "XEP-0198", "XEP-0215", "XEP-0293",
    "XEP-0294", "XEP-0320", "XEP-0338", "XEP-0339",
];

/// How a test went.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    Skipped(String),
}

/// How it stands with a requirement.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    Passed(Vec<String>),
    Failed(Vec<String>),
    Skipped(String),
    Untested,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let brief = args.iter().any(|arg| arg == "--brief");
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let logs = args.iter().filter(|arg| !arg.starts_with("--")).map(Path::new);
    let mut outcomes = BTreeMap::new();
    for log in logs {
        match std::fs::read_to_string(log) {
            Ok(text) => outcomes.extend(read_outcomes(&text)),
            Err(why) => return fail(&[format!("{} cannot be read: {why}", log.display())]),
        }
    }
    let (register, claims) = match (Register::read(&root.join("xep/requirements")), claims::find(&root)) {
        (Ok(register), Ok(claims)) => (register, claims),
        (Err(why), _) | (_, Err(why)) => return fail(&[why]),
    };
    let mut faults = wrong_claims(&register, &claims, &outcomes);
    let mut passed = 0;
    for (title, requirements) in register.groups() {
        passed += tell(title, &requirements, &claims, &outcomes, brief, &mut faults);
    }
    if !faults.is_empty() {
        return fail(&faults);
    }
    println!(
        "requirements: {passed} of {} requirements and rules are shown by tests that pass, none failed",
        register.len()
    );
    ExitCode::SUCCESS
}

fn fail(faults: &[String]) -> ExitCode {
    faults.iter().for_each(|fault| println!("{fault}"));
    println!("requirements: failed, {} faults", faults.len());
    ExitCode::FAILURE
}

/// What `cargo test` says of each test, by the last part of its name.
fn read_outcomes(log: &str) -> BTreeMap<String, Outcome> {
    let mut outcomes = BTreeMap::new();
    for line in log.lines() {
        let Some((name, outcome)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")) else {
            continue;
        };
        let name = name.split(" - ").next().unwrap_or(name).rsplit("::").next().unwrap_or(name).to_owned();
        let outcome = match outcome.split(',').next().unwrap_or(outcome).trim() {
            "ok" => Outcome::Passed,
            "ignored" => {
                Outcome::Skipped(outcome.trim_start_matches("ignored").trim_start_matches(',').trim().to_owned())
            }
            _ => Outcome::Failed,
        };
        outcomes.insert(name, outcome);
    }
    outcomes
}

/// Comments that name what is not there, too much, or a test that did not run.
fn wrong_claims(register: &Register, claims: &[Claim], outcomes: &BTreeMap<String, Outcome>) -> Vec<String> {
    let mut faults = Vec::new();
    for claim in claims {
        let place = format!("{}: {}", claim.file, claim.test);
        if claim.ids.len() > claims::MOST {
            faults.push(format!(
                "{place} shows {} requirements; more than {} are a blur",
                claim.ids.len(),
                claims::MOST
            ));
        }
        let unknown = claim.ids.iter().filter(|id| !register.contains(id));
        faults.extend(unknown.map(|id| format!("{place} shows {id}, which is not in the register")));
        match outcomes.get(&claim.test) {
            Some(Outcome::Failed) => faults.push(format!("{place} failed; it shows {}", claim.ids.join(", "))),
            Some(Outcome::Passed | Outcome::Skipped(_)) => {}
            None => faults.push(format!("{place} did not run")),
        }
    }
    faults
}

/// Prints a group of the register; how many of it are shown.
fn tell(
    title: &str,
    requirements: &[&Requirement],
    claims: &[Claim],
    outcomes: &BTreeMap<String, Outcome>,
    brief: bool,
    faults: &mut Vec<String>,
) -> usize {
    let standings: Vec<(&Requirement, Standing)> =
        requirements.iter().map(|requirement| (*requirement, standing(&requirement.id, claims, outcomes))).collect();
    let count = |wanted: fn(&Standing) -> bool| standings.iter().filter(|(_, standing)| wanted(standing)).count();
    let passed = count(|standing| matches!(standing, Standing::Passed(_)));
    println!(
        "{title}: {} requirements, {passed} passed, {} failed, {} skipped, {} untested",
        requirements.len(),
        count(|standing| matches!(standing, Standing::Failed(_))),
        count(|standing| matches!(standing, Standing::Skipped(_))),
        count(|standing| *standing == Standing::Untested),
    );
    for (requirement, standing) in &standings {
        if !brief {
            println!("  {:<16} {} {:<10} {}", requirement.id, requirement.prio, requirement.level, words(standing));
            if let Some(why) = &requirement.deviates {
                println!("  {:<16} deviates: {why}", "");
            }
        }
        let needed = requirement.prio == 1 && COMPLETE.contains(&requirement.source.as_str());
        if needed && matches!(standing, Standing::Untested | Standing::Skipped(_)) {
            faults
                .push(format!("{} is of the first priority and not shown: {}", requirement.id, requirement.statement));
        }
    }
    passed
}

fn standing(id: &str, claims: &[Claim], outcomes: &BTreeMap<String, Outcome>) -> Standing {
    let tests = claims.iter().filter(|claim| claim.ids.iter().any(|of| of == id));
    let went: Vec<(String, Option<&Outcome>)> = tests.map(|claim| (claim.name(), outcomes.get(&claim.test))).collect();
    let named = |wanted: fn(&Outcome) -> bool| -> Vec<String> {
        went.iter().filter(|(_, outcome)| outcome.is_some_and(wanted)).map(|(test, _)| test.clone()).collect()
    };
    let (failed, passed) = (named(|it| *it == Outcome::Failed), named(|it| *it == Outcome::Passed));
    let skipped = went.iter().find_map(|(_, outcome)| match outcome {
        Some(Outcome::Skipped(why)) => Some(why.clone()),
        _ => None,
    });
    match (failed.is_empty(), passed.is_empty(), skipped) {
        (false, ..) => Standing::Failed(failed),
        (true, false, _) => Standing::Passed(passed),
        (true, true, Some(why)) => Standing::Skipped(why),
        (true, true, None) => Standing::Untested,
    }
}

fn words(standing: &Standing) -> String {
    match standing {
        Standing::Passed(tests) => format!("passed: {}", tests.join(", ")),
        Standing::Failed(tests) => format!("FAILED: {}", tests.join(", ")),
        Standing::Skipped(why) => format!("skipped: {why}"),
        Standing::Untested => "untested".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "running 3 tests\ntest joining::two_hear ... ok\ntest a::slow ... ignored, needs a server\n\
                       test src/lib.rs - (line 5) ... ok\ntest leaving::order ... FAILED\n";

    fn claim(test: &str, ids: &[&str]) -> Claim {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        Claim { file: "joining.rs".to_owned(), test: test.to_owned(), case: None, ids }
    }

    #[test]
    fn a_requirement_stands_as_the_tests_that_show_it() {
        let outcomes = read_outcomes(LOG);
        let claims = [claim("two_hear", &["x-01", "x-02"]), claim("order", &["x-02"]), claim("slow", &["x-03"])];
        let of = |id| standing(id, &claims, &outcomes);
        assert_eq!(of("x-01"), Standing::Passed(vec!["two_hear".to_owned()]));
        assert_eq!(of("x-02"), Standing::Failed(vec!["order".to_owned()]));
        assert_eq!(of("x-03"), Standing::Skipped("needs a server".to_owned()));
        assert_eq!(of("x-04"), Standing::Untested);
    }

    #[test]
    fn every_test_of_this_repository_names_what_is_in_the_register() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let register = Register::read(&root.join("xep/requirements")).expect("it is readable");
        let claims = claims::find(root).expect("they are readable");
        let named = claims.iter().flat_map(|claim| claim.ids.iter().map(move |id| (id, claim)));
        let unknown: Vec<_> =
            named.filter(|(id, _)| !register.contains(id)).map(|(id, claim)| (id, &claim.test)).collect();
        assert_eq!(unknown, [], "requirements that tests claim to show");
    }

    #[test]
    fn a_claim_that_cannot_be_is_a_fault() {
        let outcomes = read_outcomes(LOG);
        let register = Register::of(vec![]);
        let claims = [claim("two_hear", &["x-09"]), claim("not_there", &[])];
        let faults = wrong_claims(&register, &claims, &outcomes);
        assert_eq!(faults.len(), 2);
        assert!(faults[0].contains("not in the register") && faults[1].contains("did not run"));
    }
}
