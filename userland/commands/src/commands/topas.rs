//! `topas -@`: a live view of what WPARs use.
//!
//! Every second (`-i`) the kernel's exact accounts are read; what is shown is the difference. On a terminal the view
//! fills the screen and leaves the terminal as it was, however it ends; with `-n` it is written as text, so many times.

mod screen;
mod view;

use crate::arguments::{Arguments, Flag};
use crate::kernel_control::refused;
use crate::messages::{Level, Message};
use crate::session::{Failure, Outcome, Session};
use screen::{Key, Screen};
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};
use view::View;

const USAGE: &str = "-@ [NAME|CID] [-i SECONDS] [-n COUNT]";

/// Rows and columns of what is not a terminal: nothing is cut off.
const TEXT: (usize, usize) = (usize::MAX, 80);

/// Runs the command.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut session = Session::new("topas", Level::Warning);
    let outcome = run(&mut session, words);
    session.finish(USAGE, outcome)
}

struct Options {
    only: Option<String>,
    interval: Duration,
    count: Option<u32>,
}

fn parse(words: Vec<OsString>) -> Result<Options, Failure> {
    let mut arguments = Arguments::new(words);
    let (mut asked, mut interval) = (false, 1);
    let mut options = Options {
        only: None,
        interval: Duration::ZERO,
        count: None,
    };
    while let Some(flag) = arguments.next_flag()? {
        match flag {
            Flag::Short('@') => {
                asked = true;
                options.only = arguments.optional_word();
            }
            Flag::Short('i') => interval = arguments.number::<u32>()?,
            Flag::Short('n') => options.count = Some(arguments.number()?),
            _ => return Err(Failure::Usage),
        }
    }
    arguments.names(0, 0)?;
    if !asked || interval == 0 || options.count == Some(0) {
        return Err(Failure::Usage);
    }
    options.interval = Duration::from_secs(interval.into());
    Ok(options)
}

fn run(session: &mut Session, words: Vec<OsString>) -> Outcome {
    let options = parse(words)?;
    session.require_global()?;
    let mut view = View::begin(accounts(session)?, options.only.as_deref())?;
    if let Some(count) = options.count {
        return write_text(session, &mut view, &options, count);
    }
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(Message::NeedsTerminal {}.into());
    }
    let failed = |error: std::io::Error| Message::File {
        path: "standard output".to_owned(),
        reason: error.to_string(),
    };
    let screen = Screen::open().map_err(failed)?;
    let mut next = Instant::now() + options.interval;
    loop {
        match screen.wait(next).map_err(failed)? {
            Key::Leave => return Ok(0),
            Key::Other => {}
            Key::None => {
                view.advance(accounts(session)?);
                next = Instant::now() + options.interval;
            }
        }
        let (rows, columns) = screen.size();
        screen.show(&view.lines(rows, columns)).map_err(failed)?;
    }
}

fn accounts(session: &mut Session) -> Result<control::Accounts, Message> {
    session
        .kernel()
        .accounts()
        .map_err(refused("tell the accounts"))
}

fn write_text(session: &mut Session, view: &mut View, options: &Options, count: u32) -> Outcome {
    for _ in 0..count {
        std::thread::sleep(options.interval);
        view.advance(accounts(session)?);
        let mut output = std::io::stdout().lock();
        for line in view.lines(TEXT.0, TEXT.1) {
            writeln!(output, "{line}").map_err(|_| Failure::Silent)?;
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags() {
        let words = |line: &str| parse(line.split(' ').map(OsString::from).collect());
        let options = words("-@ alpha -i 5 -n 2").expect("right");
        assert_eq!(options.only.as_deref(), Some("alpha"));
        assert_eq!((options.interval.as_secs(), options.count), (5, Some(2)));
        assert!(words("-@").is_ok());
        for line in ["-n 2", "-@ -i 0", "-@ -n 0", "-@ a b", "-x", "-@ -n x"] {
            assert!(words(line).is_err(), "{line}");
        }
    }
}
