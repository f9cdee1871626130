//! `schedo`: shows and sets what can be tuned in the scheduler: its policy.

use crate::arguments::{Arguments, Flag};
use crate::kernel_control::refused;
use crate::messages::{Level, Message};
use crate::session::{Failure, Outcome, Session};
use control::Request;
use std::ffi::OsString;
use std::io::Write;

const USAGE: &str = "-a | -o policy[=NAME]";

/// Runs the command.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut session = Session::new("schedo", Level::Warning);
    let outcome = run(&mut session, words);
    session.finish(USAGE, outcome)
}

fn run(session: &mut Session, words: Vec<OsString>) -> Outcome {
    let mut arguments = Arguments::new(words);
    let mut tunables = Vec::new();
    while let Some(flag) = arguments.next_flag()? {
        match flag {
            Flag::Short('a') => tunables.push("policy".to_owned()),
            Flag::Short('o') => tunables.push(arguments.text()?),
            _ => return Err(Failure::Usage),
        }
    }
    arguments.names(0, 0)?;
    if tunables.is_empty() {
        return Err(Failure::Usage);
    }
    for tunable in tunables {
        let (name, value) = tunable
            .split_once('=')
            .map_or((tunable.as_str(), None), |(n, v)| (n, Some(v)));
        if name != "policy" {
            return Err(Message::BadAttribute {
                attribute: name.to_owned(),
                value: "a tunable".to_owned(),
            }
            .into());
        }
        let line = match value {
            Some(value) => {
                let request = Request::SetPolicy {
                    name: value.to_owned(),
                };
                session
                    .kernel()
                    .order(&request)
                    .map_err(refused("change the scheduling policy"))?;
                format!("Setting policy to {value}")
            }
            None => {
                let policies = session
                    .kernel()
                    .policies()
                    .map_err(refused("tell the scheduling policies"))?;
                format!("policy = {}", policies.first().map_or("", String::as_str))
            }
        };
        writeln!(std::io::stdout(), "{line}").map_err(|_| Failure::Silent)?;
    }
    Ok(0)
}
