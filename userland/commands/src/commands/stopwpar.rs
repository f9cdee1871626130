//! `stopwpar`: stops WPARs.
//!
//! A system WPAR is asked to shut down and waited for; its supervisor unloads it, so that the stop completes
//! even when this command is interrupted. By force everything in it is killed at once. An application WPAR has
//! nothing that could shut down: it is killed.

use crate::arguments::{Arguments, Flag};
use crate::interruption::Interruption;
use crate::kernel_control::refused;
use crate::messages::{Level, Message};
use crate::session::{Failure, Outcome, Session, Wpar};
use control::{Request, WparKind, WparState, WparStatus};
use std::ffi::OsString;
use std::time::{Duration, Instant};

const USAGE: &str = "[-FhNrv] [-t SECONDS] NAME ...";

/// How a WPAR is stopped.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Kill everything, also from states in which nothing else is allowed.
    pub force: bool,
    /// Kill everything.
    pub at_once: bool,
    /// How long a shutdown may take.
    pub patience: Duration,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            force: false,
            at_once: false,
            patience: Duration::from_secs(600),
        }
    }
}

/// Runs the command.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut session = Session::new("stopwpar", Level::Info);
    let outcome = execute(&mut session, words);
    session.finish(USAGE, outcome)
}

/// The command in a session.
pub fn execute(session: &mut Session, words: Vec<OsString>) -> Outcome {
    let mut arguments = Arguments::new(words);
    let mut manner = Manner::default();
    let mut restart = false;
    while let Some(flag) = arguments.next_flag()? {
        match flag {
            Flag::Short('F') => manner.force = true,
            Flag::Short('N' | 'h') => manner.at_once = true,
            Flag::Short('t') => {
                manner.patience = Duration::from_secs(arguments.number::<u32>()?.into())
            }
            Flag::Short('r') => restart = true,
            Flag::Short('v') => session.report.be_verbose(),
            _ => return Err(Failure::Usage),
        }
    }
    let names = arguments.names(1, usize::MAX)?;
    session.require_global()?;
    let mut status = 0;
    for name in names {
        let done = stop(session, &name, manner).and_then(|_| {
            if restart {
                super::startwpar::start(session, &name)
            } else {
                Ok(0)
            }
        });
        match done {
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

/// Stops one WPAR.
pub fn stop(session: &mut Session, name: &str, manner: Manner) -> Outcome {
    session.wpar(name)?;
    let _lock = session.lock(&crate::definition::checked_name(name)?)?;
    let wpar = session.wpar(name)?;
    let Some(loaded) = wpar.loaded.as_ref() else {
        return Err(wpar.wrong_state("stopping").into());
    };
    // In T somebody else is at work, or was and is gone: force settles it.
    if loaded.state != WparState::Active && !manner.force {
        return Err(wpar.wrong_state("stopping").into());
    }
    session
        .report
        .info(&format!("Stopping workload partition {name}."));
    if loaded.kind == WparKind::System {
        session.report.info(&format!(
            "Stopping workload partition subsystem cor_{name}."
        ));
        session.report.info(&format!(
            "0513-044 The cor_{name} Subsystem was requested to stop."
        ));
    }
    let by_force = manner.force || manner.at_once || loaded.kind == WparKind::Application;
    if !by_force {
        shut_down(session, &wpar, loaded, manner.patience)?;
    }
    session
        .report
        .info("Shutting down all workload partition processes.");
    session
        .kernel()
        .destroy(loaded.handle)
        .map_err(refused("stop the workload partition"))?;
    session
        .report
        .info("Unmounting all workload partition file systems.");
    session.report.verbose("Return Status = SUCCESS.");
    Ok(0)
}

/// Asks for a shutdown and waits for its end.
fn shut_down(
    session: &mut Session,
    wpar: &Wpar,
    loaded: &WparStatus,
    patience: Duration,
) -> Result<(), Failure> {
    let interruption = Interruption::note().unwrap_or_default();
    let seconds = patience.as_secs().to_string();
    session.report.note(&Message::Waiting {
        seconds: seconds.clone(),
    });
    let quiesce = Request::Quiesce {
        wpar: loaded.handle,
        force: false,
    };
    match session.kernel().order(&quiesce) {
        Err(refusal) if refusal.errno == crate::kernel_control::errno::ESRCH => return Ok(()),
        other => other.map_err(refused("stop the workload partition"))?,
    }
    let begin = Instant::now();
    loop {
        let left = patience.saturating_sub(begin.elapsed());
        // Short turns, so that an interruption is seen.
        let turn = left.min(Duration::from_millis(200));
        if session
            .kernel()
            .wait_empty(loaded.handle, Some(turn))
            .map_err(refused("wait for its end"))?
        {
            return Ok(());
        }
        if interruption.wanted() {
            session
                .report
                .info("The shutdown goes on without this command.");
            return Err(Failure::Silent);
        }
        if left.is_zero() {
            return Err(Message::TimedOut {
                name: wpar.name.to_string(),
                seconds,
            }
            .into());
        }
    }
}
