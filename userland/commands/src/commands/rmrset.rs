//! `rmrset`: removes a resource set that nobody is confined to.

use crate::arguments::Arguments;
use crate::kernel_control::refused;
use crate::messages::Level;
use crate::session::{Failure, Outcome, Session};
use control::Request;
use std::ffi::OsString;

/// Runs the command.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut session = Session::new("rmrset", Level::Warning);
    let outcome = run(&mut session, words);
    session.finish("NAMESPACE/NAME", outcome)
}

fn run(session: &mut Session, words: Vec<OsString>) -> Outcome {
    let mut arguments = Arguments::new(words);
    if arguments.next_flag()?.is_some() {
        return Err(Failure::Usage);
    }
    let name = arguments.name()?;
    session.require_global()?;
    let request = Request::RemoveResourceSet { name: name.clone() };
    session
        .kernel()
        .order(&request)
        .map_err(refused(&format!("remove the resource set {name}")))?;
    Ok(0)
}
