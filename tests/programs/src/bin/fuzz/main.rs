//! A fuzzer of system calls: partitions full of programs that make any call with any argument, and one that must not notice.
//!
//! ```text
//! fuzz session   in Global: makes the partitions, runs all of the following in them, and looks at what is left
//! fuzz inside    in a partition, as root: sequence after sequence, each in a process that is killed when it is stuck
//! fuzz witness   in another partition: computes, and compares with what it has computed before
//! fuzz explain   prints the calls of a sequence
//! ```
//! Everything follows from the seed but what programs on several CPUs do to each other: a sequence is its seed and its number.
//! The numbers of the sequences that run are printed before they begin, so that a console tells what a kernel has died of.
//!
//! `unsafe` is in [`process`] alone.

mod arguments;
mod process;
mod random;
mod sequence;
mod session;
mod table;
mod witness;

use sequence::Plan;
use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long a sequence may go without a call before it is killed, in milliseconds.
const PATIENCE: i32 = 100;

/// How long what is killed may take to end.
const END: Duration = Duration::from_secs(20);

/// The words after the command, `--name value`.
pub struct Words(Vec<String>);

impl Words {
    fn value(&self, name: &str) -> Option<&str> {
        let at = self.0.iter().position(|word| word == name)?;
        self.0.get(at + 1).map(String::as_str)
    }

    /// The number of an option, `default` without it.
    pub fn number(&self, name: &str, default: u64) -> u64 {
        self.value(name)
            .and_then(|value| value.parse().ok())
            .unwrap_or(default)
    }

    fn plan(&self, number: u64) -> Plan {
        let all = sequence::CALLS as u64;
        let without = self.value("--without").unwrap_or("");
        Plan {
            seed: self.number("--seed", 1),
            number,
            places: self.number("--from", 0) as usize..self.number("--to", all) as usize,
            without: without
                .split(',')
                .filter_map(|word| word.parse().ok())
                .collect::<BTreeSet<_>>(),
        }
    }
}

fn main() -> ExitCode {
    let mut words = env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let words = Words(words.collect());
    let done = match command.as_str() {
        "session" => session::run(&words),
        "inside" => inside(&words),
        "witness" => witness::run(),
        "explain" => sequence::explain(&words.plan(words.number("--first", 0))),
        // What an executed program does.
        "nothing" => Ok(()),
        _ => Err(io::Error::other("fuzz session|inside|witness|explain")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("fuzz {command}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Sequences from `--first` on until `--calls` calls are made, or `--sequences` of them.
fn inside(words: &Words) -> io::Result<()> {
    let (first, calls) = (words.number("--first", 0), words.number("--calls", 10_000));
    let sequences = words.number("--sequences", u64::MAX);
    let counter = process::Counter::new()?;
    process::adopt();
    let (mut number, mut made, mut killed, mut idle) = (first, 0, 0, 0);
    while made < calls && number - first < sequences {
        println!("sequence {number}");
        let plan = words.plan(number);
        counter.reset();
        let pid = process::fork(|| {
            if sequence::perform(&plan, counter).is_err() {
                process::leave();
            }
        })?;
        killed += u64::from(!ends_itself(pid, counter));
        process::kill_everybody();
        reap_all()?;
        // A process may have written any number there.
        let most = (4 * sequence::CALLS * 8) as u64;
        let now = counter.get().min(most);
        idle = if now == 0 { idle + 1 } else { 0 };
        if idle == 100 {
            return Err(io::Error::other("sequences make no calls"));
        }
        made += now;
        clean(Path::new("/tmp/f"))?;
        number += 1;
    }
    println!(
        "made {made} calls in {} sequences, {killed} of them killed",
        number - first
    );
    Ok(())
}

/// Waits while it makes calls; whether it has ended.
fn ends_itself(pid: i32, counter: process::Counter) -> bool {
    let mut before = counter.get();
    loop {
        if process::ends_within(pid, PATIENCE) {
            return true;
        }
        let now = counter.get();
        if now == before {
            return false;
        }
        before = now;
    }
}

/// All that is left of a sequence must end now.
fn reap_all() -> io::Result<()> {
    let begin = Instant::now();
    while process::reap().is_some() {
        if begin.elapsed() > END {
            return Err(io::Error::other("what is killed does not end"));
        }
    }
    Ok(())
}

/// Removes what sequences have made, also what they have mounted there.
fn clean(folder: &Path) -> io::Result<()> {
    for _ in 0..100 {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Ok(()) => return Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                process::unmount_below(folder);
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other(
        "the folder of a sequence cannot be removed",
    ))
}
