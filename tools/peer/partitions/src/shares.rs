//! How exactly CPU time is divided: what partitions have used, against what their shares and limits give them.

use crate::child::{self, Child};
use crate::gate::Gate;
use crate::output::figure;
use crate::system::{Isolation, Limits, System};
use std::io;
use std::time::Duration;

/// A partition that wants all it can get.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Group {
    limits: Limits,
    processes: usize,
}

/// Reads groups as `SHARES`, `SHARESxPROCESSES`, `SHARES@MOST` or `SHARES+LEAST` with MOST and LEAST in hundredths of a
/// percent; `FIRST..LAST` is a group for each number of shares.
pub fn groups(words: &[&str]) -> io::Result<Vec<Group>> {
    let mut groups = Vec::new();
    for word in words {
        if let Some((first, last)) = word.split_once("..") {
            for shares in crate::number::<u16>(first)?..=crate::number(last)? {
                groups.push(group(&shares.to_string())?);
            }
        } else {
            groups.push(group(word)?);
        }
    }
    Ok(groups)
}

impl Group {
    /// Makes its partition, with as many busy processes as it has, which begin when the gate opens.
    pub fn start(
        &self,
        system: &mut dyn System,
        number: usize,
        gate: &mut Gate,
    ) -> io::Result<Child> {
        system.create(number, self.limits)?;
        system.start(number, Isolation::Time, &mut || {
            for _ in 1..self.processes {
                match child::fork(&mut || {
                    gate.pass();
                    child::spin()
                }) {
                    // Ends with its partition, or with its control group's first process.
                    Ok(child) => std::mem::forget(child),
                    Err(error) => println!("! partition {number}: {error}"),
                }
            }
            gate.pass();
            child::spin()
        })
    }

    /// Its weight against others.
    pub fn weight(&self) -> f64 {
        f64::from(self.limits.shares)
    }

    /// Its minimum, as a part of all CPUs.
    pub fn least(&self) -> f64 {
        f64::from(self.limits.minimum) / 10_000.0
    }

    /// Its hard maximum, as a part of all CPUs; more than all where there is none.
    pub fn most(&self) -> f64 {
        let most = self.limits.hard_maximum;
        most.map_or(f64::INFINITY, |most| f64::from(most) / 10_000.0)
    }
}

fn group(word: &str) -> io::Result<Group> {
    let (word, least) = match word.split_once('+') {
        Some((word, least)) => (word, crate::number(least)?),
        None => (word, 0),
    };
    let (word, most) = match word.split_once('@') {
        Some((word, most)) => (word, Some(crate::number(most)?)),
        None => (word, None),
    };
    let (shares, processes) = word.split_once('x').unwrap_or((word, "1"));
    Ok(Group {
        limits: Limits {
            shares: crate::number(shares)?,
            hard_maximum: most,
            minimum: least,
        },
        processes: crate::number(processes)?,
    })
}

/// The ideal division of `available` CPUs by weight, where nobody gets more than `most`.
fn ideal(available: f64, weights: &[f64], most: &[f64]) -> Vec<f64> {
    let mut given: Vec<Option<f64>> = vec![None; weights.len()];
    loop {
        let left = available - given.iter().flatten().sum::<f64>();
        let open: f64 = weights
            .iter()
            .zip(&given)
            .filter(|(_, given)| given.is_none())
            .map(|(weight, _)| weight)
            .sum();
        let part = |weight: f64| left * weight / open;
        let full = |place: usize| part(weights[place]) > most[place];
        let filled: Vec<usize> = (0..weights.len())
            .filter(|place| given[*place].is_none() && full(*place))
            .collect();
        if filled.is_empty() {
            return weights
                .iter()
                .zip(&given)
                .map(|(weight, given)| given.unwrap_or_else(|| part(*weight)))
                .collect();
        }
        filled
            .into_iter()
            .for_each(|place| given[place] = Some(most[place]));
    }
}

/// Lets `groups` compete for `seconds` and prints the largest and the mean error, in points of one CPU.
pub fn division(
    system: &mut dyn System,
    label: &str,
    seconds: u64,
    groups: &[Group],
) -> io::Result<()> {
    let cpus = std::thread::available_parallelism()?.get();
    let numbers: Vec<usize> = (0..groups.len()).collect();
    let mut gate = Gate::new()?;
    let mut children = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        children.push(group.start(system, number, &mut gate)?);
    }
    gate.open();
    child::rest(Duration::from_millis(1500));
    let before = system.usage(&numbers)?;
    child::rest(Duration::from_secs(seconds));
    let after = system.usage(&numbers)?;
    for child in children {
        child.end()?;
    }
    numbers
        .iter()
        .try_for_each(|number| system.remove(*number))?;
    let used: Vec<f64> = before
        .iter()
        .zip(&after)
        .map(|(before, after)| {
            (after.used - before.used).as_secs_f64() / (after.at - before.at).as_secs_f64()
        })
        .collect();
    report(label, cpus, groups, &used);
    Ok(())
}

fn report(label: &str, cpus: usize, groups: &[Group], used: &[f64]) {
    let weights: Vec<f64> = groups.iter().map(Group::weight).collect();
    let most: Vec<f64> = groups.iter().map(|group| most(group, cpus)).collect();
    // What others used is not for these groups to divide; where they cannot use all, it is not they who lose by that.
    let wanted: f64 = most.iter().sum();
    let available = if wanted < cpus as f64 {
        cpus as f64
    } else {
        used.iter().sum()
    };
    let errors: Vec<f64> = ideal(available, &weights, &most)
        .iter()
        .zip(used)
        .map(|(ideal, used)| 100.0 * (used - ideal).abs())
        .collect();
    let largest = errors.iter().copied().fold(0.0, f64::max);
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    figure(&format!("{label}_error_max"), "pp", largest);
    figure(&format!("{label}_error_mean"), "pp", mean);
    figure(
        &format!("{label}_used"),
        "pct",
        100.0 * used.iter().sum::<f64>(),
    );
}

/// The CPUs that a group can use at most.
fn most(group: &Group, cpus: usize) -> f64 {
    (group.processes.min(cpus) as f64).min(group.most() * cpus as f64)
}

#[cfg(test)]
mod tests {
    use super::{groups, ideal};

    #[test]
    fn groups_are_read() {
        let read = groups(&["1..3", "100x2@1250", "5x4+3000"]).expect("groups");
        assert_eq!(read.len(), 5);
        assert_eq!((read[4].limits.minimum, read[4].processes), (3000, 4));
        assert_eq!(read[3].limits.hard_maximum, Some(1250));
        assert_eq!((read[3].limits.shares, read[3].processes), (100, 2));
        assert!(groups(&["1x"]).is_err());
    }

    #[test]
    fn what_one_cannot_use_goes_to_the_others_by_shares() {
        let near = |left: Vec<f64>, right: &[f64]| {
            left.iter().zip(right).all(|(a, b)| (a - b).abs() < 1e-9)
        };
        assert!(near(
            ideal(1.0, &[1.0, 2.0, 5.0], &[1.0; 3]),
            &[0.125, 0.25, 0.625]
        ));
        assert!(near(
            ideal(2.0, &[1.0, 2.0, 5.0], &[1.0; 3]),
            &[1.0 / 3.0, 2.0 / 3.0, 1.0]
        ));
        assert!(near(ideal(1.0, &[1.0], &[0.125]), &[0.125]));
        assert!(near(ideal(1.0, &[1.0, 1.0], &[0.25, 1.0]), &[0.25, 0.75]));
    }
}
