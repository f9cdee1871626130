//! `shutdown`, `halt`, `poweroff`, `reboot`: end the environment that they are called in.
//!
//! Inside a WPAR they tell its init; in Global they stop the system WPARs and then the machine. There is no
//! waiting time: `now` and `+0` are accepted, any other time is refused.

use super::stopwpar::{self, Manner};
use crate::arguments::{Arguments, Flag};
use crate::kernel_control::refused;
use crate::messages::{Level, Message};
use crate::session::{Failure, Outcome, Session};
use control::{Request, WparKind, WparState};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::time::Duration;

const USAGE: &str = "[-Fhr] [now]";

/// How long a WPAR may take when the whole machine goes down.
const PATIENCE: Duration = Duration::from_secs(30);

/// `shutdown`.
pub fn main(words: Vec<OsString>) -> u8 {
    command("shutdown", words, false)
}

/// `halt` and `poweroff`.
pub fn halt(words: Vec<OsString>) -> u8 {
    command("halt", words, false)
}

/// `reboot`.
pub fn reboot(words: Vec<OsString>) -> u8 {
    command("reboot", words, true)
}

fn command(name: &'static str, words: Vec<OsString>, restart: bool) -> u8 {
    let mut session = Session::new(name, Level::Info);
    let outcome = run(&mut session, words, restart);
    session.finish(USAGE, outcome)
}

fn run(session: &mut Session, words: Vec<OsString>, mut restart: bool) -> Outcome {
    let mut arguments = Arguments::new(words);
    let mut fast = false;
    while let Some(flag) = arguments.next_flag()? {
        match flag {
            Flag::Short('F' | 'f' | 'q') => fast = true,
            Flag::Short('r') => restart = true,
            Flag::Short('h' | 'p' | 'n' | 'l') => {}
            _ => return Err(Failure::Usage),
        }
    }
    let time = arguments.names(0, 1)?.pop();
    if time.is_some_and(|time| !matches!(time.as_str(), "now" | "+0")) {
        return Err(Failure::Usage);
    }
    let identity = session
        .kernel()
        .identity()
        .map_err(refused("tell who is asking"))?;
    if !identity.cid.is_global() {
        let signal = if restart { Signal::INT } else { Signal::TERM };
        kill_process(Pid::INIT, signal).map_err(|e| Message::Refused {
            request: "signal init".to_owned(),
            reason: crate::database::reason_of(&e.into()),
        })?;
        return Ok(0);
    }
    stop_all(session, fast)?;
    rustix::fs::sync();
    let request = if restart {
        Request::Restart
    } else {
        Request::PowerOff { status: 0 }
    };
    session
        .kernel()
        .order(&request)
        .map_err(refused("end the machine"))?;
    Ok(0)
}

fn stop_all(session: &mut Session, fast: bool) -> Result<(), Message> {
    let running = session
        .kernel()
        .list()
        .map_err(refused("list the workload partitions"))?;
    let manner = Manner {
        at_once: fast,
        patience: PATIENCE,
        ..Manner::default()
    };
    for wpar in running
        .iter()
        .filter(|w| w.kind == WparKind::System && w.state == WparState::Active)
    {
        // One that does not stop must not keep the machine up.
        if let Err(Failure::Said(message)) = stopwpar::stop(session, wpar.name.as_str(), manner) {
            session.report.warning(&message);
        }
    }
    Ok(())
}
