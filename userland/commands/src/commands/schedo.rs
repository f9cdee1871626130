//! `schedo`: shows and sets what can be tuned in the scheduler. A change holds until power-off.
//!
//! The kernel says what there is, with values and ranges; here are the texts.

use crate::arguments::{Arguments, Flag};
use crate::kernel_control::{errno, refused};
use crate::messages::{Level, Message};
use crate::session::{Failure, Outcome, Session};
use control::{Request, Tunable};
use std::ffi::OsString;
use std::io::Write;

const USAGE: &str = "-a | -D | {-o NAME[=VALUE] | -d NAME}... | -h [NAME] | -L [NAME]";

/// What a tunable is for. The promises of the mechanism (the longest slice, say) cannot be tuned.
struct Help {
    name: &'static str,
    text: &'static str,
}

const POLICY: &str = "policy";
const DEFAULT_POLICY: &str = "wlm";

/// All of them, in the order in which they are listed.
const TUNABLES: &[Help] = &[
    Help {
        name: POLICY,
        text: "Which partition is next.
  wlm          shares, minimum, soft and hard maximum (chwpar -R)
  edf          budget and period for each partition, for periodic work
  stride       shares only
  round-robin  one after the other
Threads, accounts and hard maximums stay as they are when it changes.",
    },
    Help {
        name: "slice_us",
        text: "How long a partition runs before another one that waits does.
Shorter slices divide the CPUs evenly over shorter times and cost more switches.",
    },
    Help {
        name: "wakeup_grain_us",
        text: "How long a thread runs at least before one that wakes takes its CPU;
ten times that before one of its own partition does that has slept for less.",
    },
    Help {
        name: "wakeup_preemption",
        text: "Whether a thread that wakes takes a CPU before the slice there is over.
With 0 it waits for a slice's end or an idle CPU; real-time threads still take
the place of others of their partition.",
    },
];

/// What is asked, in the order in which it is asked.
enum Wish {
    Show(&'static Help),
    Set(&'static Help, String),
    Reset(&'static Help),
    Help(&'static Help),
    Describe(&'static Help),
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
        say(&line([
            "NAME", "CUR", "DEF", "BOOT", "MIN", "MAX", "UNIT", "TYPE",
        ]))?;
    }
    for wish in wishes {
        let text = match wish {
            Wish::Show(tunable) => {
                format!("{} = {}", tunable.name, State::of(session, tunable)?.value)
            }
            Wish::Help(tunable) => format!("Help for tunable {}:\n{}", tunable.name, tunable.text),
            Wish::Describe(tunable) => State::of(session, tunable)?.description(tunable.name),
            Wish::Set(tunable, value) => set(session, tunable, value)?,
            Wish::Reset(tunable) => {
                let default = State::of(session, tunable)?.default;
                set(session, tunable, default)?
            }
        };
        say(&text)?;
    }
    Ok(0)
}

fn say(line: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{line}").map_err(|_| Failure::Silent)
}

/// Gives a tunable a value; answers what is said about it.
fn set(session: &mut Session, tunable: &Help, value: String) -> Result<String, Message> {
    let request = if tunable.name == POLICY {
        Request::SetPolicy {
            name: value.clone(),
        }
    } else {
        let (least, most) = (
            number(session, tunable)?.least,
            number(session, tunable)?.most,
        );
        let allowed = value.parse().ok().filter(|it| (least..=most).contains(it));
        Request::Tune {
            name: tunable.name.to_owned(),
            value: allowed.ok_or_else(|| Message::BadTunable {
                name: tunable.name.to_owned(),
                value: value.clone(),
                allowed: format!("from {least} to {most}"),
            })?,
        }
    };
    let what = if tunable.name == POLICY {
        "change the scheduling policy"
    } else {
        "tune the scheduler"
    };
    match session.kernel().order(&request) {
        Ok(()) => Ok(format!("Setting {} to {value}", tunable.name)),
        Err(refusal) if tunable.name == POLICY && refusal.errno == errno::EINVAL => {
            Err(Message::BadTunable {
                name: tunable.name.to_owned(),
                value,
                allowed: "one of those that schedo -h policy lists".to_owned(),
            })
        }
        Err(refusal) => Err(refused(what)(refusal)),
    }
}

/// A tunable that is a number, as the kernel has it.
fn number(session: &mut Session, tunable: &Help) -> Result<Tunable, Message> {
    let known = session
        .kernel()
        .tunables()
        .map_err(refused("tell what can be tuned"))?;
    known
        .into_iter()
        .find(|it| it.name == tunable.name)
        .ok_or_else(|| unknown(tunable.name))
}

/// How a tunable is, for people.
struct State {
    value: String,
    default: String,
    range: [String; 2],
    unit: String,
}

impl State {
    fn of(session: &mut Session, tunable: &Help) -> Result<Self, Message> {
        if tunable.name == POLICY {
            let policies = session
                .kernel()
                .policies()
                .map_err(refused("tell the scheduling policies"))?;
            return Ok(Self {
                value: policies.into_iter().next().unwrap_or_default(),
                default: DEFAULT_POLICY.to_owned(),
                range: ["-".to_owned(), "-".to_owned()],
                unit: "name".to_owned(),
            });
        }
        let found = number(session, tunable)?;
        Ok(Self {
            value: found.value.to_string(),
            default: found.default.to_string(),
            range: [found.least.to_string(), found.most.to_string()],
            unit: found.unit,
        })
    }

    /// Everything is dynamic: it can be changed at any time, and is at boot what it is by default.
    fn description(&self, name: &str) -> String {
        let [least, most] = &self.range;
        line([
            name,
            &self.value,
            &self.default,
            &self.default,
            least,
            most,
            &self.unit,
            "D",
        ])
    }
}

fn line([name, now, default, boot, least, most, unit, kind]: [&str; 8]) -> String {
    format!("{name:<18} {now:<12} {default:<6} {boot:<6} {least:<6} {most:<6} {unit:<12} {kind}")
}

fn parse(words: Vec<OsString>) -> Result<Vec<Wish>, Failure> {
    let mut arguments = Arguments::new(words);
    let mut wishes = Vec::new();
    while let Some(flag) = arguments.next_flag()? {
        match flag {
            Flag::Short('a') => wishes.extend(TUNABLES.iter().map(Wish::Show)),
            Flag::Short('D') => wishes.extend(TUNABLES.iter().map(Wish::Reset)),
            Flag::Short('d') => wishes.push(Wish::Reset(tunable(&arguments.text()?)?)),
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

fn tunable(name: &str) -> Result<&'static Help, Message> {
    let known = TUNABLES.iter().find(|tunable| tunable.name == name);
    known.ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> Message {
    Message::NoTunable {
        name: name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Vec<Wish>, Failure> {
        parse(line.split(' ').map(OsString::from).collect())
    }

    #[test]
    fn the_flags() {
        let all = TUNABLES.len();
        for line in ["-a", "-D", "-h", "-L"] {
            assert_eq!(words(line).map(|wishes| wishes.len()), Ok(all), "{line}");
        }
        for line in [
            "-o policy",
            "-o policy=edf",
            "-o slice_us=1000",
            "-d policy",
            "-h policy",
            "-L wakeup_preemption",
        ] {
            assert_eq!(words(line).map(|wishes| wishes.len()), Ok(1), "{line}");
        }
        for line in ["", "policy", "-x", "-a policy"] {
            assert_eq!(words(line).err(), Some(Failure::Usage), "{line}");
        }
        assert!(matches!(words("-o speed=7").err(), Some(Failure::Said(_))));
    }
}
