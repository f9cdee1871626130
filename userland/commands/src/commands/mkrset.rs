//! `mkrset`: makes a resource set, to which WPARs can be confined (`-R rset=`).

use crate::arguments::{Arguments, Flag};
use crate::kernel_control::refused;
use crate::messages::{Level, Message};
use crate::session::{Failure, Outcome, Session};
use control::{CpuList, Request, ResourceSet};
use std::ffi::OsString;

const USAGE: &str = "-c CPULIST NAMESPACE/NAME";

/// Runs the command.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut session = Session::new("mkrset", Level::Warning);
    let outcome = run(&mut session, words);
    session.finish(USAGE, outcome)
}

fn run(session: &mut Session, words: Vec<OsString>) -> Outcome {
    let mut arguments = Arguments::new(words);
    let mut cpus = None;
    while let Some(flag) = arguments.next_flag()? {
        match flag {
            Flag::Short('c') => cpus = Some(arguments.text()?),
            _ => return Err(Failure::Usage),
        }
    }
    let text = cpus.ok_or(Failure::Usage)?;
    let name = arguments.name()?;
    let cpus = CpuList::parse(&text).ok_or(Message::BadAttribute {
        attribute: "-c".to_owned(),
        value: text,
    })?;
    session.require_global()?;
    let request = Request::DefineResourceSet(ResourceSet {
        name: name.clone(),
        cpus,
    });
    session
        .kernel()
        .order(&request)
        .map_err(refused(&format!("make the resource set {name}")))?;
    Ok(0)
}
