//! `rcwpars`: starts every system WPAR that is to be started at boot.

use super::startwpar;
use crate::arguments::Arguments;
use crate::messages::Level;
use crate::session::{Failure, Outcome, Session};
use std::ffi::OsString;

/// Runs the command.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut session = Session::new("rcwpars", Level::Info);
    let outcome = run(&mut session, words);
    session.finish("", outcome)
}

fn run(session: &mut Session, words: Vec<OsString>) -> Outcome {
    let mut arguments = Arguments::new(words);
    if arguments.next_flag()?.is_some() {
        return Err(Failure::Usage);
    }
    arguments.names(0, 0)?;
    let (definitions, unreadable) = session.database.read_all()?;
    for message in &unreadable {
        session.report.error(message);
    }
    let mut status = u8::from(!unreadable.is_empty());
    for definition in definitions.iter().filter(|definition| definition.auto) {
        if let Err(Failure::Said(message)) = startwpar::start(session, definition.name.as_str()) {
            session.report.error(&message);
            status = 1;
        }
    }
    Ok(status)
}
