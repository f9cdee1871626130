//! What a switch and a wake-up cost, with few and with many partitions loaded.
//!
//! `cargo run --release -p sched --features simulation --example cost`

use abi::{Cid, Ticks};
use sched::simulation::{TIMEBASE, micros};
use sched::{Attributes, Cpu, Entitlement, EntityId, Reason, Scheduler};
use std::collections::VecDeque;
use std::time::Instant;

const ROUNDS: usize = 31;
const TURNS: usize = 5_000;
const CPU: Cpu = Cpu(0);

struct Bench {
    scheduler: Scheduler,
    now: Ticks,
    asleep: VecDeque<EntityId>,
}

impl Bench {
    fn new(loaded: u16, runnable: u16) -> Self {
        let policy = sched::policy_by_name("wlm").expect("shipped");
        let mut scheduler = Scheduler::new(TIMEBASE, 1, policy);
        scheduler.online(CPU, Ticks(0)).expect("the first CPU");
        for number in 1..=loaded {
            let entitlement = Entitlement {
                shares: Some(1 + number % 100),
                ..Entitlement::default()
            };
            scheduler
                .add_partition(Cid(number), entitlement, Ticks(0))
                .expect("legal");
        }
        let mut asleep = VecDeque::new();
        for number in 0..runnable {
            let cid = Cid(1 + number * (loaded / runnable));
            let id = scheduler.admit(cid, Attributes::default()).expect("room");
            scheduler.wake(id, Ticks(0)).map(drop).expect("known");
            asleep.push_back(id);
        }
        asleep.clear();
        let mut bench = Self {
            scheduler,
            now: Ticks(1),
            asleep,
        };
        let _first = bench.scheduler.pick(CPU, bench.now);
        bench
    }

    /// One slice: preempted, picked.
    fn switch(&mut self) {
        self.now += micros(2_000);
        self.scheduler.put_back(CPU, self.now, Reason::Preempted);
        let _next = std::hint::black_box(self.scheduler.pick(CPU, self.now));
    }

    /// A thread blocks, the next is picked, one that blocked earlier wakes.
    fn sleep_and_wake(&mut self) {
        self.now += micros(100);
        self.asleep.extend(self.scheduler.current(CPU));
        self.scheduler.put_back(CPU, self.now, Reason::Blocked);
        let _next = std::hint::black_box(self.scheduler.pick(CPU, self.now));
        if self.asleep.len() > 3
            && let Some(id) = self.asleep.pop_front()
        {
            std::hint::black_box(self.scheduler.wake(id, self.now))
                .map(drop)
                .expect("known");
        }
    }

    fn median(&mut self, turn: fn(&mut Self)) -> (f64, f64) {
        let mut measured: Vec<f64> = Vec::new();
        for _ in 0..ROUNDS {
            let start = Instant::now();
            (0..TURNS).for_each(|_| turn(self));
            measured.push(start.elapsed().as_nanos() as f64 / TURNS as f64);
        }
        measured.sort_by(f64::total_cmp);
        (measured[ROUNDS / 2], measured[0])
    }
}

fn main() {
    println!(
        "{:>7} {:>9} {:>12} {:>8} {:>16} {:>8}",
        "loaded", "runnable", "switch, ns", "least", "block+wake, ns", "least"
    );
    for (loaded, runnable) in [(10, 10), (100, 100), (8192, 10), (8192, 100), (8192, 8192)] {
        let mut bench = Bench::new(loaded, runnable);
        let (switch, switch_spread) = bench.median(Bench::switch);
        let (wake, wake_spread) = bench.median(Bench::sleep_and_wake);
        println!(
            "{loaded:>7} {runnable:>9} {switch:>12.0} {switch_spread:>8.0} {wake:>16.0} {wake_spread:>8.0}"
        );
    }
}
