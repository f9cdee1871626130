//! `rebootwpar`: stops WPARs and starts them again.

use super::{startwpar, stopwpar};
use crate::arguments::{Arguments, Flag};
use crate::messages::Level;
use crate::session::{Failure, Outcome, Session};
use std::ffi::OsString;
use std::time::Duration;

const USAGE: &str = "[-FNv] [-t SECONDS] NAME ...";

/// Runs the command.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut session = Session::new("rebootwpar", Level::Info);
    let outcome = run(&mut session, words);
    session.finish(USAGE, outcome)
}

fn run(session: &mut Session, words: Vec<OsString>) -> Outcome {
    let mut arguments = Arguments::new(words);
    let mut manner = stopwpar::Manner::default();
    while let Some(flag) = arguments.next_flag()? {
        match flag {
            Flag::Short('F') => manner.force = true,
            Flag::Short('N') => manner.at_once = true,
            Flag::Short('t') => {
                manner.patience = Duration::from_secs(arguments.number::<u32>()?.into())
            }
            Flag::Short('v') => session.report.be_verbose(),
            _ => return Err(Failure::Usage),
        }
    }
    let names = arguments.names(1, usize::MAX)?;
    session.require_global()?;
    for name in names {
        stopwpar::stop(session, &name, manner)?;
        startwpar::start(session, &name)?;
    }
    Ok(0)
}
