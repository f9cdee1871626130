//! `wparlockctl`: sets and clears the administrative lock of a WPAR for a process.

use crate::arguments::{Arguments, Flag};
use crate::lock::{self, OPERATIONS, Owner};
use crate::messages::Level;
use crate::session::{Failure, Outcome, Session};
use std::ffi::OsString;

const USAGE: &str = "{-l | -u} -p PID -o OPERATION NAME";

/// Runs the command.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut session = Session::new("wparlockctl", Level::Info);
    let outcome = run(&mut session, words);
    session.finish(USAGE, outcome)
}

fn run(session: &mut Session, words: Vec<OsString>) -> Outcome {
    let mut arguments = Arguments::new(words);
    let (mut set, mut pid, mut operation) = (None, None, None);
    while let Some(flag) = arguments.next_flag()? {
        match flag {
            Flag::Short('l') => set = Some(true),
            Flag::Short('u') => set = Some(false),
            Flag::Short('p') => pid = Some(arguments.number::<u32>()?),
            Flag::Short('o') => {
                operation = Some(operation_of(&arguments.text()?).ok_or(Failure::Usage)?)
            }
            _ => return Err(Failure::Usage),
        }
    }
    let (Some(set), Some(pid), Some(operation)) = (set, pid, operation) else {
        return Err(Failure::Usage);
    };
    let name = arguments.name()?;
    session.require_global()?;
    let name = session.wpar(&name)?.name;
    let owner = Owner {
        pid,
        operation: operation.to_owned(),
    };
    session.database.prepare()?;
    if set {
        if let Some(warning) = lock::set(session.database.folder(), &name, &owner)? {
            session.report.warning(&warning);
        }
    } else {
        lock::clear(session.database.folder(), &name, &owner)?;
    }
    Ok(0)
}

fn operation_of(text: &str) -> Option<&'static str> {
    let number = text.parse::<u32>().ok();
    OPERATIONS
        .into_iter()
        .find(|(n, name)| Some(*n) == number || *name == text)
        .map(|(_, name)| name)
}
