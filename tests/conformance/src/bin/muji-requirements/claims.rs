//! What tests say that they show: a comment above the test, `// Shows muji-join-02, R-ECHO-1.`, or what a case of the conformance suite names,
//! all of which one test plays with our Engine.

use std::path::Path;

/// Requirements that one test may show. A test of everything tells nothing when it fails.
pub(crate) const MOST: usize = 3;

/// Where tests are.
const FOLDERS: [&str; 6] = ["xep", "muji-jingle", "muji-core", "muji-media", "tests", "examples"];

const SHOWS: &str = "// Shows ";

/// Where the cases of the conformance suite are.
const CASES: &str = "tests/conformance/src/cases/";

/// It plays all of them.
const PLAYS: &str = "the_engine_passes_every_case_but_that_of_its_client";

/// What it leaves out: the program that owns the connection is responsible for it.
const LEFT_OUT: &str = "ping-08";

/// A test and the requirements that it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) file: String,
    /// The test that must pass.
    pub(crate) test: String,
    /// The case that it plays, if it plays many.
    pub(crate) case: Option<String>,
    pub(crate) ids: Vec<String>,
}

impl Claim {
    /// What shows it.
    pub(crate) fn name(&self) -> String {
        self.case.as_ref().map_or_else(|| self.test.clone(), |case| format!("case \"{case}\""))
    }
}

/// All claims in the sources below `root`.
pub(crate) fn find(root: &Path) -> Result<Vec<Claim>, String> {
    let mut claims = Vec::new();
    for folder in FOLDERS {
        walk(&root.join(folder), folder, &mut claims)?;
    }
    let tests = claims.iter().filter(|claim| claim.case.is_none());
    let mut tests: Vec<&str> = tests.map(|claim| claim.test.as_str()).collect();
    tests.sort_unstable();
    match tests.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("two tests that show something are called {}", pair[0])),
        None => Ok(claims),
    }
}

fn walk(folder: &Path, name: &str, claims: &mut Vec<Claim>) -> Result<(), String> {
    let fault = |why: std::io::Error| format!("{} cannot be read: {why}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let name = format!("{name}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            walk(&entry.path(), &name, claims)?;
        } else if name.ends_with(".rs") {
            let text = std::fs::read_to_string(entry.path()).map_err(fault)?;
            claims.extend(read(&text, &name)?);
            if name.starts_with(CASES) {
                claims.extend(cases(&text, &name));
            }
        }
    }
    Ok(())
}

fn read(text: &str, file: &str) -> Result<Vec<Claim>, String> {
    let mut claims = Vec::new();
    let mut lines = text.lines().map(str::trim_start);
    while let Some(line) = lines.next() {
        let Some(ids) = line.strip_prefix(SHOWS) else { continue };
        let Some(ids) = ids.strip_suffix('.') else { return Err(format!("{file}: {line} ends without a full stop")) };
        let test = lines.by_ref().take(4).find_map(|line| line.split_once("fn ").map(|(_, rest)| rest));
        let test = test.and_then(|rest| rest.split('(').next());
        let test = test.ok_or_else(|| format!("{file}: no test follows {line}"))?;
        let ids = ids.split(", ").map(str::to_owned).collect();
        claims.push(Claim { file: file.to_owned(), test: test.to_owned(), case: None, ids });
    }
    Ok(claims)
}

/// The cases in a file: each has a name and, after it, the requirements.
fn cases(text: &str, file: &str) -> Vec<Claim> {
    let case = |text: &str| {
        let (name, rest) = text.split_once("name: \"")?.1.split_once('"')?;
        let ids = rest.split_once("ids: &[")?.1.split_once(']')?.0;
        let ids = ids.split(',').map(|id| id.trim().trim_matches('"').to_owned());
        let ids = ids.filter(|id| !id.is_empty() && id != LEFT_OUT).collect();
        Some(Claim { file: file.to_owned(), test: PLAYS.to_owned(), case: Some(name.to_owned()), ids })
    };
    text.split("Case {").skip(1).filter_map(case).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_above_a_test_says_what_it_shows() {
        let text = "    // Shows a-01, R-B-2.\n    #[test]\n    fn it_works() {}\n";
        let ids = vec!["a-01".into(), "R-B-2".into()];
        let claim = Claim { file: "x.rs".to_owned(), test: "it_works".to_owned(), case: None, ids };
        assert_eq!(read(text, "x.rs"), Ok(vec![claim]));
    }

    #[test]
    fn a_case_shows_what_it_names() {
        let text = "use super::Case;\n Case { name: \"it works\", ids: &[\"a-01\"], play: works },\n Case {\n name: \"it ends\",\n \
                    ids: &[\n\"b-01\", \"ping-08\",\n],\n play: ends,\n},\n";
        let claim = |case: &str, id: &str| {
            let (file, ids) = ("x.rs".to_owned(), vec![id.to_owned()]);
            Claim { file, test: PLAYS.to_owned(), case: Some(case.to_owned()), ids }
        };
        assert_eq!(cases(text, "x.rs"), [claim("it works", "a-01"), claim("it ends", "b-01")]);
    }

    #[test]
    fn a_comment_above_nothing_is_a_fault() {
        assert!(read("// Shows a-01.\nstruct X;\n", "x.rs").is_err());
        assert!(read("// Shows a-01\n#[test]\nfn it_works() {}\n", "x.rs").is_err());
    }
}
