//! `clogin`: enters a system WPAR.
//!
//! This very process becomes a member and then the command, so its status, its terminal and its standard files
//! need no handing on.

use super::wparexec::find_program;
use crate::arguments::{Arguments, Flag};
use crate::kernel_control::refused;
use crate::messages::{Level, Message};
use crate::session::{Failure, Outcome, Session};
use crate::users;
use control::{Request, WparKind, WparState};
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
    let outcome = run(&mut session, words);
    match outcome {
        Err(Failure::Said(message @ Message::CommandNotFound { .. })) => {
            session.report.error(&message);
            127
        }
        Err(Failure::Said(message @ Message::NotExecutable { .. })) => {
            session.report.error(&message);
            126
        }
        other => session.finish(USAGE, other),
    }
}

fn run(session: &mut Session, words: Vec<OsString>) -> Outcome {
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
    enter(session, name)?;
    // From here on every path is the WPAR's.
    let user = users::by_name(Path::new("/"), &user).ok_or(Message::NoSuchUser { user })?;
    let mut program = program(&user, command)?;
    let error = program.exec();
    let command = program.get_program().to_string_lossy().into_owned();
    Err(Message::NotExecutable {
        command,
        reason: crate::database::reason_of(&error),
    }
    .into())
}

fn enter(session: &mut Session, name: &str) -> Result<(), Message> {
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
    let request = Request::Enter {
        wpar: loaded.handle,
        init: false,
    };
    session
        .kernel()
        .order(&request)
        .map_err(refused("enter the workload partition"))
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
