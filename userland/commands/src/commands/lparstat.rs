//! `lparstat -W`: the CPU capacity of the environment that it is called in.

use crate::arguments::{Arguments, Flag};
use crate::kernel_control::refused;
use crate::messages::Level;
use crate::session::{Failure, Outcome, Session};
use abi::BasisPoints;
use std::ffi::OsString;
use std::io::Write;

/// Runs the command.
pub fn main(words: Vec<OsString>) -> u8 {
    let mut session = Session::new("lparstat", Level::Warning);
    let outcome = run(&mut session, words);
    session.finish("-W", outcome)
}

fn run(session: &mut Session, words: Vec<OsString>) -> Outcome {
    let mut arguments = Arguments::new(words);
    let mut asked = false;
    while let Some(flag) = arguments.next_flag()? {
        match flag {
            Flag::Short('W') => asked = true,
            _ => return Err(Failure::Usage),
        }
    }
    arguments.names(0, 0)?;
    if !asked {
        return Err(Failure::Usage);
    }
    let identity = session
        .kernel()
        .identity()
        .map_err(refused("tell who is asking"))?;
    let controls = identity.controls;
    let limit = if controls.active {
        controls.cpu.hard_maximum.basis_points()
    } else {
        BasisPoints::WHOLE
    };
    // 0 CPUs: all can be used.
    let cpus = match controls.resource_set {
        Some(_) if controls.active => identity.cpus.count(),
        _ => 0,
    };
    let lines = [
        ("WPAR Key", identity.key.to_string()),
        ("WPAR Configured ID", identity.cid.to_string()),
        ("WPAR Maximum Logical CPUs", cpus.to_string()),
        ("WPAR Maximum Virtual CPUs", cpus.to_string()),
        ("WPAR Percentage CPU Limit", format!("{limit}%")),
    ];
    let mut output = std::io::stdout().lock();
    for (label, value) in lines {
        writeln!(output, "{label:<43}: {value}").map_err(|_| Failure::Silent)?;
    }
    Ok(0)
}
