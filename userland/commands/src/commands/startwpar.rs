//! `startwpar`: starts system WPARs.
//!
//! The work is done by the WPAR's supervisor, which lives on in Global as long as the WPAR: a start that was
//! begun is completed or undone there, whatever happens to this command.

use super::supervisor;
use crate::arguments::{Arguments, Flag};
use crate::interruption::Interruption;
use crate::messages::{Level, Message};
use crate::session::{Failure, Outcome, Session};
use control::WparState;
use std::ffi::OsString;

const USAGE: &str = "[-av] NAME ...";

/// Runs the command.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut session = Session::new("startwpar", Level::Info);
    let outcome = run(&mut session, words);
    session.finish(USAGE, outcome)
}

fn run(session: &mut Session, words: Vec<OsString>) -> Outcome {
    let mut arguments = Arguments::new(words);
    while let Some(flag) = arguments.next_flag()? {
        match flag {
            Flag::Short('v') => session.report.be_verbose(),
            // Nothing that could conflict can be given to a WPAR after it was made.
            Flag::Short('a') => {}
            _ => return Err(Failure::Usage),
        }
    }
    let names = arguments.names(1, usize::MAX)?;
    session.require_global()?;
    // The supervisor finishes what was begun; so does this.
    let _interruption = Interruption::note();
    let mut status = 0;
    for name in names {
        match start(session, &name) {
            Ok(_) => {}
            Err(Failure::Said(message)) => {
                session.report.error(&message);
                status = 1;
            }
            Err(other) => return Err(other),
        }
    }
    Ok(status)
}

/// Starts one WPAR.
pub fn start(session: &mut Session, name: &str) -> Outcome {
    // What does not exist cannot be locked.
    session.wpar(name)?;
    let lock = session.lock(&crate::definition::checked_name(name)?)?;
    let wpar = session.wpar(name)?;
    if wpar.state() != WparState::Defined {
        return Err(wpar.wrong_state("starting").into());
    }
    let Some(definition) = wpar.definition else {
        return Err(Message::NotDefined {
            what: "startwpar".to_owned(),
        }
        .into());
    };
    session
        .report
        .info(&format!("Starting workload partition {name}."));
    session
        .report
        .info("Mounting all workload partition file systems.");
    session.report.info("Loading workload partition.");
    let pid = supervisor::launch(&definition)?;
    session.report.info("Exporting workload partition devices.");
    session.report.info(&format!(
        "Starting workload partition subsystem cor_{name}."
    ));
    session.report.info(&format!(
        "0513-059 The cor_{name} Subsystem has been started. Subsystem PID is {pid}."
    ));
    session.report.info("Verifying workload partition startup.");
    session.report.verbose("Return Status = SUCCESS.");
    drop(lock);
    Ok(0)
}
