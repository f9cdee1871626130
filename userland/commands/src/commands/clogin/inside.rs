//! The process that goes in: it makes a terminal of the WPAR, hands the master out and becomes the command.
//!
//! Standard input is a socket to the one outside, which hears one line: the descriptor of the master here, or what
//! went wrong. It opens the master for itself and answers with a byte; then the master is closed here, and the slave
//! takes the place of the standard files that are terminals of Global's. These have not come in: until then `/dev/null`
//! stands for them.

use super::{become_command, failed};
use crate::database::reason_of;
use crate::kernel_control::{Control, Device, refused};
use crate::messages::{Level, Message};
use crate::session::Session;
use abi::Cid;
use control::{Request, WparHandle};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::stdio;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// How the process is called.
pub const NAME: &str = "wpar-login";

/// What begins the line that tells of a master; otherwise it tells of a failure.
pub const MASTER: &str = "master ";

/// Which standard files besides input the slave replaces, as a word of the command line.
pub fn replaced(output: bool, error: bool) -> &'static str {
    match (output, error) {
        (true, true) => "both",
        (true, false) => "output",
        (false, true) => "error",
        (false, false) => "none",
    }
}

/// What the one outside wants.
struct Order {
    wpar: WparHandle,
    replaced: String,
    user: String,
    command: Vec<OsString>,
}

/// Runs the process.
pub fn main(words: Vec<OsString>) -> u8 {
    let Some(order) = parse(words) else { return 2 };
    let (master, slave) = match open_terminal(order.wpar) {
        Ok(pair) => pair,
        Err(message) => {
            tell(&message.to_string());
            return 1;
        }
    };
    tell(&format!("{MASTER}{}", master.as_raw_fd()));
    let mut answer = [0];
    // Without an answer there is nobody to work for.
    if !matches!(rustix::io::read(stdio::stdin(), &mut answer), Ok(1)) {
        return 1;
    }
    drop(master);
    let session = Session::new("clogin", Level::Warning);
    let failure = match take_terminal(&slave, &order.replaced) {
        Ok(()) => become_command(&order.user, &order.command),
        Err(error) => terminal_failed(&error),
    };
    failed(&session, failure.into())
}

fn parse(words: Vec<OsString>) -> Option<Order> {
    let mut words = words.into_iter();
    let mut text = || words.next()?.into_string().ok();
    let cid = Cid(text()?.parse().ok()?);
    let generation = text()?.parse().ok()?;
    Some(Order {
        wpar: WparHandle { cid, generation },
        replaced: text()?,
        user: text()?,
        command: words.collect(),
    })
}

/// Enters the WPAR, and makes a terminal there.
fn open_terminal(wpar: WparHandle) -> Result<(OwnedFd, OwnedFd), Message> {
    Control::new(&mut Device::default())
        .order(&Request::Enter { wpar, init: false })
        .map_err(refused("enter the workload partition"))?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let pair = || -> io::Result<_> {
        let master = openpt(flags)?;
        unlockpt(&master)?;
        let slave = ioctl_tiocgptpeer(&master, flags)?;
        Ok((master, slave))
    };
    pair().map_err(|error| terminal_failed(&error))
}

fn terminal_failed(error: &io::Error) -> Message {
    Message::File {
        path: "/dev/ptmx".into(),
        reason: reason_of(error),
    }
}

/// Begins a session with the terminal.
fn take_terminal(slave: &OwnedFd, replaced: &str) -> io::Result<()> {
    rustix::process::setsid()?;
    rustix::process::ioctl_tiocsctty(slave)?;
    stdio::dup2_stdin(slave)?;
    if matches!(replaced, "both" | "output") {
        stdio::dup2_stdout(slave)?;
    }
    if matches!(replaced, "both" | "error") {
        stdio::dup2_stderr(slave)?;
    }
    Ok(())
}

/// Tells the one outside; when it is gone there is nobody to tell.
fn tell(line: &str) {
    let _gone = rustix::io::write(stdio::stdin(), format!("{line}\n").as_bytes());
}
