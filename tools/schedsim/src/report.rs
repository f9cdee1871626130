//! Tables for people, and the check of what a scenario expects.

use crate::recording::Recording;
use crate::replay::Replay;
use crate::run::{Course, Part, percentile};
use crate::scenario::{PartitionExpectation, Scenario};
use crate::span::Span;
use abi::Ticks;
use sched::simulation::TIMEBASE;
use std::fmt::Write as _;

/// The longest slice, in ticks: the unit of what is allowed in a window.
const SLICE: f64 = 0.004 * TIMEBASE.ticks_per_second as f64;

/// A time for people: three figures and a unit.
fn time(ticks: Option<Ticks>) -> String {
    let Some(ticks) = ticks else {
        return "-".to_owned();
    };
    let nanos = TIMEBASE.nanos(ticks).0 as f64;
    if nanos < 1e6 {
        format!("{:.1} us", nanos / 1e3)
    } else {
        format!("{:.2} ms", nanos / 1e6)
    }
}

/// A recording in a sentence, with how late its threads were on the machine.
#[must_use]
pub fn recorded(recording: &Recording) -> String {
    let mut latencies: Vec<Ticks> = recording.latencies.values().flatten().copied().collect();
    latencies.sort_unstable();
    format!(
        "{:.3} s under {}, {} stays of threads, {} happenings lost, woken within {} (p50), {} (p99)",
        recording.length.0 as f64 / TIMEBASE.ticks_per_second as f64,
        recording.policy,
        recording.lives.len(),
        recording.lost,
        time(percentile(&latencies, 50.0)),
        time(percentile(&latencies, 99.0)),
    )
}

/// How far a replay may be from its recording, in a sentence.
#[must_use]
pub fn tolerance(replay: &Replay) -> String {
    format!(
        "two slices a CPU and what is no thread's make {}, or {:.3} points",
        time(Some(replay.bound)),
        100.0 * replay.bound.0 as f64 / replay.course.span()
    )
}

/// The partitions of one run; `aim`: what they are compared with.
#[must_use]
pub fn table(course: &Course, aim: &str) -> String {
    let mut text = String::new();
    let span = course.span();
    let width = course
        .parts
        .iter()
        .map(|part| part.name.len())
        .max()
        .unwrap_or(0)
        .max(9);
    // Writing to a string cannot fail.
    let mut line = |columns: [&str; 8]| {
        let [name, got, ideal, error, p50, p99, most, wakes] = columns;
        writeln!(
            text,
            "  {name:<width$} {got:>9} {ideal:>9} {error:>8} {p50:>10} {p99:>10} {most:>10} {wakes:>8}"
        )
        .is_ok()
    };
    line([
        "partition",
        "points",
        aim,
        "error",
        "wake p50",
        "p99",
        "most",
        "wakes",
    ]);
    for part in &course.parts {
        line([
            &part.name,
            &format!("{:.3}", part.points(span)),
            &format!("{:.3}", part.ideal_points(span)),
            &format!("{:.4}", part.error(span)),
            &time(part.latency(50.0)),
            &time(part.latency(99.0)),
            &time(part.latency(100.0)),
            &part.latencies.len().to_string(),
        ]);
    }
    text
}

/// Mean and greatest error of a run, in points.
#[must_use]
pub fn errors(course: &Course) -> (f64, f64) {
    let span = course.span();
    let errors: Vec<f64> = course.parts.iter().map(|part| part.error(span)).collect();
    let mean = errors.iter().sum::<f64>() / errors.len().max(1) as f64;
    (mean, errors.into_iter().fold(0.0, f64::max))
}

/// Runs side by side, a line each.
#[must_use]
pub fn comparison(courses: &[Course]) -> String {
    let mut text = format!(
        "  {:<12} {:>4} {:>9} {:>9} {:>10} {:>10} {:>11} {:>9}\n",
        "policy", "CPUs", "mean", "largest", "wake p50", "p99", "switches/s", "x time"
    );
    for course in courses {
        let (mean, largest) = errors(course);
        let mut latencies: Vec<Ticks> = course
            .parts
            .iter()
            .flat_map(|part| part.latencies.iter().copied())
            .collect();
        latencies.sort_unstable();
        let seconds = course.span() / TIMEBASE.ticks_per_second as f64;
        let speed = course.simulated.as_secs_f64() / course.wall.as_secs_f64().max(1e-9);
        let line = format!(
            "  {:<12} {:>4} {mean:>9.4} {largest:>9.4} {:>10} {:>10} {:>11.0} {speed:>9.0}\n",
            course.policy,
            course.cpus,
            time(percentile(&latencies, 50.0)),
            time(percentile(&latencies, 99.0)),
            course.switches as f64 / seconds
        );
        text.push_str(&line);
    }
    text
}

