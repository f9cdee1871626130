//! Partitions measured: Corral's, or on Linux containers made of a control group and all name spaces.
//!
//! One program for both systems, so that both are measured by the same code: what is particular to one is its
//! [`System`]. Every result is a line `@ NAME UNIT VALUE`, as those of the other programs are. The first argument names
//! the measurement, the others say how much of it; `goals.rs` of `xtask` has the suites and what is good enough.
//!
//! `unsafe` is in [`child`] alone: a process that forks without executing a program is nothing that safe Rust offers.

#![deny(unsafe_code)]

mod attack;
mod census;
mod child;
mod corral;
mod gate;
mod lateness;
mod life;
mod linux;
mod output;
mod shares;
mod system;
mod windows;

use std::io;
use std::process::ExitCode;
use system::System;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match perform(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("! partitions {}: {error}", words.join(" "));
            ExitCode::FAILURE
        }
    }
}

fn perform(words: &[&str]) -> io::Result<()> {
    let mut system = present()?;
    let system = system.as_mut();
    match *words {
        ["life", repetitions] => life::cycle(system, number(repetitions)?),
        ["life", repetitions, loaded] => life::among(system, number(repetitions)?, number(loaded)?),
        ["density", count] => census::density(system, number(count)?, census::SLEEPER),
        ["density", count, program] => census::density(system, number(count)?, program),
        ["runnable", loaded, runnable] => {
            census::switching(system, number(loaded)?, number(runnable)?)
        }
        ["share", label, seconds, ref shares @ ..] => {
            shares::division(system, label, number(seconds)?, &shares::groups(shares)?)
        }
        ["window", label, seconds, ref shares @ ..] => {
            windows::shares(system, label, number(seconds)?, &shares::groups(shares)?)
        }
        ["most", label, seconds, ref shares @ ..] => windows::bound(
            system,
            label,
            number(seconds)?,
            &shares::groups(shares)?,
            &windows::MAXIMUM,
        ),
        ["least", label, seconds, ref shares @ ..] => windows::bound(
            system,
            label,
            number(seconds)?,
            &shares::groups(shares)?,
            &windows::MINIMUM,
        ),
        ["command", label, count, ref shares @ ..] => {
            windows::command(system, label, number(count)?, &shares::groups(shares)?)
        }
        ["late", count] => lateness::measure(system, number(count)?),
        ["late", count, busy] => lateness::beside(system, number(count)?, number(busy)?),
        ["attack", pairs] => attack::measure(system, number(pairs)?),
        _ => Err(io::Error::other("unknown measurement")),
    }
}

/// The system that this program runs on.
fn present() -> io::Result<Box<dyn System>> {
    if std::path::Path::new(corral::DEVICE).exists() {
        Ok(Box::new(corral::Corral::new()?))
    } else {
        Ok(Box::new(linux::Linux::new()?))
    }
}

fn number<T: std::str::FromStr>(word: &str) -> io::Result<T> {
    word.parse()
        .map_err(|_| io::Error::other(format!("not a number: {word}")))
}
