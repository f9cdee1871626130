//! The step into a WPAR: a process that this program starts for itself.
//!
//! Entering is for a process about to exec, so a command that must stay outside starts this one.

use crate::kernel_control::{Control, Device};
use abi::Cid;
use control::{Request, WparHandle};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// How the process is called.
pub const NAME: &str = "wpar-enter";

/// This program under its own name.
pub const SELF: &str = "/usr/sbin/corral-admin";

/// The status when entering or the exec failed.
pub const FAILED: u8 = 126;

/// A command line that enters a WPAR and executes a program there; arguments can be added.
pub fn command(wpar: WparHandle, init: bool, program: &str) -> Command {
    let mut command = Command::new(SELF);
    let role = if init { "init" } else { "member" };
    command
        .arg0(NAME)
        .arg(wpar.cid.to_string())
        .arg(wpar.generation.to_string())
        .arg(role)
        .arg(program);
    command
}

/// Runs the step.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut words = words.into_iter();
    let mut number = || words.next()?.to_str()?.parse::<u64>().ok();
    let Some((cid, generation)) =
        number().and_then(|cid| Some((u16::try_from(cid).ok()?, number()?)))
    else {
        return FAILED;
    };
    let init = words.next().is_some_and(|role| role == "init");
    let Some(program) = words.next() else {
        return FAILED;
    };
    let wpar = WparHandle {
        cid: Cid(cid),
        generation,
    };
    if let Err(refusal) = Control::new(&mut Device::default()).order(&Request::Enter { wpar, init })
    {
        eprintln!("{NAME}: {refusal}");
        return FAILED;
    }
    let error = Command::new(&program).args(words).exec();
    eprintln!("{NAME}: {}: {error}", program.to_string_lossy());
    FAILED
}
