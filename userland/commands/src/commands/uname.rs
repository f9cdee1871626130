//! `uname`: names of the system; `-W` is the WPAR's key, 0 in Global.

use crate::arguments::{Arguments, Flag};
use crate::kernel_control::refused;
use crate::messages::Level;
use crate::session::{Failure, Outcome, Session};
use std::ffi::{CStr, OsString};
use std::io::Write;

const USAGE: &str = "[-asnrvmpioW]";

/// Runs the command.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut session = Session::new("uname", Level::Warning);
    let outcome = run(&mut session, words);
    session.finish(USAGE, outcome)
}

fn run(session: &mut Session, words: Vec<OsString>) -> Outcome {
    let mut arguments = Arguments::new(words);
    let mut wanted = Vec::new();
    while let Some(flag) = arguments.next_flag()? {
        match flag {
            Flag::Short('a') => wanted.extend("snrvmo".chars()),
            Flag::Short(letter @ ('s' | 'n' | 'r' | 'v' | 'm' | 'p' | 'i' | 'o' | 'W')) => {
                wanted.push(letter)
            }
            Flag::Long(name) => wanted.push(long_name(&name).ok_or(Failure::Usage)?),
            Flag::Short(_) => return Err(Failure::Usage),
        }
    }
    arguments.names(0, 0)?;
    if wanted.is_empty() {
        wanted.push('s');
    }
    let uname = rustix::system::uname();
    let text = |part: &CStr| part.to_string_lossy().into_owned();
    let mut parts = Vec::new();
    for letter in "snrvmpioW".chars().filter(|letter| wanted.contains(letter)) {
        parts.push(match letter {
            's' => text(uname.sysname()),
            'n' => text(uname.nodename()),
            'r' => text(uname.release()),
            'v' => text(uname.version()),
            'o' => "GNU/Linux".to_owned(),
            'W' => session
                .kernel()
                .identity()
                .map_err(refused("tell who is asking"))?
                .key
                .to_string(),
            _ => text(uname.machine()),
        });
    }
    writeln!(std::io::stdout(), "{}", parts.join(" ")).map_err(|_| Failure::Silent)?;
    Ok(0)
}

fn long_name(name: &str) -> Option<char> {
    let names = [
        ("kernel-name", 's'),
        ("nodename", 'n'),
        ("kernel-release", 'r'),
        ("kernel-version", 'v'),
        ("machine", 'm'),
        ("processor", 'p'),
        ("hardware-platform", 'i'),
        ("operating-system", 'o'),
    ];
    names
        .into_iter()
        .find(|(long, _)| *long == name)
        .map(|(_, letter)| letter)
}
