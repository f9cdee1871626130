//! `rmwpar`: removes a system WPAR and its files.

use super::stopwpar::{self, Manner};
use crate::arguments::{Arguments, Flag};
use crate::directory_tree::{mounted_below, remove};
use crate::interruption::Interruption;
use crate::messages::{Level, Message};
use crate::session::{Failure, Outcome, Session};
use control::WparState;
use std::ffi::OsString;

const USAGE: &str = "[-Fpsv] NAME ...";

#[derive(Clone, Copy, Debug, Default)]
struct Options {
    force: bool,
    stop: bool,
    keep_files: bool,
}

/// Runs the command.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut session = Session::new("rmwpar", Level::Info);
    let outcome = execute(&mut session, words);
    session.finish(USAGE, outcome)
}

/// The command in a session.
pub fn execute(session: &mut Session, words: Vec<OsString>) -> Outcome {
    let mut arguments = Arguments::new(words);
    let mut options = Options::default();
    while let Some(flag) = arguments.next_flag()? {
        match flag {
            Flag::Short('F') => options.force = true,
            Flag::Short('s') => options.stop = true,
            Flag::Short('p') => options.keep_files = true,
            Flag::Short('v') => session.report.be_verbose(),
            _ => return Err(Failure::Usage),
        }
    }
    let names = arguments.names(1, usize::MAX)?;
    session.require_global()?;
    // From here on a removal is completed.
    let _interruption = Interruption::note();
    for name in names {
        remove_one(session, &name, options)?;
    }
    Ok(0)
}

fn remove_one(session: &mut Session, name: &str, options: Options) -> Result<(), Failure> {
    let wpar = session.wpar(name)?;
    if wpar.state() != WparState::Defined && (options.force || options.stop) {
        stopwpar::stop(
            session,
            name,
            Manner {
                force: options.force,
                ..Manner::default()
            },
        )?;
        if wpar.definition.is_none() {
            return Ok(());
        }
    }
    let _lock = session.lock(&wpar.name)?;
    let wpar = session.wpar(name)?;
    let Some(definition) = wpar.definition.as_ref() else {
        return Err(Message::NotDefined {
            what: "rmwpar".to_owned(),
        }
        .into());
    };
    if wpar.state() != WparState::Defined {
        return Err(wpar.wrong_state("removing").into());
    }
    if !options.keep_files {
        let mounts = std::fs::read_to_string(session.path("/proc/mounts")).unwrap_or_default();
        if let Some(path) = mounted_below(&mounts, &definition.directory) {
            return Err(Message::MountedBelow { path }.into());
        }
        for part in ["/var", "/usr", "/tmp", "/proc", "/opt", "/home", ""] {
            session.report.info(&format!(
                "rmwpar: Removing file system {}{part}.",
                definition.directory
            ));
        }
        remove(&session.path(&definition.directory))?;
    }
    session.database.remove(&wpar.name)?;
    Ok(())
}
