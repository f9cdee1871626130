//! The ideal division: water-filling.
//!
//! Every partition's part is the water's level times its weight, but at least its minimum and at most what it may and
//! can use; the level is where the parts fill the machine. With more water than the soft maxima let in, those
//! that are full rise above them in the same way. (Bertsekas and Gallager, "Data Networks", max-min fairness.)

/// What one partition may and can use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Want {
    /// Weight against the others.
    pub weight: f64,
    /// In CPUs: before weights are looked at.
    pub least: f64,
    /// In CPUs: not exceeded while others want more.
    pub soft: f64,
    /// In CPUs: its hard maximum, or what its threads can use.
    pub most: f64,
}

impl Want {
    fn part(&self, level: f64) -> f64 {
        (level * self.weight).max(self.least).min(self.most)
    }
}

/// The parts for which the water just fills the machine.
fn fill(cpus: f64, wants: &[Want]) -> Vec<f64> {
    let parts = |level: f64| wants.iter().map(move |want| want.part(level));
    let (mut low, mut high) = (0.0, cpus);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if parts(middle).sum::<f64>() < cpus {
            low = middle;
        } else {
            high = middle;
        }
    }
    parts(high).collect()
}

/// Everyone's part of `cpus` CPUs, in CPUs.
#[must_use]
pub fn divide(cpus: f64, wants: &[Want]) -> Vec<f64> {
    let bound = |want: &Want| Want {
        most: want.soft.min(want.most),
        ..*want
    };
    let bounded: Vec<Want> = wants.iter().map(bound).collect();
    let inside: f64 = bounded.iter().map(|want| want.most).sum();
    if inside >= cpus {
        return fill(cpus, &bounded);
    }
    // Everyone has what is below the soft maxima; weights divide the rest.
    let above = |want: &Want| Want {
        least: bound(want).most,
        ..*want
    };
    fill(cpus, &wants.iter().map(above).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(weight: f64, most: f64) -> Want {
        Want {
            weight,
            least: 0.0,
            soft: 1e9,
            most,
        }
    }

    fn near(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-9,
                "{found} instead of {expected}"
            );
        }
    }

    /// SIM0002: shares, what nobody can use, minima and soft maxima are divided as by hand.
    #[test]
    fn sim0002_water_filling() {
        near(
            &divide(1.0, &[want(5.0, 9.0), want(10.0, 9.0), want(15.0, 9.0)]),
            &[1.0 / 6.0, 1.0 / 3.0, 0.5],
        );
        near(
            &divide(2.0, &[want(1.0, 1.0), want(2.0, 1.0), want(5.0, 1.0)]),
            &[1.0 / 3.0, 2.0 / 3.0, 1.0],
        );
        let floor = Want {
            least: 0.3,
            ..want(1.0, 9.0)
        };
        near(&divide(1.0, &[floor, want(99.0, 9.0)]), &[0.3, 0.7]);
        let soft = Want {
            soft: 0.2,
            ..want(100.0, 9.0)
        };
        near(&divide(1.0, &[soft, want(1.0, 9.0)]), &[0.2, 0.8]);
        near(&divide(1.0, &[soft, want(1.0, 0.1)]), &[0.9, 0.1]);
        near(&divide(4.0, &[want(1.0, 1.0)]), &[1.0]);
        near(&divide(4.0, &[]), &[]);
    }
}
