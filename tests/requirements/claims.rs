//! What tests say that they show: a comment above the test, `// Shows muji-join-02, R-ECHO-1.`

use std::path::Path;

/// Demands that one test may show. A test of everything tells nothing when it fails.
pub(crate) const MOST: usize = 3;

/// Where tests are.
const FOLDERS: [&str; 6] = ["xep", "muji-jingle", "muji-core", "muji-media", "tests", "examples"];

const SHOWS: &str = "// Shows ";

/// A test and the demands that it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) file: String,
    pub(crate) test: String,
    pub(crate) ids: Vec<String>,
}

/// All claims in the sources below `root`.
pub(crate) fn find(root: &Path) -> Result<Vec<Claim>, String> {
    let mut claims = Vec::new();
    for folder in FOLDERS {
        walk(&root.join(folder), folder, &mut claims)?;
    }
    let mut tests: Vec<&str> = claims.iter().map(|claim| claim.test.as_str()).collect();
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
        claims.push(Claim { file: file.to_owned(), test: test.to_owned(), ids });
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_above_a_test_says_what_it_shows() {
        let text = "    // Shows a-01, R-B-2.\n    #[test]\n    fn it_works() {}\n";
        let claim =
            Claim { file: "x.rs".to_owned(), test: "it_works".to_owned(), ids: vec!["a-01".into(), "R-B-2".into()] };
        assert_eq!(read(text, "x.rs"), Ok(vec![claim]));
    }

    #[test]
    fn a_comment_above_nothing_is_a_fault() {
        assert!(read("// Shows a-01.\nstruct X;\n", "x.rs").is_err());
        assert!(read("// Shows a-01\n#[test]\nfn it_works() {}\n", "x.rs").is_err());
    }
}
