//! What a busy partition loses to a neighbour that forks, faults or calls as fast as it can, against a neighbour of the
//! same share that computes.

use crate::child;
use crate::output::figure;
use crate::system::{Isolation, Limits, System};
use std::hint::black_box;
use std::io;
use std::time::Duration;

/// Partitions.
const VICTIM: usize = 0;
const NEIGHBOUR: usize = 1;

/// How long each of the two is watched in one pair.
const WINDOW: Duration = Duration::from_millis(1000);

/// Pairs of windows, an ordinary neighbour and one that attacks in turn.
pub fn measure(system: &mut dyn System, pairs: usize) -> io::Result<()> {
    let attacks: [(&str, fn() -> !); 3] = [("fork", forks), ("fault", faults), ("call", calls)];
    system.create(VICTIM, Limits::ORDINARY)?;
    let victim = system.start(VICTIM, Isolation::Time, &mut || child::spin())?;
    for (name, attack) in attacks {
        let (mut beside_ordinary, mut beside_attack) = (0.0, 0.0);
        for _ in 0..pairs {
            beside_ordinary += window(system, || child::spin())?;
            beside_attack += window(system, attack)?;
        }
        let lost = 100.0 * (1.0 - beside_attack / beside_ordinary);
        figure(&format!("attack_{name}_loss"), "pct", lost.max(0.0));
    }
    victim.end()?;
    system.remove(VICTIM)
}

/// The part of the time that the victim had beside this neighbour.
fn window(system: &mut dyn System, neighbour: fn() -> !) -> io::Result<f64> {
    system.create(NEIGHBOUR, Limits::ORDINARY)?;
    let child = system.start(NEIGHBOUR, Isolation::Time, &mut || neighbour())?;
    child::rest(Duration::from_millis(200));
    let before = system.usage(&[VICTIM])?;
    child::rest(WINDOW);
    let after = system.usage(&[VICTIM])?;
    child.end()?;
    system.remove(NEIGHBOUR)?;
    match (&before[..], &after[..]) {
        ([before], [after]) => {
            Ok((after.used - before.used).as_secs_f64() / (after.at - before.at).as_secs_f64())
        }
        _ => Err(io::Error::other("no account")),
    }
}

fn forks() -> ! {
    loop {
        match child::fork(&mut || child::exit()) {
            Ok(child) => drop(child.wait()),
            Err(error) => println!("! attack: {error}"),
        }
    }
}

fn faults() -> ! {
    // More than malloc keeps for itself: mapped and unmapped each time.
    const SIZE: usize = 40 << 20;
    const PAGE: usize = 4096;
    loop {
        let mut memory = vec![0_u8; SIZE];
        memory.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
        black_box(&memory);
    }
}

fn calls() -> ! {
    loop {
        black_box(rustix::process::getppid());
    }
}
