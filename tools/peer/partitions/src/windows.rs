//! Promises that hold in windows of time and not only on the average: accounts are read every few milliseconds, and of all
//! windows that begin and end at a reading the worst is looked for.

use crate::child::{self, Child};
use crate::gate::Gate;
use crate::output::{figure, microseconds};
use crate::shares::Group;
use crate::system::{System, Usage};
use std::io;
use std::time::{Duration, Instant};

/// Between two readings.
const PAUSE: Duration = Duration::from_millis(5);
/// The longest slice, in seconds.
const SLICE: f64 = 0.004;

/// One group's account: when, and what it had used by then, in seconds.
type Course = Vec<(f64, f64)>;

/// Lets `groups` compete for `seconds` and reads their accounts all the while.
fn watch(system: &mut dyn System, seconds: u64, groups: &[Group]) -> io::Result<Vec<Course>> {
    let mut gate = Gate::new()?;
    let mut children = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        children.push(group.start(system, number, &mut gate)?);
    }
    gate.open();
    child::rest(Duration::from_millis(1500));
    let numbers: Vec<usize> = (0..groups.len()).collect();
    let mut courses = vec![Course::new(); groups.len()];
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        let now = system.usage(&numbers)?;
        let seconds = |usage: &Usage| (usage.at.as_secs_f64(), usage.used.as_secs_f64());
        for (course, usage) in courses.iter_mut().zip(&now) {
            course.push(seconds(usage));
        }
        child::rest(PAUSE);
    }
    children.into_iter().try_for_each(Child::end)?;
    numbers
        .iter()
        .try_for_each(|number| system.remove(*number))?;
    Ok(courses)
}

/// The least and the greatest change of `line` over all windows of `length` seconds or more.
fn extremes(times: &[f64], line: &[f64], length: f64) -> (f64, f64) {
    let (mut least, mut greatest) = (f64::MAX, f64::MIN);
    let (mut lowest, mut highest) = (f64::MAX, f64::MIN);
    let mut early = times.iter().zip(line).peekable();
    for (end, value) in times.iter().zip(line) {
        while let Some((_, before)) = early.next_if(|(begin, _)| end - **begin >= length) {
            lowest = lowest.min(*before);
            highest = highest.max(*before);
        }
        if lowest <= highest {
            least = least.min(value - highest);
            greatest = greatest.max(value - lowest);
        }
    }
    (least, greatest)
}

fn cpus() -> io::Result<f64> {
    Ok(std::thread::available_parallelism()?.get() as f64)
}

/// How far service is from its part of what all groups have, in any window of a second or more, in slices times CPUs. All
/// groups must be able to use their parts.
pub fn shares(
    system: &mut dyn System,
    label: &str,
    seconds: u64,
    groups: &[Group],
) -> io::Result<()> {
    let courses = watch(system, seconds, groups)?;
    let weights: f64 = groups.iter().map(Group::weight).sum();
    let sums: Vec<f64> = (0..courses.first().map_or(0, Vec::len))
        .map(|place| courses.iter().map(|course| course[place].1).sum())
        .collect();
    let mut worst: f64 = 0.0;
    for (group, course) in groups.iter().zip(&courses) {
        let times: Vec<f64> = course.iter().map(|(at, _)| *at).collect();
        let part = group.weight() / weights;
        let line: Vec<f64> = course
            .iter()
            .zip(&sums)
            .map(|((_, used), sum)| used - part * sum)
            .collect();
        let (least, greatest) = extremes(&times, &line, 1.0);
        worst = worst.max(greatest).max(-least);
    }
    figure(
        &format!("{label}_difference"),
        "slices",
        worst / SLICE / cpus()?,
    );
    Ok(())
}

/// A bound of the first group's service that is to hold in windows.
pub struct Bound {
    /// The part of all CPUs.
    part: fn(&Group) -> f64,
    /// 1 when service is not to go above it, -1 when it is not to stay below.
    sign: f64,
    /// The shortest window, in seconds.
    window: f64,
    /// What a breach is called.
    breach: &'static str,
}

/// A hard maximum, in windows of 100 ms.
pub const MAXIMUM: Bound = Bound {
    part: Group::most,
    sign: 1.0,
    window: 0.1,
    breach: "beyond",
};

/// A minimum, in windows of 200 ms.
pub const MINIMUM: Bound = Bound {
    part: Group::least,
    sign: -1.0,
    window: 0.2,
    breach: "lacking",
};

/// By how much the first group breaks a bound in any of its windows, in milliseconds.
pub fn bound(
    system: &mut dyn System,
    label: &str,
    seconds: u64,
    groups: &[Group],
    bound: &Bound,
) -> io::Result<()> {
    let courses = watch(system, seconds, groups)?;
    let (Some(group), Some(course)) = (groups.first(), courses.first()) else {
        return Err(io::Error::other("no group to hold to a bound"));
    };
    let rate = (bound.part)(group) * cpus()?;
    let times: Vec<f64> = course.iter().map(|(at, _)| *at).collect();
    let beyond = |(at, used): &(f64, f64)| bound.sign * (used - rate * at);
    let line: Vec<f64> = course.iter().map(beyond).collect();
    let (_, greatest) = extremes(&times, &line, bound.window);
    let name = format!("{label}_{}", bound.breach);
    figure(&name, "ms", 1e3 * greatest.max(0.0));
    Ok(())
}

/// How long a command takes outside all groups, from fork to its end, while they compete.
pub fn command(
    system: &mut dyn System,
    label: &str,
    count: usize,
    groups: &[Group],
) -> io::Result<()> {
    let mut gate = Gate::new()?;
    let mut children = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        children.push(group.start(system, number, &mut gate)?);
    }
    gate.open();
    child::rest(Duration::from_millis(500));
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begin = Instant::now();
        child::fork(&mut || child::execute("/b/tiny_exit"))?.wait()?;
        times.push(begin.elapsed());
        child::rest(Duration::from_millis(20));
    }
    children.into_iter().try_for_each(Child::end)?;
    (0..groups.len()).try_for_each(|number| system.remove(number))?;
    times.sort_unstable();
    for (name, part) in [("p50", 50), ("p99", 99), ("max", 100)] {
        let place = (times.len() * part / 100).min(times.len().saturating_sub(1));
        let time = times.get(place).copied().unwrap_or_default();
        microseconds(&format!("{label}_{name}"), time);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::extremes;

    #[test]
    fn the_worst_window_is_found() {
        let times = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0];
        let line = [0.0, 0.1, 0.3, 0.0, -0.2, 0.2];
        let (least, greatest) = extremes(&times, &line, 1.0);
        assert!((least + 0.5).abs() < 1e-9, "{least}");
        assert!((greatest - 0.4).abs() < 1e-9, "{greatest}");
    }
}
