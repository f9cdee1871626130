//! `clogin`: enters a system WPAR.
//!
//! Where standard input is no terminal this very process becomes a member and then the command, so its status and its
//! standard files need no handing on.
//!
//! A terminal of Global's is not handed in, for whoever holds it there could read what is typed in Global later. The
//! command gets a terminal of the WPAR's own, and this process stays outside ([`relay`]) and copies between the
//! two; a second one ([`inside`]) goes in and becomes the command.

pub mod inside;
mod relay;

use super::wparexec::find_program;
use crate::arguments::{Arguments, Flag};
use crate::database::reason_of;
use crate::kernel_control::refused;
use crate::messages::{Level, Message};
use crate::session::{Failure, Session};
use crate::users;
use control::{Request, WparHandle, WparKind, WparState};
use rustix::stdio;
use rustix::termios::isatty;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

const USAGE: &str = "[-l USER] NAME [COMMAND [ARGUMENT ...]]";

const ROOT_PATH: &str = "/usr/bin:/etc:/usr/sbin:/bin:/sbin";
const USER_PATH: &str = "/usr/bin:/bin:/etc";

/// Runs the command.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut session = Session::new("clogin", Level::Warning);
    match run(&mut session, words) {
        Ok(status) => status,
        Err(failure) => failed(&session, failure),
    }
}

/// Says why the command is not run; gives the status that a shell would.
fn failed(session: &Session, failure: Failure) -> u8 {
    match failure {
        Failure::Said(message @ Message::CommandNotFound { .. }) => {
            session.report.error(&message);
            127
        }
        Failure::Said(message @ Message::NotExecutable { .. }) => {
            session.report.error(&message);
            126
        }
        other => session.finish(USAGE, Err(other)),
    }
}

fn run(session: &mut Session, words: Vec<OsString>) -> Result<u8, Failure> {
    let mut arguments = Arguments::new(words);
    let mut user = "root".to_owned();
    while let Some(flag) = arguments.next_flag()? {
        match flag {
            Flag::Short('l') => user = arguments.text()?,
            _ => return Err(Failure::Usage),
        }
    }
    let operands = arguments.operands();
    let (name, command) = operands.split_first().ok_or(Failure::Usage)?;
    let name = name.to_str().ok_or(Failure::Usage)?;
    session.require_global()?;
    let wpar = running(session, name)?;
    if isatty(stdio::stdin()) {
        return Ok(relay::run(wpar, &user, command)?);
    }
    enter(session, wpar)?;
    Err(become_command(&user, command).into())
}

/// The running system WPAR with a name.
fn running(session: &mut Session, name: &str) -> Result<WparHandle, Message> {
    let wpar = session.wpar(name)?;
    let Some(loaded) = wpar
        .loaded
        .as_ref()
        .filter(|loaded| loaded.state == WparState::Active)
    else {
        return Err(wpar.wrong_state("entering"));
    };
    if loaded.kind != WparKind::System {
        return Err(Message::LogoutOnly {
            name: name.to_owned(),
        });
    }
    Ok(loaded.handle)
}

fn enter(session: &mut Session, wpar: WparHandle) -> Result<(), Message> {
    session
        .kernel()
        .order(&Request::Enter { wpar, init: false })
        .map_err(refused("enter the workload partition"))
}

/// Becomes the command, or the login shell; comes back when that cannot be. Every path is the WPAR's already.
fn become_command(user: &str, words: &[OsString]) -> Message {
    let no_user = || Message::NoSuchUser {
        user: user.to_owned(),
    };
    let prepared = users::by_name(Path::new("/"), user)
        .ok_or_else(no_user)
        .and_then(|user| program(&user, words));
    let mut program = match prepared {
        Ok(program) => program,
        Err(message) => return message,
    };
    let error = program.exec();
    Message::NotExecutable {
        command: program.get_program().to_string_lossy().into_owned(),
        reason: reason_of(&error),
    }
}

/// The command, or the login shell, as the user with the environment of a login.
fn program(user: &users::User, words: &[OsString]) -> Result<Command, Message> {
    let path = if user.uid == 0 { ROOT_PATH } else { USER_PATH };
    let shell = if user.shell.is_empty() {
        "/bin/sh"
    } else {
        &user.shell
    };
    let mut command = match words.split_first() {
        Some((program, arguments)) => {
            let mut command = Command::new(find_program(program, Some(OsStr::new(path)))?);
            command.arg0(program).args(arguments);
            command
        }
        None => {
            greet();
            let mut command = Command::new(shell);
            command.arg0(format!("-{}", shell.rsplit('/').next().unwrap_or(shell)));
            command
        }
    };
    command
        .env_clear()
        .env("PATH", path)
        .env("HOME", &user.home)
        .env("SHELL", shell);
    command.env("USER", &user.name).env("LOGNAME", &user.name);
    for kept in ["TERM", "LANG", "TZ", "COLUMNS", "LINES"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    let home = Path::new(&user.home);
    command.current_dir(if home.is_dir() { home } else { Path::new("/") });
    if user.uid != 0 {
        command.uid(user.uid).gid(user.gid);
    }
    Ok(command)
}

fn greet() {
    let uname = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    println!(
        "{} {} on {}",
        text(uname.sysname()),
        text(uname.release()),
        text(uname.nodename())
    );
}
