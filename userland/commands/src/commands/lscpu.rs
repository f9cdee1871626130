//! `lscpu`: which CPUs the machine has, and which are in use (`man 1 lscpu` of util-linux).

use crate::arguments::Arguments;
use crate::database::reason_of;
use crate::messages::{Level, Message};
use crate::session::{Failure, Outcome, Session};
use std::ffi::OsString;
use std::fs;
use std::io::Write;

/// Where the kernel tells.
pub const FOLDER: &str = "/sys/devices/system/cpu";

/// More CPUs than any machine has.
const LIMIT: usize = 4096;

/// Runs the command.
pub fn main(words: Vec<OsString>) -> u8 {
    let session = Session::new("lscpu", Level::Warning);
    let outcome = run(&session, words);
    session.finish("", outcome)
}

fn run(session: &Session, words: Vec<OsString>) -> Outcome {
    let mut arguments = Arguments::new(words);
    if arguments.next_flag()?.is_some() {
        return Err(Failure::Usage);
    }
    arguments.names(0, 0)?;
    let present = read(session, &format!("{FOLDER}/present"))?;
    let online = read(session, &format!("{FOLDER}/online"))?;
    let offline = read(session, &format!("{FOLDER}/offline"))?;
    let info = read(session, "/proc/cpuinfo")?;
    let count = list(&present).map_or(0, |cpus| cpus.len());
    let model = field(&info, "cpu").unwrap_or_default();
    let mut lines = vec![
        ("Architecture:", "ppc64le".to_owned()),
        ("Byte Order:", "Little Endian".to_owned()),
        ("CPU(s):", count.to_string()),
        ("On-line CPU(s) list:", online),
    ];
    if !offline.is_empty() {
        lines.push(("Off-line CPU(s) list:", offline));
    }
    lines.push(("Model name:", model.to_owned()));
    let mut output = std::io::stdout().lock();
    for (label, value) in lines {
        writeln!(output, "{label:<25}{value}").map_err(|_| Failure::Silent)?;
    }
    Ok(0)
}

fn read(session: &Session, path: &str) -> Result<String, Message> {
    let text = fs::read_to_string(session.path(path)).map_err(|error| Message::File {
        path: path.to_owned(),
        reason: reason_of(&error),
    })?;
    Ok(text.trim().to_owned())
}

/// The value of the first line of `/proc/cpuinfo` with a name.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let values = info.lines().filter_map(|line| line.split_once(':'));
    let mut found = values.filter(|(key, _)| key.trim() == name);
    found.next().map(|(_, value)| value.trim())
}

/// The CPUs of a list as the kernel and people write it: `0-2,5`. `None` when it is none.
pub fn list(text: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if last < first || last >= LIMIT {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::{field, list};

    #[test]
    fn lists_are_read_as_the_kernel_writes_them() {
        assert_eq!(list("0"), Some(vec![0]));
        assert_eq!(list("0-2,5"), Some(vec![0, 1, 2, 5]));
        for bad in ["", "-", "2-1", "1,", "x", "0-999999", "-1", "1-2-3"] {
            assert_eq!(list(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_model_is_found_in_cpuinfo() {
        let info = "processor\t: 1\ncpu\t\t: POWER9, altivec supported\n";
        assert_eq!(field(info, "cpu"), Some("POWER9, altivec supported"));
        assert_eq!(field(info, "clock"), None);
    }
}
