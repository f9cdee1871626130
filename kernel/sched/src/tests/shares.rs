//! Proportional sharing.

extern crate std;
use super::*;
use crate::simulation::Behaviour::Busy;
use std::println;

#[test]
fn explore() {
    for cpus in [1usize, 2] {
        for threads in [1, 3] {
            for policy in ["wlm", "stride"] {
                let mut m = machine(cpus, policy);
                let parts: std::vec::Vec<_> = [1, 2, 5]
                    .iter()
                    .enumerate()
                    .map(|(i, &s)| m.partition(i as u16 + 1, s))
                    .collect();
                for &p in &parts {
                    for _ in 0..threads {
                        m.spawn(p, Busy);
                    }
                }
                let before = m.snapshot();
                m.run(seconds(10));
                let after = m.snapshot();
                println!(
                    "{policy} cpus {cpus} threads {threads}: {:?} switches {}",
                    parts
                        .iter()
                        .map(|&p| points(&before, &after, p))
                        .collect::<std::vec::Vec<_>>(),
                    m.switches
                );
                assert_eq!(after.accounted(), after.elapsed);
            }
        }
        let mut m = machine(cpus, "wlm");
        let parts: std::vec::Vec<_> = (1..=50).map(|s| m.partition(s, s)).collect();
        for &p in &parts {
            for _ in 0..2 {
                m.spawn(p, Busy);
            }
        }
        m.run(seconds(1));
        let before = m.snapshot();
        m.run(seconds(30));
        let after = m.snapshot();
        let errors: std::vec::Vec<f64> = parts
            .iter()
            .map(|&p| {
                (points(&before, &after, p) - 100.0 * cpus as f64 * p.0 as f64 / 1275.0).abs()
            })
            .collect();
        println!(
            "50: mean {} max {}",
            errors.iter().sum::<f64>() / 50.0,
            errors.iter().cloned().fold(0.0, f64::max)
        );
    }
}
