//! `errpt`: the kernel's error log, newest first.

use crate::arguments::Arguments;
use crate::clock;
use crate::kernel_control::refused;
use crate::messages::Level;
use crate::session::{Failure, Outcome, Session};
use std::ffi::OsString;
use std::io::Write;

/// Runs the command.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut session = Session::new("errpt", Level::Warning);
    let outcome = run(&mut session, words);
    session.finish("", outcome)
}

fn run(session: &mut Session, words: Vec<OsString>) -> Outcome {
    let mut arguments = Arguments::new(words);
    if arguments.next_flag()?.is_some() {
        return Err(Failure::Usage);
    }
    arguments.names(0, 0)?;
    let entries = session
        .kernel()
        .error_log()
        .map_err(refused("tell the error log"))?;
    let names = super::ps::wpar_names(session)?;
    let mut output = std::io::stdout().lock();
    for entry in entries.iter().rev() {
        let wpar = names.get(&entry.cid).map_or("-", String::as_str);
        let line = format!("{} {wpar} {}", clock::full_time(entry.time.0), entry.text);
        writeln!(output, "{line}").map_err(|_| Failure::Silent)?;
    }
    Ok(0)
}
