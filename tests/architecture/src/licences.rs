//! The licences of all that a program is built of, and their notices, which have to come with the program.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What the names of files with licences and notices have in them: `OFL` and `UFL` are those of fonts.
const NAMES: [&str; 7] = ["copying", "copyright", "licence", "license", "notice", "ofl", "ufl"];

/// How the names of such files end, if they have an ending.
const ENDINGS: [&str; 4] = ["md", "txt", "mit", "apache"];

/// A crate, or library in C that comes with one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name and version.
    pub name: String,
    /// An SPDX expression.
    pub licence: String,
    /// Who wrote it, if it says so.
    pub authors: String,
    /// Where its source is.
    pub source: String,
    /// The texts of its licences and notices, each as it is in a file.
    pub notices: BTreeSet<String>,
}

/// What this package of the workspace is built of with these features, but for what is ours.
///
/// # Errors
/// If cargo says no.
pub fn parts(root: &Path, package: &str, features: &str) -> Result<Vec<Part>, String> {
    let metadata = cargo(root, &["metadata", "--locked", "--format-version", "1", "--all-features"])?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|why| why.to_string())?;
    let known: BTreeMap<String, &Value> =
        metadata["packages"].as_array().into_iter().flatten().map(|package| (named(package), package)).collect();
    let shown = ["--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"];
    let chosen = ["tree", "--locked", "--package", package, "--features", features];
    let tree = cargo(root, &[&chosen[..], &shown[..]].concat())?;
    // "name v1.2.3", and behind it the path of what is ours, or a star for what was shown before.
    let names: BTreeSet<String> = tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some(format!("{} {}", words.next()?, words.next()?.strip_prefix('v')?))
        })
        .collect();
    let parts = names.iter().map(|name| known.get(name).ok_or_else(|| format!("cargo does not know {name}")));
    // What comes from no registry is ours.
    parts.filter(|part| !matches!(part, Ok(part) if part["source"].is_null())).map(|part| Ok(read(part?))).collect()
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<String, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(arguments).current_dir(root).output().map_err(|why| why.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    String::from_utf8(output.stdout).map_err(|why| why.to_string())
}

fn text(package: &Value, key: &str) -> String {
    package[key].as_str().unwrap_or_default().to_owned()
}

fn named(package: &Value) -> String {
    format!("{} {}", text(package, "name"), text(package, "version"))
}

fn read(package: &Value) -> Part {
    let authors: Vec<&str> = package["authors"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let manifest = PathBuf::from(text(package, "manifest_path"));
    let mut notices = BTreeSet::new();
    manifest.parent().into_iter().for_each(|folder| find(folder, &mut notices));
    Part {
        name: named(package),
        licence: text(package, "license"),
        authors: authors.join(", "),
        source: text(package, "repository"),
        notices,
    }
}

/// The notices in a folder and below it: of libraries in C that come with a crate, too.
fn find(folder: &Path, notices: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            find(&path, notices);
        } else if is_notice(&path) {
            // A text that is not UTF-8 is old: letters beyond ASCII are in names alone.
            let text = fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
            let lines: Vec<&str> = text.trim().lines().map(str::trim_end).collect();
            notices.insert(lines.join("\n"));
        }
    }
}

fn is_notice(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    let is_text = ending.is_none_or(|ending| ENDINGS.contains(&ending));
    // The licence of the font Hack has the font's own name.
    is_text && (NAMES.iter().any(|word| name.contains(word)) || name == "hack-regular.txt")
}

/// A text for people: what there is, and each notice once.
#[must_use]
pub fn report(program: &str, parts: &[Part]) -> String {
    let all: BTreeSet<&String> = parts.iter().flat_map(|part| &part.notices).collect();
    let numbers: BTreeMap<&String, usize> = all.into_iter().zip(1..).collect();
    let mut text = format!(
        "{program} is built of these parts, too. Each has its name and version, its licence, where its source is, and the numbers of its \
         notices,\nwhich stand below. Of one without a notice the authors are named.\n\nThe standard library of Rust: MIT OR \
         Apache-2.0; https://github.com/rust-lang/rust\n"
    );
    for part in parts {
        let Part { name, licence, source, notices, authors } = part;
        let listed: Vec<String> = notices.iter().map(|notice| numbers[notice].to_string()).collect();
        let notices = match (listed.is_empty(), authors.is_empty()) {
            (false, _) => listed.join(", "),
            (true, false) => format!("by {authors}"),
            (true, true) => "it names nobody".to_owned(),
        };
        let _infallible = writeln!(text, "{name}: {licence}; {source}; {notices}");
    }
    for (notice, number) in numbers {
        let _infallible = write!(text, "\n---- {number} ----\n\n{notice}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_found_and_sources_are_not() {
        for name in
            ["LICENSE", "LICENSE-MIT", "license-apache-2.0.txt", "COPYING", "NOTICE.md", "OFL.txt", "LICENSE.MIT"]
        {
            assert!(is_notice(Path::new(name)), "{name}");
        }
        for name in ["notice.rs", "copyright.py", "README.md", "src", "license.html"] {
            assert!(!is_notice(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn each_notice_stands_once() {
        let part = |name: &str, notices: &[&str]| Part {
            name: name.to_owned(),
            licence: "MIT".to_owned(),
            authors: "William".to_owned(),
            source: "https://example.org/".to_owned(),
            notices: notices.iter().copied().map(str::to_owned).collect(),
        };
        let report = report(
            "play",
            &[
                part("globe 1.0.0", &["Permission"]),
                part("rose 1.0.0", &["Permission", "All"]),
                part("swan 1.0.0", &[]),
            ],
        );
        let (list, notices) = report.split_once("\n---- 1 ----\n").expect("there is a first notice");
        assert!(list.ends_with(
            "globe 1.0.0: MIT; https://example.org/; 2\nrose 1.0.0: MIT; https://example.org/; 1, 2\n\
             swan 1.0.0: MIT; https://example.org/; by William\n"
        ));
        assert_eq!(notices, "\nAll\n\n---- 2 ----\n\nPermission\n");
    }
}
