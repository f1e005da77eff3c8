//! The register of requirements in `xep/requirements`.

use std::path::Path;

use toml::{Table, Value};

/// A requirement of a XEP or one of our rules.
#[derive(Debug, Clone)]
pub struct Requirement {
    /// Its name.
    pub id: String,
    /// The XEP, or "rules".
    pub source: String,
    /// In which section of it.
    pub section: Option<String>,
    /// How much depends on it: 1 is most.
    pub prio: i64,
    /// How binding it is.
    pub level: String,
    /// What is required.
    pub statement: String,
    /// Where we bend it, and why.
    pub deviates: Option<String>,
}

/// All of them, by source.
#[derive(Debug)]
pub struct Register {
    requirements: Vec<Requirement>,
}

/// The files of `xep/requirements`, built in: `muji-conformance` judges where this repository is not.
const FILES: [(&str, &str); 26] = [
    ("bridge", include_str!("../requirements/bridge.toml")),
    ("rules", include_str!("../requirements/rules.toml")),
    ("xep-0030", include_str!("../requirements/xep-0030.toml")),
    ("xep-0045", include_str!("../requirements/xep-0045.toml")),
    ("xep-0115", include_str!("../requirements/xep-0115.toml")),
    ("xep-0166", include_str!("../requirements/xep-0166.toml")),
    ("xep-0167", include_str!("../requirements/xep-0167.toml")),
    ("xep-0176", include_str!("../requirements/xep-0176.toml")),
    ("xep-0198", include_str!("../requirements/xep-0198.toml")),
    ("xep-0215", include_str!("../requirements/xep-0215.toml")),
    ("xep-0249", include_str!("../requirements/xep-0249.toml")),
    ("xep-0272", include_str!("../requirements/xep-0272.toml")),
    ("xep-0280", include_str!("../requirements/xep-0280.toml")),
    ("xep-0293", include_str!("../requirements/xep-0293.toml")),
    ("xep-0294", include_str!("../requirements/xep-0294.toml")),
    ("xep-0320", include_str!("../requirements/xep-0320.toml")),
    ("xep-0334", include_str!("../requirements/xep-0334.toml")),
    ("xep-0338", include_str!("../requirements/xep-0338.toml")),
    ("xep-0339", include_str!("../requirements/xep-0339.toml")),
    ("xep-0343", include_str!("../requirements/xep-0343.toml")),
    ("xep-0353", include_str!("../requirements/xep-0353.toml")),
    ("xep-0390", include_str!("../requirements/xep-0390.toml")),
    ("xep-0410", include_str!("../requirements/xep-0410.toml")),
    ("xep-0421", include_str!("../requirements/xep-0421.toml")),
    ("xep-0482", include_str!("../requirements/xep-0482.toml")),
    ("xep-0507", include_str!("../requirements/xep-0507.toml")),
];

impl Register {
    /// The one of this repository.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn of_this_repository() -> Result<Self, String> {
        Self::parse(FILES)
    }

    /// Reads every file of the folder.
    ///
    /// # Errors
    /// If one cannot be read, or is no such file.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let entries = std::fs::read_dir(folder).map_err(|why| format!("{} cannot be read: {why}", folder.display()))?;
        let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
        files.sort();
        let mut texts = Vec::new();
        for file in files {
            let text = std::fs::read_to_string(&file).map_err(|why| format!("{}: {why}", file.display()))?;
            texts.push((file.display().to_string(), text));
        }
        Self::parse(texts)
    }

    fn parse<T: AsRef<str>>(files: impl IntoIterator<Item = (T, T)>) -> Result<Self, String> {
        let mut requirements = Vec::new();
        for (name, text) in files {
            let fault = |why: String| format!("{}: {why}", name.as_ref());
            let table: Table = text.as_ref().parse().map_err(|why| fault(format!("{why}")))?;
            requirements.extend(read_file(&table).map_err(fault)?);
        }
        let mut ids: Vec<&str> = requirements.iter().map(|requirement| requirement.id.as_str()).collect();
        ids.sort_unstable();
        match ids.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("{} stands twice in the register", pair[0])),
            None => Ok(Self { requirements }),
        }
    }

    /// With these.
    #[must_use]
    pub fn of(requirements: Vec<Requirement>) -> Self {
        Self { requirements }
    }

    /// True if there is a requirement of this id.
    #[must_use]
    pub fn contains(&self, id: &str) -> bool {
        self.requirements.iter().any(|requirement| requirement.id == id)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.requirements.len()
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Where a requirement stands: the XEP and its section, or that it is one of our rules.
    #[must_use]
    pub fn section(&self, id: &str) -> String {
        match self.requirements.iter().find(|requirement| requirement.id == id) {
            Some(Requirement { section: Some(section), source, .. }) => format!("{source} section {section}"),
            Some(Requirement { source, .. }) if source == "rules" => "a rule where the XEPs are silent".to_owned(),
            Some(Requirement { source, .. }) => source.clone(),
            None => "unknown".to_owned(),
        }
    }

    /// The requirements of each source.
    #[must_use]
    pub fn groups(&self) -> Vec<(&str, Vec<&Requirement>)> {
        let mut groups: Vec<(&str, Vec<&Requirement>)> = Vec::new();
        for requirement in &self.requirements {
            match groups.last_mut().filter(|(source, _)| *source == requirement.source) {
                Some((_, group)) => group.push(requirement),
                None => groups.push((&requirement.source, vec![requirement])),
            }
        }
        groups
    }
}

fn read_file(table: &Table) -> Result<Vec<Requirement>, String> {
    let source = table.get("xep").and_then(Value::as_str).unwrap_or("rules");
    let list = table.get("requirement").or_else(|| table.get("rule")).and_then(Value::as_array);
    let list = list.ok_or("neither requirements nor rules")?;
    list.iter().map(|entry| read_requirement(entry, source)).collect()
}

fn read_requirement(entry: &Value, source: &str) -> Result<Requirement, String> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
    let id = text("id").ok_or("an entry without an id")?;
    let prio = entry.get("prio").and_then(Value::as_integer).ok_or_else(|| format!("{id} has no prio"))?;
    let statement = text("statement").ok_or_else(|| format!("{id} says nothing"))?;
    let level = text("level").unwrap_or_else(|| "rule".to_owned());
    let section = text("section");
    Ok(Requirement { id, source: source.to_owned(), section, prio, level, statement, deviates: text("deviates") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_of_the_register_is_built_in() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../xep/requirements");
        let ids = |register: Register| register.requirements.into_iter().map(|one| one.id).collect::<Vec<_>>();
        let (built_in, there) = (Register::of_this_repository(), Register::read(&folder));
        assert_eq!(ids(built_in.expect("it is readable")), ids(there.expect("it is readable")));
    }
}