/// The least and the greatest change of `line` over any two samples that are `length` ticks apart or more; in ticks.
fn extremes(times: &[f64], line: &[f64], length: f64) -> (f64, f64) {
    let (mut least, mut greatest) = (f64::MAX, f64::MIN);
    let (mut lowest, mut highest) = (f64::MAX, f64::MIN);
    let mut early = times.iter().zip(line).peekable();
    for (end, value) in times.iter().zip(line) {
        // A sample is off by up to a tick where a period is no whole number of them.
        while let Some((_, before)) = early.next_if(|(begin, _)| end - **begin >= length - 1.0) {
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

fn beyond(course: &Course, part: &Part, rate: f64) -> Vec<f64> {
    let due = course.times.iter().map(|time| time * rate);
    part.used
        .iter()
        .zip(due)
        .map(|(used, due)| used - due)
        .collect()
}

/// What of the scenario's expectations a run has not met, a sentence each.
#[must_use]
pub fn disappointments(scenario: &Scenario, course: &Course) -> Vec<String> {
    let mut found = Vec::new();
    let mut bound = |what: String, value: f64, most: Option<f64>| {
        if let Some(most) = most.filter(|&most| value > most) {
            found.push(format!("{what} is {value:.4}, more than {most}"));
        }
    };
    let (mean, largest) = errors(course);
    bound(
        "the mean error".to_owned(),
        mean,
        scenario.expect.mean_error,
    );
    bound(
        "the largest error".to_owned(),
        largest,
        scenario.expect.largest_error,
    );
    if let Some(window) = scenario.expect.window {
        for part in &course.parts {
            let line: Vec<f64> = part
                .used
                .iter()
                .zip(&part.ideal)
                .map(|(used, ideal)| used - ideal)
                .collect();
            let (least, greatest) = extremes(&course.times, &line, window.length.ticks().0 as f64);
            let slices = greatest.max(-least) / SLICE / course.cpus as f64;
            let what = format!("{}'s difference in a window, in slices a CPU,", part.name);
            bound(what, slices, Some(window.slices));
        }
    }
    for event in &course.events {
        found.push(format!("a policy was at fault: {event:?}"));
    }
    for expected in &scenario.expect.partitions {
        if let Some(part) = course.parts.iter().find(|part| part.name == expected.name) {
            found.extend(disappointments_of(expected, course, part));
        }
    }
    found
}

fn disappointments_of(
    expected: &PartitionExpectation,
    course: &Course,
    part: &Part,
) -> Vec<String> {
    let mut found = Vec::new();
    let (name, points) = (&part.name, part.points(course.span()));
    let cpus = course.cpus as f64;
    let mut bound = |what: &str, value: f64, most: Option<f64>| {
        if let Some(most) = most.filter(|&most| value > most) {
            found.push(format!("{name}: {what} is {value:.4}, more than {most:.4}"));
        }
    };
    bound("points", points, expected.at_most);
    bound(
        "minus its points",
        -points,
        expected.at_least.map(|least| -least),
    );
    bound("error", part.error(course.span()), expected.error);
    if let Some(length) = expected.minimum_in {
        let length = length.ticks().0 as f64;
        let minimum = f64::from(part.entitlement.minimum.0) / 10_000.0 * cpus;
        let (least, _) = extremes(&course.times, &beyond(course, part, minimum), length);
        bound(
            "what a window lacks to the minimum, in ms,",
            -least / SLICE * 4.0,
            Some(0.0),
        );
    }
    if let Some(length) = expected.maximum_in {
        let length = length.ticks().0 as f64;
        let maximum = f64::from(part.entitlement.hard_maximum.0) / 10_000.0 * cpus;
        let (_, greatest) = extremes(&course.times, &beyond(course, part, maximum), length);
        bound(
            "what a window has beyond the maximum, in slices,",
            greatest / SLICE,
            Some(1.0),
        );
    }
    let micros = |ticks: Ticks| TIMEBASE.nanos(ticks).0 as f64 / 1e3;
    let span = |span: Span| span.0.0 as f64 / 1e3;
    for (percent, most) in [
        (50.0, expected.latency_p50),
        (99.0, expected.latency_p99),
        (100.0, expected.latency_most),
    ] {
        // Who never slept has no latency: that the scenario expects one is a mistake of the scenario.
        let value = part.latency(percent).map_or(f64::INFINITY, micros);
        bound(
            &format!("latency of {percent} %, in us,"),
            value,
            most.map(span),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SIM0003: the extremes over windows are those of all pairs of samples far enough apart.
    #[test]
    fn sim0003_windows() {
        let times: Vec<f64> = (0..60).map(|number| f64::from(number) * 10.0).collect();
        let line: Vec<f64> = (0..60u32)
            .map(|number| f64::from(number * number * 7919 % 101))
            .collect();
        for length in [10.0, 55.0, 300.0] {
            let mut all = (f64::MAX, f64::MIN);
            for (end, late) in times.iter().zip(&line) {
                for (begin, early) in times.iter().zip(&line) {
                    if end - begin >= length - 1.0 {
                        all = (all.0.min(late - early), all.1.max(late - early));
                    }
                }
            }
            assert_eq!(extremes(&times, &line, length), all, "{length}");
        }
    }
}
