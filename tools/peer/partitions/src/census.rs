//! Many partitions: what each costs in memory and time, and what their number does to the others.

use crate::child::{self, Child};
use crate::gate::{Gate, Roll};
use crate::output::{figure, microseconds};
use crate::system::{Isolation, Limits, System, free_memory};
use std::io;
use std::time::{Duration, Instant};

/// A program that sleeps for ever, without a C library.
pub const SLEEPER: &str = "/b/tiny_pause";

/// Makes `count` partitions from number `first` on, with one process each that runs `program`.
pub fn sleepers(
    system: &mut dyn System,
    first: usize,
    count: usize,
    program: &str,
) -> io::Result<Vec<Child>> {
    let roll = Roll::new()?;
    let mut children = Vec::with_capacity(count);
    for number in first..first + count {
        let made = system
            .create(number, Limits::ORDINARY)
            .and_then(|()| system.start(number, Isolation::Full, &mut || child::execute(program)));
        match made {
            Ok(child) => children.push(child),
            Err(error) => {
                return Err(io::Error::other(format!("partition {number}: {error}")));
            }
        }
    }
    roll.complete()?;
    Ok(children)
}

/// Removes partitions from number `first` on, after their processes.
pub fn remove(system: &mut dyn System, first: usize, children: Vec<Child>) -> io::Result<()> {
    for (place, child) in children.into_iter().enumerate() {
        child.end()?;
        system.remove(first + place)?;
    }
    Ok(())
}

/// Memory and time for each of `count` partitions that are there at once, in which `program` sleeps.
pub fn density(system: &mut dyn System, count: usize, program: &str) -> io::Result<()> {
    let label = |what: &str| format!("density_{count}_{what}");
    let each = |time: Duration| time / u32::try_from(count).unwrap_or(u32::MAX).max(1);
    // One life first, so that what is made once for all is not counted.
    let first = sleepers(system, 0, 1, program)?;
    remove(system, 0, first)?;
    system.settle();
    let before = free_memory()?;
    let begin = Instant::now();
    let children = sleepers(system, 0, count, program)?;
    let created = begin.elapsed();
    system.settle();
    let full = free_memory()?;
    let living = children.iter().filter(|child| child.lives()).count();
    let begin = Instant::now();
    remove(system, 0, children)?;
    let removed = begin.elapsed();
    system.settle();
    let after = free_memory()?;
    figure(&label("living"), "n", living as f64);
    figure(&label("memory_each"), "KiB", (before - full) / count as f64);
    figure(&label("memory_kept"), "KiB", before - after);
    microseconds(&label("create_each"), each(created));
    microseconds(&label("remove_each"), each(removed));
    figure(&label("create_all"), "s", created.as_secs_f64());
    figure(&label("remove_all"), "s", removed.as_secs_f64());
    Ok(())
}

/// What it costs to give the CPU from partition to partition: `runnable` of them yield all the time, while `loaded`
/// are there.
pub fn switching(system: &mut dyn System, loaded: usize, runnable: usize) -> io::Result<()> {
    const FEW: usize = 10;
    let few = turns(system, FEW)?;
    let sleepers = sleepers(system, runnable, loaded - runnable, SLEEPER)?;
    let many = turns(system, runnable)?;
    remove(system, runnable, sleepers)?;
    microseconds("scale_switch_few", few);
    microseconds("scale_switch_many", many);
    figure(
        "scale_switch",
        "ratio",
        many.as_secs_f64() / few.as_secs_f64(),
    );
    Ok(())
}

/// The mean time from one partition's turn to the next one's, when `runnable` of them hand the CPU on at once.
fn turns(system: &mut dyn System, runnable: usize) -> io::Result<Duration> {
    /// Turns of each: many beside what its beginning and its end take, which is in the time too.
    const EACH: u32 = 400;
    let mut gate = Gate::new()?;
    let mut children = Vec::new();
    for number in 0..runnable {
        system.create(number, Limits::ORDINARY)?;
        children.push(system.start(number, Isolation::Time, &mut || {
            gate.pass();
            for _ in 0..EACH {
                rustix::thread::sched_yield();
            }
            child::exit();
        })?);
    }
    gate.open();
    let begin = Instant::now();
    for child in children {
        child.wait()?;
    }
    let time = begin.elapsed();
    (0..runnable).try_for_each(|number| system.remove(number))?;
    Ok(time / (EACH * u32::try_from(runnable).map_err(io::Error::other)?))
}
