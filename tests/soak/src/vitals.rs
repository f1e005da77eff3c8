//! What the system says of a process.

use std::fs;
use std::time::Duration;

/// At one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vitals {
    pub(crate) resident_kilobytes: i64,
    pub(crate) descriptors: i64,
    pub(crate) threads: i64,
    /// Of all its threads so far.
    pub(crate) cpu: Duration,
}

impl Vitals {
    /// Of the process with this id; `None` if it has ended.
    pub(crate) fn of(process: u32) -> Option<Self> {
        let folder = format!("/proc/{process}");
        let count = |of: &str| fs::read_dir(format!("{folder}/{of}")).ok().map(|entries| entries.count() as i64);
        Some(Self {
            resident_kilobytes: resident_kilobytes(&folder)?,
            descriptors: count("fd")?,
            threads: count("task")?,
            cpu: cpu(&fs::read_to_string(format!("{folder}/stat")).ok()?)?,
        })
    }
}

/// Resident memory of this program.
pub(crate) fn own_resident_kilobytes() -> Option<i64> {
    resident_kilobytes("/proc/self")
}

fn resident_kilobytes(folder: &str) -> Option<i64> {
    let status = fs::read_to_string(format!("{folder}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Time in user mode and in the kernel, in hundredths of a second: fields 14 and 15 of a line whose second field is a name in brackets
/// (proc(5)).
fn cpu(stat: &str) -> Option<Duration> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11).map(str::parse::<u64>);
    let (user, system) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some(Duration::from_millis(10 * (user + system)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_whatever_the_name_of_the_program() {
        let stat = "42 (a ) name) S 1 42 42 0 -1 4194560 1000 0 0 0 150 25 0 0 20 0 3 0 1 1 1";
        assert_eq!(cpu(stat), Some(Duration::from_millis(1_750)));
        assert_eq!(cpu("42 (name) S"), None);
    }
}
