//! `lsrset`: lists resource sets.

use crate::arguments::{Arguments, Flag};
use crate::kernel_control::refused;
use crate::messages::{Level, Message};
use crate::session::{Failure, Outcome, Session};
use control::ResourceSet;
use std::ffi::OsString;
use std::io::Write;

const USAGE: &str = "[-v] {-a | -n NAMESPACE | -r NAMESPACE/NAME}";

/// Least width of the column of names.
const NAME_WIDTH: usize = 20;

/// Runs the command.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut session = Session::new("lsrset", Level::Warning);
    let outcome = run(&mut session, words);
    session.finish(USAGE, outcome)
}

enum Which {
    All,
    Namespace(String),
    One(String),
}

fn run(session: &mut Session, words: Vec<OsString>) -> Outcome {
    let mut arguments = Arguments::new(words);
    let (mut which, mut verbose) = (None, false);
    while let Some(flag) = arguments.next_flag()? {
        let chosen = match flag {
            Flag::Short('v') => {
                verbose = true;
                continue;
            }
            Flag::Short('a') => Which::All,
            Flag::Short('n') => Which::Namespace(arguments.text()?),
            Flag::Short('r') => Which::One(arguments.text()?),
            _ => return Err(Failure::Usage),
        };
        if which.replace(chosen).is_some() {
            return Err(Failure::Usage);
        }
    }
    arguments.names(0, 0)?;
    let which = which.ok_or(Failure::Usage)?;
    session.require_global()?;
    let mut sets = session
        .kernel()
        .resource_sets()
        .map_err(refused("list the resource sets"))?;
    match &which {
        Which::All => {}
        Which::Namespace(namespace) => sets.retain(|set| {
            set.name
                .split_once('/')
                .is_some_and(|(found, _)| found == namespace)
        }),
        Which::One(name) => {
            sets.retain(|set| set.name == *name);
            if sets.is_empty() {
                return Err(Message::NoResourceSet { name: name.clone() }.into());
            }
        }
    }
    let mut output = std::io::stdout().lock();
    for line in lines(&sets, verbose) {
        writeln!(output, "{line}").map_err(|_| Failure::Silent)?;
    }
    Ok(0)
}

/// `r`: the machine's own; `a`: made by an administrator.
fn lines(sets: &[ResourceSet], verbose: bool) -> Vec<String> {
    let width = sets
        .iter()
        .map(|set| set.name.len())
        .max()
        .unwrap_or(0)
        .max(NAME_WIDTH);
    let mut lines = vec![format!(
        "{} {:<width$} {:>4}  {}",
        "T", "Name", "CPU", "CPUs"
    )];
    for set in sets {
        let kind = if set.name.starts_with("sys/") {
            'r'
        } else {
            'a'
        };
        let count = set.cpus.count();
        lines.push(format!(
            "{kind} {:<width$} {count:>4}  {}",
            set.name, set.cpus
        ));
        if verbose {
            let each = (0..u64::BITS).filter(|cpu| set.cpus.0 >> cpu & 1 == 1);
            lines.extend(each.map(|cpu| format!("    sys/cpu.{cpu:05}")));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::CpuList;

    #[test]
    fn a_line_a_set() {
        let set = |name: &str, cpus| ResourceSet {
            name: name.to_owned(),
            cpus: CpuList(cpus),
        };
        assert_eq!(
            lines(&[set("sys/sys0", 0b1111), set("test/odd", 0b1010)], false),
            [
                "T Name                  CPU  CPUs",
                "r sys/sys0                4  0-3",
                "a test/odd                2  1,3",
            ]
        );
        assert_eq!(
            lines(&[set("test/one", 0b10)], true)[2],
            "    sys/cpu.00001"
        );
    }
}
