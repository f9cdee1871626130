//! What simulated threads do with their lives.

use abi::Ticks;
use alloc::collections::VecDeque;

/// What a simulated thread does with its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Runs for ever.
    Busy,
    /// Runs for `run`, sleeps for `sleep`, and so on.
    Periodic {
        /// CPU time between two sleeps.
        run: Ticks,
        /// Length of a sleep.
        sleep: Ticks,
    },
    /// As periodic, each time with a length up to these, by a generator that starts at `seed`.
    Random {
        /// Longest CPU time between two sleeps.
        run: Ticks,
        /// Longest sleep.
        sleep: Ticks,
        /// Start of the sequence.
        seed: u64,
    },
    /// Runs `count` times for `run` with sleeps of `pause` between, then sleeps for `sleep`: requests that come in
    /// clusters.
    Bursty {
        /// CPU time between two sleeps.
        run: Ticks,
        /// Length of a sleep inside a burst.
        pause: Ticks,
        /// How often it runs in a burst.
        count: u32,
        /// Length of the sleep between two bursts.
        sleep: Ticks,
    },
    /// Runs and gives way every `run`.
    Yielding {
        /// CPU time between two calls of sched_yield.
        run: Ticks,
    },
    /// Runs for ever and starts, every `run`, a thread in its partition that runs for `child` and ends.
    Forking {
        /// CPU time between two forks.
        run: Ticks,
        /// CPU time of a child.
        child: Ticks,
    },
    /// Runs for `run` and ends.
    Once {
        /// CPU time until its end.
        run: Ticks,
    },
    /// A job of the kernel's: `count` steps of `step` each, in which it does not make room for anybody, then it waits for
    /// `wait`. Its time is system time.
    Job {
        /// Length of a step.
        step: Ticks,
        /// Steps between two waits.
        count: u32,
        /// Length of a wait.
        wait: Ticks,
    },
}

impl Behaviour {
    /// The part of one CPU that it uses when it never waits for one, between 0 and 1. A forking thread and its
    /// children together, which can use more than one, are not known to this.
    #[must_use]
    pub fn demand(self) -> f64 {
        let part = |run: Ticks, sleep: Ticks| {
            let (run, sleep) = (run.0.max(1) as f64, sleep.0.max(1) as f64);
            run / (run + sleep)
        };
        match self {
            Behaviour::Busy | Behaviour::Yielding { .. } | Behaviour::Forking { .. } => 1.0,
            Behaviour::Periodic { run, sleep } | Behaviour::Random { run, sleep, .. } => {
                part(run, sleep)
            }
            Behaviour::Bursty {
                run,
                pause,
                count,
                sleep,
            } => {
                let times = u64::from(count.max(1));
                part(Ticks(run.0 * times), Ticks(pause.0 * (times - 1) + sleep.0))
            }
            Behaviour::Job { step, count, wait } => {
                part(Ticks(step.0.max(1) * u64::from(count.max(1))), wait)
            }
            Behaviour::Once { .. } => 0.0,
        }
    }
}

/// What a thread does when it has run for as long as it wanted.
pub(super) enum Turn {
    Sleep(Ticks),
    Yield,
    /// It goes on, unless it has to make room.
    Step,
    /// A child that runs for so long is started.
    Fork(Ticks),
    Exit,
}

pub(super) struct Thread {
    behaviour: Behaviour,
    /// State of the generator, or how often it has run in this burst.
    state: u64,
    /// What it has done on another machine, in place of a behaviour: run, sleep, run, sleep, end.
    recorded: Option<VecDeque<(Ticks, Ticks)>>,
    /// CPU time until its turn; `None`: never.
    pub left: Option<u64>,
    pub woken_at: Option<Ticks>,
    pub wakes_at: Option<Ticks>,
}

impl Thread {
    pub fn new(behaviour: Behaviour) -> Self {
        let state = match behaviour {
            Behaviour::Random { seed, .. } => seed | 1,
            Behaviour::Bursty { .. } | Behaviour::Job { .. } => 0,
            _ => 1,
        };
        let mut thread = Self {
            behaviour,
            state,
            recorded: None,
            left: None,
            woken_at: None,
            wakes_at: None,
        };
        thread.left = thread.next_run();
        thread
    }

    pub fn recorded(spans: VecDeque<(Ticks, Ticks)>) -> Self {
        let mut thread = Self::new(Behaviour::Busy);
        thread.recorded = Some(spans);
        thread.left = thread.next_run();
        thread
    }

    fn random(&mut self, most: Ticks) -> Ticks {
        // Marsaglia, "Xorshift RNGs" (2003).
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        Ticks(1 + self.state % most.0.max(1))
    }

    fn next_run(&mut self) -> Option<u64> {
        if let Some(spans) = &self.recorded {
            return Some(spans.front().map_or(1, |(run, _)| run.0.max(1)));
        }
        match self.behaviour {
            Behaviour::Busy => None,
            Behaviour::Periodic { run, .. }
            | Behaviour::Bursty { run, .. }
            | Behaviour::Yielding { run }
            | Behaviour::Forking { run, .. }
            | Behaviour::Once { run }
            | Behaviour::Job { step: run, .. } => Some(run.0.max(1)),
            Behaviour::Random { run, .. } => Some(self.random(run).0),
        }
    }

    /// Whether it runs in the kernel, step by step.
    pub fn is_job(&self) -> bool {
        self.recorded.is_none() && matches!(self.behaviour, Behaviour::Job { .. })
    }

    /// It has run for as long as it wanted: what now?
    pub fn turn(&mut self) -> Turn {
        let turn = self.decide();
        self.left = self.next_run();
        turn
    }

    fn decide(&mut self) -> Turn {
        if let Some(spans) = &mut self.recorded {
            let ended = spans.pop_front();
            return match ended {
                Some((_, sleep)) if !spans.is_empty() => Turn::Sleep(sleep.max(Ticks(1))),
                _ => Turn::Exit,
            };
        }
        match self.behaviour {
            Behaviour::Periodic { sleep, .. } => Turn::Sleep(sleep.max(Ticks(1))),
            Behaviour::Random { sleep, .. } => Turn::Sleep(self.random(sleep)),
            Behaviour::Bursty {
                pause,
                count,
                sleep,
                ..
            } => {
                self.state = (self.state + 1) % u64::from(count.max(1));
                Turn::Sleep(if self.state == 0 { sleep } else { pause }.max(Ticks(1)))
            }
            Behaviour::Job { count, wait, .. } => {
                self.state = (self.state + 1) % u64::from(count.max(1));
                if self.state == 0 {
                    Turn::Sleep(wait.max(Ticks(1)))
                } else {
                    Turn::Step
                }
            }
            Behaviour::Forking { child, .. } => Turn::Fork(child),
            Behaviour::Once { .. } => Turn::Exit,
            Behaviour::Busy | Behaviour::Yielding { .. } => Turn::Yield,
        }
    }
}
