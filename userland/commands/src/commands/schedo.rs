//! `schedo`: shows and sets what can be tuned in the scheduler. A change holds until power-off.

use crate::arguments::{Arguments, Flag};
use crate::kernel_control::refused;
use crate::messages::{Level, Message};
use crate::session::{Failure, Outcome, Session};
use control::Request;
use std::ffi::OsString;
use std::io::Write;

const USAGE: &str = "-a | -D | {-o NAME[=VALUE] | -d NAME}... | -h [NAME] | -L [NAME]";

/// Something that can be tuned.
struct Tunable {
    name: &'static str,
    default: &'static str,
    help: &'static str,
}

/// All of them. The figures of the mechanism (the longest slice, say) are promises and cannot be tuned.
const TUNABLES: &[Tunable] = &[Tunable {
    name: "policy",
    default: "wlm",
    help: "Which partition is next.
  wlm          shares, minimum, soft and hard maximum (chwpar -R)
  edf          budget and period for each partition, for periodic work
  stride       shares only
  round-robin  one after the other
Threads, accounts and hard maximums stay as they are when it changes.",
}];

/// What is asked, in the order in which it is asked.
enum Wish {
    Show(&'static Tunable),
    Set(&'static Tunable, String),
    Help(&'static Tunable),
    Describe(&'static Tunable),
}

/// Runs the command.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut session = Session::new("schedo", Level::Warning);
    let outcome = run(&mut session, words);
    session.finish(USAGE, outcome)
}

fn run(session: &mut Session, words: Vec<OsString>) -> Outcome {
    let wishes = parse(words)?;
    if wishes.iter().any(|wish| matches!(wish, Wish::Describe(_))) {
        say(&description(["NAME", "CUR", "DEF", "UNIT"]))?;
    }
    for wish in wishes {
        let line = match wish {
            Wish::Show(tunable) => format!("{} = {}", tunable.name, value(session)?),
            Wish::Help(tunable) => format!("Help for tunable {}:\n{}", tunable.name, tunable.help),
            Wish::Describe(tunable) => {
                let now = value(session)?;
                description([tunable.name, &now, tunable.default, "name"])
            }
            Wish::Set(tunable, value) => {
                let request = Request::SetPolicy {
                    name: value.clone(),
                };
                session
                    .kernel()
                    .order(&request)
                    .map_err(refused("change the scheduling policy"))?;
                format!("Setting {} to {value}", tunable.name)
            }
        };
        say(&line)?;
    }
    Ok(0)
}

fn say(line: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{line}").map_err(|_| Failure::Silent)
}

fn description([name, now, default, unit]: [&str; 4]) -> String {
    format!("{name:<16} {now:<12} {default:<12} {unit}")
}

fn parse(words: Vec<OsString>) -> Result<Vec<Wish>, Failure> {
    let mut arguments = Arguments::new(words);
    let mut wishes = Vec::new();
    let reset = |tunable: &'static Tunable| Wish::Set(tunable, tunable.default.to_owned());
    while let Some(flag) = arguments.next_flag()? {
        match flag {
            Flag::Short('a') => wishes.extend(TUNABLES.iter().map(Wish::Show)),
            Flag::Short('D') => wishes.extend(TUNABLES.iter().map(reset)),
            Flag::Short('d') => wishes.push(reset(tunable(&arguments.text()?)?)),
            Flag::Short('o') => {
                let text = arguments.text()?;
                wishes.push(match text.split_once('=') {
                    Some((name, value)) => Wish::Set(tunable(name)?, value.to_owned()),
                    None => Wish::Show(tunable(&text)?),
                });
            }
            Flag::Short(letter @ ('h' | 'L')) => {
                let wish = if letter == 'h' {
                    Wish::Help
                } else {
                    Wish::Describe
                };
                match arguments.optional_word() {
                    Some(name) => wishes.push(wish(tunable(&name)?)),
                    None => wishes.extend(TUNABLES.iter().map(wish)),
                }
            }
            _ => return Err(Failure::Usage),
        }
    }
    arguments.names(0, 0)?;
    if wishes.is_empty() {
        return Err(Failure::Usage);
    }
    Ok(wishes)
}

fn tunable(name: &str) -> Result<&'static Tunable, Message> {
    TUNABLES
        .iter()
        .find(|tunable| tunable.name == name)
        .ok_or_else(|| Message::NoTunable {
            name: name.to_owned(),
        })
}

fn value(session: &mut Session) -> Result<String, Message> {
    let policies = session
        .kernel()
        .policies()
        .map_err(refused("tell the scheduling policies"))?;
    Ok(policies.into_iter().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Vec<Wish>, Failure> {
        parse(line.split(' ').map(OsString::from).collect())
    }

    #[test]
    fn the_flags() {
        for line in [
            "-a",
            "-o policy",
            "-o policy=edf",
            "-d policy",
            "-D",
            "-h",
            "-h policy",
            "-L",
        ] {
            assert_eq!(words(line).map(|wishes| wishes.len()), Ok(1), "{line}");
        }
        for line in ["", "policy", "-x", "-a policy"] {
            assert_eq!(words(line).err(), Some(Failure::Usage), "{line}");
        }
        assert!(matches!(words("-o speed=7").err(), Some(Failure::Said(_))));
    }
}
