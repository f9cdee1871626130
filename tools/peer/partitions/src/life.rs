//! The life of a partition: created, a program run in it, removed.

use crate::census::{self, SLEEPER};
use crate::child;
use crate::output::{figure, microseconds};
use crate::system::{Isolation, Limits, System};
use std::io;
use std::time::{Duration, Instant};

/// A program that ends at once, without a C library.
const PROGRAM: &str = "/b/tiny_exit";

/// The parts of one life.
#[derive(Clone, Copy, Default)]
struct Parts {
    create: Duration,
    start: Duration,
    run: Duration,
    remove: Duration,
}

fn one(system: &mut dyn System, number: usize) -> io::Result<Parts> {
    let begin = Instant::now();
    system.create(number, Limits::ORDINARY)?;
    let created = Instant::now();
    let child = system.start(number, Isolation::Full, &mut || child::execute(PROGRAM))?;
    let started = Instant::now();
    child.wait()?;
    let ended = Instant::now();
    system.remove(number)?;
    Ok(Parts {
        create: created - begin,
        start: started - created,
        run: ended - started,
        remove: ended.elapsed(),
    })
}

/// The median of the whole, and of each part.
fn median(system: &mut dyn System, first: usize, repetitions: usize) -> io::Result<[Duration; 5]> {
    const WARM: usize = 10;
    let mut lives = [const { Vec::new() }; 5];
    for round in 0..repetitions + WARM {
        let parts = one(system, first + round)?;
        if round >= WARM {
            let whole = parts.create + parts.start + parts.run + parts.remove;
            let all = [whole, parts.create, parts.start, parts.run, parts.remove];
            lives
                .iter_mut()
                .zip(all)
                .for_each(|(of, time)| of.push(time));
        }
    }
    Ok(lives.map(|mut times| {
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or_default()
    }))
}

/// Lives one after the other.
pub fn cycle(system: &mut dyn System, repetitions: usize) -> io::Result<()> {
    let [whole, create, start, run, remove] = median(system, 0, repetitions)?;
    microseconds("cont_full_tiny_total", whole);
    microseconds("cont_full_tiny_create", create);
    microseconds("cont_full_tiny_start", start);
    microseconds("cont_full_tiny_run", run);
    microseconds("cont_full_tiny_remove", remove);
    system.settle();
    Ok(())
}

/// The same with few and with many other partitions loaded.
pub fn among(system: &mut dyn System, repetitions: usize, loaded: usize) -> io::Result<()> {
    const FEW: usize = 10;
    let mut sleepers = census::sleepers(system, 0, FEW, SLEEPER)?;
    let [few, ..] = median(system, loaded, repetitions)?;
    sleepers.extend(census::sleepers(system, FEW, loaded - FEW, SLEEPER)?);
    let [many, ..] = median(system, loaded, repetitions)?;
    census::remove(system, 0, sleepers)?;
    microseconds("scale_life_few", few);
    microseconds("scale_life_many", many);
    figure(
        "scale_life",
        "ratio",
        many.as_secs_f64() / few.as_secs_f64(),
    );
    Ok(())
}
