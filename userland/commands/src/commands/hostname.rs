//! `hostname`: shows or sets the host name of the environment that it is called in.

use crate::arguments::{Arguments, Flag};
use crate::database::reason_of;
use crate::definition::check_hostname;
use crate::messages::{Level, Message};
use crate::session::{Failure, Outcome, Session};
use std::ffi::OsString;
use std::io::Write;

const USAGE: &str = "[-fs] [NAME]";

/// Runs the command.
pub fn main(words: Vec<OsString>) -> u8 {
    let session = Session::new("hostname", Level::Warning);
    let outcome = run(words);
    session.finish(USAGE, outcome)
}

fn run(words: Vec<OsString>) -> Outcome {
    let mut arguments = Arguments::new(words);
    let mut short = false;
    while let Some(flag) = arguments.next_flag()? {
        match flag {
            Flag::Short('s') => short = true,
            Flag::Short('f') => {}
            _ => return Err(Failure::Usage),
        }
    }
    if let Some(name) = arguments.names(0, 1)?.pop() {
        check_hostname(&name)?;
        rustix::system::sethostname(name.as_bytes()).map_err(|e| Message::Refused {
            request: "set the host name".to_owned(),
            reason: reason_of(&e.into()),
        })?;
        return Ok(0);
    }
    let uname = rustix::system::uname();
    let name = uname.nodename().to_string_lossy();
    let shown = if short {
        name.split('.').next().unwrap_or_default()
    } else {
        &name
    };
    writeln!(std::io::stdout(), "{shown}").map_err(|_| Failure::Silent)?;
    Ok(0)
}
