//! The register as it lies in `xep/requirements`.

use std::path::Path;

use toml::{Table, Value};

/// A demand of a XEP or a rule of ours.
#[derive(Debug, Clone)]
pub(crate) struct Demand {
    pub(crate) id: String,
    /// The XEP, or "rules".
    pub(crate) source: String,
    pub(crate) prio: i64,
    pub(crate) level: String,
    pub(crate) statement: String,
    pub(crate) deviates: Option<String>,
}

/// All of them, by source.
#[derive(Debug)]
pub(crate) struct Register {
    demands: Vec<Demand>,
}

impl Register {
    /// Reads every file of the folder.
    pub(crate) fn read(folder: &Path) -> Result<Self, String> {
        let entries = std::fs::read_dir(folder).map_err(|why| format!("{} cannot be read: {why}", folder.display()))?;
        let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
        files.sort();
        let mut demands = Vec::new();
        for file in files {
            let fault = |why: String| format!("{}: {why}", file.display());
            let text = std::fs::read_to_string(&file).map_err(|why| fault(why.to_string()))?;
            let table: Table = text.parse().map_err(|why| fault(format!("{why}")))?;
            demands.extend(read_file(&table).map_err(fault)?);
        }
        let mut ids: Vec<&str> = demands.iter().map(|demand| demand.id.as_str()).collect();
        ids.sort_unstable();
        match ids.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("{} stands twice in the register", pair[0])),
            None => Ok(Self { demands }),
        }
    }

    /// With these.
    #[cfg(test)]
    pub(crate) fn of(demands: Vec<Demand>) -> Self {
        Self { demands }
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.demands.iter().any(|demand| demand.id == id)
    }

    pub(crate) fn len(&self) -> usize {
        self.demands.len()
    }

    /// The demands of each source.
    pub(crate) fn groups(&self) -> Vec<(&str, Vec<&Demand>)> {
        let mut groups: Vec<(&str, Vec<&Demand>)> = Vec::new();
        for demand in &self.demands {
            match groups.last_mut().filter(|(source, _)| *source == demand.source) {
                Some((_, group)) => group.push(demand),
                None => groups.push((&demand.source, vec![demand])),
            }
        }
        groups
    }
}

fn read_file(table: &Table) -> Result<Vec<Demand>, String> {
    let source = table.get("xep").and_then(Value::as_str).unwrap_or("rules");
    let list = table.get("requirement").or_else(|| table.get("rule")).and_then(Value::as_array);
    let list = list.ok_or("neither requirements nor rules")?;
    list.iter().map(|entry| read_demand(entry, source)).collect()
}

fn read_demand(entry: &Value, source: &str) -> Result<Demand, String> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
    let id = text("id").ok_or("an entry without an id")?;
    let prio = entry.get("prio").and_then(Value::as_integer).ok_or_else(|| format!("{id} has no prio"))?;
    let statement = text("statement").ok_or_else(|| format!("{id} says nothing"))?;
    let level = text("level").unwrap_or_else(|| "rule".to_owned());
    Ok(Demand { id, source: source.to_owned(), prio, level, statement, deviates: text("deviates") })
}
