//! `chcpu`: takes CPUs out of use and puts them back, by their switches in `/sys` (`man 8 chcpu` of util-linux).

use super::lscpu::{FOLDER, list};
use crate::arguments::{Arguments, Flag};
use crate::database::reason_of;
use crate::messages::{Level, Message};
use crate::session::{Failure, Outcome, Session};
use std::ffi::OsString;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

const USAGE: &str = "-d LIST | -e LIST";

/// Some CPUs are as they were wanted, others are not.
const PARTIAL: u8 = 64;

/// Runs the command.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut session = Session::new("chcpu", Level::Warning);
    let outcome = run(&mut session, words);
    session.finish(USAGE, outcome)
}

fn run(session: &mut Session, words: Vec<OsString>) -> Outcome {
    let mut arguments = Arguments::new(words);
    let mut wanted = None;
    while let Some(flag) = arguments.next_flag()? {
        let online = match flag {
            Flag::Short('d') => false,
            Flag::Short('e') => true,
            _ => return Err(Failure::Usage),
        };
        let cpus = list(&arguments.text()?).ok_or(Failure::Usage)?;
        if wanted.replace((online, cpus)).is_some() {
            return Err(Failure::Usage);
        }
    }
    arguments.names(0, 0)?;
    let (online, cpus) = wanted.ok_or(Failure::Usage)?;
    session.require_global()?;
    let mut failed = 0;
    for &cpu in &cpus {
        match set(session, cpu, online) {
            Ok(line) => writeln!(std::io::stdout(), "{line}").map_err(|_| Failure::Silent)?,
            Err(message) => {
                failed += 1;
                session.report.error(&message);
            }
        }
    }
    Ok(match failed {
        0 => 0,
        _ if failed == cpus.len() => 1,
        _ => PARTIAL,
    })
}

/// Sets one CPU's switch; says what has become of it.
fn set(session: &Session, cpu: usize, online: bool) -> Result<String, Message> {
    let path: PathBuf = session.path(&format!("{FOLDER}/cpu{cpu}/online"));
    let (word, text) = if online {
        ("enable", "1")
    } else {
        ("disable", "0")
    };
    let refused = |reason| Message::Refused {
        request: format!("{word} CPU {cpu}"),
        reason,
    };
    let now = fs::read_to_string(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => refused("there is no such CPU".to_owned()),
        _ => refused(reason_of(&error)),
    })?;
    if now.trim() == text {
        return Ok(format!("CPU {cpu} is already {word}d"));
    }
    fs::write(&path, text).map_err(|error| match error.kind() {
        ErrorKind::ResourceBusy => refused("it is the last one in use".to_owned()),
        _ => refused(reason_of(&error)),
    })?;
    Ok(format!("CPU {cpu} {word}d"))
}
